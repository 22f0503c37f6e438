"""Names of environments: aliases, names that died, and the nearest valid one."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

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
# The 57 games of most papers; ALE has more, to be named in full (ALE/Adventure-v5).
_ATARI = (
    "Alien", "Amidar", "Assault", "Asterix", "Asteroids", "Atlantis", "BankHeist", "BattleZone",
    "BeamRider", "Berzerk", "Bowling", "Boxing", "Breakout", "Centipede", "ChopperCommand",
    "CrazyClimber", "Defender", "DemonAttack", "DoubleDunk", "Enduro", "FishingDerby",
    "Freeway", "Frostbite", "Gopher", "Gravitar", "Hero", "IceHockey", "Jamesbond", "Kangaroo",
    "Krull", "KungFuMaster", "MontezumaRevenge", "MsPacman", "NameThisGame", "Phoenix",
    "Pitfall", "Pong", "PrivateEye", "Qbert", "Riverraid", "RoadRunner", "Robotank", "Seaquest",
    "Skiing", "Solaris", "SpaceInvaders", "StarGunner", "Surround", "Tennis", "TimePilot",
    "Tutankham", "UpNDown", "Venture", "VideoPinball", "WizardOfWor", "YarsRevenge", "Zaxxon",
)  # fmt: skip
# What a bare name means.
ALIASES = {
    **_MUJOCO,
    **{game: f"ALE/{game}-v5" for game in _ATARI},
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
    known = registered() | {f"ALE/{game}-v5" for game in roms()}
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


def is_atari(env_id: str) -> bool:
    """Whether a resolved id is an Atari game: `ALE/Breakout-v5`."""
    return env_id.startswith("ALE/")


def simulator(env_id: str) -> tuple[str, str]:
    """What simulates a resolved id, and the key of its version in a manifest's machine:
    `("MuJoCo", "mujoco-engine")`."""
    match = _VERSION.fullmatch(env_id)
    if match is not None and match["base"] in _MUJOCO:
        return "MuJoCo", "mujoco-engine"
    return ("ALE", "ale-py") if is_atari(env_id) else ("Gymnasium", "gymnasium")


def is_mujoco(env_id: str) -> bool:
    """Whether a resolved id is one of Gymnasium's MuJoCo tasks."""
    return simulator(env_id)[0] == "MuJoCo"


def roms() -> dict[str, Path]:
    """Game (`MsPacman`) → its ROM file, of the installed ale-py, which is not imported; empty
    without one."""
    found = find_spec("ale_py")
    if found is None or not found.submodule_search_locations:
        return {}
    folder = Path(found.submodule_search_locations[0]) / "roms"
    return {rom.stem.title().replace("_", ""): rom for rom in folder.glob("*.bin")}


def rom(env_id: str) -> Path:
    """The ROM file of an Atari game. Raises ReproError where ale-py has none."""
    game, known = env_id.removeprefix("ALE/").removesuffix("-v5"), roms()
    if game not in known:
        raise ReproError(
            f"{env_id}: ale-py is missing or has no such ROM; `pip install -e .` installs it"
        )
    return known[game]
