"""Plant classic errors of reinforcement-learning code, and see which test notices each.

  python -m benchmarks.mutants list                   the catalogue
  python -m benchmarks.mutants run                    those not caught yet, until the first failure
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
from pathlib import Path

from benchmarks.mutants import catalogue, record, report
from benchmarks.mutants.hunt import Copy
from benchmarks.spoiled import copies
from repro.errors import ReproError


def main(argv: Sequence[str] | None = None) -> int:
    try:
        arguments = parser().parse_args(argv)
        return int(arguments.execute(arguments))
    except ReproError as error:
        print(f"mutants: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mutants: interrupted; the same command goes on from here", file=sys.stderr)
        return 3


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True)
    commands.add_parser("list").set_defaults(execute=show)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--record", type=Path, default=record.RECORD, metavar="FILE")
    running = commands.add_parser("run", parents=[common])
    running.add_argument("names", nargs="*", metavar="NAME")
    running.add_argument("--again", action="store_true", help="also what was caught before")
    running.add_argument("--commit", default="HEAD", metavar="REVISION")
    running.set_defaults(execute=run)
    reporting = commands.add_parser("report", parents=[common])
    reporting.add_argument("--page", type=Path, default=report.PAGE, metavar="FILE")
    reporting.set_defaults(execute=write)
    return made


def show(arguments: argparse.Namespace) -> int:
    for mutant in catalogue.read().values():
        print(f"{mutant.name:40} {mutant.edit.file}: {mutant.fault.about}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Hunt the mutants one after the other; each is recorded as soon as it is decided."""
    rows = record.read(arguments.record)
    left = []
    for mutant in catalogue.chosen(arguments.names):
        row = record.current(rows, mutant)
        if arguments.again or row is None or row["caught_by"] is None:
            left.append(mutant)
    if not left:
        print("all of these were caught before; --again hunts them once more")
        return 0
    copy = Copy(copies.commit_of(arguments.commit))
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
    report.write(arguments.page, mutants, rows)
    print(report.outcome(mutants, rows))
    return report.status(mutants, rows)


if __name__ == "__main__":
    sys.exit(main())
