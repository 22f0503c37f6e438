"""Strike runs with faults from outside, and hold them to losing nothing.

  python -m benchmarks.faults run                       what is not recorded yet, up to 100 kills
  python -m benchmarks.faults run --kills 10            ten kills
  python -m benchmarks.faults run --only "full disk"    one fault (or kills), once more
  python -m benchmarks.faults run --again               all of it, from nothing
  python -m benchmarks.faults report                    write docs/faults.md

Everything happens in a copy of a commit, never in the working tree. Each trial is recorded as soon
as it is done; an interrupted command goes on where it was. Exit status: 0 nothing was lost,
1 something was, 2 wrong input, 3 unfinished.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import random
import shutil
import sys
import time
from collections.abc import Sequence

from benchmarks import copies
from benchmarks.command import Suite
from benchmarks.faults import kills, record, report
from benchmarks.faults.scenarios import SCENARIOS
from benchmarks.faults.subjects import Place
from repro import git, paths
from repro.errors import ReproError, nearest

KILLS = "kills"


def main(argv: Sequence[str] | None = None) -> int:
    suite = Suite("faults", __doc__, record.RECORD)
    running = suite.command("run", run)
    running.add_argument("--kills", type=int, default=report.KILLS, help="in all; default: 100")
    running.add_argument("--only", metavar="FAULT", help=f"{KILLS}, {', '.join(SCENARIOS)}")
    running.add_argument("--again", action="store_true", help="forget what was recorded")
    running.add_argument("--commit", default="HEAD", metavar="REVISION")
    running.add_argument("--no-ray", action="store_true", help="local processes only")
    running.add_argument("--inside", help=argparse.SUPPRESS)  # the commit, within its copy
    suite.report(write, report.PAGE)
    return suite.main(argv)


def run(arguments: argparse.Namespace) -> int:
    """Try what is left. Outside a copy, make one and become a process of it."""
    if arguments.only and arguments.only not in {KILLS, *SCENARIOS}:
        close = nearest(arguments.only, [KILLS, *SCENARIOS])
        raise ReproError(f'no fault "{arguments.only}"; {close}')
    if not arguments.inside:
        become_copy(arguments)
    if arguments.again:
        arguments.record.unlink(missing_ok=True)
    folder = paths.RUNS / f"faults-{os.getpid()}"
    place = Place(folder, paths.ROOT)
    try:
        if arguments.only != KILLS:
            try_scenarios(arguments, place)
        if arguments.only in (None, KILLS):
            try_kills(arguments, place)
    finally:
        found = record.read(arguments.record)
        if not report.lost(found):
            shutil.rmtree(folder, ignore_errors=True)
    print(report.outcome(found))
    return report.status(found)


def become_copy(arguments: argparse.Namespace) -> None:
    commit = copies.commit_of(arguments.commit)
    copy = paths.CACHE / "faults" / commit[:12]
    if not copy.exists():
        git.unpack(commit, copy)
    options = ["--record", str(arguments.record.resolve()), "--inside", commit]
    os.chdir(copy)
    own = [sys.executable, "-m", "benchmarks.faults", *sys.argv[1:], *options]
    os.execve(sys.executable, own, copies.environment(copy))


def try_scenarios(arguments: argparse.Namespace, place: Place) -> None:
    for name, scenario in SCENARIOS.items():
        if arguments.only not in (None, name):
            continue
        if arguments.only is None and name in record.read(arguments.record)["scenarios"]:
            continue
        began = time.monotonic()
        found = scenario(place)
        seconds = time.monotonic() - began
        record.add_finding(arguments.record, name, found, arguments.inside, seconds)
        end = found.skipped or "; ".join(found.lost) or "nothing lost"
        print(f"{name}: {found.times} times, {end} ({seconds:.0f} s)", flush=True)


def try_kills(arguments: argparse.Namespace, place: Place) -> None:
    ray = not arguments.no_ray and importlib.util.find_spec("ray") is not None
    found, chance = kills.cases(ray), random.Random()
    with contextlib.ExitStack() as held:
        variables: dict[str, str] | None = None
        while (done := kills.total(record.read(arguments.record)["kills"])) < arguments.kills:
            subject, launcher = kills.next_case(found, record.read(arguments.record)["kills"])
            if launcher == kills.RAY and variables is None:
                variables = held.enter_context(kills.cluster())
            began = time.monotonic()
            most = min(kills.MOST, arguments.kills - done)
            on_ray = variables if launcher == kills.RAY else None
            trial = kills.run(place, subject, launcher, chance, on_ray, most)
            seconds = time.monotonic() - began
            record.add_trial(arguments.record, trial, arguments.inside, seconds)
            end = "; ".join(trial.lost) or "nothing lost"
            print(
                f"[{done + len(trial.kills)}/{arguments.kills}] {subject.name} on {launcher}: "
                f"{len(trial.kills)} kills, {end} ({seconds:.0f} s)",
                flush=True,
            )


def write(arguments: argparse.Namespace) -> int:
    found = record.read(arguments.record)
    report.write(arguments.page, found)
    print(report.outcome(found))
    return report.status(found)


if __name__ == "__main__":
    sys.exit(main())
