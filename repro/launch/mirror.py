"""A stack's folder and its copy in object storage, for nodes that share no file system.

Any store that fsspec knows: `s3://bucket/runs`, `gs://…`, a folder. The copy can be resumed from at
any moment: logs and replay go up before the checkpoint that speaks of them.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from repro.errors import ReproError

CHECKPOINT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
LAST = (CHECKPOINT, "policy.pt", "outcome.json")  # in this order, after everything else
_SNAPSHOT = ".checkpoint.up"
_LOCAL_ONLY = ("lock", _SNAPSHOT)


class Mirror:
    """`folder` here and `url` there. Raises ReproError where the store cannot be reached."""

    def __init__(self, folder: Path, url: str):
        import fsspec

        self.folder, self.url = folder, url.rstrip("/")
        try:
            self._store, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ReproError(f"--storage {url}: {error}") from None
        self._up: dict[str, tuple[int, int]] = {}  # name → size and time of what was sent
        self._gone: set[str] = set()

    def holds_checkpoint(self) -> bool:
        """Whether training can be resumed from there."""
        return any(self._store.exists(self._path(name)) for name in (CHECKPOINT, PREVIOUS))

    def pull(self, replay: bool = True) -> None:
        """Fetch what is there, with or without replay; a file that is only here stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._store.exists(self._root):
            return
        for path in self._store.ls(self._root, detail=False):
            name = path.rsplit("/", 1)[-1]
            if not name.endswith(".part") and (replay or not name.endswith(".rows")):
                self._store.get_file(path, str(self.folder / name))
                self._up[name] = _stamp(self.folder / name)

    def push(self) -> None:
        """Send what changed since the last push, so that the copy can always be resumed from."""
        self._store.makedirs(self._root, exist_ok=True)
        snapshot = self._snapshot()  # first: the logs sent below reach at least as far as it does
        try:
            names = {p.name for p in self.folder.iterdir() if p.is_file()} - {*_LOCAL_ONLY}
            for name in sorted(n for n in names if not _passing(n)):
                self._send(name, self.folder / name)
            if snapshot is not None and self._up.get(CHECKPOINT) != _stamp(snapshot):
                if self._store.exists(self._path(CHECKPOINT)):
                    self._store.mv(self._path(CHECKPOINT), self._path(PREVIOUS))
                self._send(CHECKPOINT, snapshot)
            for name in LAST[1:]:
                if name in names:
                    self._send(name, self.folder / name)
        finally:
            if snapshot is not None:
                snapshot.unlink(missing_ok=True)
        self._drop(names)

    def _snapshot(self) -> Path | None:
        """The checkpoint as it is now under another name: it is replaced while it is sent."""
        snapshot = self.folder / _SNAPSHOT
        snapshot.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(self.folder / CHECKPOINT, snapshot)
            return snapshot
        return None

    def _send(self, name: str, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):  # replay that was dropped just now
            stamp = _stamp(path)
            if self._up.get(name) == stamp:
                return
            self._store.put_file(str(path), self._path(name + ".part"))
            self._store.mv(self._path(name + ".part"), self._path(name))
            self._up[name] = stamp

    def _drop(self, names: set[str]) -> None:
        """Delete there what was dropped here one push ago: the previous checkpoint may need it."""
        gone = {name for name in self._up if name.endswith(".rows") and name not in names}
        for name in gone & self._gone:
            self._store.rm_file(self._path(name))
            del self._up[name]
        self._gone = gone

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _passing(name: str) -> bool:
    """Files of a moment, and those that have their own turn."""
    return name in LAST or name == PREVIOUS or name.endswith((".part", ".tmp"))


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
