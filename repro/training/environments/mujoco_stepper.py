"""MuJoCo tasks stepped for a whole stack: Gymnasium's environments, without Gymnasium's step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from repro.training.environments.stepper import Array
from repro.training.environments.tasks import State, Task


class MujocoStepper:
    """N environments of one `Task`. See `Stepper` for the arrays.

    A step writes the action through a view of `ctrl` made once, calls `mj_step`, and copies
    `qpos`, `qvel` and the task's extra fields through such views; everything else is done once
    for all N. Resets are Gymnasium's own, so its generators draw what they always drew.
    """

    def __init__(self, envs: Sequence[Any], task: Task) -> None:
        self.envs = envs
        self._task = task
        # One model for all (they are compiled from the same file): less to keep in the cache.
        model = envs[0].model
        for env in envs:
            env.model = model
        self._model, self._frame_skip = model, int(envs[0].frame_skip)
        self._dt = float(envs[0].dt)

        number, nq, nv = len(envs), model.nq, model.nv
        extra = [_extra_views(env, task) for env in envs]
        width = sum(view.size for view in extra[0])
        gathered = np.zeros((number, nq + nv + width))
        remembered = {None: None, "x": gathered[:, :1], "extra": gathered[:, nq + nv :]}
        self._remembered = remembered[task.before]
        before = np.zeros((number, 0) if self._remembered is None else self._remembered.shape)
        self._state = State(
            motion=gathered[:, : nq + nv],
            qpos=gathered[:, :nq],
            qvel=gathered[:, nq : nq + nv],
            extra=gathered[:, nq + nv :],
            before=before,
        )
        self._gather = [
            _pairs(row, [env.data.qpos, env.data.qvel, *views])
            for row, env, views in zip(gathered, envs, extra, strict=True)
        ]
        self._loop = [
            (env.data.ctrl, env.data, *positions, *velocities, more)
            for env, (positions, velocities, *more) in zip(envs, self._gather, strict=True)
        ]

        self.observation: npt.NDArray[np.float64] = np.zeros(
            (number, *envs[0].observation_space.shape)
        )
        self.reward = np.zeros(number)
        self.terminated = self.terminal = np.zeros(number, np.bool_)
        self.truncated = np.zeros(number, np.bool_)

    def reset(self, rows: Sequence[int], seeds: Sequence[int | None]) -> None:
        """Gymnasium's own reset; then all observations anew (the other rows keep their bits)."""
        for row, seed in zip(rows, seeds, strict=True):
            self.envs[row].reset(seed=seed)
            for target, source in self._gather[row]:
                target[:] = source
        self._task.observe(self._state, self.observation)

    def step(self, actions: Array, rows: Sequence[int] | None) -> None:
        """One step in `rows`; `actions` is float32 [N, nu]."""
        if self._remembered is not None:
            self._state.before[:] = self._remembered
        mj_step, model, frame_skip = mujoco.mj_step, self._model, self._frame_skip
        loop, taken = self._loop, actions
        if rows is not None:
            loop, taken = [loop[row] for row in rows], actions[rows]
        for views, action in zip(loop, taken, strict=True):
            control, data, to_qpos, qpos, to_qvel, qvel, more = views
            control[:] = action
            mj_step(model, data, frame_skip)
            to_qpos[:] = qpos
            to_qvel[:] = qvel
            for target, source in more:
                target[:] = source
        self._task.observe(self._state, self.observation)
        self._task.outcome(self._state, actions, self._dt, self.reward, self.terminated)

    def refresh(self) -> None:
        """Gather all fields again after a load."""
        for pairs in self._gather:
            for target, source in pairs:
                target[:] = source


def _extra_views(env: Any, task: Task) -> list[npt.NDArray[np.float64]]:
    views = []
    for field, which in task.extra:
        array = getattr(env.data, field)
        if isinstance(which, str):
            views.append(array[env.model.body(which).id])
        else:
            views.append(array if which is None else array[which])
    return views


def _pairs(row: Array, sources: list[Array]) -> list[tuple[Array, Array]]:
    """Cut `row` into one target for each source."""
    ends = np.cumsum([source.size for source in sources])
    return [(row[end - s.size : end], s) for end, s in zip(ends, sources, strict=True)]
