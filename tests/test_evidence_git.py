"""The evidence in this clone: promised before it was run, whole, and judged as it says."""

from __future__ import annotations

import json

import pytest

from repro import evidence, git, paths, plans
from repro.cards import load_card

RESULTS = [
    folder for paper in evidence.papers_with_results() for folder in evidence.result_folders(paper)
]
in_git = pytest.mark.skipif(
    git.head() is None or git.git("rev-parse", "--is-shallow-repository") == "true",
    reason="needs the clone's whole history",
)


def name(folder):
    return folder.relative_to(paths.RESULTS).as_posix()


@in_git
@pytest.mark.parametrize("folder", RESULTS, ids=name)
def test_the_plan_was_committed_before_the_result(folder):
    plan = plans.read_plan(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    promised = manifest["plan_commit"]
    path = (folder / "plan.json").relative_to(paths.ROOT).as_posix()
    result = (folder / "metrics.json").relative_to(paths.ROOT).as_posix()
    assert json.loads(git.git("show", f"{promised}:{path}") or "")["seeds"] == plan.seeds
    # The result entered git in a later commit than the plan, and was not there with it.
    first = (git.git("log", "--format=%H", f"{promised}..HEAD", "--", result) or "").split()
    assert first, f"{result} was not committed after its plan"
    assert promised not in first
    assert git.git("merge-base", "--is-ancestor", promised, first[-1]) is not None


@pytest.mark.parametrize("folder", RESULTS, ids=name)
def test_a_result_is_whole_and_of_its_plan(folder):
    plan = plans.read_plan(folder)
    found = evidence.read_result(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["plan"] == plan.digest
    assert len(found.seeds) in plan.looks
    assert min(plan.seeds) >= plans.DEVELOPMENT_SEEDS
    policy = folder / "policy.pt"
    assert not policy.exists() or policy.stat().st_size <= 200_000
    assert "started" in [line["event"] for line in _attempts(folder)]


@pytest.mark.parametrize("paper", evidence.papers_with_results())
def test_stored_verdicts_are_those_that_the_files_give(paper):
    card = load_card(paper)
    stored = evidence.stored_verdicts(paper)
    if stored is None:
        pytest.skip("no verdicts are stored yet")
    fresh = evidence.verdicts_document(card, evidence.judge(card, evidence.speaking_to(card)))
    assert {v["claim"]: v["answer"] for v in stored["verdicts"]} == {
        v["claim"]: v["answer"] for v in fresh["verdicts"]
    }


def _attempts(folder):
    from repro.attempts import read_attempts

    return list(read_attempts(folder))
