"""What actions look like: two small frozen types, so that algorithms need not know Gymnasium."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from repro.errors import ReproError


@dataclass(frozen=True, eq=False)
class Box:
    """Real vectors; `low` and `high` are float32 arrays of `shape`, infinite if unbounded."""

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Discrete:
    """The integers 0 … n-1."""

    n: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action: a single integer."""
        return ()


def action_space(space: Any, env: str) -> Box | Discrete:
    """Our form of a Gymnasium action space; other kinds than Box and Discrete are refused."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        low, high = (np.asarray(side, np.float32) for side in (space.low, space.high))
        return Box(low, high, tuple(space.shape))
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return Discrete(int(space.n))
    raise ReproError(f"{env} has actions of kind {space}; expected Box or Discrete from 0")


def observation_shape(space: Any, env: str) -> tuple[tuple[int, ...], int | None]:
    """Shape of one observation, and the number of values where they become one-hot vectors."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box):
        return tuple(space.shape), None
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return (int(space.n),), int(space.n)
    raise ReproError(f"{env} has observations of kind {space}; expected Box or Discrete from 0")
