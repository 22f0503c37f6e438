"""`repro run` on problems that an implementation measures in closed form, explored and planned."""

from __future__ import annotations

import json

import evidence_tools as tools
import pytest

from repro.cards import load_card
from repro.commands.finish import next_step
from repro.errors import ReproError
from repro.experiment import MEASUREMENT, resolve
from repro.training.measured import measure_stack
from repro.training.run import Stopped

THEOREM = ("pg-theorem-1999", "--env", "RandomMDP")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tools.make_clone(tmp_path_factory.mktemp("clone"))
    sets = folder / "hparams" / "pg-theorem-1999.yaml"
    sets.write_text(sets.read_text().replace("problems: 100", "problems: 3"))
    tools.commit(folder, "fewer problems")
    return folder


def test_a_planned_measurement_is_kept_and_judged(clone):
    planned = tools.main("plan", *THEOREM, "--seeds", "10", root=clone)
    assert "claim theorem-1\n" in planned.stdout
    assert "10 evidence seeds" in planned.stdout
    assert "steps" not in planned.stdout.splitlines()[0]
    tools.commit(clone, "plan")
    folder = clone / "results/pg-theorem-1999/RandomMDP/exact"
    done = tools.main("run", "--plan", str(folder / "plan.json"), "--workers", "1", root=clone)
    assert done.returncode == 0, done.stderr
    assert "reproduced" in done.stdout
    assert "plot" not in done.stdout
    assert "exploration" not in done.stdout
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [list(seed["metrics"]) for seed in metrics["seeds"]] == [["identity-error"]] * 10
    tools.commit(clone, "evidence")
    verified = tools.main("verify", "pg-theorem-1999", root=clone)
    assert "as stored" in verified.stdout
    verdicts = json.loads((clone / "results/pg-theorem-1999/verdicts.json").read_text())["verdicts"]
    counted = {v["claim"]: v["answer"] for v in verdicts if v["counts"]}
    assert counted == {"theorem-1": "reproduced"}
    drawn = tools.main("plot", *THEOREM, root=clone)
    assert (drawn.returncode, drawn.stdout) == (2, "")
    assert "no returns to draw" in drawn.stderr


def test_a_control_of_the_theorem_fails_as_it_must(clone):
    arguments = ("run", *THEOREM, "--ablation", "incompatible-critic", "--seeds", "2")
    done = tools.main(*arguments, "--workers", "1", root=clone)
    assert done.returncode == 0, done.stderr
    assert "incompatible-critic  ≥ 0.01 " in done.stdout
    assert "next     evidence that counts: repro plan" in done.stdout


@pytest.mark.parametrize(
    ("env", "options", "found"),
    [
        ("randommdp", {}, 'did you mean "RandomMDP"'),
        ("RandomMDP", {"hparams": "mujoco"}, "the set mujoco is not for RandomMDP; choose"),
        ("CartPole", {"hparams": "exact"}, "the set exact is not for CartPole-v1; choose"),
        ("RandomMDP", {"steps": 100}, "leave out --steps"),
        ("RandomMDP", {"evaluate": True}, "leave out --steps and --evaluate"),
    ],
)
def test_what_cannot_be_measured_is_said(env, options, found):
    with pytest.raises(ReproError, match=found):
        resolve("pg-theorem-1999", env, **options)


def test_a_measurement_has_no_steps_to_give():
    experiment = resolve("pg-theorem-1999", "RandomMDP")
    assert (experiment.steps, experiment.hparam_set) == (MEASUREMENT, "exact")
    assert resolve("pg-theorem-1999", "RandomMDP", steps=MEASUREMENT) == experiment
    assert next_step(experiment, load_card(THEOREM[0]), None, None).startswith(
        "evidence that counts"
    )


class Stop:
    def __init__(self, after):
        self.left = after

    def is_set(self):
        self.left -= 1
        return self.left < 0


def test_what_is_not_finite_has_diverged_and_a_stop_leaves_nothing_done(tmp_path):
    def measure(hp, seed):
        return {"identity-error": float("nan") if seed == 8 else hp * seed}

    measure_stack(measure, 0.5, [7, 8], tmp_path, Stop(after=2))
    outcome = json.loads((tmp_path / "outcome.json").read_text())["seeds"]
    assert outcome["7"] == {"status": "finished", "steps": 1, "diagnosis": None}
    assert outcome["8"]["diagnosis"] == "identity-error is not finite"
    last = [(tmp_path / f"seed-{s}.jsonl").read_text().splitlines()[-1] for s in (7, 8)]
    assert [json.loads(line)["values"] for line in last] == [{"identity-error": 3.5}, {}]
    with pytest.raises(Stopped):
        measure_stack(measure, 0.5, [1, 2], tmp_path / "stopped", Stop(after=0))
    assert not (tmp_path / "stopped" / "outcome.json").exists()
