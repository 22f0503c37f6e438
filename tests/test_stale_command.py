"""`repro stale` as typed: what is stale, why, and how it is renewed; stale verdicts are marked."""

from __future__ import annotations

import json

import evidence_tools as tools
import judge_tools
import msgspec
import pytest

from repro import evidence, fingerprints, plans, results, stale
from repro.cards import load_card
from repro.errors import ReproError
from repro.experiment import resolve
from repro.files import read_json, write_json
from repro.launch import origin


def made_result(folder, env="CartPole", hparams="classic"):
    """A committed result, of a run that is made up, by the code as it stands."""
    experiment = resolve("ppo-2017", env, hparams, steps=4096)
    plan = plans.make_plan(experiment, 3)
    path = plans.write_plan(plan)
    tools.commit(folder, "plan")
    run = tools.written_run(experiment, plan.seeds, level=400.0, episode=100)
    code = {"digest": origin.code_digest("ppo-2017"), "commit": stale.git.head(), "dirty": False}
    manifest = json.loads(run.manifest_file.read_text()) | {"code": code}
    run.manifest_file.write_text(json.dumps(manifest))
    results.merge(run, plan, plans.plan_commit(path))
    evidence.write_verdicts(
        load_card("ppo-2017"),
        evidence.verdicts_document(
            load_card("ppo-2017"),
            evidence.judge(load_card("ppo-2017"), [evidence.read_result(plan.folder)]),
        ),
    )
    tools.commit(folder, "result")
    return plan.folder


@pytest.fixture
def clone(tmp_path, monkeypatch):
    tools.use(monkeypatch, tools.make_clone(tmp_path))
    monkeypatch.setattr(stale, "arms_of", lambda paper: ["classic"])
    return tmp_path


def otherwise(paper="ppo-2017"):
    """Pretend that the code of the results behaved otherwise."""
    file = fingerprints.read(paper)
    (code, arms), *_ = file.results.items()
    then = arms["classic"]
    model = [2 * value for value in then.values["model"]]
    before = msgspec.structs.replace(then, values=then.values | {"model": model})
    fingerprints.write(paper, msgspec.structs.replace(file, results={code: {"classic": before}}))


def test_a_result_that_no_fingerprint_can_tell_of_is_not_one_to_be_measured():
    _, unknown, untold = stale.run_stale("pg-theorem-1999")
    measured = [title for title in untold if title.endswith(" · exact+monte-carlo")]
    assert len(measured) == 1
    assert "nothing is trained" in untold[measured[0]]
    assert not set(unknown) & set(untold)


def test_from_not_known_to_fresh_to_stale(clone):
    folder = made_result(clone)
    unknown = tools.main("stale", root=clone)
    assert unknown.returncode == 0, unknown.stderr
    assert "not known" in unknown.stdout
    assert "ppo-2017 · CartPole-v1 · classic" in unknown.stdout
    written = tools.main("stale", "ppo-2017", "--write", root=clone)
    assert "fingerprints/ppo-2017.json: changed" in written.stdout
    assert "classic: new" in written.stdout
    again = tools.main("stale", "ppo-2017", "--write", root=clone)
    assert "fingerprints/ppo-2017.json: as before" in again.stdout
    assert tools.main("stale", root=clone).stdout == "nothing is stale\n"

    otherwise()
    found = tools.main("stale", root=clone)
    assert "run-stale" in found.stdout
    assert "model" in found.stdout
    expected = (
        "repro plan ppo-2017 --env CartPole --hparams classic --steps 4096 --seeds 3 "
        '--because "run-stale"'
    )
    assert f"renew: {expected}" in found.stdout
    document = json.loads(tools.main("stale", "--json", root=clone).stdout)
    assert [one["command"] for one in document["run_stale"]] == [expected]
    assert evidence.read_result(folder).stale


def test_stale_evidence_still_counts_and_is_marked():
    ten = judge_tools.spread(1700.0, 150.0)
    fresh, old = (
        judge_tools.judge(judge_tools.claim(), judge_tools.evidence(ten, stale=is_stale))
        for is_stale in (False, True)
    )
    assert (fresh.answer, fresh.counts) == (old.answer, old.counts) == ("reproduced", True)
    assert [*fresh.marks, "run-stale"] == old.marks


def test_a_verdict_that_is_no_longer_given(clone):
    made_result(clone)
    stored = clone / "results/ppo-2017/verdicts.json"
    content = read_json(stored, 1)
    content["verdicts"][0]["headline"] = "exceeds"
    write_json(stored, content)
    found = tools.main("stale", "ppo-2017", root=clone)
    assert "judge-stale" in found.stdout
    assert "was exceeds, is now" in found.stdout
    assert "renew: repro verify ppo-2017" in found.stdout


def test_nothing_to_be_stale(clone):
    assert tools.main("stale", root=clone).stdout == "no results yet, so nothing is stale\n"


@pytest.mark.slow
def test_the_code_of_an_older_commit_is_measured_in_a_copy(clone):
    file = clone / "implementations" / "gae_2015.py"
    right = file.read_text()
    file.write_text(right.replace("gamma * next_value * ~terminated", "0 * next_value"))
    tools.commit(clone, "a bug")
    buggy = stale.git.head()
    file.write_text(right)
    tools.commit(clone, "mended")
    now = stale.measured("ppo-2017", "classic", "CartPole-v1")
    then = stale.measured_at(buggy, "ppo-2017", "classic", "CartPole-v1")
    assert fingerprints.differences(then, now)
    with pytest.raises(ReproError, match="is not in this clone"):
        stale.measured_at("0" * 40, "ppo-2017", "classic", "CartPole-v1")
