"""A lock on a folder, held by a process and inherited by the workers it starts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from repro import files
from repro.errors import ReproError


@contextlib.contextmanager
def hold(
    folder: Path, patience: float = 60.0, say: Callable[[str], None] | None = None
) -> Iterator[int]:
    """Hold `folder` for this process; yields the lock's file descriptor.

    Workers inherit the descriptor, so that the lock outlives a killed parent exactly until
    its workers have written their checkpoints: for that the next command waits `patience`
    seconds. A lock whose holders are all gone is free; a file left behind means nothing.
    Raises ReproError naming the process that holds it.
    """
    path = folder / "lock"
    with files.writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(descriptor, folder, patience, say)
        with files.writing(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(
    descriptor: int, folder: Path, patience: float, say: Callable[[str], None] | None
) -> None:
    started, said = time.monotonic(), False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        pid, host = [*os.pread(descriptor, 256, 0).decode(errors="replace").split(), "", ""][:2]
        if (_alive(pid, host)) or time.monotonic() - started > patience:
            where = "" if host in ("", socket.gethostname()) else f" on {host}"
            raise ReproError(
                f"{folder} is being run by process {pid or 'unknown'}{where}; "
                "wait for it, or stop it and run the same command again"
            )
        if say and not said:
            said = True
            say(f"waiting for the workers of process {pid}, which was killed, to stop")
        time.sleep(0.1)


def _alive(pid: str, host: str) -> bool:
    """Whether the holder lives; of a process on another machine nothing is known."""
    if host not in ("", socket.gethostname()):
        return False
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
