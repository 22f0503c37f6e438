"""File systems of our own that fill up or refuse writing, seen by the commands inside alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.processes import until


class Mount:
    """A small file system in memory at `folder`, in a mount namespace of its own."""

    def __init__(self, folder: Path, holder: int, prefix: list[str]) -> None:
        self.folder, self.prefix = folder, prefix
        # The same folder as seen from outside.
        self.seen = Path(f"/proc/{holder}/root") / folder.relative_to("/")

    def remount(self, option: str) -> None:
        """`ro`: nothing can be written; `rw`: it can again."""
        command = [*self.prefix, "mount", "-o", f"remount,{option}", str(self.folder)]
        subprocess.run(command, check=True)


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Mount | None]:
    """A file system of `size` (`4m`) at `folder`; None where this machine lets us mount nothing."""
    folder.mkdir(parents=True)
    root = os.geteuid() == 0
    unshare = ["unshare", "-m"] if root else ["unshare", "-rm"]
    script = f'mount -t tmpfs -o size={size} none "$0" && echo mounted && exec sleep 3600'
    try:
        holder = subprocess.Popen(
            [*unshare, "sh", "-c", script, str(folder)],
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
        user = [] if root else ["-U", "--preserve-credentials"]
        until(lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n", 10)
        yield Mount(folder, holder.pid, ["nsenter", "-t", str(holder.pid), *user, "-m", "--"])
    finally:
        holder.kill()
        holder.wait()
