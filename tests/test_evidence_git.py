"""The evidence in this clone: promised before it was run, whole, and judged as it says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from repro import evidence, git, paths, plans, stale
from repro.cards import load_card
from repro.commands.looks import undecided
from repro.doctor import findings

RESULTS = [
    folder for paper in evidence.papers_with_results() for folder in evidence.result_folders(paper)
]
ATTEMPTS = sorted(paths.RESULTS.glob("*/*/*/attempts.jsonl"))
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


@in_git
@pytest.mark.parametrize("folder", RESULTS, ids=name)
def test_the_run_came_after_the_plan(folder):
    """Every line about the plan's run, and the code that ran, stand on the commit of the plan."""
    plan, manifest = plans.read_plan(folder), json.loads((folder / "manifest.json").read_text())
    runs = [line for line in _attempts(folder) if line.get("plan") == plan.digest]
    assert runs[0]["event"] == "planned"
    started = [line for line in runs if line["event"] != "planned"]
    assert started
    commits = {manifest["code"]["commit"], *(line["commit"] for line in started)}
    for commit in commits:
        ancestor = ("merge-base", "--is-ancestor", manifest["plan_commit"], commit)
        assert git.git(*ancestor) is not None, f"{commit} does not follow the plan"
    assert sorted(runs, key=lambda line: line["time"]) == runs


def grows(contents: Sequence[str]) -> bool:
    """Whether each content is the one before with lines added at the end."""
    return all(new.startswith(old) for old, new in itertools.pairwise(contents))


def history(file: Path) -> list[str]:
    """What git has of a file, oldest commit first; the empty text where a commit deletes it."""
    path = file.relative_to(paths.ROOT).as_posix()
    commits = (git.git("log", "--format=%H", "--", path) or "").split()
    return [(git.git("show", f"{commit}:{path}") or "") + "\n" for commit in reversed(commits)]


@in_git
@pytest.mark.parametrize("file", ATTEMPTS, ids=lambda file: name(file.parent))
def test_attempts_are_only_ever_added_to(file):
    contents = history(file)
    assert grows([*contents, file.read_text()]), f"{file} was rewritten; its lines are kept"


def test_a_rewritten_history_is_noticed():
    assert grows(["a\n", "a\nb\n", "a\nb\n"])
    assert not grows(["a\nb\n", "b\n"])
    assert not grows(["a\n", "\n", "a\n"])  # deleted in between
    assert not grows(["a\nc\n", "a\nb\nc\n"])


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
    doctor = json.loads((folder / "doctor.json").read_text())
    assert doctor["experiment"] == manifest["experiment"]
    found = findings.read_document(folder)
    assert found
    assert {finding.rule for finding in found} <= set(findings.rules())


@pytest.mark.parametrize("folder", RESULTS, ids=name)
def test_no_planned_seed_is_left_out(folder):
    """All of the plan's seeds, or those of a look at which everything was decided."""
    plan, found = plans.read_plan(folder), evidence.read_result(folder)
    seeds = [seed.seed for seed in found.seeds]
    assert seeds == plan.seeds[: len(seeds)]
    if len(seeds) == len(plan.seeds):
        return
    card = load_card(plan.experiment.paper)
    judged = evidence.own_verdicts(
        card, plan.experiment, evidence.judge(card, evidence.committed(card.id))
    )
    assert len(seeds) in plan.looks
    assert not undecided(judged), "it stopped at a look that had not decided: --until-decided"


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
    assert stale.judge_stale(paper) is None, "repro stale judges as repro verify does"


def _attempts(folder):
    from repro.attempts import read_attempts

    return list(read_attempts(folder))
