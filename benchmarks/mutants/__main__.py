"""Plant classic errors of reinforcement-learning code, and see which test notices each.

  python -m benchmarks.mutants list                   the catalogue
  python -m benchmarks.mutants run                    those not caught yet, until the first failure
  python -m benchmarks.mutants run --stale            also those older than their file or their test
  python -m benchmarks.mutants run --again            all of them
  python -m benchmarks.mutants run gae-gamma-squared  one
  python -m benchmarks.mutants report                 write docs/mutants.md

Each error is planted in a copy of a commit, never in the working tree; the fast tests of its file
run in one process. What was caught is not hunted again unless asked; an interrupted command goes
on where it was. Exit status: 0 done (report: enough are caught), 1 too few are caught,
2 wrong input, 3 unfinished.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import copies
from benchmarks.command import Suite
from benchmarks.mutants import catalogue, record, report
from benchmarks.mutants.hunt import Copy
from repro.errors import ReproError


def main(argv: Sequence[str] | None = None) -> int:
    suite = Suite("mutants", __doc__, record.RECORD)
    suite.command("list", show)
    running = suite.command("run", run)
    running.add_argument("names", nargs="*", metavar="NAME")
    running.add_argument(
        "--stale", action="store_true",
        help="also what was caught before its file, or that of the test that caught it, changed",
    )  # fmt: skip
    running.add_argument("--again", action="store_true", help="also what was caught before")
    running.add_argument("--commit", default="HEAD", metavar="REVISION")
    suite.report(write, report.PAGE)
    return suite.main(argv)


def show(arguments: argparse.Namespace) -> int:
    for mutant in catalogue.read().values():
        print(f"{mutant.name:40} {mutant.edit.file}: {mutant.fault.about}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Hunt the mutants one after the other; each is recorded as soon as it is decided."""
    rows, commit = record.read(arguments.record), copies.commit_of(arguments.commit)
    left, older = [], 0
    for mutant in catalogue.chosen(arguments.names):
        row = record.current(rows, mutant)
        stale = row is not None and record.stale(row, mutant, commit)
        if (
            arguments.again
            or row is None
            or row["caught_by"] is None
            or (arguments.stale and stale)
        ):
            left.append(mutant)
        else:
            older += stale
    if older:
        print(f"{older} more are older than their file or their test; --stale hunts them too")
    if not left:
        print("all of these were caught before; --again hunts them once more")
        return 0
    copy = Copy(commit)
    copy.make()
    print(f"{len(left)} mutants, in commit {copy.commit[:12]}", flush=True)
    catchers, refused = set(), []
    for number, mutant in enumerate(left, 1):
        try:
            found = copy.hunt(mutant)
        except ReproError as error:  # its text is not in this commit once
            refused.append(str(error))
            print(f"[{number}/{len(left)}] {error}", flush=True)
            continue
        record.add(arguments.record, mutant, found, copy.commit)
        end = f"caught by {found.caught_by}" if found.caught_by else "SURVIVED"
        print(f"[{number}/{len(left)}] {mutant.name}: {end} ({found.seconds:.0f} s)", flush=True)
        catchers |= {found.caught_by} if found.caught_by else set()
    if test := copy.unsound(catchers):
        record.drop(arguments.record, test)
        raise ReproError(
            f"{test} fails in commit {copy.commit[:12]} without any mutant, and what it caught is "
            "struck out; mend it and run again, or hunt in another commit: --commit REVISION"
        )
    if refused:
        raise ReproError(f"{len(refused)} mutants no longer apply; the first: {refused[0]}")
    return 0


def write(arguments: argparse.Namespace) -> int:
    mutants, rows = catalogue.read(), record.read(arguments.record)
    commit = copies.commit_of("HEAD")
    report.write(arguments.page, mutants, rows, commit)
    print(report.outcome(mutants, rows))
    print(report.age(mutants, rows, commit))
    return report.status(mutants, rows)


if __name__ == "__main__":
    sys.exit(main())
