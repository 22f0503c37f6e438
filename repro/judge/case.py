"""A claim together with the evidence that may speak to it, made into numbers over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from repro.cards.arms import Arm, arm_of
from repro.cards.models import Card, Claim
from repro.cards.sets import alias
from repro.errors import ReproError
from repro.judge import metrics
from repro.judge.cautions import cautions, listed
from repro.judge.published import sample_of
from repro.judge.statistics import look_level
from repro.judge.types import (
    Answer,
    Context,
    Evidence,
    RandomScore,
    Sample,
    SeedResult,
    SeedValue,
    Verdict,
)

COUNTED_SEEDS = 10
EXPLORATION = "exploration"
UNPLANNED = "unplanned look"
FEW = "fewer than ten seeds"
PREFIX = "prefix"
STALE = "run-stale"
# What a diverged seed counts with, by its metric's `never`.
SCORED = {
    "random": "the random policy's score",
    "budget": "the whole budget",
    "longest": "the longest that any seed took",
    "one": "1",
    "none": "what they recorded",
}


@dataclass(frozen=True)
class Case:
    """One claim of a card, all evidence of the paper (and of rivals), the committed figures."""

    claim: Claim
    card: Card
    evidence: Sequence[Evidence]
    context: Context

    @property
    def metric(self) -> metrics.Metric:
        return metrics.metric(self.claim.metric)

    @property
    def sign(self) -> int:
        """+1 where higher is better, −1 where lower is."""
        return 1 if self.metric.direction == "higher" else -1

    def arm(self, name: str | None = None) -> Arm:
        """What an arm's name means here; None is the claim's own arm."""
        if name is None:
            return Arm(self.card.id, self.claim.hparams, self.claim.ablation)
        return arm_of(name, self.claim, self.card)

    def random(self, env: str) -> RandomScore:
        """The random policy's score; a clear error where nobody measured it."""
        if env not in self.context.random:
            raise ReproError(
                f"{self.claim.id}: no random score of {env}; measure it into "
                "papers/data/random-scores.yaml"
            )
        return self.context.random[env]

    def find(self, arm: str | None = None, env: str | None = None) -> Evidence | None:
        """The run of this claim's own arm (None), or of an arm by name, that says most.

        Runs with overrides never match.
        """
        wanted_arm = self.arm(arm)
        task = env or self.claim.env
        fits = [
            run
            for run in self.evidence
            if run.paper == wanted_arm.paper
            and run.ablation == wanted_arm.ablation
            and wanted_arm.hparams in (None, run.hparam_set)
            and same_task(task, run.env)
            and not run.overrides
            and run.seeds
        ]
        wanted = self.claim.steps or 0
        has = self.metric.needs != "evaluation"
        return max(
            fits,
            key=lambda run: (
                has or run.evaluation is not None,
                run.planned,
                min(run.steps, wanted),
                len(run.seeds),
            ),
            default=None,
        )

    def command(self, arm: str | None = None, env: str | None = None) -> str:
        """The command that would bring this claim's own arm (None), or an arm by name."""
        paper, hparams, ablation = self.arm(arm)
        words = [f"repro plan {paper} --env {env or self.claim.env}"]
        words += [f"--hparams {hparams}"] if hparams else []
        words += [f"--ablation {ablation}"] if ablation else []
        words += ["--evaluate"] if self.metric.needs == "evaluation" else []
        return " ".join([*words, f"--seeds {COUNTED_SEEDS}"])

    def verdict(self, answer: Answer, headline: str, **fields: Any) -> Verdict:
        """A verdict on this claim, its names filled in."""
        names: dict[str, Any] = {
            "claim": self.claim.id,
            "paper": self.card.id,
            "env": self.claim.env,
            "hparam_set": self.claim.hparams,
            "ablation": self.claim.ablation,
            "kind": type(self.claim.check).__struct_config__.tag,
            "metric": self.claim.metric,
            "central": self.claim.central,
        }
        return Verdict(**{**names, "answer": answer, "headline": headline, **fields})

    def not_tested(self, why: str, command: str | None = None, **fields: Any) -> Verdict:
        """*not tested*, with the command that would test it."""
        command = command or self.command()
        return self.verdict("not tested", "not tested", reasons=[why], command=command, **fields)


@dataclass(frozen=True)
class Prepared:
    """Our side of a comparison: a number a seed, and what must be said about them.

    level: one-sided level of this look. reached: step up to which all seeds ran, where that is
    short of the claim's horizon (a prefix); None for a whole run.
    """

    evidence: Evidence
    seeds: list[SeedValue]
    sample: Sample
    level: float
    reached: int | None = None
    marks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def admissible(self) -> bool:
        """Planned, at a planned look, whole, and at ten seeds or more: it may enter totals."""
        return not {EXPLORATION, UNPLANNED, FEW, PREFIX} & set(self.marks)


class Untestable(Exception):
    """The evidence lacks what the metric needs; the message says what."""


def same_task(name: str, env: str) -> bool:
    """Whether a card's alias (`HalfCheetah`) or id means the environment id that was run."""
    return name in (env, alias(env))


def prepare(case: Case, run: Evidence, name: str | None = None) -> Prepared:
    """Numbers over seeds for metric `name` (the claim's by default).

    A diverged seed scores the random policy (or the whole budget, for a time), and so does one
    that finished no episode. Raises `Untestable` where the run lacks the metric's protocol.
    """
    chosen = metrics.metric(name or case.claim.metric)
    if (
        chosen.needs == "evaluation"
        and not any(seed.evaluations for seed in run.seeds)
        and not any((name or case.claim.metric) in seed.metrics for seed in run.seeds)
    ):
        raise Untestable("The run made no evaluations, and this claim is about evaluations.")
    horizon = horizon_of(case.claim, chosen, run)
    reached = reached_step(run, horizon)
    seeds = [_seed_value(case, run, seed, chosen, name or case.claim.metric) for seed in run.seeds]
    marks, level = looks(run)
    reasons, warnings = [], cautions(case.claim, case.metric, run, seeds, case.context)
    diverged = [seed.seed for seed in seeds if seed.status == "diverged"]
    if reached is not None:
        marks.append(PREFIX)
    if diverged:
        marks.append(f"{len(diverged)} diverged")
        reasons.append(f"Diverged seeds ({listed(diverged)}) count with {SCORED[chosen.never]}.")
    return Prepared(
        evidence=run,
        seeds=seeds,
        sample=sample_of([seed.value for seed in seeds]),
        level=level,
        reached=reached,
        marks=marks,
        warnings=warnings,
        reasons=reasons,
    )


def looks(run: Evidence) -> tuple[list[str], float]:
    """Marks about how the run was promised, and the one-sided level of this look."""
    n, marks = len(run.seeds), []
    if not run.planned:
        marks.append(EXPLORATION)
    else:
        promised = run.planned_seeds
        if n not in (run.looks or [n]) or (
            promised is not None and {seed.seed for seed in run.seeds} != set(promised[:n])
        ):
            marks.append(UNPLANNED)
    if n < COUNTED_SEEDS:
        marks.append(FEW)
    if run.stale:
        marks.append(STALE)
    return marks, look_level(run.looks)


def horizon_of(claim: Claim, metric: metrics.Metric, run: Evidence) -> int:
    """The environment steps at which a claim is judged.

    Raises `Untestable` where the card does not say: any run would be as good as any other. What
    an experiment measures itself, in closed form, has none.
    """
    if claim.steps is None and metric.needs != "manifest":
        raise Untestable("The card gives no steps for this claim, so no run can test it yet.")
    return claim.steps or run.steps


def reached_step(run: Evidence, horizon: int) -> int | None:
    """The step of a prefix; None where every seed went to the claim's horizon."""
    unfinished = [s.steps for s in run.seeds if s.status not in ("finished", "diverged")]
    reached = min([run.steps, *unfinished])
    return reached if reached < horizon else None


def _seed_value(
    case: Case, run: Evidence, seed: SeedResult, chosen: metrics.Metric, name: str
) -> SeedValue:
    """A seed's number of the metric `chosen`, by its full `name`."""
    value, horizon = seed.metrics.get(name), horizon_of(case.claim, chosen, run)
    if seed.status == "diverged" and (chosen.never == "random" or _never_got_there(seed, name)):
        value = None
    elif run.steps > horizon and chosen.needs != "manifest":
        value = _at_horizon(name, seed, horizon)
    if value is None and chosen.needs == "evaluation" and seed.status == "finished":
        raise Untestable(f"Seed {seed.seed} has too few evaluations for {name}.")
    if value is None and chosen.never == "none":
        raise Untestable(f"The result does not record {name}.")
    if value is None and chosen.never == "random":
        value = case.random(run.env).mean
    if value is None and chosen.never == "longest":
        value = max(s.metrics.get(name, 0.0) for s in run.seeds)
    if value is None:
        value = 1.0 if chosen.never == "one" else float(horizon)
    return SeedValue(seed=seed.seed, value=float(value), status=seed.status)


def _never_got_there(seed: SeedResult, name: str) -> bool:
    """Whether this seed's time to a threshold is censored; a seed that says nothing is."""
    return seed.metrics.get(f"never-reached-threshold@{name.partition('@')[2]}", 1.0) > 0


def _at_horizon(name: str, seed: SeedResult, horizon: int) -> float:
    """The metric at the claim's horizon of a run that went further, from what was stored."""
    if name == "training-return-last-100":
        level = metrics.level_of_curve(seed.curve, seed.episodes, horizon)
        if level is not None:
            return level
    evaluations = [value for step, value in seed.evaluations if step <= horizon]
    if name == "evaluation-last-10" and len(evaluations) >= metrics.LAST_EVALUATIONS:
        return metrics.mean(evaluations[-metrics.LAST_EVALUATIONS :])
    if name.startswith("steps-to-threshold@") and name in seed.metrics:
        return min(seed.metrics[name], float(horizon))
    raise Untestable(
        f"The run went beyond the claim's {horizon:,} steps, and {name} was not kept for them."
    )
