"""Plant faults in PPO, run and judge them as a user would, and hold the judge to its word.

  python -m benchmarks.spoiled pilot        short runs: where does each fault show?
  python -m benchmarks.spoiled run          every fault and the unmodified code, ten seeds each
  python -m benchmarks.spoiled report       write docs/judge-end-to-end.md

What is recorded for the same code is not run again, nor is the unmodified code where results/ has
its run and today's code still behaves alike; an interrupted command goes on where it was.
Exit status: 0 done (report: the statement holds), 1 the statement is violated, 2 wrong input,
3 unfinished.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import Suite
from benchmarks.copies import commit_of
from benchmarks.spoiled import choose, copies, record, report
from benchmarks.spoiled.faults import FAULTS, NONE, Fault, fault_named
from benchmarks.spoiled.jobs import PAPER, Job, Task
from repro.commands.arguments import whole
from repro.errors import ReproError, Unfinished
from repro.experiment import resolve

# Tasks and sets on which the unmodified code ends *reproduced*: elsewhere a refusal says little.
PILOT_TASKS = (
    "InvertedPendulum:mujoco",
    "InvertedDoublePendulum:mujoco-ppo2",
    "Reacher:mujoco-ppo2",
)
PILOT_SEEDS, PILOT_SHARE = 3, 5  # a fifth of the steps
RUN_SEEDS = 10
LEAST_SEEDS = 2


def main(argv: Sequence[str] | None = None) -> int:
    suite = Suite("spoiled", __doc__, record.RECORD)
    for name, jobs, seeds in (("pilot", pilot_jobs, PILOT_SEEDS), ("run", run_jobs, RUN_SEEDS)):
        command = suite.command(name, run, jobs=jobs)
        command.add_argument("--fault", action="append", metavar="NAME", help=", ".join(FAULTS))
        command.add_argument("--task", action="append", metavar="ENV:SET")
        command.add_argument("--seeds", type=whole, default=seeds)
        command.add_argument("--steps", type=whole, help="a seed; default: a fifth, or all")
        command.add_argument("--workers", type=whole, default=2)
        command.add_argument("--commit", default="HEAD", metavar="REVISION")
    suite.report(write, report.PAGE)
    return suite.main(argv)


def run(arguments: argparse.Namespace) -> int:
    carry_out(arguments.jobs(arguments), arguments.record, arguments.workers)
    return 0


def write(arguments: argparse.Namespace) -> int:
    found = record.read(arguments.record)
    report.write(arguments.page, found)
    print(report.outcome(found))
    return report.status(found)


def pilot_jobs(arguments: argparse.Namespace) -> list[Job]:
    """Every fault, and the unmodified code, on every task."""
    faults = [fault_named(name) for name in arguments.fault or FAULTS]
    tasks = [Task.parse(text) for text in arguments.task or PILOT_TASKS]
    return [job(fault, task, arguments, planned=False) for task in tasks for fault in faults]


def run_jobs(arguments: argparse.Namespace) -> list[Job]:
    """Each fault on the task that the pilot chose, and the unmodified code on each of those."""
    names = arguments.fault or list(FAULTS)
    faults = [fault_named(name) for name in names]
    if arguments.task:
        pairs = [(f, Task.parse(text)) for f in faults for text in arguments.task]
    else:
        chosen = choose.tasks(record.read(arguments.record)["pilot"])
        if not any(chosen.values()):
            raise ReproError(
                "the pilot has chosen no task; run `python -m benchmarks.spoiled pilot` first, "
                "or name one: --task InvertedPendulum:mujoco"
            )
        pairs = []
        for fault in faults:
            task = chosen.get(fault.name)
            if fault is NONE:
                pairs += [(NONE, t) for t in dict.fromkeys(filter(None, chosen.values()))]
            elif task is None:
                print(f"{fault.name}: left out, for no task of the pilot shows it")
            else:
                pairs.append((fault, task))
    return [job(fault, task, arguments, planned=True) for fault, task in pairs]


def job(fault: Fault, task: Task, arguments: argparse.Namespace, planned: bool) -> Job:
    if arguments.seeds < LEAST_SEEDS:
        raise ReproError(f"--seeds {arguments.seeds}: expected at least {LEAST_SEEDS}")
    experiment = resolve(PAPER, task.env, task.hparams)
    record.require_level(task)
    steps = arguments.steps or experiment.steps // (1 if planned else PILOT_SHARE)
    commit = commit_of(arguments.commit)
    code = copies.code_of(commit)
    return Job(fault, task, steps, arguments.seeds, planned, commit, code)


def carry_out(jobs: Sequence[Job], path: Path, workers: int) -> None:
    """One job after the other; each is recorded as soon as it is done."""
    for number, each in enumerate(jobs, 1):
        part = "runs" if each.planned else "pilot"
        title = f"[{number}/{len(jobs)}] {each.fault.name} on {each.task}"
        if record.done(path, part, each):
            print(f"{title}: recorded already", flush=True)
            continue
        if row := record.committed_row(each):
            print(f"{title}: as committed in results/", flush=True)
            record.append(path, part, row)
            continue
        print(f"{title}: {each.fault.about}", flush=True)
        try:
            metrics, verdicts = each.run(workers)
        except KeyboardInterrupt:  # between two commands
            raise Unfinished("interrupted; the same command goes on from there") from None
        row = (
            record.pilot_row(each, metrics)
            if verdicts is None
            else record.run_row(each, metrics, verdicts)
        )
        record.append(path, part, row)
        each.throw_away()


if __name__ == "__main__":
    sys.exit(main())
