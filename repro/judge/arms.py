"""Comparisons between arms of our own: one better than another, one not worse."""

from __future__ import annotations

from repro.cards.models import NotWorse, Ordering
from repro.judge.case import Case, Prepared, Untestable, prepare
from repro.judge.cautions import learnt_nothing
from repro.judge.compare import difference_of_arms, sums
from repro.judge.comparison import improvement_interval, probability_of_improvement
from repro.judge.published import published_effect
from repro.judge.statistics import half_width, scale_of
from repro.judge.types import DECIDED, Answer, Interval, Verdict
from repro.judge.words import (
    headline,
    number,
    percent,
    say_interval,
    say_published_arms,
    say_sample,
)

SEVERAL = "several"


def judge_ordering(case: Case) -> Verdict:
    """*reproduced* when the interval of better − than lies above the least effect that the claim
    names (0 without one), *not reproduced* below it."""
    check = case.claim.check
    assert isinstance(check, Ordering)
    return _judge(case, check.better, check.than, 0.0, check.at_least)


def judge_not_worse(case: Case) -> Verdict:
    """*reproduced* when arm − than lies above −margin × scale, *not reproduced* below it."""
    check = case.claim.check
    assert isinstance(check, NotWorse)
    return _judge(case, check.arm, check.than, check.margin)


def _judge(
    case: Case, first: str, second: str, tolerance: float, at_least: float | None = None
) -> Verdict:
    """Compare two arms on the claim's task, or on every task where both were run."""
    envs = [case.claim.env]
    if case.claim.env == SEVERAL:
        missing = {
            env: [arm for arm in (first, second) if not case.find(arm, env)]
            for env in case.card.environments
        }
        envs = [env for env, arms in missing.items() if not arms]
        if len(envs) < 2:
            lacking = [(len(arms), arms[0], env) for env, arms in missing.items() if arms]
            _, arm, env = min(lacking, default=(1, first, SEVERAL), key=lambda one: one[0])
            return case.not_tested(
                f'A claim over several tasks needs two with a run of "{first}" and one of '
                f'"{second}"; there {"is one" if envs else "is none"}.',
                case.command(arm, env),
            )
    pairs: list[tuple[Prepared, Prepared]] = []
    for env in envs:
        runs = []
        for arm in (first, second):
            run = case.find(arm, env)
            if run is None:
                return case.not_tested(
                    f'No run of the arm "{arm}" on {env}.', case.command(arm, env)
                )
            runs.append(run)
        try:
            pairs.append((prepare(case, runs[0]), prepare(case, runs[1])))
        except Untestable as lack:
            return case.not_tested(str(lack), case.command(first, env))
    return _verdict(case, first, second, tolerance, at_least, pairs)


def _verdict(
    case: Case, first: str, second: str, tolerance: float, at_least: float | None,
    pairs: list[tuple[Prepared, Prepared]],
) -> Verdict:  # fmt: skip
    a, b = pairs[0]
    level = min(side.level for pair in pairs for side in pair)
    marks = sorted({mark for pair in pairs for side in pair for mark in side.marks})
    several = len(pairs) > 1
    if several:
        interval, margin = _normalised(case, pairs, level), tolerance
    else:
        interval = difference_of_arms(a.sample, b.sample, level, case.sign)
        margin = tolerance * _scale(case, b) if tolerance else 0.0
    bound = (at_least or 0.0) - margin
    answer = _answer(interval, bound)
    prefix = any(side.reached is not None for pair in pairs for side in pair)
    if prefix:
        track: dict[str, Answer] = {"reproduced": "on track", "not reproduced": "behind"}
        answer = track.get(answer, "undecided")
    better, worse = _values(case, a), _values(case, b)
    estimate = probability_of_improvement(better, worse)
    improvement = (estimate, *improvement_interval(better, worse, level))
    effect = published_effect(case.claim, first, second, case.sign)
    reasons = [
        f"{first} ({case.claim.metric}, {pair[0].evidence.env}): {say_sample(pair[0].sample)}; "
        f"{second}: {say_sample(pair[1].sample)}."
        for pair in pairs
    ]
    reasons += [line for pair in pairs for side in pair for line in side.reasons]
    if several:
        reasons.append("Each task's difference is divided by the larger of the arms' gains over "
                       "random, then averaged over the tasks that have both arms.")  # fmt: skip
    if interval is None:
        reasons.append("An arm with a single seed has no spread: nothing can be said.")
    else:
        reasons.append(f"{first} − {second}: {say_interval(interval)} against "
                       f"{number(bound) if bound else '0'}: {answer}.")  # fmt: skip
    if not several:
        reasons.append(f"P({first} > {second}) = {percent(estimate)} "
                       f"[{percent(improvement[1])}, {percent(improvement[2])}].")  # fmt: skip
    reasons += say_published_arms(case.claim, first, second, effect)
    admissible = all(side.admissible for pair in pairs for side in pair)
    return case.verdict(
        answer,
        headline(answer, None),
        env=SEVERAL if several else a.evidence.env,
        judged=admissible,
        counts=admissible and answer in DECIDED,
        marks=marks,
        warnings=[line for pair in pairs for side in pair for line in side.warnings]
        + [line for better, _ in pairs for line in _learnt_nothing(case, better, first)],
        reasons=reasons,
        seeds=[] if several else a.seeds,
        ours=None if several else a.sample,
        margin=margin,
        at_least=at_least,
        tolerance=tolerance or None,
        interval=interval,
        improvement=None if several else improvement,
        published_effect=effect,
        level=level,
    )


def _answer(interval: Interval | None, bound: float) -> Answer:
    if interval is None:
        return "inconclusive"
    if interval.low > bound:
        return "reproduced"
    return "not reproduced" if interval.high < bound else "inconclusive"


def _learnt_nothing(case: Case, arm: Prepared, name: str) -> list[str]:
    return learnt_nothing(case.metric, arm.evidence, arm.sample, name, arm.level, case.context)


def _scale(case: Case, other: Prepared) -> float:
    """Scale of a margin between our own arms: what the compared arm gained over random."""
    env = other.evidence.env
    known = case.context.reference.get(env)
    reference = None if known is None else known.mean
    return scale_of(other.sample.mean, case.random(env).mean, reference)


def _normalised(
    case: Case, pairs: list[tuple[Prepared, Prepared]], level: float
) -> Interval | None:
    """Average over tasks of the difference in units of the better arm's gain over random."""
    parts = []
    for a, b in pairs:
        interval = difference_of_arms(a.sample, b.sample, level, case.sign)
        if interval is None:
            return None
        unit = max(_scale(case, a), _scale(case, b))
        parts.append(
            (interval.difference / unit, (interval.standard_error / unit) ** 2, interval.df)
        )
    value, variance, df = sums(parts)
    half = float(half_width(variance**0.5, df, level))
    return Interval(difference=value, low=value - half, high=value + half, half_width=half,
                    standard_error=variance**0.5, df=df, level=level)  # fmt: skip


def _values(case: Case, arm: Prepared) -> list[float]:
    return [case.sign * seed.value for seed in arm.seeds]
