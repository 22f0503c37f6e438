"""Rings of rows, one a seed, in memory and in files beside a checkpoint: what replays stand on."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.segments import DIGEST_BYTES, SEGMENT_ROWS, Segments


class Rows:
    """The last `capacity` rows of each seed, numbered from 0 by when they were added.

    Memory is taken as it fills. Kept by a run, the rows lie in `folder` in files that only grow
    (`Segments`); a checkpoint holds counts and digests.

    row: the numpy type of a row; content: [S, capacity, …] of that type, row n at n % capacity
    added: rows ever added, int64 [S]; size: rows held; oldest: the first of them
    """

    def __init__(
        self,
        folder: Path,
        seeds: list[int],
        capacity: int,
        row: np.dtype[Any],
        segment_rows: int = SEGMENT_ROWS,
    ):
        self.capacity = capacity
        self.content: NDArray[Any] = np.zeros((len(seeds), capacity), row)  # pages come when used
        self.added = np.zeros(len(seeds), np.int64)
        self._row, self._seed = row, np.arange(len(seeds))
        self._segments = [
            Segments(folder, f"seed-{seed}", row.itemsize, segment_rows) for seed in seeds
        ]
        # The oldest row that each of the last two checkpoints needs: either may be resumed from.
        self._needed: deque[NDArray[np.int64]] = deque(maxlen=2)

    @property
    def size(self) -> NDArray[np.int64]:
        return np.minimum(self.added, self.capacity)

    @property
    def oldest(self) -> NDArray[np.int64]:
        return self.added - self.size

    def add(self, seeds: NDArray[np.int64], rows: NDArray[Any]) -> None:
        """One row for each of `seeds` (their places in the stack): rows [len(seeds), …].

        The oldest makes room once `capacity` is reached.
        """
        for s in seeds.tolist():
            if self.added[s] - self._segments[s].written == self.capacity:
                self._write(s)  # the oldest row has to be in a file before it is overwritten
        self.content[seeds, self.added[seeds] % self.capacity] = rows
        self.added[seeds] += 1

    def at(self, numbers: NDArray[np.int64], field: str | None = None) -> NDArray[Any]:
        """A copy of each seed's rows by number, [S, …] → [S, …, *row], or of one field of them."""
        content = self.content if field is None else self.content[field]
        seed = self._seed.reshape(-1, *[1] * (numbers.ndim - 1))
        return content[seed, numbers % self.capacity]

    def state_dict(self) -> dict[str, Tensor]:
        """Counts and digests; the rows that no earlier call has seen are appended to the files."""
        for s, segments in enumerate(self._segments):
            self._write(s)
            if len(self._needed) == self._needed.maxlen:
                segments.drop(int(self._needed[0][s]))
        self._needed.append(self.oldest)
        found = [s.digests(int(n)) for s, n in zip(self._segments, self.oldest, strict=True)]
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
        self._needed.append(self.oldest)
        for s, segments in enumerate(self._segments):
            digests = [bytes(row) for row in state["digests"][s, : state["files"][s]].numpy()]
            for number, read in segments.restore(int(self.added[s]), int(self.oldest[s]), digests):
                places = np.arange(number, number + len(read)) % self.capacity
                self.content[s, places] = self._typed(read)

    def _typed(self, read: NDArray[np.uint8]) -> NDArray[Any]:
        """Bytes [n, bytes of a row] as n rows."""
        return np.frombuffer(read, self._row.base).reshape(len(read), *self._row.shape)

    def _write(self, s: int) -> None:
        """Append what seed number `s` has not written yet; at most `capacity` rows."""
        segments = self._segments[s]
        new = np.arange(segments.written, self.added[s]) % self.capacity
        segments.append(self.content[s, new])
