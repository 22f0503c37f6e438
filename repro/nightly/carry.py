"""One job of a night: train its seeds, compare them where it is a check, write its event."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from repro import evidence, paths
from repro.errors import ReproError
from repro.experiment import Experiment
from repro.launch import origin
from repro.launch.local import Outcome, launch
from repro.nightly import alarms, night
from repro.nightly.night import Event, Job, Night, Test
from repro.nightly.wanted import AREA
from repro.plans import Plan, check_plan_current, plan_commit, require_committed_code
from repro.results import read_csv, read_records, summarise
from repro.runs import timestamp

Numbers = dict[str, list[float | None]]  # metric → one value a seed, None for one that diverged


class Stopped(KeyboardInterrupt):
    """Someone wants the night to stop; what was trained is kept."""


def carry(
    tonight: Night,
    job: Job,
    deadline: float,
    *,
    device: str = "cpu",
    workers: int | None = None,
    accept_drift: bool = False,
    on_progress: Callable[[Any], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Event:
    """Carry out one job until `deadline` (of time.monotonic()); its event, also as a file.

    What goes wrong with one job (another process holds its run, a worker dies) is said in its
    event and does not end the night. Raises Stopped at Ctrl-C, the event written.
    """
    options = {
        "device": device,
        "workers": workers or tonight.workers,
        "accept_drift": accept_drift,
        "on_progress": on_progress,
        "say": say,
    }
    runner = _Runner(tonight, job, deadline, options)
    event = runner.event()
    night.write(night.events_folder(tonight.date) / f"{job.name}.json", event)
    if runner.stopped:
        raise Stopped
    return event


class _Runner:
    def __init__(self, tonight: Night, job: Job, deadline: float, options: dict[str, Any]):
        self.tonight, self.job, self.deadline, self.options = tonight, job, deadline, options
        self.stopped = False
        self.run = ""
        self.said: list[str] = []
        self.trained: dict[int, float] = {}  # seed → its share of the workers' seconds
        self.began, self.started = time.monotonic(), timestamp()

    def event(self) -> Event:
        job = self.job
        outcome: night.Outcome = "failed"
        tests: list[Test] = []
        experiment: Experiment | None = None
        try:
            plan = night.plan_of(job)
            experiment = plan.experiment
            plan_commit(plan.folder)
            check_plan_current(plan)
            require_committed_code(experiment.paper)
            outcome, tests = self._check(plan) if job.look is None else (self._plan(plan), [])
        except ReproError as error:
            self.said.append(str(error))
        commit = origin.commit()
        paper = job.folder.partition("/")[0]
        return Event(
            schema_version=1,
            night=self.tonight.date,
            job=job.name,
            folder=job.folder,
            kind=job.kind,
            outcome=outcome,
            started=self.started,
            commit=commit["commit"],
            dirty=commit["dirty"],
            run=self.run,
            code=origin.code_digest(paper),
            cpu=origin.machine(self.options["device"])["cpu"],
            seeds=len(self.trained),
            steps=experiment.steps if experiment else 0,
            seconds=round(sum(self.trained.values()), 1),
            wall=round(time.monotonic() - self.began, 1),
            tests=tests,
            said=[night.portable(line) for line in self.said],
        )

    def _plan(self, plan: Plan) -> night.Outcome:
        seeds, _ = self.tonight.seeds(self.job, plan)
        return "finished" if self._train(plan.experiment, seeds) else "unfinished"

    def _check(self, plan: Plan) -> tuple[night.Outcome, list[Test]]:
        """Look with some seeds; where they look worse, decide by others alone."""
        metrics, curves = evidence.read_summary(plan.folder)
        before = numbers(self.job.tests, metrics, curves["curves.csv"])
        screen, confirm = self.tonight.seeds(self.job, plan)
        looked: Numbers | None = None
        first: dict[str, float] = {}
        suspects = list(self.job.tests)
        if screen:
            if not self._train(plan.experiment, screen):
                return "unfinished", []
            looked = self._numbers(plan.experiment, screen)
            first = p_values(before, looked)
            suspects = [name for name, p in first.items() if p <= alarms.SCREEN_LEVEL]
        if not suspects:
            return "as committed", tests(before, looked or {}, first, {})
        if not self._train(plan.experiment, confirm):
            return "suspected", tests(before, looked or {}, first, {})
        fresh = self._numbers(plan.experiment, confirm)
        second = p_values({name: before[name] for name in suspects}, fresh)
        worse = any(p <= self.tonight.level for p in second.values())
        return "worse" if worse else "as committed", tests(before, fresh, first, second)

    def _numbers(self, experiment: Experiment, seeds: Sequence[int]) -> Numbers:
        records = read_records(self._outcome.folder, experiment, seeds)
        files = summarise(experiment, records)
        metrics, curves = files["metrics.json"], files["curves.csv"]
        assert isinstance(metrics, dict)
        assert isinstance(curves, str)
        return numbers(self.job.tests, metrics, read_csv(curves))

    def _train(self, experiment: Experiment, seeds: Sequence[int]) -> bool:
        """Whether all of these seeds are done before the deadline."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            return False
        self._outcome: Outcome = launch(experiment, seeds, stop_after=left, **self.options)
        outcome = self._outcome
        self.run = outcome.folder.path.relative_to(paths.RUNS).as_posix()
        self.said += [line.replace(str(outcome.folder.path), "…") for line in outcome.failures]
        if outcome.interrupted and time.monotonic() < self.deadline:
            self.stopped = True
        for state in outcome.seeds.values():
            if state.done:
                found = outcome.folder.outcome(state.folder.name) or {}
                seconds = found.get("seconds", 0.0) + found.get("evaluation_seconds", 0.0)
                self.trained[state.seed] = seconds / max(len(found.get("seeds", {})), 1)
        return outcome.finished


def numbers(names: Sequence[str], metrics: dict[str, Any], curves: dict[int, Any]) -> Numbers:
    """The values of each seed of a metrics.json and its curves, by metric."""
    found: Numbers = {name: [] for name in names}
    for name in names:
        for entry in metrics["seeds"]:
            value: float | None = entry["metrics"].get(name)
            if value is None and name == AREA:
                points = [point[1] for point in curves.get(entry["seed"], [])]
                value = sum(points) / len(points) if points else None
            found[name].append(None if entry["status"] == "diverged" else value)
    return found


def p_values(before: Numbers, fresh: Numbers) -> dict[str, float]:
    """Each metric's chance of ranks at least so bad, had nothing changed."""
    from repro.judge.metrics import metric

    return {
        name: alarms.p_worse(before[name], fresh[name], metric(name).direction) for name in before
    }


def tests(
    before: Numbers, fresh: Numbers, first: dict[str, float], second: dict[str, float]
) -> list[Test]:
    """What was compared, for the report. fresh: the seeds that decided."""
    return [
        Test(
            metric=name,
            committed=_mean(before[name]),
            fresh=_mean(fresh.get(name, [])),
            p=first.get(name),
            confirmed=second.get(name),
        )
        for name in before
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
