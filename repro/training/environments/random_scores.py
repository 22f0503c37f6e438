"""What a uniformly random policy earns: the zero of every scale in `repro/judge`.

    python -m repro.training.environments.random_scores --episodes 100

measures every environment of `ENVIRONMENTS` and `ATARI`: `papers/data/random-scores.yaml`.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import yaml

from repro import paths
from repro.files import write_bytes
from repro.training.environments import Box, Discrete, make, versions
from repro.training.environments.atari_presets import AtariPreset

FILE = "random-scores.yaml"
PURPOSE = "random-scores"
ENVIRONMENTS = (
    "Acrobot-v1",
    "Ant-v4",
    "CartPole-v1",
    "FrozenLake-v1",
    "HalfCheetah-v4",
    "Hopper-v4",
    "Humanoid-v4",
    "InvertedDoublePendulum-v4",
    "InvertedPendulum-v4",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "Reacher-v4",
    "Swimmer-v4",
    "Walker2d-v4",
)
# Played as Dopamine does; the other presets' random scores differ by little.
ATARI = ("ALE/Breakout-v5", "ALE/Pong-v5", "ALE/SpaceInvaders-v5")
PRESET = "dopamine-2018"


def measure(env: str, episodes: int, seeds: Sequence[int] = range(10)) -> dict[str, Any]:
    """Undiscounted return of uniformly random actions: mean, std (n - 1), mean length, seeds.

    The first `episodes` / len(seeds) episodes of every seed count, whole, however long they are;
    taking those that end first would favour short ones. `episodes` is rounded up to a multiple.
    """
    each = -(-episodes // len(seeds))
    preset = AtariPreset(name=PRESET, changes={}) if env in ATARI else None
    envs = make(env, seeds, 1, PURPOSE, atari=preset)
    generators = [np.random.default_rng([seed, crc32(PURPOSE.encode())]) for seed in seeds]
    returns: list[list[float]] = [[] for _ in seeds]
    lengths: list[list[int]] = [[] for _ in seeds]
    actions = np.stack([_draw(envs.action_space, generator) for generator in generators])
    envs.reset()
    active = np.ones(len(seeds), np.bool_)
    while active.any():
        for row in np.flatnonzero(active):
            actions[row] = _draw(envs.action_space, generators[row])
        step = envs.step(actions[:, None], active)
        for row in np.flatnonzero((step.terminated | step.truncated)[:, 0]):
            returns[row].append(float(step.episode_return[row, 0]))
            lengths[row].append(int(step.episode_length[row, 0]))
            active[row] = len(returns[row]) < each
    found = np.array(returns).reshape(-1)
    return {
        "mean": float(found.mean()),
        "std": float(found.std(ddof=1)),
        "episodes": int(found.size),
        "mean_length": float(np.mean(lengths)),
        "seeds": [int(seed) for seed in seeds],
    }


def _draw(space: Box | Discrete, generator: np.random.Generator) -> npt.NDArray[Any]:
    if isinstance(space, Discrete):
        return np.asarray(generator.integers(space.n))
    return generator.uniform(space.low, space.high).astype(np.float32)


def table(episodes: int, envs: Sequence[str] = ENVIRONMENTS + ATARI) -> dict[str, Any]:
    """The whole file as plain types."""
    scores = {}
    for env in envs:
        scores[env] = measure(env, episodes)
        print(f"{env:<28}{scores[env]['mean']:>12.3f} ± {scores[env]['std']:.3f}", flush=True)
    return {
        "schema_version": 1,
        "source": (
            "measured by us: python -m repro.training.environments.random_scores "
            f"--episodes {episodes}"
        ),
        "policy": "actions uniform over the action space; undiscounted return of whole episodes",
        "atari": f"preset {PRESET}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions(),
        "scores": scores,
    }


def as_yaml(content: dict[str, Any]) -> str:
    """As it is committed: one line for each list and for each mapping without inner ones."""
    return str(
        yaml.safe_dump(
            content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
        )
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100, help="episodes per environment")
    parser.add_argument("--out", type=Path, default=paths.PAPERS / "data" / FILE)
    options = parser.parse_args(arguments)
    if options.episodes < 2:
        parser.error(f"--episodes: found {options.episodes}, expected 2 or more")
    text = as_yaml(table(options.episodes))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(options.out, text.encode())
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
