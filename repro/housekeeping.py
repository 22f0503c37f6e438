"""The runs on this machine: how far each is, what it takes, what may go, what its logs say."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from repro import paths
from repro.errors import ReproError, nearest
from repro.runs import RunFolder

State = Literal["finished", "running", "failed", "interrupted", "damaged"]

# Of a finished run only resuming needs these, and there is nothing to resume.
SPENT = ("checkpoint*.pt*", "*.rows", ".*.tmp", "*.part")


@dataclass(frozen=True)
class RunInfo:
    """One run folder. size, spent: bytes in all, and in files that a finished run needs no more.
    age: seconds since anything in it was written. done, seeds: how many of its seeds are."""

    path: Path
    state: State
    size: int
    spent: int
    age: float
    done: int
    seeds: int
    steps: int | None
    problem: str | None = None

    @property
    def name(self) -> str:
        """Below `runs/`: `ppo-2017/HalfCheetah-v4/mujoco/07e3f1d54d1f`."""
        return self.path.relative_to(paths.RUNS).as_posix()


class Hit(NamedTuple):
    """A line of a log. file: below `runs/`; number: of the line, from one."""

    file: str
    number: int
    line: str


def runs() -> list[RunInfo]:
    """Every run below `runs/`, also those whose manifest is lost; by name."""
    found = {*paths.RUNS.glob("*/*/*/*/manifest.json"), *paths.RUNS.glob("*/*/*/*/stacks")}
    return [inspect(path) for path in sorted({each.parent for each in found})]


def inspect(path: Path) -> RunInfo:
    """One run's state; a manifest that cannot be read makes it damaged, with the problem."""
    size, spent, newest = _weigh(path)
    age = max(time.time() - newest, 0.0) if newest else 0.0
    folder = RunFolder(path)
    try:
        manifest = folder.manifest()
        states = folder.seeds()
        wanted = list(manifest["seeds"])
        steps = int(manifest["experiment"]["content"]["steps"])
        sessions = list(manifest["sessions"])
        failed = bool(sessions and sessions[-1]["failures"])
        over = manifest["finished"] is not None
        done = sum(seed in states and states[seed].done for seed in wanted)
    except (ReproError, KeyError, TypeError, ValueError, AttributeError) as error:
        problem = str(error) if isinstance(error, ReproError) else "its manifest is not one of ours"
        state: State = "running" if _held(path) else "damaged"
        return RunInfo(path, state, size, spent, age, 0, 0, None, problem)
    if _held(path):
        state = "running"
    elif over:
        state = "finished"
    else:
        state = "failed" if failed else "interrupted"
    return RunInfo(path, state, size, spent, age, done, len(wanted), steps)


def _held(path: Path) -> bool:
    """Whether a process holds the run's lock."""
    try:
        with open(path / "lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _weigh(path: Path) -> tuple[int, int, float]:
    """Bytes, bytes that are spent, and the time of the last change; links are not followed."""
    size, newest = 0, 0.0
    spent = sum(file.lstat().st_size for file in _spent_files(path))
    for file in _files(path):
        with contextlib.suppress(OSError):
            found = file.lstat()
            size, newest = size + found.st_size, max(newest, found.st_mtime)
    return size, spent, newest


def _files(path: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in names)


def _spent_files(path: Path) -> list[Path]:
    return [file for file in _files(path) if any(file.match(pattern) for pattern in SPENT)]


def find(names: Sequence[str]) -> list[RunInfo]:
    """The runs meant by digests (or their beginnings) or by paths below `runs/`."""
    known = runs()
    chosen: list[RunInfo] = []
    for name in names:
        wanted = name.strip("/")
        fits = [run for run in known if run.name == wanted or run.path.name.startswith(wanted)]
        if not fits or not wanted:
            hint = nearest(wanted, [run.path.name for run in known])
            raise ReproError(f'no run "{name}" in {paths.RUNS}; {hint}')
        if len(fits) > 1:
            listed = ", ".join(run.name for run in fits[:3])
            raise ReproError(f'"{name}" means {len(fits)} runs ({listed}, …); give more of it')
        chosen += [run for run in fits if run not in chosen]
    return chosen


def clean_spent(run: RunInfo) -> int:
    """Remove what a finished run needs no more; bytes freed."""
    if run.state != "finished":
        raise ReproError(f"{run.name} is {run.state}: its checkpoints are needed to go on")
    with _locked(run):
        return sum(_remove(file) for file in _spent_files(run.path))


def remove(run: RunInfo) -> int:
    """Remove a whole run folder, under its lock, so that nothing can be running in it."""
    with _locked(run):
        shutil.rmtree(run.path)
    for parent in run.path.parents:
        if parent == paths.RUNS or any(parent.iterdir()):
            break
        parent.rmdir()
    return run.size


@contextlib.contextmanager
def _locked(run: RunInfo) -> Iterator[None]:
    """Hold the run's lock; refused at once where a process has it."""
    with open(run.path / "lock", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReproError(f"{run.name} is running; stop it first, nothing was removed") from None
        yield


def _remove(file: Path) -> int:
    size = file.lstat().st_size
    file.unlink()
    return size


def search(text: str, within: Iterable[RunInfo]) -> Iterator[Hit]:
    """Every line with `text` (plain, whatever its case) in the logs of these runs."""
    if not text:
        raise ReproError("nothing to search for; e.g. repro runs search diverged")
    wanted = text.encode(errors="replace").lower()
    for run in within:
        for file in sorted(_files(run.path)):
            if file.suffix in (".jsonl", ".log", ".txt") and not file.is_symlink():
                yield from _hits(wanted, file)


def _hits(wanted: bytes, file: Path) -> Iterator[Hit]:
    content = file.read_bytes()
    name = file.relative_to(paths.RUNS).as_posix()
    lowered = content.lower()  # of ASCII letters; every other byte stays where it is
    seen, number, at = 0, 1, lowered.find(wanted)
    while at >= 0:
        number += content.count(b"\n", seen, at)
        start = content.rfind(b"\n", 0, at) + 1
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        yield Hit(name, number, content[start:end].decode(errors="replace"))
        seen, at = at, lowered.find(wanted, end + 1)
