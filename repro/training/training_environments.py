"""The environments that a run trains in: episodes are logged, steps counted, seeds rested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from repro.training.environments import Environments, NonFiniteAction, Step

if TYPE_CHECKING:
    from repro.training.run import Run


class TrainingEnvironments:
    """The environments of a stack, with episodes logged and steps counted per seed."""

    def __init__(self, run: Run[Any], envs: Environments):
        self._run, self._envs = run, envs
        self.num_seeds, self.per_seed = envs.num_seeds, envs.per_seed
        self.observation_shape, self.action_space = envs.observation_shape, envs.action_space
        self.observation: NDArray[Any] = envs.reset()

    def step(self, actions: NDArray[Any], active: NDArray[np.bool_] | None = None) -> Step:
        """Step every environment of the active seeds; `observation` is then the next one.

        active: bool [S] or [S, E], of those the ones to step; the others stay as they are and do
        not count. A seed whose action is not finite has diverged; the others go on.
        """
        try:
            step = self._envs.step(actions, self._stepped(active))
        except NonFiniteAction as error:  # nothing was stepped yet
            self._run.diverged(np.isin(self._run.seeds, error.seeds), "action is not finite")
            step = self._envs.step(actions, self._stepped(active))
        stepped = self._stepped(active)
        if stepped is None or stepped.ndim == 1:
            self._run.count(self.per_seed if stepped is None else self.per_seed * stepped)
        else:
            self._run.count(stepped.sum(axis=1))
        self.observation = step.observation
        # count_nonzero takes a fifth of any()'s time, and this runs at every step.
        if np.count_nonzero(step.terminated) or np.count_nonzero(step.truncated):
            for s, e in zip(*np.nonzero(step.terminated | step.truncated), strict=True):
                self._run.record_episode(
                    int(s), float(step.episode_return[s, e]), int(step.episode_length[s, e])
                )
        return step

    def reset(self, which: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Fresh episodes everywhere or in `which` (bool [S] or [S, E]); observations [S, E, ...].

        An episode given up is not logged.
        """
        self.observation = self._envs.reset(which)
        return self.observation

    def _stepped(self, active: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if self._run.all_active:
            return active
        run = self._run.active
        return run if active is None else active & (run if active.ndim == 1 else run[:, None])

    def state_dict(self) -> dict[str, Any]:
        return self._envs.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._envs.load_state_dict(state)
        self.observation = self._envs.observation
