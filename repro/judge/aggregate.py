"""Published aggregates over tasks, computed with the paper's own aggregator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from repro.cards.models import Aggregate
from repro.errors import ReproError, nearest
from repro.judge.case import Case, Prepared, Untestable, prepare
from repro.judge.compare import Comparison, compare, sums
from repro.judge.normalised import RULES, Statistic, load_references, summary
from repro.judge.published import curve_of, published_side, undecidable
from repro.judge.statistics import DEFAULT_TOLERANCE, scale_of
from repro.judge.types import DECIDED, Sample, Score, Verdict
from repro.judge.words import headline, number, say_comparison, say_sample, say_theirs


def mean_normalised_random_best(
    samples: Mapping[str, Mapping[str, Sample]], arm: str, random: Mapping[str, float]
) -> Score:
    """PPO's Table 1: per task random = 0 and the best arm = 1, then the mean over all runs.

    samples: task → arm → its seeds. Every task weighs alike (the paper ran three seeds on each).
    The error of the best arm's mean, which the score is divided by, is carried through to first
    order; on a task where this arm is the best itself, its score is 1 and does not vary. Which arm
    is best is taken as known: where arms are close, the score is too low and its error too small
    (docs/judge.md has by how much).
    """
    parts, by_task = [], {}
    for task, arms in samples.items():
        best = best_of(arms)
        top = arms[best].mean - random[task]
        if top <= 0:
            raise Untestable(f"{task}: no arm beats the random policy: nothing to scale by.")
        ours = arms[arm]
        ratio = (ours.mean - random[task]) / top
        by_task[task] = ratio
        variance, df = 0.0, float(max(ours.n - 1, 1))
        if arm != best:
            theirs = arms[best]
            both = [
                (0.0, _error(ours) ** 2, df),
                (0.0, (ratio * _error(theirs)) ** 2, float(max(theirs.n - 1, 1))),
            ]
            variance = sum(part[1] for part in both)
            df = sums(both)[2]
        parts.append((ratio, variance / top**2, df))
    value, variance, df = sums(parts)
    return Score(value=value, error=math.sqrt(variance), df=df, by_task=by_task)


def best_of(arms: Mapping[str, Sample]) -> str:
    """The arm with the greatest mean."""
    return max(arms, key=lambda name: arms[name].mean)


def _error(sample: Sample) -> float:
    return (sample.std or 0.0) / math.sqrt(sample.n)


@dataclass(frozen=True)
class Aggregator:
    """samples (task → arm → seeds), the arm, random scores by task → its score.

    one: the score of whom it is measured by. among_arms: that is the best of several arms.
    """

    compute: Callable[[Mapping[str, Mapping[str, Sample]], str, Mapping[str, float]], Score]
    one: float
    says: str
    among_arms: bool


def human_normalised(statistic: Statistic, rule: str) -> Aggregator:
    """Over games, of one arm's human-normalised scores by a paper's rule, in per cent."""

    def compute(
        samples: Mapping[str, Mapping[str, Sample]], arm: str, random: Mapping[str, float]
    ) -> Score:
        del random  # the rule's table has the paper's own
        own = {task: arms[arm] for task, arms in samples.items()}
        return summary(own, statistic, rule, load_references(rule))

    return Aggregator(compute, one=100.0, says="random = 0, human = 100", among_arms=False)


STATISTICS: tuple[Statistic, ...] = ("median", "mean")
AGGREGATORS: dict[str, Aggregator] = {
    "mean-normalised-random-best": Aggregator(
        mean_normalised_random_best, one=1.0, says="random = 0, best arm = 1", among_arms=True
    ),
    **{f"{s}-human-normalised-{r}": human_normalised(s, r) for s in STATISTICS for r in RULES},
}


def judge_aggregate(case: Case) -> Verdict:
    """Our aggregate against the printed one. Every arm must have run on every task."""
    check, figure = case.claim.check, case.claim.published
    assert isinstance(check, Aggregate)
    if check.aggregator not in AGGREGATORS:
        raise ReproError(
            f'{case.claim.id}: found aggregator "{check.aggregator}"; '
            f"{nearest(check.aggregator, AGGREGATORS)}"
        )
    arm = case.claim.ablation or "paper"
    arms = sorted({arm, *(check.arms or [])})
    prepared: dict[str, dict[str, Prepared]] = {}
    for env in check.environments:
        for name in arms:
            run = case.find(name, env)
            if run is None:
                return case.not_tested(
                    f'No run of the arm "{name}" on {env}; this aggregate needs {len(arms)} arms '
                    f"on {len(check.environments)} tasks.",
                    case.command(name, env),
                )
            try:
                prepared.setdefault(env, {})[name] = prepare(case, run)
            except Untestable as lack:
                return case.not_tested(str(lack), case.command(name, env))
    theirs = published_side(case.claim, curve_of(case.claim, case.context.curves))
    if theirs is None or figure is None:
        return case.not_tested("The card prints no figure for this claim.")
    aggregator = AGGREGATORS[check.aggregator]
    if aggregator.among_arms and len(arms) < 2:
        return case.not_tested("The card names no arms that the best could be taken from.")
    samples = {env: {name: p.sample for name, p in row.items()} for env, row in prepared.items()}
    random = {env: case.random(row[arm].evidence.env).mean for env, row in prepared.items()}
    try:
        score = aggregator.compute(samples, arm, random)
    except Untestable as lack:
        return case.not_tested(str(lack))
    runs = [one for row in prepared.values() for one in row.values()]
    level = min(one.level for one in runs)
    marks = sorted({mark for one in runs for mark in one.marks})
    # As many seeds as the smallest arm, with the spread whose standard error is the score's.
    n = min(one.sample.n for one in runs)
    ours = Sample(n=n, mean=score.value, std=score.error * math.sqrt(n) if n > 1 else None)
    scale = scale_of(theirs.mean, 0.0, aggregator.one)
    margin = check.tolerance * scale
    result: Comparison = compare(ours, theirs, margin, level)
    refused = undecidable(figure)
    settleable = result.settleable and refused is None
    answer = result.answer if settleable else "inconclusive"
    if any(one.reached is not None for one in runs):
        answer = "undecided"
    default = None
    if check.tolerance != DEFAULT_TOLERANCE and refused is None:
        default = compare(ours, theirs, DEFAULT_TOLERANCE * scale, level).answer
    marks += ["assumed spread"] if theirs.spread == "assumed" else []
    tasks = ", ".join(f"{env} {number(value)}" for env, value in score.by_task.items())
    reasons = [
        f"Aggregate {check.aggregator} of {arm}: {number(score.value)} ± {number(score.error)} "
        f"(standard error); by task: {tasks}.",
        f"As a sample a task: {say_sample(ours)} (standard error × √n).",
        say_theirs(figure, theirs),
        f"Scale: max(|{number(theirs.mean)}|, {number(0.1 * aggregator.one)}) = {number(scale)} "
        f"({aggregator.says}); margin {number(margin)}.",
        *say_comparison(ours, theirs, margin, result, settleable),
        *([refused] if refused else []),
    ]
    if default is not None:
        reasons.append(f"At the usual tolerance of 0.2 × scale it would be: {default}.")
    admissible = settleable and all(one.admissible for one in runs)
    return case.verdict(
        answer,
        headline(answer, result.reach, settleable, refused, result.ceiling),
        reach=result.reach,
        settleable=settleable,
        judged=admissible,
        counts=admissible and answer in DECIDED,
        marks=marks,
        warnings=[line for one in runs for line in one.warnings],
        reasons=reasons,
        ours=ours,
        theirs=theirs,
        random=0.0,
        reference=aggregator.one,
        tolerance=check.tolerance,
        scale=scale,
        margin=margin,
        own_interval=result.own_interval,
        interval=result.interval,
        answer_at_default_tolerance=default,
        power_ceiling=result.ceiling,
        level=level,
    )
