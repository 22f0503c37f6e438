"""Plans: promised before the run, seeds that nobody picks, no silent changes."""

from __future__ import annotations

import json

import evidence_tools as tools
import msgspec
import pytest

from repro import fingerprints, git, plans
from repro.attempts import log_attempt, read_attempts
from repro.cards import load_card
from repro.cli import main
from repro.errors import ReproError
from repro.experiment import claims_about, resolve


@pytest.fixture
def clone(tmp_path, monkeypatch):
    tools.use(monkeypatch, tools.make_clone(tmp_path))
    return tmp_path


def cartpole(**more):
    return resolve("ppo-2017", "CartPole", steps=4096, **more)


def test_evidence_seeds_follow_from_the_plan_alone(clone):
    plan = plans.make_plan(cartpole(), 10, today="2026-01-02")
    again = plans.make_plan(cartpole(), 10, today="2026-01-02")
    later = plans.make_plan(cartpole(), 10, today="2026-01-03")
    assert plan.seeds == again.seeds
    assert not set(plan.seeds) & set(later.seeds)
    assert len(set(plan.seeds)) == 10
    assert all(1000 <= seed < 2**31 for seed in plan.seeds)


def test_more_seeds_begin_with_the_same_ones():
    assert plans.evidence_seeds("abc", 40)[:5] == plans.evidence_seeds("abc", 5)


def test_a_plan_reads_back_as_it_was_written(clone):
    plan = plans.make_plan(cartpole(), 5)
    path = plans.write_plan(plan)
    assert path == clone / "results/ppo-2017/CartPole-v1/classic/plan.json"
    assert plans.read_plan(path) == plan == plans.read_plan(path.parent)
    assert json.loads(path.read_text())["schema_version"] == 1
    assert [line["event"] for line in read_attempts(path.parent)] == ["planned"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content["experiment"].update(steps=2048),
        lambda content: content["seeds"].__setitem__(0, 12345),
        lambda content: content.update(looks=[2]),
        lambda content: content.update(claims=[{"id": "x", "judged": True, "prefix": False}]),
        lambda content: content.update(schema_version=2),
        lambda content: content.pop("looks"),
        lambda content: content.update(extra=1),
    ],
)
def test_an_edited_plan_is_refused(clone, edit):
    path = plans.write_plan(plans.make_plan(cartpole(), 5))
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ReproError):
        plans.read_plan(path)


def test_a_plan_must_be_committed_as_it_stands(clone):
    path = plans.write_plan(plans.make_plan(cartpole(), 5))
    with pytest.raises(ReproError, match="commit the plan before its run: git add"):
        plans.plan_commit(path)
    tools.commit(clone, "plan")
    assert plans.plan_commit(path) == git.head()
    tools.commit(clone, "something else") if (clone / "x").write_text("x") else None
    assert plans.plan_commit(path) != git.head()
    path.write_text(path.read_text().replace("2026", "2027", 1) + " ")
    with pytest.raises(ReproError, match="not committed"):
        plans.plan_commit(path)


def test_replacing_a_plan_needs_a_reason_and_clears_the_old_results(clone):
    old = plans.make_plan(cartpole(), 5)
    path = plans.write_plan(old)
    (path.parent / "metrics.json").write_text("{}")
    with pytest.raises(ReproError, match="--because"):
        plans.make_plan(cartpole(), 5)
    new = plans.make_plan(cartpole(), 5, because="the rewards were halved")
    plans.write_plan(new)
    assert new.replaces == {"plan": old.digest, "because": "the rewards were halved"}
    assert new.seeds != old.seeds
    assert not (path.parent / "metrics.json").exists()
    lines = list(read_attempts(path.parent))
    assert [line["replaces"] for line in lines] == [None, new.replaces]


def test_overrides_never_become_evidence(clone):
    with pytest.raises(ReproError, match="committed sets"):
        plans.make_plan(cartpole(overrides={"gamma": 0.9}), 5)


@pytest.mark.parametrize(
    ("seeds", "looks", "valid"),
    [
        (10, None, True),
        (7, [7], True),
        (20, [5, 10, 20], True),
        (40, [5, 10, 20, 40], True),
        (10, [5, 10, 20], False),
        (15, [5, 15], False),
        (10, [2, 10], False),
        (1, None, False),
    ],
)
def test_looks_are_those_that_have_levels(clone, seeds, looks, valid):
    if valid:
        assert plans.make_plan(cartpole(), seeds, looks).looks == (looks or [seeds])
    else:
        with pytest.raises(ReproError):
            plans.make_plan(cartpole(), seeds, looks)


def test_claims_say_what_can_be_judged(clone):
    def planned(**more):
        experiment = resolve("ppo-2017", "HalfCheetah", "mujoco-ppo2", **more)
        return {claim.id: claim for claim in plans.make_plan(experiment, 10).claims}

    plain, evaluated = planned(), planned(evaluate=True)
    assert plain["halfcheetah-mujoco1m"].judged
    assert not plain["halfcheetah-td3-table-1"].judged
    assert evaluated["halfcheetah-td3-table-1"].judged
    assert not plain["halfcheetah-mujoco1m"].prefix
    assert planned(steps=1000)["halfcheetah-mujoco1m"].prefix


def test_a_plan_names_every_claim_that_its_run_is_an_arm_of(clone):
    def planned(*names, **more):
        return {claim.id: claim for claim in plans.make_plan(resolve(*names, **more), 10).claims}

    rival = planned("a3c-2016", "HalfCheetah", "a2c")
    assert rival["ppo-2017:halfcheetah-beats-a2c"].judged
    assert not any("vanilla-gradient" in name for name in rival)
    assert "ppo-2017:halfcheetah-beats-a2c" not in planned("a3c-2016", "HalfCheetah", "classic")
    ablation = planned("td3-2018", "Hopper", "camera-ready", "no-delay")
    assert ablation["delay-matters-on-hopper"].judged
    assert "hopper-last-10" not in ablation
    other_set = planned("ddpg-2015", "HalfCheetah", "paper")
    assert "simplification-costs-nothing-on-halfcheetah" in other_set


def test_a_claim_over_several_tasks_is_about_those_that_its_check_names():
    def about(paper, env, hparams):
        return {claim.id for _, claim in claims_about(load_card(paper), env, hparams)}

    assert "table-1-clip-0.2" in about("ppo-2017", "Hopper-v4", "mujoco")
    assert "table-1-clip-0.2" not in about("ppo-2017", "Ant-v4", "mujoco")
    # IMPALA's claim on DMLab-30 names A3C, and its card games of Atari beside those levels
    assert "Pong" in load_card("impala-2018").environments
    assert "dmlab-30-beats-a3c" not in about("a3c-2016", "ALE/Pong-v5", "a2c-atari")


def test_a_plan_is_refused_when_its_set_says_something_else_today(clone):
    plan = plans.make_plan(cartpole(), 5)
    plans.check_plan_current(plan)
    file = clone / "hparams/ppo-2017.yaml"
    changed = msgspec.structs.replace(
        plan.experiment, hparams=plan.experiment.hparams | {"gamma": 0.5}
    )
    with pytest.raises(ReproError, match=r"changed since the plan \(gamma\)"):
        plans.check_plan_current(msgspec.structs.replace(plan, experiment=changed))
    assert file.exists()


def test_evidence_runs_committed_code_only(clone):
    plans.require_committed_code("ppo-2017")
    file = clone / "implementations/ppo_2017.py"
    file.write_text(file.read_text() + "\n# a change\n")
    with pytest.raises(ReproError, match=r"implementations/ppo_2017\.py"):
        plans.require_committed_code("ppo-2017")
    tools.commit(clone, "a change")
    plans.require_committed_code("ppo-2017")


def test_half_a_line_in_attempts_costs_that_line_alone(clone):
    folder = clone / "results"
    folder.mkdir()
    log_attempt(folder, event="started")
    with open(folder / "attempts.jsonl", "a") as file:
        file.write('{"event": "fini')
    log_attempt(folder, event="resumed")
    assert [line["event"] for line in read_attempts(folder)] == ["started", "resumed"]


def test_a_set_without_claims_says_how_to_go_on():
    with pytest.raises(
        ReproError,
        match=r"takes on HalfCheetah-v4; give --steps N \(.*1000000\), and",
    ):
        resolve("td3-2018", "HalfCheetah", "author-2019")


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "ppo-2017", "--env", "CartPole", "--steps", "4096"),
        ("ablate", "ppo-2017", "--env", "Reacher", "--only", "no-clip", "--seeds", "3", "--plan"),
    ],
    ids=lambda command: command[0],
)
def test_a_plan_of_a_new_arm_asks_for_its_fingerprint(clone, command, monkeypatch, capsys):
    """Once it is stored, nothing more is asked."""
    asked = "repro stale --write ppo-2017"
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert asked in shown
    assert "fingerprints/ppo-2017.json && git commit" in shown
    arms = {path.parent.name for path in (clone / "results").glob("*/*/*/plan.json")}
    stored = fingerprints.File(
        schema_version=1, arms={}, without=dict.fromkeys(arms, "why"), results={}
    )
    fingerprints.write("ppo-2017", stored)
    assert main([*command, "--because", "once more"]) == 0
    shown = capsys.readouterr().out
    assert "git add results" in shown
    assert "fingerprints" not in shown
