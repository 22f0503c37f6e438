"""Uniform replay of a stack: every seed fills and samples its own memory of transitions.

Vectors only. A transition is one row of float32; rows are gathered at once and cut afterwards.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.rng import Streams
from repro.training.segments import DIGEST_BYTES, SEGMENT_ROWS, Segments


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

    Memory is taken as it fills. Kept by a run, its rows lie in `folder` in files that only grow
    (`Segments`); a checkpoint holds counts and digests. size: transitions held, int64 [S].
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
        self.capacity, self.device = capacity, torch.device(device)
        self._shapes = [observation_shape, action_shape, (), observation_shape, ()]
        self._widths = [math.prod(shape) for shape in self._shapes]
        width = sum(self._widths)
        self._rows = np.zeros((len(seeds), capacity, width), np.float32)  # pages come when used
        self._flat = torch.from_numpy(self._rows).view(-1, width)
        self._first_row = (torch.arange(len(seeds)) * capacity).unsqueeze(1)
        self.added = np.zeros(len(seeds), np.int64)
        self._segments = [
            Segments(folder, f"seed-{seed}", 4 * width, segment_rows) for seed in seeds
        ]
        # The oldest row that each of the last two checkpoints needs: either may be resumed from.
        self._needed: deque[NDArray[np.int64]] = deque(maxlen=2)

    @property
    def size(self) -> NDArray[np.int64]:
        return np.minimum(self.added, self.capacity)

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
        rows = np.concatenate([part.reshape(len(self.added), -1) for part in parts], axis=1)
        chosen = np.flatnonzero(where) if where is not None else np.arange(len(rows))
        for s in chosen.tolist():
            if self.added[s] - self._segments[s].written == self.capacity:
                self._write(s)  # the oldest row has to be in a file before it is overwritten
        self._rows[chosen, self.added[chosen] % self.capacity] = rows[chosen]
        self.added[chosen] += 1

    def sample(
        self, streams: Streams, batch: int, where: NDArray[np.bool_] | None = None
    ) -> Transitions:
        """`batch` transitions of each seed; where: bool [S], seeds that draw (others: row 0)."""
        index = streams.integers(self.size.tolist(), batch, active=where)
        rows = self._flat.index_select(0, (index.cpu() + self._first_row).flatten())
        parts = rows.to(self.device).view(*index.shape, -1).split(self._widths, dim=-1)
        return Transitions(
            *(p.reshape(*index.shape, *s) for p, s in zip(parts, self._shapes, strict=True))
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Counts and digests; the rows that no earlier call has seen are appended to the files."""
        for s, segments in enumerate(self._segments):
            self._write(s)
            if len(self._needed) == self._needed.maxlen:
                segments.drop(int(self._needed[0][s]))
        oldest = self.added - self.size
        self._needed.append(oldest)
        found = [s.digests(int(row)) for s, row in zip(self._segments, oldest, strict=True)]
        digests = np.zeros((len(found), max(map(len, found)), DIGEST_BYTES), np.uint8)
        for row, of_seed in zip(digests, found, strict=True):
            for place, digest in enumerate(of_seed):
                row[place] = np.frombuffer(digest, np.uint8)
        return {
            "added": torch.from_numpy(self.added.copy()),
            "files": torch.tensor([len(of_seed) for of_seed in found]),
            "digests": torch.from_numpy(digests),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Read the rows back. Raises ReproError where a file is not what the checkpoint says."""
        self.added[:] = state["added"].numpy()
        oldest = self.added - self.size
        self._needed.append(oldest)
        for s, segments in enumerate(self._segments):
            digests = [bytes(row) for row in state["digests"][s, : state["files"][s]].numpy()]
            content = segments.restore(int(self.added[s]), int(oldest[s]), digests)
            places = np.arange(oldest[s], self.added[s]) % self.capacity
            self._rows[s, places] = content.view(np.float32)

    def _write(self, s: int) -> None:
        """Append what seed number `s` has not written yet; at most `capacity` rows."""
        segments = self._segments[s]
        new = np.arange(segments.written, self.added[s]) % self.capacity
        segments.append(self._rows[s, new])
