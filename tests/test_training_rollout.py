"""Acting in training and in evaluation: what is stored, what the environment gets, what is seen."""

from __future__ import annotations

import numpy as np
import probes  # noqa: F401 - registers the environments
import pytest
import torch
from training_tools import make_run, ppo

from implementations import ppo_2017
from repro.training.rollout import Collector


def collected(folder, monkeypatch, env, **changes):
    """A run of three iterations of PPO; its collector, model, rollouts, and the actions given."""
    rollouts, given, collect = [], [], Collector.collect

    def recorded(collector, actor):
        if not rollouts:
            step = collector.envs.step
            collector.envs.step = lambda action, *more: (
                given.append(action.copy()) or step(action, *more)
            )
        rollouts.append(collect(collector, actor))
        return rollouts[-1]

    monkeypatch.setattr(Collector, "collect", recorded)
    run = make_run(ppo(**changes), env, folder, steps=3 * 104)
    ppo_2017.train(run)
    return run._kept["collector"], run._kept["model"], rollouts, np.stack(given, axis=2)


def test_actions_are_stored_as_drawn_and_given_as_clipped(tmp_path, monkeypatch):
    """The log-probability is that of what was drawn, beyond the bounds too."""
    loud = {"kind": "learnt", "initial": 1.0}
    *_, rollouts, given = collected(
        tmp_path, monkeypatch, "ProbeBounds-v0", clip_actions=True, log_std=loud
    )
    drawn = np.concatenate([rollout.action for rollout in rollouts], axis=2)
    assert np.abs(drawn).max() > 1.5
    np.testing.assert_array_equal(given, np.clip(drawn, -1.0, 1.0))


@pytest.mark.parametrize("update", ["step", "iteration"])
def test_evaluation_sees_what_training_sees_and_teaches_nothing(update, tmp_path, monkeypatch):
    running = {
        "kind": "running", "update": update, "clip": 10.0, "prior_count": 1e-4,
        "variance_floor": 0.0, "epsilon": 1e-8,
    }  # fmt: skip
    collector, model, rollouts, _ = collected(
        tmp_path, monkeypatch, "Pendulum", observation_normalization=running
    )
    before = {n: v.clone() for n, v in collector.observations.state_dict().items()}
    raw = rollouts[-1].observation[:, :, 0]
    found = collector.actor(model)(raw, np.zeros(raw.shape[:2], bool))
    moments = collector.observations.moments
    deviation = np.sqrt(moments.variance[:, None] + 1e-8)
    seen = np.clip((raw - moments.mean[:, None]) / deviation, -10.0, 10.0)
    assert np.abs(seen - raw).max() > 0.1
    with torch.no_grad():
        expected = model.act(torch.from_numpy(seen.astype(np.float32))).mode().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    for name, value in collector.observations.state_dict().items():
        assert torch.equal(value, before[name]), name
