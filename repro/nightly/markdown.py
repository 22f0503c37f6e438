"""A night as Markdown and as text: the plan, and the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from repro.nightly.night import Event, Job, Night, Report, Test

HEADS = ("job", "why", "outcome", "seeds", "minutes", "compared")
WORDS = {
    "finished": "finished",
    "as committed": "as committed",
    "suspected": "looks worse, not confirmed yet",
    "worse": "WORSE than committed, confirmed on fresh seeds",
    "unfinished": "unfinished, goes on another night",
    "failed": "failed",
}


def markdown(tonight: Night, report: Report) -> str:
    """The report for people. Everything in it that came from files is shown as plain text."""
    lines = [f"# Night of {tonight.date}", "", summary(tonight, report), ""]
    if report.worse:
        lines += ["## Newly failing against the committed result", ""]
        lines += [f"- {cell(e.folder)}: {cell(compared(e.tests))}" for e in report.worse] + [""]
    if report.changes:
        lines += ["## Changed verdicts", "", *table(("paper", "claim", "was", "is", ""))]
        lines += [row((c.paper, c.claim, c.was, c.now, c.kind)) for c in report.changes] + [""]
    lines += ["## Jobs", "", *table(HEADS), *(row(cells) for cells in rows(tonight, report))]
    said = [(event, line) for event in report.events for line in event.said]
    if said:
        lines += ["", "## Said", "", *(f"- {cell(e.folder)}: {cell(t)}" for e, t in said)]
    if report.drifts:
        lines += ["", "## Drifted speed", ""]
        lines += [f"- {cell(d.job)}: a step takes {d.ratio:g} times as long" for d in report.drifts]
    if tonight.left:
        lines += ["", f"Left for other nights: {len(tonight.left)} jobs."]
    lines += ["", alarm_words(tonight)]
    return "\n".join(lines) + "\n"


def summary(tonight: Night, report: Report) -> str:
    """One sentence: how many jobs came to what, how many verdicts changed."""
    counts: dict[str, int] = {}
    for event in report.events:
        counts[event.outcome] = counts.get(event.outcome, 0) + 1
    parts = [f"{number} {outcome}" for outcome, number in counts.items()]
    open_ = len(tonight.jobs) - len(report.events)
    parts += [f"{open_} not begun"] if open_ else []
    jobs = f"{len(tonight.jobs)} job{'s' * (len(tonight.jobs) != 1)}"
    changed = f"{len(report.changes)} verdict{'s' * (len(report.changes) != 1)} changed"
    return f"{jobs}: {', '.join(parts) or 'none begun'}; {changed}."


def alarm_words(tonight: Night) -> str:
    tests = sum(len(job.tests) for job in tonight.jobs)
    if not tests:
        return "Nothing was compared with committed results."
    return (
        f"{tests} comparison{'s' * (tests != 1)} with committed results, each confirmed at a "
        f"one-sided level of {tonight.level:.2g}: at most one false alarm is to be expected in "
        "ninety such nights."
    )


def compared(tests: Iterable[Test]) -> str:
    """`training-return-last-100: 1,962 committed, 1,410 fresh, p 0.0012, confirmed 0.0001`."""
    return "; ".join(
        ", ".join(
            filter(
                None,
                (
                    f"{test.metric}: {number(test.committed)} committed",
                    f"{number(test.fresh)} fresh",
                    f"p {test.p:.2g}" if test.p is not None else "",
                    f"on other seeds {test.confirmed:.2g}" if test.confirmed is not None else "",
                ),
            )
        )
        for test in tests
    )


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:,.1f}"


def plan_rows(jobs: Sequence[Job]) -> list[list[str]]:
    """job, why, seeds, minutes, what the minutes rest on: for `--dry-run`."""
    rows = []
    for job in jobs:
        seeds = f"{job.look}" if job.look is not None else f"{job.screen or job.confirm} fresh"
        time = minutes(job.seconds) + (" (part)" if job.part else "")
        rows.append([f"{job.kind}: {job.folder}", job.why, seeds, time, job.basis])
    return rows


def rows(tonight: Night, report: Report) -> list[tuple[str, ...]]:
    """A line a job, under `HEADS`."""
    done = {event.job: event for event in report.events}
    return [
        (f"{job.kind}: {job.folder}", job.why, *_event_cells(done.get(job.name)))
        for job in tonight.jobs
    ]


def _event_cells(event: Event | None) -> tuple[str, str, str, str]:
    if event is None:
        return "not begun", "0", "0", ""
    return WORDS[event.outcome], str(event.seeds), minutes(event.wall), compared(event.tests)


def table(heads: Sequence[str]) -> list[str]:
    return [row(heads), "|" + "---|" * len(heads)]


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell(text) for text in cells) + " |"


def cell(text: str) -> str:
    """Text that stays text in Markdown: no markup, no new column, no new line."""
    flat = " ".join(str(text).split()).replace("&", "&amp;")
    for character in "\\`*[]<>|":
        flat = flat.replace(character, f"&#{ord(character)};")
    return flat
