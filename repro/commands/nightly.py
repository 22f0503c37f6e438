"""plan and run a night of reproduction within a budget, compare, judge, report

examples:
  repro nightly --dry-run --budget 5h              what tonight would do, and its cost
  repro nightly --budget 5h                        do it; the same command goes on after a break
  repro nightly --budget 2h --only Hopper,td3      only experiments with that in their title
  repro nightly --smoke                            a whole night in a minute, in a clone of its own

On several machines (GitHub's matrix; docs/nightly.md):
  repro nightly --matrix --budget 5h               plan, commit, print the jobs as JSON
  repro nightly --job NAME                         one of them
  repro nightly --collect                          merge, judge and report what they left in runs/

Plans and results are committed to this clone, on the branch that is checked out.
Exit status: 0 done, whatever was found; 1 something got worse against a committed result,
confirmed on fresh seeds; 2 wrong input; 3 unfinished; 4 internal error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands import text
from repro.commands.arguments import whole
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.nightly.night import Job, Night, Report
    from repro.nightly.planning import Proposal

_UNITS = {"h": 3600, "m": 60, "s": 1}
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)([hms])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budget", type=duration, default=5 * 3600.0, metavar="TIME", help="5h, 90m; default: 5h"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="print the plan, write nothing")
    how.add_argument("--matrix", action="store_true", help="write the plan, print its jobs as JSON")
    how.add_argument("--job", metavar="NAME", help="carry out one job of the plan")
    how.add_argument("--collect", action="store_true", help="merge and report what jobs have left")
    how.add_argument("--smoke", action="store_true", help="rehearse it all in a clone of its own")
    parser.add_argument("--date", type=day, metavar="DAY", help="the night's; default: today (UTC)")
    parser.add_argument("--only", default="", metavar="WORDS", help="words in titles, by commas")
    parser.add_argument("--workers", type=whole, help="processes; default: one per core")
    parser.add_argument(
        "--machines", type=whole, default=1, metavar="N", help="plan for so many of this kind"
    )
    parser.add_argument(
        "--accept-drift", action="store_true", help="go on with runs begun on another machine"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1; default: cpu")
    parser.add_argument(
        "--rehearse", type=whole, metavar="STEPS", help="at most so many steps a seed; for trials"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where --smoke makes its clone")
    parser.add_argument("--json", action="store_true", help="plan or report as JSON")


def duration(words: str) -> float:
    """Seconds of `5h`, `90m`, `1h30m`."""
    parts = _BUDGET.findall(words)
    if not parts or "".join(n + u for n, u in parts) != words:
        raise ReproError(f"--budget {words}: expected hours, minutes or seconds, such as 5h or 90m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= 14 * 86400:
        raise ReproError(f"--budget {words}: expected more than nothing and at most two weeks")
    return seconds


def day(words: str) -> str:
    """An ISO date."""
    try:
        return datetime.date.fromisoformat(words).isoformat()
    except ValueError:
        raise ReproError(f"--date {words}: expected a day, such as 2026-11-22") from None


def execute(args: argparse.Namespace) -> int:
    if args.smoke:
        from repro.nightly.smoke import smoke

        return smoke(args.out, say=None if args.quiet else print)
    if args.out:
        raise ReproError("--out is for --smoke")
    from repro.nightly import night

    args.date = args.date or datetime.datetime.now(datetime.UTC).date().isoformat()
    tonight = night.read_night(args.date)
    if args.job or args.collect:
        if tonight is None:
            raise ReproError(f"no night of {args.date} is planned; `repro nightly --matrix` does")
        return _job(args, tonight) if args.job else _collect(args, tonight)
    if args.dry_run:
        return _show(args, _propose(args), tonight)
    if tonight is None:
        from repro.nightly.planning import commit

        _collect_earlier(args)
        tonight = commit(_propose(args))
    if args.matrix:
        entries = [{"job": job.name, "title": _title(job)} for job in tonight.jobs]
        print(json.dumps({"include": entries}, separators=(",", ":")))
        return 0
    return _run(args, tonight)


def _propose(args: argparse.Namespace) -> Proposal:
    from repro.launch.local import default_workers
    from repro.nightly.planning import Options, propose

    only = tuple(word.strip() for word in args.only.split(",") if word.strip())
    workers = args.workers or default_workers(args.device)
    if args.machines < 1:
        raise ReproError(f"--machines {args.machines}: expected at least 1")
    return propose(Options(args.date, args.budget, workers, args.machines, only, args.rehearse))


def _run(args: argparse.Namespace, tonight: Night) -> int:
    """What is left of the night, then the report."""
    from repro.nightly import night

    done = night.events(tonight.date)
    earlier = next((r for r in night.reports() if r.date == tonight.date), None)
    if earlier:
        done = {event.job: event for event in earlier.events} | done
    spent = sum(event.wall for event in done.values())
    end = time.monotonic() + max(args.budget - spent, 0.0)
    for job in tonight.jobs:
        if job.name in done and done[job.name].outcome != "unfinished":
            continue
        if time.monotonic() >= end:
            break
        limit = min(end, time.monotonic() + job.seconds) if job.part else end
        _carry(args, tonight, job, limit)
    return _collect(args, tonight)


def _job(args: argparse.Namespace, tonight: Night) -> int:
    job = tonight.job(args.job)
    event = _carry(args, tonight, job, time.monotonic() + args.budget)
    return 3 if event in ("unfinished", "suspected") else 2 if event == "failed" else 0


def _carry(args: argparse.Namespace, tonight: Night, job: Job, deadline: float) -> str:
    from repro.launch.progress import Display
    from repro.nightly.carry import carry
    from repro.nightly.markdown import WORDS, compared
    from repro.training.environments import require_engine
    from repro.training.environments.names import is_mujoco

    if is_mujoco(Path(job.folder).parts[1]):
        require_engine(False)
    if not args.quiet and not args.json:
        print(f"{_title(job)}  ({job.why})", flush=True)
    with Display(quiet=args.quiet or args.json) as display:
        event = carry(
            tonight,
            job,
            deadline,
            device=args.device,
            workers=args.workers,
            accept_drift=args.accept_drift,
            on_progress=display.update,
            say=display.say,
        )
    if not args.quiet and not args.json:
        words = "; ".join(filter(None, (WORDS[event.outcome], compared(event.tests), *event.said)))
        print(f"  {words}", flush=True)
    return event.outcome


def _collect(args: argparse.Namespace, tonight: Night) -> int:
    from repro.nightly.collect import collect
    from repro.nightly.markdown import markdown
    from repro.plans import shown

    report = collect(tonight)
    if args.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(report), indent=1, sort_keys=True))
    elif not args.quiet:
        print(markdown(tonight, report))
        print(f"report   {shown(tonight.folder / 'report.md')}")
    return _status(tonight, report)


def _status(tonight: Night, report: Report) -> int:
    if report.worse:
        return 1
    done = {event.job: event.outcome for event in report.events}
    open_ = [job for job in tonight.jobs if done.get(job.name, "unfinished") == "unfinished"]
    return 3 if any(not job.part for job in open_) else 0


def _collect_earlier(args: argparse.Namespace) -> None:
    """Take in jobs of earlier nights that were cut off before their report."""
    from repro import paths
    from repro.nightly import night
    from repro.nightly.collect import collect

    reported = {report.date: {e.job: e for e in report.events} for report in night.reports()}
    for folder in sorted((paths.RUNS / "nightly").glob("*")):
        earlier = night.read_night(folder.name)
        known = reported.get(folder.name, {})
        if earlier and any(known.get(j) != e for j, e in night.events(folder.name).items()):
            collect(earlier)


def _show(args: argparse.Namespace, proposal: Proposal, planned: Night | None) -> int:
    """`--dry-run`: the plan, what is left, what cannot be run."""
    import msgspec

    from repro.nightly import markdown

    tonight = proposal.night
    if args.json:
        skipped = [{"title": s.title, "reason": s.reason} for s in proposal.skipped]
        plain = msgspec.to_builtins(tonight) | {"skipped": skipped}
        print(json.dumps(plain, indent=1, sort_keys=True))
        return 0
    hours = sum(job.seconds for job in tonight.jobs) / 3600
    print(
        f"night of {tonight.date}: {len(tonight.jobs)} jobs, {hours:.1f} of "
        f"{tonight.budget / 3600:.1f} hours on {tonight.workers} workers"
    )
    rows = markdown.plan_rows(tonight.jobs)
    print(text.table(rows, ["job", "why", "seeds", "minutes", "estimated from"]))
    if args.quiet:
        return 0
    print(markdown.alarm_words(tonight))
    if tonight.left:
        print(f"left for other nights: {len(tonight.left)}, such as {tonight.left[0]}")
    for each in proposal.skipped:
        print(text.dim(f"skipped {each.title}: {each.reason}"))
    if planned:
        print(f"this night is already planned: {planned.folder / 'night.json'}")
    return 0


def _title(job: Job) -> str:
    return f"{job.kind} {job.folder}"
