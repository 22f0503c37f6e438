"""File systems of our own: one that fills up, one that refuses writing, for the commands inside."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.processes import until

IN_MEMORY = 'mount -t tmpfs -o size=16m none "$0"'
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"'


@dataclass(frozen=True)
class Mount:
    """A mount namespace of its own. prefix: of a command that is to run in it.

    seen: the folder mounted there, as it is seen from outside.
    """

    prefix: list[str]
    seen: Path


@contextlib.contextmanager
def mounted(folder: Path, how: str) -> Iterator[Mount | None]:
    """Mount at `folder`, for commands inside alone; None where this machine lets us mount nothing.

    how: IN_MEMORY, an empty disk of 16 MiB; READ_ONLY, the folder itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = os.geteuid() == 0
    unshare = ["unshare", "-m"] if root else ["unshare", "-rm"]
    try:
        holder = subprocess.Popen(
            [*unshare, "sh", "-c", f"{how} && echo mounted && exec sleep 3600", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except FileNotFoundError:
        yield None
        return
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            yield None
            return
        until(lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n", 10)
        user = [] if root else ["-U", "--preserve-credentials"]
        prefix = ["nsenter", "-t", str(holder.pid), *user, "-m", "--"]
        yield Mount(prefix, Path(f"/proc/{holder.pid}/root") / folder.relative_to("/"))
    finally:
        holder.kill()
        holder.wait()
