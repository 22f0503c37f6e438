"""After the jobs: results merged, verdicts made anew, what changed, the report; committed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from repro import evidence, git, paths, results
from repro.attempts import finished, log_attempt
from repro.cards import load_card
from repro.errors import ReproError
from repro.nightly import night, observed
from repro.nightly.cost import drifted
from repro.nightly.markdown import markdown
from repro.nightly.night import Change, Drift, Event, Night, Report
from repro.plans import Plan, plan_commit
from repro.runs import RunFolder


def collect(tonight: Night) -> Report:
    """Merge what tonight's jobs left in `runs/`, judge, write and commit the report.

    Called again it takes in what has come since; events of jobs collected before are kept.
    """
    before = night.reports()
    earlier = next((report for report in before if report.date == tonight.date), None)
    events = {event.job: event for event in (earlier.events if earlier else [])}
    fresh, changed = [], []
    for name, event in night.events(tonight.date).items():
        if name not in {job.name for job in tonight.jobs} or events.get(name) == event:
            continue
        if event.outcome == "finished":
            event, folder = merge(tonight, event)
            changed += [folder] if folder else []
        events[name] = event
        fresh.append(event)
    changes = earlier.changes if earlier else []
    if changed:
        git.add(changed)  # verdicts come from what git has
        changes = [*changes, *judge()]
    known = observed.observations(report for report in before if report.date != tonight.date)
    report = Report(
        schema_version=1,
        date=tonight.date,
        events=[events[job.name] for job in tonight.jobs if job.name in events],
        changes=changes,
        drifts=[*(earlier.drifts if earlier else []), *drifts(fresh, known)],
    )
    night.write(tonight.folder / night.REPORT, report)
    text = markdown(tonight, report)
    (tonight.folder / "report.md").write_text(text, encoding="utf-8")
    verdicts = sorted(paths.RESULTS.glob("*/verdicts.json")) if changed else []
    git.commit(f"Nightly {tonight.date}: results", [*changed, *verdicts, tonight.folder])
    return report


def merge(tonight: Night, event: Event) -> tuple[Event, Path | None]:
    """The result of a finished job, by the one merge function; a failure becomes the event's."""
    try:
        job = tonight.job(event.job)
        plan = night.plan_of(job)
        commit = plan_commit(plan.folder)
        folder = RunFolder(run_folder(event.run))
        if not evidence.has_result(plan, job.look or 0):
            results.merge(folder, plan, commit, job.look)
        if not finished(plan, job.look or 0):  # it may have been killed after the merge
            _log(plan, event, job.look or 0)
    except ReproError as error:
        return _failed(event, str(error)), None
    _draw(plan)
    return event, plan.folder


def run_folder(name: str) -> Path:
    """An event's run below `runs/`; a name that leads elsewhere is refused."""
    found = (paths.RUNS / name).resolve()
    if not found.is_relative_to(paths.RUNS.resolve()) or len(Path(name).parts) != 4:
        raise ReproError(f'found the run "{name}", expected paper/environment/set/digest')
    return found


def judge() -> list[Change]:
    """Every paper's verdicts as `repro verify` makes them; those with another answer than before.

    All papers: a claim may compare with another paper's run.
    """
    found: list[Change] = []
    for paper in evidence.papers_with_results():
        card = load_card(paper)
        old = evidence.stored_verdicts(paper)
        new = evidence.verdicts_document(card, evidence.judge(card, evidence.speaking_to(card)))
        evidence.write_verdicts(card, new)
        was = {v["claim"]: v["answer"] for v in old["verdicts"]} if old else {}
        for verdict in new["verdicts"]:
            answer = was.get(verdict["claim"], "not tested")
            if verdict["answer"] != answer:
                found.append(
                    Change(paper=paper, claim=verdict["claim"], was=answer, now=verdict["answer"])
                )
    return found


def drifts(fresh: Sequence[Event], known: Sequence[observed.Observation]) -> list[Drift]:
    """Jobs whose steps took much longer or shorter than the same job's did before."""
    found = []
    for event in fresh:
        if event.seeds and event.seconds:
            ratio = drifted(observed.of_event(event), known)
            if ratio is not None:
                found.append(Drift(job=event.job, ratio=round(ratio, 2)))
    return found


def _log(plan: Plan, event: Event, seeds: int) -> None:
    """The two lines of an attempt, as `repro run --plan` leaves them."""
    digest = event.run.rpartition("/")[2]
    log_attempt(
        plan.folder,
        event="started",
        time=event.started,
        commit=event.commit,
        plan=plan.digest,
        seeds=seeds,
        run=digest,
        dirty=event.dirty,
        night=event.night,
    )
    log_attempt(
        plan.folder,
        event="finished",
        commit=event.commit,
        plan=plan.digest,
        seeds=seeds,
        run=digest,
        failures=event.said,
        seconds=event.wall,
        night=event.night,
    )


def _draw(plan: Plan) -> None:
    from repro.plotting import plot_folder

    card = load_card(plan.experiment.paper)
    found = evidence.read_result(plan.folder)
    mine = evidence.own_verdicts(card, plan.experiment, evidence.judge(card, [found]))
    plot_folder(plan.folder, plan.experiment, card, mine)


def _failed(event: Event, why: str) -> Event:
    return msgspec.structs.replace(event, outcome="failed", said=[*event.said, night.portable(why)])
