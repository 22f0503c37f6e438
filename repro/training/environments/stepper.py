"""What the bookkeeping of episodes needs from the environments underneath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Stepper(Protocol):
    """N environments of one kind, numbered 0 … N-1; the arrays below are its own and stay in place.

    observation: [N, *shape] float64 (images: uint8), the current observation of each
    reward: [N] float64; terminated, truncated: [N] bool, of the last step
    terminal: [N] bool, `terminated` itself, or an array of its own that says more (Atari's lives)
    """

    envs: Sequence[Any]
    observation: Array
    reward: npt.NDArray[np.float64]
    terminated: npt.NDArray[np.bool_]
    terminal: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]

    def reset(self, rows: Sequence[int], seeds: Sequence[int | None]) -> None:
        """Start new episodes in `rows`; a seed of None goes on with the environment's generator."""

    def step(self, actions: Array, rows: Sequence[int] | None) -> None:
        """One step in `rows` (None: in all); the other rows keep observation, and their rest is
        unspecified."""

    def refresh(self) -> None:
        """Read again what is kept beside the environments, whose state was just loaded."""
