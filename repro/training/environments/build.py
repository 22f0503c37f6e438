"""Making a stack of environments from a name."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from repro.errors import ReproError
from repro.training.environments.atari_presets import PRESETS, AtariPreset
from repro.training.environments.engine import require_engine
from repro.training.environments.episodes import Environments
from repro.training.environments.gymnasium_stepper import GymnasiumStepper
from repro.training.environments.names import is_atari, resolve, rom
from repro.training.environments.seeding import environment_seed
from repro.training.environments.spaces import Discrete, action_space
from repro.training.environments.stepper import Stepper
from repro.training.hparams import Choice

_log = logging.getLogger("repro.mujoco")


def make(
    env: str,
    seeds: Sequence[int],
    per_seed: int,
    purpose: str = "train",
    accept_engine: bool = False,
    atari: Choice | None = None,
) -> Environments:
    """`per_seed` environments for each of `seeds`; see `Environments`.

    env: a Gymnasium id or an alias of it ("HalfCheetah" is "HalfCheetah-v4")
    purpose: part of the generators' seeds; training and evaluation never share a start state
    accept_engine: go on with another MuJoCo than the pinned one
    atari: the `AtariPreset` of an Atari game; any other choice (`Off`) or None elsewhere

    Raises ReproError for unknown names, an Atari game without a preset or a preset elsewhere,
    spaces other than Box and Discrete, a missing package, another MuJoCo, or an environment whose
    state cannot be saved exactly.
    """
    if not seeds or per_seed < 1:
        raise ReproError(f"found {len(seeds)} seeds with {per_seed} environments; expected 1 each")
    env_id = resolve(env)
    first_seeds = [
        environment_seed(seed, purpose, index) for seed in seeds for index in range(per_seed)
    ]
    if is_atari(env_id) or isinstance(atari, AtariPreset):
        return _make_atari(env_id, seeds, per_seed, first_seeds, atari)
    first, max_episode_steps = _make_one(env_id)
    physics = _is_mujoco(first)
    if physics:
        require_engine(accept_engine)
        _keep_log_out_of_the_folder()
    envs = [first] + [_make_one(env_id)[0] for _ in first_seeds[1:]]
    space = action_space(first.action_space, env_id)
    return Environments(
        _stepper(envs, env_id) if physics else GymnasiumStepper(envs, env_id),
        env_id,
        seeds,
        per_seed,
        first_seeds,
        space,
        max_episode_steps,
    )


def _make_atari(
    env_id: str,
    seeds: Sequence[int],
    per_seed: int,
    first_seeds: list[int],
    preset: Choice | None,
) -> Environments:
    if not isinstance(preset, AtariPreset):
        raise ReproError(
            f"{env_id} can be played in several ways and its hyperparameters name none; expected "
            f"`atari: {{kind: preset, name: …}}` with one of {', '.join(PRESETS)}: choose an Atari "
            "set with --hparams"
        )
    if not is_atari(env_id):
        raise ReproError(
            f'{env_id} is no Atari game, but the hyperparameters are for Atari ("{preset.name}"); '
            "choose another set with --hparams, or a game: --env Breakout"
        )
    path = rom(env_id)
    from repro.training.environments.atari import AtariStepper, Game

    options = preset.options()
    games = [Game(path.stem, options) for _ in first_seeds]
    return Environments(
        AtariStepper(games, options, env_id),
        env_id,
        seeds,
        per_seed,
        first_seeds,
        Discrete(games[0].num_actions),
        -(-options.max_frames // options.frame_skip) or None,
        options.clip_rewards,
    )


def _stepper(envs: list[Any], env_id: str) -> Stepper:
    from repro.training.environments.mujoco_stepper import MujocoStepper
    from repro.training.environments.tasks import TASKS

    if env_id in TASKS:
        return MujocoStepper(envs, TASKS[env_id])
    return GymnasiumStepper(envs, env_id)


def _make_one(env_id: str) -> tuple[Any, int | None]:
    """The bare environment and its time limit in steps."""
    import gymnasium

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "-v4 is out of date" is our choice, not the user's
            made = gymnasium.make(env_id, disable_env_checker=True)
    except (gymnasium.error.Error, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ReproError(f"{env_id} cannot be made: {reason}") from error
    limit = made.spec.max_episode_steps if made.spec is not None else None
    bare = made
    while isinstance(bare, gymnasium.wrappers.OrderEnforcing | gymnasium.wrappers.TimeLimit):
        bare = bare.env
    if bare is not made.unwrapped:
        raise ReproError(
            f"{env_id} comes with the wrapper {type(bare).__name__}, whose state cannot be saved; "
            "expected a plain environment"
        )
    return bare, limit


def _is_mujoco(env: Any) -> bool:
    return type(getattr(env, "data", None)).__name__ == "MjData"


def _keep_log_out_of_the_folder() -> None:
    """MuJoCo writes warnings into MUJOCO_LOG.TXT where the user stands; take them ourselves."""
    import mujoco

    mujoco.set_mju_user_warning(_log.debug)
