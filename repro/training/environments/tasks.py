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
    """Fields of MjData, gathered, as views of one array: `qpos` [N, nq], `qvel` [N, nv],
    `motion` [N, nq + nv] (both), `extra` [N, K] (what the task asked for).

    `before` is what the task remembers of the state before the step.
    """

    motion: F64
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


def _bounds(size: int, other: float, special: dict[int, tuple[float, float]]) -> tuple[F64, F64]:
    """Lower and upper bounds of `size` values: ±`other`, but for the `special` ones."""
    low, high = np.full(size, -other), np.full(size, other)
    for index, (lowest, highest) in special.items():
        low[index], high[index] = lowest, highest
    return low, high


# Healthy states. Hopper: of (z, angle, other positions, velocities), all strictly inside;
# Walker2d: of (z, angle), strictly; InvertedPendulum and Ant: of positions and velocities, which
# must be finite, that is within ±_LARGEST.
_LARGEST = float(np.finfo(np.float64).max)
_HOPPER_LOW, _HOPPER_HIGH = _bounds(11, 100.0, {0: (0.7, np.inf), 1: (-0.2, 0.2)})
_WALKER_LOW, _WALKER_HIGH = _bounds(2, np.inf, {0: (0.8, 2.0), 1: (-1.0, 1.0)})
_PENDULUM_LOW, _PENDULUM_HIGH = _bounds(4, _LARGEST, {1: (-0.2, 0.2)})
_ANT_LOW, _ANT_HIGH = _bounds(29, _LARGEST, {2: (0.2, 1.0)})


def _control_cost(weight: float, actions: F32) -> F32:
    return weight * np.add.reduce(np.square(actions), axis=1)


def _motion(hidden: int) -> Callable[[State, F64], None]:
    """Positions without the first `hidden`, then velocities."""

    def observe(state: State, out: F64) -> None:
        out[:] = state.motion[:, hidden:]

    return observe


def _motion_with_clipped_velocities(state: State, out: F64) -> None:
    positions = state.qpos.shape[1] - 1
    out[:, :positions] = state.qpos[:, 1:]
    _clip(state.qvel, out[:, positions:])


def _clip(values: F64, out: F64) -> None:
    """To -10 … 10; NaN stays. (np.clip gives the same and costs five times as much.)"""
    np.minimum(np.maximum(values, -10.0), 10.0, out=out)


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
    body = state.motion[:, 1:]
    _outside((body > _HOPPER_LOW) & (body < _HOPPER_HIGH), terminated)


def _walker(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    _upright_reward(state, actions, dt, reward)
    body = state.motion[:, 1:3]  # height and angle
    _outside((body > _WALKER_LOW) & (body < _WALKER_HIGH), terminated)


def _outside(inside: Bool, terminated: Bool) -> None:
    """Terminated where one of the values is not inside its bounds; NaN never is."""
    np.logical_not(np.logical_and.reduce(inside, axis=1), out=terminated)


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


def _pendulum(state: State, actions: F32, dt: float, reward: F64, terminated: Bool) -> None:
    reward.fill(1.0)
    motion = state.motion
    _outside((motion >= _PENDULUM_LOW) & (motion <= _PENDULUM_HIGH), terminated)


def _double_pendulum_observe(state: State, out: F64) -> None:
    angles = np.ascontiguousarray(state.qpos[:, 1:])
    out[:, :1] = state.qpos[:, :1]
    out[:, 1:3] = np.sin(angles)
    out[:, 3:5] = np.cos(angles)
    _clip(state.qvel, out[:, 5:8])
    _clip(state.extra[:, 3:], out[:, 8:])


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
    motion = state.motion
    _outside((motion >= _ANT_LOW) & (motion <= _ANT_HIGH), terminated)


TASKS: dict[str, Task] = {
    "Ant-v4": Task(_motion(hidden=2), _ant, (("xpos", "torso"),), before="extra"),
    "HalfCheetah-v4": Task(_motion(hidden=1), _runner(0.1), before="x"),
    "Hopper-v4": Task(_motion_with_clipped_velocities, _hopper, before="x"),
    "InvertedDoublePendulum-v4": Task(
        _double_pendulum_observe,
        _double_pendulum,
        (("site_xpos", 0), ("qfrc_constraint", None)),
    ),
    "InvertedPendulum-v4": Task(_motion(hidden=0), _pendulum),
    "Reacher-v4": Task(
        _reacher_observe, _reacher, (("xpos", "fingertip"), ("xpos", "target")), before="extra"
    ),
    "Swimmer-v4": Task(_motion(hidden=2), _runner(1e-4), before="x"),
    "Walker2d-v4": Task(_motion_with_clipped_velocities, _walker, before="x"),
}
