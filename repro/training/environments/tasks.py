"""The MuJoCo tasks with a vectorised step: what Gymnasium 1.4.0 computes, for a whole stack.

Each task repeats the formulas of `gymnasium.envs.mujoco.<task>_v4` operation by operation, in
float64 for the state and float32 for the action, so that results are equal to the last bit
(tests/test_environments_mujoco.py holds them to it). What differs is only that the arrays have
a leading axis N, and that `mj_rnePostConstraint`, whose outputs these tasks never read, is left
out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class State:
    """Fields of MjData, gathered: `qpos` [N, nq], `qvel` [N, nv], `extra` [N, K] as the task says.

    `before` is what the task remembers of the state before the step.
    """

    qpos: F64
    qvel: F64
    extra: F64
    before: F64


@dataclass(frozen=True)
class Task:
    """One task.

    observe(state, out): writes the observations [N, *]
    outcome(state, actions, dt, reward, terminated): writes rewards and terminations [N]
    extra: further arrays of MjData to gather: (attribute, body or site index by name or None)
    before: which part of the state the reward compares with: "x", "xy", "extra" or None
    """

    observe: Callable[[State, F64], None]
    outcome: Callable[[State, F32, float, F64, Bool], None]
    extra: tuple[tuple[str, str | int | None], ...] = ()
    before: str | None = None


def _control_cost(weight: float, actions: F32) -> F32:
    return weight * np.add.reduce(np.square(actions), axis=1)


def _positions_and_velocities(hidden: int) -> Callable[[State, F64], None]:
    """Positions without the first `hidden`, then velocities."""

    def observe(state: State, out: F64) -> None:
        positions = state.qpos.shape[1] - hidden
        out[:, :positions] = state.qpos[:, hidden:]
        out[:, positions:] = state.qvel

    return observe


def _positions_and_clipped_velocities(state: State, out: F64) -> None:
    positions = state.qpos.shape[1] - 1
    out[:, :positions] = state.qpos[:, 1:]
    np.clip(state.qvel, -10, 10, out=out[:, positions:])


def _runner(weight: float) -> Callable[[State, F32, float, F64, Bool], None]:
    """Forward velocity minus control cost; never ends (HalfCheetah, Swimmer)."""

    def outcome(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
        velocity = (state.qpos[:, 0] - state.before[:, 0]) / dt
        np.subtract(velocity, _control_cost(weight, actions), out=reward)

    return outcome


def _upright_reward(state: State, actions: F32, dt: float, reward: F64) -> None:
    """Forward velocity, one for living, minus control cost (Hopper, Walker2d)."""
    velocity = (state.qpos[:, 0] - state.before[:, 0]) / dt
    np.subtract(velocity + 1.0, _control_cost(1e-3, actions), out=reward)


def _hopper(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    _upright_reward(state, actions, dt, reward)
    # Gymnasium asks min < value < max; |value| < bound is the same for symmetric bounds.
    healthy = (np.abs(state.qpos[:, 2:]) < 100.0).all(axis=1)
    healthy &= (np.abs(state.qvel) < 100.0).all(axis=1)
    z = state.qpos[:, 1]
    healthy &= (z > 0.7) & (z < np.inf)
    healthy &= np.abs(state.qpos[:, 2]) < 0.2
    np.logical_not(healthy, out=terminated)


def _walker(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    _upright_reward(state, actions, dt, reward)
    z = state.qpos[:, 1]
    healthy = (z > 0.8) & (z < 2.0) & (np.abs(state.qpos[:, 2]) < 1.0)
    np.logical_not(healthy, out=terminated)


def _reacher_observe(state: State, out: F64) -> None:
    theta = np.ascontiguousarray(state.qpos[:, :2])
    out[:, 0:2] = np.cos(theta)
    out[:, 2:4] = np.sin(theta)
    out[:, 4:6] = state.qpos[:, 2:]
    out[:, 6:8] = state.qvel[:, :2]
    np.subtract(state.extra[:, :3], state.extra[:, 3:], out=out[:, 8:])


def _reacher(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    # The distance is that before the step, as body positions stood when the action was chosen.
    vector = state.before[:, :3] - state.before[:, 3:]
    distance = np.sqrt(np.vecdot(vector, vector))  # numpy's norm of one vector is a dot product
    np.add(-distance, -np.add.reduce(np.square(actions), axis=1), out=reward)


def _pendulum_observe(state: State, out: F64) -> None:
    out[:, :2] = state.qpos
    out[:, 2:] = state.qvel


def _pendulum(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    reward.fill(1.0)
    finite = np.isfinite(state.qpos).all(axis=1) & np.isfinite(state.qvel).all(axis=1)
    np.logical_or(~finite, np.abs(state.qpos[:, 1]) > 0.2, out=terminated)


def _double_pendulum_observe(state: State, out: F64) -> None:
    angles = np.ascontiguousarray(state.qpos[:, 1:])
    out[:, :1] = state.qpos[:, :1]
    out[:, 1:3] = np.sin(angles)
    out[:, 3:5] = np.cos(angles)
    np.clip(state.qvel, -10, 10, out=out[:, 5:8])
    np.clip(state.extra[:, 3:], -10, 10, out=out[:, 8:])


def _double_pendulum(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    # Gymnasium squares numpy scalars, which is the C library's pow(x, 2): not x * x in rare last
    # bits. Python's floats do the same, so this one is a loop.
    tip, velocity = state.extra.tolist(), state.qvel.tolist()
    for row, ((x, _, y, *_), (_, v1, v2)) in enumerate(zip(tip, velocity, strict=True)):
        distance = 0.01 * x**2 + (y - 2) ** 2
        speed = 1e-3 * v1**2 + 5e-3 * v2**2
        reward[row] = 10 - distance - speed
        terminated[row] = y <= 1


def _ant(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    velocity = (state.extra[:, 0] - state.before[:, 0]) / dt
    np.subtract(velocity + 1.0, _control_cost(0.5, actions), out=reward)
    finite = np.isfinite(state.qpos).all(axis=1) & np.isfinite(state.qvel).all(axis=1)
    z = state.qpos[:, 2]
    np.logical_not(finite & (z >= 0.2) & (z <= 1.0), out=terminated)


TASKS: dict[str, Task] = {
    "Ant-v4": Task(
        _positions_and_velocities(hidden=2), _ant, (("xpos", "torso"),), before="extra"
    ),
    "HalfCheetah-v4": Task(_positions_and_velocities(hidden=1), _runner(0.1), before="x"),
    "Hopper-v4": Task(_positions_and_clipped_velocities, _hopper, before="x"),
    "InvertedDoublePendulum-v4": Task(
        _double_pendulum_observe,
        _double_pendulum,
        (("site_xpos", 0), ("qfrc_constraint", None)),
    ),
    "InvertedPendulum-v4": Task(_pendulum_observe, _pendulum),
    "Reacher-v4": Task(
        _reacher_observe, _reacher, (("xpos", "fingertip"), ("xpos", "target")), before="extra"
    ),
    "Swimmer-v4": Task(_positions_and_velocities(hidden=2), _runner(1e-4), before="x"),
    "Walker2d-v4": Task(_positions_and_clipped_velocities, _walker, before="x"),
}
