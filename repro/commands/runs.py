"""list the runs on this machine, search their logs, and clean up

examples:
  repro runs                              every run: state, size, age, seeds done
  repro runs search diverged              lines of all logs that hold a text
  repro runs clean                        what finished runs need no more; removes nothing
  repro runs clean --yes                  remove that: checkpoints and replay, never logs
  repro runs clean --older 30d --yes      whole finished runs that are older
  repro runs clean 07e3f1d54d1f --yes     one whole run, also an unfinished one: named on purpose

A running run is never touched. What stands in results/ stays.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING

from repro.commands import text
from repro.commands.arguments import whole
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.housekeeping import Hit, RunInfo

_AGE = re.compile(r"(\d+)([dhw])")
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}
COLOURS = {"finished": "green", "running": "cyan", "failed": "red", "damaged": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", default="list", choices=["list", "search", "clean"], metavar="ACTION",
        help="list (the default), search TEXT, or clean [RUN …]",
    )  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="WORD", help="the text, or runs by digest")
    parser.add_argument("--older", type=age, metavar="AGE", help="whole finished runs: 30d, 4w")
    parser.add_argument("--yes", action="store_true", help="remove, instead of saying what would")
    parser.add_argument("--limit", type=whole, default=50, metavar="N", help="hits; default: 50")
    parser.add_argument("--json", action="store_true", help="as JSON")


def age(words: str) -> float:
    """Seconds of `30d`."""
    found = _AGE.fullmatch(words)
    if not found:
        raise ReproError(f"--older {words}: expected hours, days or weeks, such as 30d")
    return int(found[1]) * _SECONDS[found[2]]


def execute(args: argparse.Namespace) -> int:
    if args.action == "search":
        return _search(args)
    if args.action == "clean":
        return _clean(args)
    if args.words:
        raise ReproError(f'"{args.words[0]}" needs an action: search or clean')
    from repro.housekeeping import runs

    found = runs()
    if args.json:
        print(json.dumps([_plain(run) for run in found], indent=1))
        return 0
    if not found:
        print("no runs yet; `repro run --help` says how one is made")
        return 0
    rows = [
        [run.name, run.state, f"{run.done}/{run.seeds}", size(run.size), since(run.age)]
        for run in found
    ]
    tints = [[None, COLOURS.get(run.state, "yellow"), None, None, None] for run in found]
    print(text.table(rows, ["run", "state", "seeds", "size", "age"], tints))
    if not args.quiet:
        print(f"{len(found)} runs, {size(sum(run.size for run in found))}", end="")
        spent = sum(run.spent for run in found if run.state == "finished")
        print(f"; {size(spent)} of them can go: repro runs clean" if spent else "")
        for run in found:
            if run.problem:
                print(f"{run.name}: {run.problem}")
    return 0


def _search(args: argparse.Namespace) -> int:
    from repro.housekeeping import runs, search

    if args.limit < 1:
        raise ReproError(f"--limit {args.limit}: expected at least 1")
    hits: list[Hit] = []
    more = False
    for hit in search(" ".join(args.words), runs()):
        if len(hits) == args.limit:
            more = True
            break
        hits.append(hit)
    if args.json:
        print(json.dumps([hit._asdict() for hit in hits], indent=1, ensure_ascii=False))
        return 0
    room = text.room()
    for hit in hits:
        line = printable(f"{hit.file}:{hit.number}: {hit.line}")
        print(text.clipped(line, room) if room else line)
    if more and not args.quiet:
        print(f"more than {args.limit}; --limit shows more")
    elif not hits and not args.quiet:
        print("no log holds that")
    return 0


def _clean(args: argparse.Namespace) -> int:
    from repro import housekeeping

    if args.words and args.older is not None:
        raise ReproError("name runs, or give --older; not both")
    if args.words:
        wholes, parts = housekeeping.find(args.words), []
        for run in wholes:
            if run.state == "running":
                raise ReproError(f"{run.name} is running; stop it first, nothing was removed")
    else:
        finished = [run for run in housekeeping.runs() if run.state == "finished"]
        wholes = [run for run in finished if args.older is not None and run.age > args.older]
        parts = [run for run in finished if run.spent and args.older is None]
    done = []
    for run in wholes:
        what = f"the whole run ({run.state}, {run.done} of {run.seeds} seeds done)"
        freed = housekeeping.remove(run) if args.yes else run.size
        done.append({"run": run.name, "what": what, "bytes": freed})
    for run in parts:
        freed = housekeeping.clean_spent(run) if args.yes else run.spent
        done.append({"run": run.name, "what": "checkpoints and replay", "bytes": freed})
    if args.json:
        print(json.dumps({"removed": args.yes, "runs": done}, indent=1))
        return 0
    for each in done:
        print(f"{each['run']}: {each['what']}, {size(int(str(each['bytes'])))}")
    total = size(sum(int(str(each["bytes"])) for each in done))
    if not done:
        print("nothing to remove")
    else:
        print(f"removed {total}" if args.yes else f"would free {total}; --yes removes it")
    return 0


def size(number: int) -> str:
    """Bytes as people read them: `168 MB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def since(seconds: float) -> str:
    """`5 min`, `3 h`, `12 d`."""
    for unit, length in (("d", 86400), ("h", 3600)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} min"


def printable(line: str) -> str:
    """A stranger's log line without control characters, which a terminal would obey."""
    return "".join(c if c.isprintable() else "�" for c in line)


def _plain(run: RunInfo) -> dict[str, object]:
    return {
        "run": run.name,
        "state": run.state,
        "bytes": run.size,
        "removable_bytes": run.spent if run.state == "finished" else 0,
        "age_seconds": round(run.age),
        "seeds_done": run.done,
        "seeds": run.seeds,
        "steps": run.steps,
        "problem": run.problem,
    }
