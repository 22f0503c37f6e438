"""Names of environments: aliases, names that died, and the nearest valid one."""

from __future__ import annotations

import re

from repro.errors import ReproError, nearest

# What a bare name means. The MuJoCo papers of 2015-2018 ran -v1 and -v2; -v4 is the nearest
# living task (-v5 changed physics or rewards of Walker2d, Hopper, Ant and Humanoid).
ALIASES = {
    "Acrobot": "Acrobot-v1",
    "Ant": "Ant-v4",
    "CartPole": "CartPole-v1",
    "CliffWalking": "CliffWalking-v1",
    "FrozenLake": "FrozenLake-v1",
    "FrozenLake8x8": "FrozenLake8x8-v1",
    "HalfCheetah": "HalfCheetah-v4",
    "Hopper": "Hopper-v4",
    "Humanoid": "Humanoid-v4",
    "HumanoidStandup": "HumanoidStandup-v4",
    "InvertedDoublePendulum": "InvertedDoublePendulum-v4",
    "InvertedPendulum": "InvertedPendulum-v4",
    "MountainCar": "MountainCar-v0",
    "MountainCarContinuous": "MountainCarContinuous-v0",
    "Pendulum": "Pendulum-v1",
    "Pusher": "Pusher-v5",  # -v4 needs mujoco < 3
    "Reacher": "Reacher-v4",
    "Swimmer": "Swimmer-v4",
    "Taxi": "Taxi-v4",
    "Walker2d": "Walker2d-v4",
}
_IDS = frozenset(ALIASES.values())
_VERSION = re.compile(r"(?P<base>.+)-v(?P<version>\d+)")
_MUJOCO_ENTRY = "gymnasium.envs.mujoco"


def resolve(name: str) -> str:
    """The Gymnasium id that `name` means, for example "HalfCheetah" -> "HalfCheetah-v4".

    Gymnasium is imported only for names outside the table above.
    Raises ReproError, with the nearest valid name, for names that are unknown or no longer run.
    """
    if name in ALIASES:
        return ALIASES[name]
    if name in _IDS:
        return name
    match = _VERSION.fullmatch(name)
    if match is not None:
        base, living = match["base"], ALIASES.get(match["base"], "")
        if living.endswith("-v4") and base != "Taxi" and int(match["version"]) < 4:
            raise ReproError(
                f"{name} no longer runs; the nearest living task is {living}: --env {base}"
            )
    known = registered()
    if name in known or ":" in name:  # "module:id" lets Gymnasium import a package first
        return name
    raise ReproError(
        f'no environment is called "{name}"; {nearest(name, {*known, *ALIASES})}'
    )


def registered() -> set[str]:
    """Ids of Gymnasium's registry that still run."""
    import gymnasium

    return {
        name
        for name, spec in gymnasium.registry.items()
        if not (str(spec.entry_point).startswith(_MUJOCO_ENTRY) and name[-2:] in ("v2", "v3"))
        and not name.startswith(("GymV21", "GymV26", "phys2d/", "tabular/"))
    }
