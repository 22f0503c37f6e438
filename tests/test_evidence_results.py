"""Results: one function writes them, whole or not at all, and the judge reads them back."""

from __future__ import annotations

import json

import evidence_tools as tools
import pytest

from repro import evidence, files, plans, results
from repro.cards import load_card
from repro.errors import ReproError, Unfinished
from repro.experiment import resolve

STEPS = 100_000


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tools.make_clone(tmp_path_factory.mktemp("clone"))
    with pytest.MonkeyPatch.context() as patch:
        tools.use(patch, folder)
        yield folder


@pytest.fixture
def planned(clone, monkeypatch, tmp_path):
    """A plan of four seeds on HalfCheetah, its results in a folder of this test."""
    from repro import paths

    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    experiment = resolve("ppo-2017", "HalfCheetah", "mujoco", steps=STEPS)
    plan = plans.make_plan(experiment, 4)
    plans.write_plan(plan)
    return plan


def merge(plan, **options):
    run = tools.written_run(plan.experiment, plan.seeds, **options)
    return results.merge(run, plan, "c0ffee")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_result_holds_every_planned_seed(planned):
    folder = merge(planned)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [seed["seed"] for seed in metrics["seeds"]] == planned.seeds
    assert metrics["horizon_reached"] is False  # the claims ask for a million steps
    assert set(contents(folder)) == {
        "plan.json", "attempts.jsonl", "metrics.json", "manifest.json", "curves.csv", "doctor.json",
        "policy.pt",
    }  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["plan"], manifest["plan_commit"]) == (planned.digest, "c0ffee")


def test_the_first_metric_is_the_mean_of_the_last_hundred_episodes_within_the_budget(planned):
    run = tools.written_run(planned.experiment, planned.seeds, episode=100)
    seed = planned.seeds[0]
    lines = [json.loads(line) for line in (run.seeds()[seed].log).read_text().splitlines()[1:]]
    returns = [e["return"] for e in lines if e["kind"] == "episode" and e["step"] <= STEPS]
    assert len(returns) < sum(line["kind"] == "episode" for line in lines)  # some lie beyond it
    results.merge(run, planned, "c0ffee")
    metrics, curves = evidence.read_summary(planned.folder)
    found = metrics["seeds"][0]["metrics"]["training-return-last-100"]
    assert found == pytest.approx(sum(returns[-100:]) / 100)
    curve = {step: (value, number) for step, value, number in curves["curves.csv"][seed]}
    assert len(curve) == 100
    assert curve[STEPS] == (pytest.approx(sum(returns[-10:]) / 10), 10)
    assert curve[STEPS // 2] == (pytest.approx(sum(returns[490:500]) / 10), 10)
    assert curve[STEPS // 100] == (pytest.approx(sum(returns[:10]) / 10), 10)


def test_a_diverged_seed_appears_with_its_diagnosis_and_its_curve_ends_there(planned):
    bad = planned.seeds[2]
    merge(planned, diverged=[bad])
    metrics, curves = evidence.read_summary(planned.folder)
    entry = metrics["seeds"][2]
    assert (entry["seed"], entry["status"]) == (bad, "diverged")
    assert entry["diagnosis"] == "value_loss is not finite"
    assert max(step for step, *_ in curves["curves.csv"][bad]) <= STEPS // 2


def test_an_unfinished_seed_keeps_the_result_from_being_written(planned):
    run = tools.written_run(planned.experiment, planned.seeds, unfinished=planned.seeds[1:2])
    with pytest.raises(Unfinished, match="1 of 4 seeds"):
        results.merge(run, planned, "c0ffee")
    assert not (planned.folder / "metrics.json").exists()


def test_another_experiments_run_is_refused(planned):
    other = resolve("ppo-2017", "HalfCheetah", "mujoco", steps=STEPS * 2)
    run = tools.written_run(other, planned.seeds)
    with pytest.raises(ReproError, match="no run of the plan's experiment"):
        results.merge(run, planned, "c0ffee")


def test_merging_twice_writes_the_same_bytes(planned):
    folder = merge(planned)
    before = contents(folder)
    results.merge(tools.RunFolder(tools.run_path(planned.experiment)), planned, "c0ffee")
    assert contents(folder) == before


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs."""


@pytest.mark.parametrize("survived", range(4))
def test_killed_between_two_files_the_old_result_is_refused_and_the_command_repairs(
    planned, monkeypatch, survived
):
    run = tools.written_run(planned.experiment, planned.seeds, level=1000.0)
    results.merge(run, planned, "c0ffee")
    whole = contents(planned.folder)
    tools.shift_returns(run, planned.seeds[0], 10.0)
    written = []

    def write_bytes(path, content):
        if len(written) == survived:
            raise Killed
        written.append(path.name)
        files.write_bytes(path, content)

    with monkeypatch.context() as patch:
        for name in ("write_bytes", "write_text", "write_json"):
            patch.setattr(results, name, _through(name, write_bytes))
        with pytest.raises(Killed):
            results.merge(run, planned, "c0ffee")
    if contents(planned.folder)["curves.csv"] != whole["curves.csv"]:
        with pytest.raises(ReproError, match="does not belong"):
            evidence.read_result(planned.folder)
        assert not evidence.has_result(planned, 4)
    results.merge(run, planned, "c0ffee")
    assert evidence.has_result(planned, 4)
    assert contents(planned.folder)["curves.csv"] != whole["curves.csv"]


def test_an_edited_curve_is_noticed(planned):
    folder = merge(planned)
    path = folder / "curves.csv"
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(ReproError, match="half-written or edited"):
        evidence.read_result(folder)


def test_a_dropped_seed_is_noticed(planned):
    folder = merge(planned)
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["seeds"][1]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(ReproError, match="every planned seed must appear"):
        evidence.read_result(folder)


def test_evidence_and_exploration_are_judged_by_the_same_code(planned):
    card = load_card("ppo-2017")
    folder = merge(planned)
    found = evidence.read_result(folder)
    assert found.planned
    assert found.planned_seeds == planned.seeds
    run = tools.written_run(resolve("ppo-2017", "HalfCheetah", "mujoco", steps=STEPS - 1), range(4))
    experiment = evidence.experiment_of(run.path)
    records = results.read_records(run, experiment, range(4))
    results.write_files(run.path, results.summarise(experiment, records))
    explored = evidence.evidence_of(run.path, experiment, None)
    assert not explored.planned
    for kind, marked in ((found, False), (explored, True)):
        verdicts = evidence.judge(card, [kind])
        mine = evidence.own_verdicts(card, planned.experiment, verdicts)
        assert [verdict.claim for verdict in mine] == ["halfcheetah-figure-3"]
        assert ("exploration" in mine[0].marks) is marked


def test_a_seeds_pace_is_its_steps_over_the_training_of_its_stack(planned):
    run = tools.written_run(planned.experiment, planned.seeds)
    records = results.read_records(run, planned.experiment, planned.seeds)
    (stack,) = run.manifest()["stacks"]
    trained = run.outcome(stack)["seconds"]
    assert {record.history.rate for record in records} == {
        state.steps / trained for state in run.seeds().values()
    }


def test_verdicts_are_derived_from_files_alone(planned):
    card = load_card("ppo-2017")
    merge(planned)
    documents = [
        evidence.verdicts_document(
            card, evidence.judge(card, evidence.committed(card.id, tracked_only=False))
        )
        for _ in range(2)
    ]
    assert documents[0] == documents[1]
    evidence.write_verdicts(card, documents[0])
    assert evidence.stored_verdicts(card.id) == documents[0]


def test_evaluations_are_kept_with_their_protocol(clone, planned):
    experiment = resolve("ppo-2017", "HalfCheetah", "mujoco-ppo2", steps=STEPS, evaluate=True)
    plan = plans.make_plan(experiment, 3)
    plans.write_plan(plan)
    run = tools.written_run(experiment, plan.seeds)
    found = evidence.read_result(results.merge(run, plan, "c0ffee"))
    assert found.evaluation == {"period": 5000, "episodes": 10, "deterministic": True}
    assert [step for step, _ in found.seeds[0].evaluations] == list(range(5000, STEPS + 1, 5000))


def test_an_earlier_look_takes_the_first_seeds_only(clone, planned):
    experiment = resolve("ppo-2017", "Hopper", "mujoco", steps=STEPS)
    plan = plans.make_plan(experiment, 10, [5, 10])
    plans.write_plan(plan)
    run = tools.written_run(experiment, plan.seeds, unfinished=plan.seeds[5:])
    found = evidence.read_result(results.merge(run, plan, "c0ffee", look=5))
    assert [seed.seed for seed in found.seeds] == plan.seeds[:5]
    assert found.looks == [5, 10]
    assert evidence.has_result(plan, 5)
    assert not evidence.has_result(plan, 10)
    with pytest.raises(ReproError, match="looks at 5, 10"):
        results.merge(run, plan, "c0ffee", look=7)


def _through(name, write):
    def writer(path, content):
        if name == "write_text":
            write(path, content.encode())
        elif name == "write_json":
            text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
            write(path, (text + "\n").encode())
        else:
            write(path, content)

    return writer
