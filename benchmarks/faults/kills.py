"""`kill -9` at random moments, the same command again until it is done, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.faults import processes
from benchmarks.faults.subjects import SUBJECTS, Place, Subject, log_bytes, same, whole
from tests.runner_tools import Command

LOCAL, RAY = "local", "ray"
ON_RAY = ("ppo-2017 classic", "pg-theorem-1999 classic", "td3-2018 classic")
MOST = 4  # kills of one run; then it is left to finish
STARTS = 12  # of one command; one that needs more than this does not get on
IN_START_UP = 0.25  # of the kills come before a log line is written
VICTIMS = ("the command", "one worker", "everything")


@dataclass
class Trial:
    """One run, killed again and again. kills: who died, and how far the logs were (0 to 1)."""

    subject: Subject
    launcher: str
    kills: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    starts: int = 0


def cases(with_ray: bool) -> list[tuple[Subject, str]]:
    """What is tried in turn."""
    found = [(subject, LOCAL) for subject in SUBJECTS]
    return found + [(s, RAY) for s in SUBJECTS if with_ray and s.name in ON_RAY]


@contextlib.contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """A Ray cluster of this machine: the variables under which a command joins it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    settings = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 80 * 2**20}
    made = Cluster(initialize_head=True, head_node_args=settings)
    try:
        yield {"RAY_ADDRESS": made.address}
    finally:
        made.shutdown()


def run(
    place: Place,
    subject: Subject,
    launcher: str,
    chance: random.Random,
    variables: dict[str, str] | None = None,
    most: int = MOST,
) -> Trial:
    """Kill a run up to `most` times, let it finish, compare; its folder goes if nothing is lost."""
    expected = place.undisturbed(subject)
    options = {"on": RAY, "storage": None} if launcher == RAY else {}
    name = f"killed {subject.name} {launcher} {chance.getrandbits(32):08x}"
    command = place.command(subject, name, **options)
    trial, status = Trial(subject, launcher), 3
    while status != 0 and trial.starts < STARTS:
        trial.starts += 1
        with command.started(**(variables or {})) as process:
            if len(trial.kills) < most and (
                victim := strike(command, process.pid, log_bytes(expected), chance, process.poll)
            ):
                trial.kills.append(victim)
            said = process.communicate(timeout=600)[1]
        status = process.returncode
        if status not in (0, 3, -9) or ("Traceback" in said and not orphaned(status, said)):
            trial.lost.append(f"exit status {status}: {said[-300:]}")
            break
    if status == 0:
        (folder,) = command.root.glob("*/*/*/*")
        command.folder = folder
        trial.lost += same(command, expected) if subject.repeats else whole(command, subject)
    elif not trial.lost:
        trial.lost.append(f"not done after {STARTS} starts")
    if not processes.all_gone(command.root):
        trial.lost.append(f"processes are left: {processes.of(command.root)}")
    if not trial.lost:
        shutil.rmtree(command.root)
    return trial


def orphaned(status: int, said: str) -> bool:
    """Whether the traceback is of a helper of glfw's, `python -c`, that its parent left behind.

    MuJoCo's import asks glfw for its version in a child; where the command is killed at that
    moment, the child's answer finds nobody. No run is concerned.
    """
    return status == -signal.SIGKILL and 'File "<string>"' in said and "BrokenPipeError" in said


def strike(
    command: Command,
    parent: int,
    length: int,
    chance: random.Random,
    ended: Callable[[], int | None],
) -> dict[str, Any] | None:
    """Kill somebody at a random moment; None where the command had ended before."""
    begun = processes.logged(command.root)
    if chance.random() < IN_START_UP:
        time.sleep(chance.uniform(0.0, 6.0))
    else:
        at = begun + chance.random() * max(length - begun, 0)
        processes.until(lambda: processes.logged(command.root) >= at or ended() is not None, 300)
        time.sleep(chance.uniform(0.0, 0.3))
    if ended() is not None:
        return None
    victim = chance.choice(VICTIMS)
    pids = processes.workers(command.root)
    if victim == "one worker" and pids:
        processes.kill(chance.choice(pids))
    elif victim == "everything" and pids:
        for pid in processes.of(command.root):
            processes.kill(pid)
    else:
        victim = VICTIMS[0]
        processes.kill(parent)
    return {"victim": victim, "at": round(processes.logged(command.root) / length, 3)}


def total(rows: Sequence[dict[str, Any]]) -> int:
    """Kills of all recorded trials."""
    return sum(len(row["kills"]) for row in rows)


def next_case(
    found: Sequence[tuple[Subject, str]], rows: Sequence[dict[str, Any]]
) -> tuple[Subject, str]:
    """The case that was killed least so far."""

    def killed(case: tuple[Subject, str]) -> int:
        own = [r for r in rows if (r["subject"], r["launcher"]) == (case[0].name, case[1])]
        return total(own)

    return min(found, key=killed)
