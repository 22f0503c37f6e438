"""What a run ends with: the verdict table, reasons in words, the plot, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands import text

if TYPE_CHECKING:
    from repro.cards.models import Card
    from repro.experiment import Experiment
    from repro.judge.types import Evidence, Verdict

HEADER = ["claim", "published ± sd (n)", "ours ± sd", "n", "answer"]  # sd: over seeds


def table(verdicts: Sequence[Verdict]) -> str:
    """claim · published · ours · n · answer, a row a claim, the rest of its headline below."""
    rows, colours, below = [], [], []
    for verdict in verdicts:
        tint = text.ANSWER_COLOURS.get(verdict.answer, "yellow")
        own = text.ours(verdict.to_dict())
        rows.append([verdict.claim, published(verdict), own, seeds(verdict), marked(verdict)])
        colours.append([None, None, None, None, tint])
        below.append(beyond(verdict.answer, verdict.headline, tint))
    return text.table(rows, HEADER, colours, below)


def published(verdict: Verdict) -> str:
    """`1,810 ± 130 (3)`: mean, spread over seeds, how many; a check's bound."""
    theirs = verdict.theirs
    if theirs is None:
        return text.bound_of(verdict.kind, verdict.at_least, verdict.at_most)
    value = text.number(theirs.mean)
    if theirs.std is not None and theirs.n is not None:
        return f"{value} ± {text.number(theirs.std)} ({theirs.n})"
    return f"{value} ({theirs.n})" if theirs.n else value


def seeds(verdict: Verdict) -> str:
    return str(verdict.ours.n) if verdict.ours else "–"


def marked(verdict: Verdict) -> str:
    """The answer, with its marks: `reproduced (exploration)`; none where a figure is only shown."""
    marks = ", ".join(verdict.marks)
    answer = in_table(verdict.answer, verdict.ours is not None)
    return answer + (f" ({marks})" if marks else "")


def in_table(answer: str, measured: bool) -> str:
    """An answer as a table has it; `–` where a figure of all seeds together is only shown."""
    return answer if measured or answer != "inconclusive" else "–"


def beyond(answer: str, headline: str, tint: str) -> list[str]:
    """Lines of what a headline says beyond its answer, which stands above them; often none."""
    more = headline.removeprefix(f"{answer}; ")
    if more == answer:
        return []
    return [text.coloured(line, tint) for line in text.paragraph(more, "    ")]


def reasons(verdicts: Sequence[Verdict]) -> str:
    """A paragraph a verdict: why it is as it is, and what to be careful about."""
    paragraphs = []
    for verdict in verdicts:
        words = [*verdict.reasons, *(f"Careful: {warning}" for warning in verdict.warnings)]
        if words:
            paragraphs.append(text.wrapped(" ".join(words), "  ", f"{text.bold(verdict.claim)}: "))
    return "\n".join(paragraphs)


def unjudged(card: Card, experiment: Experiment, evidence: Evidence) -> str:
    """Where the card claims nothing about this run: what came out, and what would be judged."""
    from repro.experiment import same_env

    name = "training-return-last-100"
    values = [seed.metrics[name] for seed in evidence.seeds if name in seed.metrics]
    lines = []
    if values:
        spread = f", {text.number(min(values))} to {text.number(max(values))} over seeds"
        lines.append(
            f"return of the last 100 training episodes: {text.number(sum(values) / len(values))}"
            + (spread if len(values) > 1 else "")
        )
    sets = {c.hparams for c in card.claims if same_env(c.env, experiment.env)}
    envs = dict.fromkeys(c.env for c in card.claims if c.env != "several")
    lines.append(f"the card of {card.id} claims nothing about {experiment.title}")
    if sets and experiment.hparam_set not in sets:
        lines.append(f"sets with claims here: {', '.join(sorted(sets))}")
    elif envs and not sets:
        lines.append(f"environments with claims: {', '.join(envs)}")
    return "\n".join(lines)


def doctor(folder: Path, seeds: int) -> str:
    """What the doctor warns of in a result or a run: `kl-spikes (seed 3); repro doctor …`."""
    from repro.doctor.findings import read_document, warnings_line
    from repro.plans import shown

    warned = warnings_line(read_document(folder) or [], seeds)
    return f"{warned}; repro doctor {shown(folder)}" if warned else ""
