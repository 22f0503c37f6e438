"""The plan of a night, written and committed before its jobs, and what became of them.

    results/nightly/<date>/night.json    the plan: jobs, levels, estimates
    results/nightly/<date>/report.json   events, changed verdicts; report.md is for people
    runs/nightly/<date>/<job>.json       a job's event, until it is collected

Nobody picks the seeds of a check: they follow from the digest of the committed plan.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from repro import paths
from repro.errors import ReproError, nearest
from repro.files import digest, read_json, write_json
from repro.plans import Plan, evidence_seeds, read_plan

SCHEMA_VERSION = 1
NIGHT, REPORT = "night.json", "report.json"

Date = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
Part = r"[A-Za-z0-9][A-Za-z0-9._+-]*"
Folder = Annotated[str, msgspec.Meta(pattern=rf"^{Part}/{Part}/{Part}$", max_length=300)]
Name = Annotated[str, msgspec.Meta(pattern=rf"^{Part}$", max_length=200)]

Outcome = Literal["finished", "as committed", "suspected", "worse", "unfinished", "failed"]
T = TypeVar("T")


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict and frozen."""


class Job(Data, frozen=True, kw_only=True):
    """One job. folder: below `results/`, with the committed plan; plan: its digest.

    look: how many of the plan's seeds are trained; None for a check, which trains `screen` seeds
    and, where those look worse in one of `tests`, `confirm` others. seconds: its share of the
    night; part: it needs more and goes on another night. basis: what that rests on.
    """

    name: Name
    kind: Literal["begin", "carry out", "more seeds", "renew", "check"]
    why: str
    folder: Folder
    plan: str
    look: int | None
    screen: int
    confirm: int
    tests: list[str]
    seconds: float
    part: bool
    basis: str


class Night(Data, frozen=True, kw_only=True):
    """What one night promised. level: of a confirmation; left: titles that did not fit."""

    schema_version: Literal[1]
    date: Date
    commit: str | None
    budget: float
    workers: int
    level: float
    jobs: list[Job]
    left: list[str]

    @property
    def digest(self) -> str:
        return digest(msgspec.to_builtins(self))

    @property
    def folder(self) -> Path:
        return night_folder(self.date)

    def job(self, name: str) -> Job:
        """The job of that name; ReproError with the nearest otherwise."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise ReproError(
            f'the night of {self.date} has no job "{name}"; '
            f"{nearest(name, [job.name for job in self.jobs])}"
        )

    def seeds(self, job: Job, plan: Plan) -> tuple[list[int], list[int]]:
        """The seeds of a job: those of its plan; for a check fresh ones, and those to confirm."""
        if job.look is not None:
            return plan.seeds[: job.look], []
        wanted = job.screen + job.confirm
        drawn = evidence_seeds(f"{self.digest}:{job.name}", wanted + len(plan.seeds))
        fresh = [seed for seed in drawn if seed not in plan.seeds][:wanted]
        return fresh[: job.screen], fresh[job.screen :]


class Test(Data, frozen=True, kw_only=True):
    """One comparison of a check: means over seeds, p-values (None: not looked at)."""

    metric: str
    committed: float | None
    fresh: float | None
    p: float | None
    confirmed: float | None


class Event(Data, frozen=True, kw_only=True):
    """What became of a job. run: its folder below `runs/`. seconds: of all its workers; wall: of
    the clock. seeds: trained to their end, of `steps` steps each. said: what went wrong."""

    schema_version: Literal[1]
    night: Date
    job: Name
    folder: Folder
    kind: str
    outcome: Outcome
    started: str
    commit: str | None
    dirty: bool | None
    run: str
    code: str
    cpu: str | None
    seeds: int
    steps: int
    seconds: float
    wall: float
    tests: list[Test]
    said: list[str]


class Change(Data, frozen=True, kw_only=True):
    """A claim whose verdict is another than before the night."""

    paper: str
    claim: str
    was: str
    now: str

    @property
    def kind(self) -> str:
        passes = ("reproduced", "exceeds")
        if self.now in passes and self.was not in passes:
            return "newly reproduced"
        if self.now == "not reproduced":
            return "newly not reproduced"
        return "changed"


class Drift(Data, frozen=True, kw_only=True):
    """A job that took `ratio` times as long for a step as the same job did before."""

    job: Name
    ratio: float


class Report(Data, frozen=True, kw_only=True):
    """A night's outcome: one event a job, at most."""

    schema_version: Literal[1]
    date: Date
    events: list[Event]
    changes: list[Change]
    drifts: list[Drift]

    @property
    def worse(self) -> list[Event]:
        return [event for event in self.events if event.outcome == "worse"]


def night_folder(date: str) -> Path:
    return paths.RESULTS / "nightly" / date


def read_night(date: str) -> Night | None:
    """The plan of that night; None where none was made."""
    file = night_folder(date) / NIGHT
    return read(file, Night) if file.is_file() else None


def reports() -> list[Report]:
    """Every night's report, oldest first."""
    found = sorted((paths.RESULTS / "nightly").glob(f"*/{REPORT}"))
    return [read(file, Report) for file in found]


def read(file: Path, kind: type[T]) -> T:
    """One of this file's types from JSON; ReproError in one line for anything else."""
    try:
        return msgspec.convert(read_json(file, SCHEMA_VERSION), kind)
    except msgspec.ValidationError as error:
        words = " ".join(str(error).split())
        raise ReproError(f"{file}: not a {kind.__name__.lower()} of ours ({words})") from None


def write(file: Path, value: Any) -> None:
    write_json(file, msgspec.to_builtins(value))


def events_folder(date: str) -> Path:
    return paths.RUNS / "nightly" / date


def events(date: str) -> dict[str, Event]:
    """What the jobs of a night left behind on this machine, by job."""
    found = (read(file, Event) for file in sorted(events_folder(date).glob("*.json")))
    return {event.job: event for event in found}


def plan_of(job: Job) -> Plan:
    """The committed plan that a job is about; refused where another one stands there now."""
    plan = read_plan(paths.RESULTS / job.folder / "plan.json")
    if plan.digest != job.plan:
        raise ReproError(
            f"results/{job.folder}/plan.json is another plan than the night's; "
            "the next night takes it up"
        )
    return plan


def portable(text: str) -> str:
    """Words for a report that is committed: without the paths of this machine."""
    for place, name in ((paths.RUNS, "runs"), (paths.ROOT, ".")):
        text = text.replace(str(place), name).replace(str(place.resolve()), name)
    return text


def slug(*words: str) -> str:
    """Words as one name for files: `ppo-2017.HalfCheetah-v4.mujoco+no-clip`."""
    return ".".join(re.sub(r"[^A-Za-z0-9._+-]+", "-", word) for word in words)
