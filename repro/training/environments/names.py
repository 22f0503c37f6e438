"""Names of environments: aliases, names that died, and the nearest valid one."""

from __future__ import annotations

import re

from repro.errors import ReproError, nearest

# The MuJoCo papers of 2015-2018 ran -v1 and -v2, which no longer run; -v4 is the nearest living
# task (-v5 changed physics or rewards of Walker2d, Hopper, Ant and Humanoid).
_MUJOCO = {
    "Ant": "Ant-v4",
    "HalfCheetah": "HalfCheetah-v4",
    "Hopper": "Hopper-v4",
    "Humanoid": "Humanoid-v4",
    "HumanoidStandup": "HumanoidStandup-v4",
    "InvertedDoublePendulum": "InvertedDoublePendulum-v4",
    "InvertedPendulum": "InvertedPendulum-v4",
    "Pusher": "Pusher-v5",  # -v4 needs mujoco < 3
    "Reacher": "Reacher-v4",
    "Swimmer": "Swimmer-v4",
    "Walker2d": "Walker2d-v4",
}
# What a bare name means.
ALIASES = _MUJOCO | {
    "Acrobot": "Acrobot-v1",
    "CartPole": "CartPole-v1",
    "CliffWalking": "CliffWalking-v1",
    "FrozenLake": "FrozenLake-v1",
    "FrozenLake8x8": "FrozenLake8x8-v1",
    "MountainCar": "MountainCar-v0",
    "MountainCarContinuous": "MountainCarContinuous-v0",
    "Pendulum": "Pendulum-v1",
    "Taxi": "Taxi-v4",
}
_IDS = frozenset(ALIASES.values())
_VERSION = re.compile(r"(?P<base>.+)-v(?P<version>\d+)")


def resolve(name: str) -> str:
    """The Gymnasium id that `name` means, for example "HalfCheetah" -> "HalfCheetah-v4".

    Gymnasium is imported only for names outside the table above.
    Raises ReproError, with the nearest valid name, for names that are unknown or no longer run.
    """
    if name in ALIASES:
        return ALIASES[name]
    if name in _IDS:
        return name
    if _is_dead(name):
        living = _MUJOCO[name.rpartition("-v")[0]]
        raise ReproError(
            f"{name} no longer runs; the nearest living task is {living}: --env {living}"
        )
    known = registered()
    if name in known or ":" in name:  # "module:id" lets Gymnasium import a package first
        return name
    raise ReproError(f'no environment is called "{name}"; {nearest(name, {*known, *ALIASES})}')


def _is_dead(name: str) -> bool:
    """Whether `name` is a version of a MuJoCo task older than the living one."""
    match = _VERSION.fullmatch(name)
    if match is None or match["base"] not in _MUJOCO:
        return False
    return int(match["version"]) < int(_MUJOCO[match["base"]].rpartition("-v")[2])


def registered() -> set[str]:
    """Ids of Gymnasium's registry that still run."""
    import gymnasium

    bridges = ("GymV21", "GymV26", "phys2d/", "tabular/")  # need another package each
    names = {str(name) for name in gymnasium.registry}
    return {name for name in names if not _is_dead(name) and not name.startswith(bridges)}
