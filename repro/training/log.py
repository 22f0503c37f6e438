"""The log of a seed: one JSON object a line, cut back to the checkpoint when a run resumes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1


class SeedLog:
    """Appends lines to `seed-<k>.jsonl`; lines wait in memory until `flush`.

    Nothing of the wall clock is written here: a resumed run's log equals an uninterrupted one's.
    """

    def __init__(self, folder: Path, seed: int):
        self.path = folder / f"seed-{seed}.jsonl"
        self._lines: list[str] = []
        self._size = 0
        self._header = {"schema_version": SCHEMA_VERSION, "seed": seed}

    def start(self, offset: int = 0) -> None:
        """Cut the file back to `offset` bytes (0: begin it anew)."""
        self.path.touch()
        os.truncate(self.path, offset)
        self._size = offset
        self._lines.clear()
        if offset == 0:
            self.write(self._header)

    def write(self, record: dict[str, Any]) -> None:
        self._lines.append(json.dumps(record))

    def flush(self, sync: bool = False) -> int:
        """Write what waits; the file's size in bytes. sync: survive a power cut, too."""
        text = "".join(line + "\n" for line in self._lines).encode()
        with self.path.open("ab") as file:
            # A write that failed half-way (disk full) must not leave its first half behind.
            file.truncate(self._size)
            file.write(text)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        self._size += len(text)
        self._lines.clear()
        return self._size
