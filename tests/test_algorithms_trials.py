"""Implementations tried as `trial` in their hparams file says, where the best action is known."""

from __future__ import annotations

import msgspec
import probes  # noqa: F401 - registers its environments
import pytest
from training_tools import lines, make_run, statuses

from repro.cards.sets import set_file
from repro.experiment import implementation_of, implemented, resolve
from repro.training.evaluate import Protocol

BEST = {  # return of the best actions: one step a game
    "ProbeConstant": 2.0,
    "ProbeAction": 1.0,
    "ProbeActionBox": 0.0,
    "ProbeBoth": 1.0,
    "ProbeBothBox": 0.0,
}
TRIALS = {paper: trial for paper in implemented() if (trial := set_file(paper)[0].trial)}
PROBES = [(paper, probe) for paper, trial in TRIALS.items() for probe in trial.probes]


def test_every_trial_has_a_probe_and_a_task():
    assert TRIALS
    for paper, trial in TRIALS.items():
        assert trial.tasks, paper
        assert set(trial.probes) & {"ProbeAction", "ProbeActionBox", "ProbeBoth", "ProbeBothBox"}
        assert set(trial.probes) <= set(BEST)


@pytest.mark.parametrize(("paper", "probe"), PROBES)
def test_the_best_action_is_found(paper, probe, tmp_path):
    trial, module = TRIALS[paper], implementation_of(paper)
    steps, env = trial.probes[probe], f"{probe}-v0"
    settings = resolve(
        paper, env, next(iter(trial.tasks)), None, trial.changes | trial.probe_changes, steps
    )
    hparams = msgspec.convert(settings.hparams, module.HParams)
    protocol = Protocol(period=steps, episodes=16, deterministic=True)
    module.train(make_run(hparams, env, tmp_path, steps=steps, evaluation=protocol))
    assert statuses(tmp_path) == {"finished"}
    for seed in (0, 1):
        first, last = (lines(tmp_path, seed, "evaluation")[k]["returns"] for k in (0, -1))
        assert min(last) > BEST[probe] - 0.05
        assert min(first) < BEST[probe] - 0.05  # it was not there from the start
