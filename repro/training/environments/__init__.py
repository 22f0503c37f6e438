"""Stacks of environments: every seed of a stack, and every environment of a seed, stepped together.

    envs = make("HalfCheetah", seeds=[0, 1, 2], per_seed=4)
    observation = envs.reset()                       # [3, 4, 17]
    step = envs.step(actions)                        # actions [3, 4, 6]

Importing this package is cheap: numpy, Gymnasium and MuJoCo are imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.training.environments.build import make
    from repro.training.environments.engine import require_engine, versions
    from repro.training.environments.episodes import Environments, NonFiniteAction, Step
    from repro.training.environments.names import resolve
    from repro.training.environments.seeding import environment_seed
    from repro.training.environments.spaces import Box, Discrete

_HOME = {
    "Box": "spaces",
    "Discrete": "spaces",
    "Environments": "episodes",
    "NonFiniteAction": "episodes",
    "Step": "episodes",
    "environment_seed": "seeding",
    "make": "build",
    "require_engine": "engine",
    "resolve": "names",
    "versions": "engine",
}
__all__ = [
    "Box",
    "Discrete",
    "Environments",
    "NonFiniteAction",
    "Step",
    "environment_seed",
    "make",
    "require_engine",
    "resolve",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
