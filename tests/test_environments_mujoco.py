"""The vectorised MuJoCo tasks are Gymnasium's, to the last bit."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest

from repro.training.environments import environment_seed, make
from repro.training.environments.tasks import TASKS

STEPS = 2500  # over two time limits of a task that never terminates


def _gymnasium(env_id: str, seeds: list[int]) -> list[gymnasium.Env]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        envs = [gymnasium.make(env_id) for _ in seeds]
    for env, seed in zip(envs, seeds, strict=True):
        env.unwrapped.first = env.reset(seed=environment_seed(seed, "train", 0))[0]
    return envs


def _compare(env_id: str, seeds: list[int], steps: int) -> int:
    """Step both with the same random actions; returns how many episodes ended."""
    ours, theirs = make(env_id, seeds, 1), _gymnasium(env_id, seeds)
    observation = ours.reset()
    for row, env in enumerate(theirs):
        np.testing.assert_array_equal(observation[row, 0], env.unwrapped.first)
    space = ours.action_space
    draw = np.random.default_rng(7)
    totals, ended = np.zeros(len(seeds)), 0
    for _ in range(steps):
        actions = draw.uniform(space.low, space.high, (len(seeds), 1, *space.shape))
        actions = actions.astype(np.float32)
        step = ours.step(actions)
        for row, env in enumerate(theirs):
            seen, reward, terminated, truncated, _ = env.step(actions[row, 0])
            assert step.reward[row, 0] == reward
            assert step.terminated[row, 0] == terminated
            assert step.truncated[row, 0] == (truncated and not terminated)
            np.testing.assert_array_equal(step.final_observation[row, 0], seen)
            totals[row] += reward
            assert step.episode_return[row, 0] == totals[row]
            if terminated or truncated:
                seen, _ = env.reset()
                totals[row] = 0.0
                ended += 1
            np.testing.assert_array_equal(step.observation[row, 0], seen)
    return ended


@pytest.mark.parametrize("env_id", sorted(TASKS))
def test_one_environment_equals_gymnasium_to_the_bit(env_id: str) -> None:
    assert _compare(env_id, [3], STEPS) >= 2


@pytest.mark.parametrize("env_id", sorted(TASKS))
def test_a_stack_equals_gymnasium_to_the_bit(env_id: str) -> None:
    _compare(env_id, [0, 1, 2, 3, 4], 400)
