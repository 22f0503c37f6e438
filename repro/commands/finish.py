"""After the seeds: judge, draw, and print what a person wants to know."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands import report, text
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.cards.models import Card
    from repro.experiment import Experiment
    from repro.judge.types import Evidence, Verdict
    from repro.plans import Plan

PASSES = ("reproduced", "exceeds")


def finish(
    args: argparse.Namespace,
    experiment: Experiment,
    plan: Plan | None,
    folder: Path,
    looks: Sequence[int] | None = None,
) -> int:
    """Judge and draw the summary in `folder` (a result, or a run of one's own).

    looks: see `evidence_of`. The exit status is 0, whatever was found; with --strict 1 unless
    every claim passes.
    """
    from repro import evidence
    from repro.cards import load_card
    from repro.cards.protocol import words
    from repro.experiment import MEASUREMENT
    from repro.plans import shown
    from repro.plotting import plot_folder

    card = load_card(experiment.paper)
    found, verdicts = judged(experiment, plan, folder, looks)
    if plan:
        evidence.write_verdicts(card, evidence.verdicts_document(card, verdicts))
    mine = evidence.own_verdicts(card, experiment, verdicts)
    plot = plot_folder(folder, experiment, card, mine) if _curves(found) else None
    kind = "evidence" if plan else "exploration"
    count = f"{len(found.seeds)} seed{'s' * (len(found.seeds) != 1)}"
    if experiment.steps != MEASUREMENT:
        count += f" × {experiment.steps:,} steps"
    print(text.bold(f"{experiment.title}: {count} ({kind})"))
    if experiment.evaluation is not None and not args.quiet:
        print(text.dim(f"evaluated {words(experiment.evaluation)}"))
    print(report.table(mine) if mine else report.unjudged(card, experiment, found))
    if not args.quiet:
        central = [verdict for verdict in mine if verdict.central] or mine[:1]
        reasons = report.reasons(central)
        print(f"\n{reasons}" if reasons else "")
        for line in _untested(card, experiment, verdicts):
            print(text.dim(line))
        if line := _spark(found):
            print(f"curve    {line}")
    if plot:
        print(f"plot     {shown(plot)}")
    print(f"results  {shown(folder)}")
    if warned := report.doctor(folder, len(found.seeds)):
        print(f"doctor   {text.coloured(warned, 'red')}")
    if not args.quiet:
        print(f"next     {next_step(experiment, card, plan, folder)}")
    passes = bool(mine) and all(verdict.answer in PASSES for verdict in mine)
    return 1 if args.strict and not passes else 0


def judged(
    experiment: Experiment, plan: Plan | None, folder: Path, looks: Sequence[int] | None = None
) -> tuple[Evidence, list[Verdict]]:
    """The evidence in `folder`, and the verdicts on all claims of its paper."""
    from repro import evidence
    from repro.cards import load_card

    card = load_card(experiment.paper)
    found = evidence.evidence_of(folder, experiment, plan, looks)
    return found, evidence.judge(card, _with_others(found, card, plan))


def _curves(found: Evidence) -> bool:
    """Whether there is anything to draw; a number measured in closed form has no curve."""
    return any(seed.curve or seed.evaluations for seed in found.seeds)


def _with_others(found: Evidence, card: Card, plan: Plan | None) -> list[Evidence]:
    """A planned result is judged beside those of the other arms that the card's claims name."""
    from repro import evidence
    from repro.cards.arms import rivals

    if plan is None:
        return [found]
    others = []
    for paper in [card.id, *rivals(card)]:
        for folder in evidence.result_folders(paper, tracked_only=False):
            if folder.resolve() != plan.folder.resolve():
                try:
                    others.append(evidence.read_result(folder))
                except ReproError as error:  # another run is being written just now
                    print(text.dim(f"left out: {error}"))
    return [found, *others]


def _spark(found: Evidence) -> str:
    """The mean learning curve in one line: `▁▂▄▆█ −284 → 1,680`."""
    from repro.plotting import mean_band

    means = mean_band({seed.seed: seed.curve for seed in found.seeds}).mean
    if len(means) < 2:
        return ""
    every = max(1, len(means) // 40)
    line = text.sparkline(means[::every])
    return f"{line}  {text.number(means[0])} → {text.number(means[-1])}"


def _untested(card: Card, experiment: Experiment, verdicts: Sequence[Verdict]) -> list[str]:
    """Claims about this experiment that it could not test, and the command that would."""
    from repro.experiment import claims_of

    about = {c.id for c in claims_of(card, experiment.env, experiment.hparam_set)}
    left = [v for v in verdicts if v.claim in about and v.answer == "not tested" and v.command]
    return [f"not tested: {v.claim}; {v.command}" for v in left]


def next_step(experiment: Experiment, card: Card, plan: Plan | None, folder: Path) -> str:
    """What to do next, as a command where there is one."""
    from repro.experiment import claims_of
    from repro.plans import shown

    if plan:
        return f"git add {shown(folder.parents[1])} && git commit -m 'Evidence {experiment.title}'"
    if experiment.overrides:
        return "the same without --set compares with the paper's own values"
    claims = claims_of(card, experiment.env, experiment.hparam_set)
    if any(claim.steps and experiment.steps < claim.steps for claim in claims):
        return "the whole test: the same command without --steps"
    options = f" --ablation {experiment.ablation}" if experiment.ablation else ""
    return (
        f"evidence that counts: repro plan {experiment.paper} --env {experiment.env} "
        f"--hparams {experiment.hparam_set}{options} --seeds 10"
    )


def published_level(experiment: Experiment) -> Callable[[int], tuple[float, str] | None]:
    """Step → what the paper published there, and where it stands, for the progress display.

    A learning curve at that step; else the level at the claim's horizon; None without either.
    """
    from repro.cards import load_card
    from repro.experiment import claims_of
    from repro.judge.scores import load_context
    from repro.launch.progress import count
    from repro.plotting import short

    claims = [
        (claim, claim.published)
        for claim in claims_of(
            load_card(experiment.paper),
            experiment.env,
            experiment.hparam_set,
            experiment.ablation,
        )
        if claim.published and claim.metric.startswith("training-return")
    ]
    for claim, figure in claims:
        if figure.curve:
            curve = load_context([figure.curve]).curves[figure.curve]
            source = short(claim.source)
            return lambda step: _interpolated(curve.step, curve.mean, step, source)
    for claim, figure in claims:
        if figure.mean is not None and claim.steps:
            level = figure.mean, f"at {count(claim.steps)} steps, {short(claim.source)}"
            return lambda step: level
    return lambda step: None


def _interpolated(
    steps: Sequence[float], means: Sequence[float], step: int, source: str
) -> tuple[float, str] | None:
    from repro.launch.progress import count

    if not steps[0] <= step <= steps[-1]:
        return None
    right = next(i for i, at in enumerate(steps) if at >= step)
    left = max(right - 1, 0)
    share = (step - steps[left]) / (steps[right] - steps[left]) if right > left else 0.0
    return means[left] + share * (means[right] - means[left]), f"at step {count(step)}, {source}"
