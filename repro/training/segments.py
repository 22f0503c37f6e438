"""Rows that only ever grow, in files that only ever grow: large replay beside small checkpoints.

A checkpoint holds how many rows there are and a digest of each file; the rows themselves are
appended once. What a killed worker wrote beyond its last checkpoint is written over.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.errors import ReproError

DIGEST_BYTES = hashlib.sha256().digest_size
SEGMENT_ROWS = 1 << 16


class Segments:
    """One seed's rows, numbered from 0, in files `<name>-<n>.rows` of `segment_rows` rows each.

    row_bytes: bytes of a row. written: rows so far, dropped ones included.
    """

    def __init__(self, folder: Path, name: str, row_bytes: int, segment_rows: int = SEGMENT_ROWS):
        self.folder, self.name = folder, name
        self.row_bytes, self.segment_rows = row_bytes, segment_rows
        self.written = 0
        self._digests: dict[int, bytes] = {}
        self._open = hashlib.sha256()  # of the file that is being filled

    def path(self, number: int) -> Path:
        return self.folder / f"{self.name}-{number:05d}.rows"

    def append(self, rows: NDArray[np.generic]) -> None:
        """Add rows [n, …] and make them survive a power cut. Raises OSError on a full disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = memoryview(rows.tobytes())
        while len(content):
            number, place = divmod(self.written, self.segment_rows)
            part = content[: (self.segment_rows - place) * self.row_bytes]
            self._write(number, place * self.row_bytes, part)
            if place == 0:
                self._open = hashlib.sha256()
            self._open.update(part)
            self._digests[number] = self._open.digest()
            self.written += len(part) // self.row_bytes
            content = content[len(part) :]

    def _write(self, number: int, offset: int, content: memoryview) -> None:
        path = self.path(number)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(offset)
            file.seek(offset)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def drop(self, before: int) -> None:
        """Delete the files whose rows all come before row number `before`."""
        number = before // self.segment_rows - 1
        while number >= 0 and self.path(number).exists():
            self.path(number).unlink()
            self._digests.pop(number, None)
            number -= 1

    def digests(self, row: int) -> list[bytes]:
        """sha256 of every file from the one with row number `row` on, as far as it is written."""
        first = row // self.segment_rows
        return [digest for number, digest in self._digests.items() if number >= first]

    def restore(
        self, written: int, row: int, digests: list[bytes]
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Go back to what a checkpoint says; yields rows `row` to `written`, a file at a time.

        Each time the number of the first row and uint8 [n, row_bytes]; run it to its end.
        digests: what `digests(row)` gave. Raises ReproError where a file is missing, too short or
        altered.
        """
        first = row // self.segment_rows
        self.written, self._digests = written, dict(enumerate(digests, start=first))
        for number, expected in self._digests.items():
            start = number * self.segment_rows
            rows = min(written - start, self.segment_rows)
            content = self._read(number, rows * self.row_bytes)
            self._open = hashlib.sha256(content)
            if self._open.digest() != expected:
                raise self._damaged(number, "its content has another digest than the checkpoint's")
            skipped = max(row - start, 0)
            yield start + skipped, np.frombuffer(content, np.uint8).reshape(rows, -1)[skipped:]

    def _read(self, number: int, size: int) -> bytes:
        path = self.path(number)
        if not path.exists():
            raise self._damaged(number, "it is missing")
        with path.open("rb") as file:
            content = file.read(size)
        if len(content) < size:
            raise self._damaged(number, f"it has {len(content)} bytes, the checkpoint says {size}")
        return content

    def _damaged(self, number: int, why: str) -> ReproError:
        return ReproError(
            f"{self.path(number)}: {why}; the run cannot go on from here: "
            f"delete {self.folder.parent} to train these seeds anew"
        )
