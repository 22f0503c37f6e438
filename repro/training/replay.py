"""Uniform replay of a stack: every seed fills and samples its own memory of transitions.

Vectors only (images: `frames.py`). A transition is one row of float32; rows are gathered at once
and cut afterwards.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.rng import Streams
from repro.training.rows import Rows
from repro.training.segments import SEGMENT_ROWS


class Transitions(NamedTuple):
    """A batch, each [S, B, …] float32: the action led from observation to next_observation.

    terminal: 1 where nothing is worth anything afterwards, else 0.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminal: Tensor


class Replay:
    """The last `capacity` transitions of each seed, sampled uniformly with replacement.

    Memory, files and checkpoints are those of `Rows`. size: transitions held, int64 [S].
    """

    def __init__(
        self,
        folder: Path,
        seeds: list[int],
        capacity: int,
        observation_shape: tuple[int, ...],
        action_shape: tuple[int, ...],
        device: torch.device | str = "cpu",
        segment_rows: int = SEGMENT_ROWS,
    ):
        self.device = torch.device(device)
        self._shapes = [observation_shape, action_shape, (), observation_shape, ()]
        self._widths = [math.prod(shape) for shape in self._shapes]
        row = np.dtype((np.float32, (sum(self._widths),)))
        self._rows = Rows(folder, seeds, capacity, row, segment_rows)

    @property
    def size(self) -> NDArray[np.int64]:
        return self._rows.size

    def add(
        self,
        observation: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        next_observation: NDArray[Any],
        terminal: NDArray[Any],
        where: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one transition a seed, arrays [S, …]; where: bool [S], of those seeds alone.

        The oldest makes room once `capacity` is reached.
        """
        parts = (observation, action, reward, next_observation, terminal)
        rows = np.concatenate([part.reshape(len(self.size), -1) for part in parts], axis=1)
        chosen = np.flatnonzero(where) if where is not None else np.arange(len(rows))
        self._rows.add(chosen, rows[chosen])

    def sample(
        self, streams: Streams, batch: int, where: NDArray[np.bool_] | None = None
    ) -> Transitions:
        """`batch` transitions of each seed; where: bool [S], seeds that draw (others: row 0)."""
        index = streams.integers(self.size.tolist(), batch, active=where)
        rows = torch.from_numpy(self._rows.at(index.cpu().numpy())).to(self.device)
        return Transitions(
            *(
                part.reshape(*index.shape, *shape)
                for part, shape in zip(rows.split(self._widths, -1), self._shapes, strict=True)
            )
        )

    def state_dict(self) -> dict[str, Tensor]:
        return self._rows.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._rows.load_state_dict(state)
