"""DDPG's and TD3's acting: noise in its units, where it begins anew, none in evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from off_policy_tools import settings
from training_tools import make_run

from implementations.ddpg_2015 import NoisyExplorer, make_networks
from repro.training.deterministic import flat
from repro.training.rng import Streams

SEEDS, HALF = [0, 1], 2.0  # Pendulum's actions lie within ±2
ALL = np.array([True, True])


def explorer(folder, **exploration):
    """An explorer on Pendulum whose policy answers near 0."""
    _, hp = settings("ddpg", exploration=exploration, initialization={"kind": "fan-in-last",
                                                                      "last": 1e-3})  # fmt: skip
    run = make_run(hp, "Pendulum-v1", folder, seeds=SEEDS)
    envs = run.make_envs(per_seed=1)
    policy, _ = make_networks(
        run, envs, hp.policy_network, hp.critic_network, hp.initialization, None, 1, 1
    )
    return NoisyExplorer(run, envs, policy, hp.exploration, random_steps=0)


def greedy(made):
    with torch.no_grad():
        return made.policy(flat(made.envs.observation))[:, 0].numpy()


@pytest.mark.parametrize(("scaled", "unit"), [(True, HALF), (False, 1.0)])
def test_noise_is_in_units_of_half_the_range_or_of_one(scaled, unit, tmp_path):
    made = explorer(tmp_path, kind="gaussian", std=0.25, scaled=scaled)
    normal = Streams(SEEDS, "action")
    for _ in range(5):
        expected = greedy(made) + 0.25 * unit * normal.normal(1).unsqueeze(1).numpy()
        found = made.act(ALL, ~ALL)
        np.testing.assert_allclose(found, np.clip(expected, -HALF, HALF), rtol=1e-5, atol=1e-6)


def test_noise_that_remembers_begins_anew_with_each_episode(tmp_path):
    """x ← x − θ x + σ N(0, 1), in units of half the range; from 0 where an episode begins."""
    made = explorer(tmp_path, kind="ornstein-uhlenbeck", theta=0.15, sigma=0.2, scaled=True)
    normal, x = Streams(SEEDS, "action"), np.zeros((2, 1, 1), np.float32)
    for t in range(12):
        begins = np.array([t % 4 == 0, t == 0])
        x = np.where(begins[:, None, None], 0.0, x)
        x = x - 0.15 * x + 0.2 * normal.normal(1).unsqueeze(1).numpy()
        expected = np.clip(greedy(made) + HALF * x, -HALF, HALF)
        np.testing.assert_allclose(made.act(ALL, begins), expected, rtol=1e-4, atol=1e-5)


def test_a_seed_that_rests_keeps_its_noise(tmp_path):
    made = explorer(tmp_path, kind="ornstein-uhlenbeck", theta=0.15, sigma=0.2, scaled=True)
    made.act(ALL, ALL)
    before = made.noise.clone()
    made.act(np.array([True, False]), ~ALL)
    assert made.noise[1] == before[1]
    assert made.noise[0] != before[0]


def test_evaluation_has_no_noise(tmp_path):
    made = explorer(tmp_path, kind="gaussian", std=0.5, scaled=True)
    observation = made.envs.observation
    for _ in range(2):
        found = made.greedy(observation, ALL[:, None])
        np.testing.assert_array_equal(found, greedy(made))
