"""Processes of a run, found by its folder in their command lines, wherever they were started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def of(folder: Path) -> list[int]:
    """Living processes that name `folder` in their command line: the command and its workers."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            alive = (place / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
            if alive and str(folder).encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return sorted(found)


def workers(folder: Path) -> list[int]:
    """Those of them that train."""
    found = []
    for pid in of(folder):
        with contextlib.suppress(OSError):
            if b"repro.launch.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def all_gone(folder: Path, seconds: float = 60.0) -> bool:
    """Whether no process of the folder is left, or none after `seconds`."""
    return bool(until(lambda: not of(folder), seconds))


def until(condition: Callable[[], Any], seconds: float) -> Any:
    """The first true value of `condition`, or the last one after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def logged(folder: Path) -> int:
    """Bytes in the logs of all seeds of a run."""
    total = 0
    for log in folder.glob("*/*/*/*/stacks/*/seed-*.jsonl"):
        with contextlib.suppress(OSError):
            total += log.stat().st_size
    return total
