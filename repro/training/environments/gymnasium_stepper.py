"""Any Gymnasium environment, stepped one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from repro.training.environments.spaces import observation_shape
from repro.training.environments.stepper import Array


class GymnasiumStepper:
    """N environments, each through its own `step`. See `Stepper` for the arrays.

    Discrete observations become one-hot vectors.
    """

    def __init__(self, envs: Sequence[Any], env_id: str) -> None:
        self.envs = envs
        shape, self._one_hot = observation_shape(envs[0].observation_space, env_id)
        number = len(envs)
        # Images stay bytes: as float64 they would take eight times the memory.
        given = envs[0].observation_space.dtype
        self.observation: Array = np.zeros(
            (number, *shape), np.uint8 if given == np.uint8 else np.float64
        )
        self.reward = np.zeros(number)
        self.terminated = self.terminal = np.zeros(number, np.bool_)
        self.truncated = np.zeros(number, np.bool_)
        self._discrete = not envs[0].action_space.shape

    def reset(self, rows: Sequence[int], seeds: Sequence[int | None]) -> None:
        """New episodes in `rows`."""
        for row, seed in zip(rows, seeds, strict=True):
            self._observe(row, self.envs[row].reset(seed=seed)[0])

    def step(self, actions: Array, rows: Sequence[int] | None) -> None:
        """One step in `rows`; `actions` is [N, *shape], or integers [N]."""
        # A copy: an environment may keep the action, and the caller may reuse its memory.
        choices = actions.tolist() if self._discrete else actions.copy()
        for row in range(len(self.envs)) if rows is None else rows:
            observation, reward, terminated, truncated, _ = self.envs[row].step(choices[row])
            self._observe(row, observation)
            self.reward[row] = reward
            self.terminated[row] = terminated
            self.truncated[row] = truncated

    def refresh(self) -> None:
        """Nothing is kept beside the environments."""

    def _observe(self, row: int, observation: Any) -> None:
        if self._one_hot is None:
            self.observation[row] = observation
        else:
            self.observation[row] = 0.0
            self.observation[row, int(observation)] = 1.0
