"""One comparison of our seeds with a published figure: both questions, both answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repro.judge.statistics import (
    SETTLING_POWER,
    assumed_spread,
    ceiling_assumed,
    ceiling_printed,
    classify,
    half_width,
    own_error,
    seeds_to_settle,
    welch,
)
from repro.judge.types import Answer, Interval, Reach, Sample, Theirs

REACH: dict[str, Reach] = {
    "exceeds": "reaches",
    "reproduced": "reaches",
    "not reproduced": "misses",
    "inconclusive": "undecided",
}


@dataclass(frozen=True)
class Comparison:
    """Both answers and what they rest on; intervals are None where nothing varies to judge by.

    interval_says: the second answer before asking whether the claim can be settled at all.
    """

    own_interval: Interval | None
    interval: Interval | None
    reach: Reach
    interval_says: Answer
    answer: Answer
    ceiling: float | None
    settleable: bool
    seeds_needed: int | None


def compare(ours: Sample, theirs: Theirs, margin: float, level: float, sign: int = 1) -> Comparison:
    """Judge our mean against the published one.

    margin: in the metric's unit. level: one-sided. sign: +1 where higher is better, −1 where
    lower is. The half-width of both intervals contains the published figure's reading error.
    """
    difference = sign * (ours.mean - theirs.mean)
    reading = theirs.reading_error
    own = both = None
    ceiling = 0.0 if theirs.spread == "unknown" else None
    if ours.std is not None:
        own = _interval(difference, own_error(ours.std, ours.n), level, reading)
        both = _second(difference, ours, theirs, level)
    if theirs.spread == "printed":
        ceiling = float(ceiling_printed(theirs.std, theirs.n, margin - reading, level))
    elif theirs.spread == "assumed" and ours.std:
        ceiling = float(ceiling_assumed(ours.std, theirs.n, margin - reading, level))
    elif theirs.spread == "assumed" and ours.std == 0:
        ceiling = 0.0  # a spread of exactly zero may not be lent to the paper's seeds
    says = answer_of(both, margin)
    settleable = ceiling is None or ceiling >= SETTLING_POWER
    return Comparison(
        own_interval=own,
        interval=both,
        reach=REACH[answer_of(own, margin)],
        interval_says=says,
        answer=says if settleable else "inconclusive",
        ceiling=ceiling,
        settleable=settleable,
        seeds_needed=_needed(difference, ours, theirs, margin, level) if settleable else None,
    )


def answer_of(interval: Interval | None, margin: float) -> Answer:
    """The verdict an interval gives; *inconclusive* where there is none."""
    if interval is None:
        return "inconclusive"
    answer: Answer = str(classify(interval.low, interval.high, margin))  # type: ignore[assignment]
    return answer


def difference_of_arms(a: Sample, b: Sample, level: float, sign: int = 1) -> Interval | None:
    """Welch's interval of a − b, both arms ours; None where an arm has a single seed."""
    if a.std is None or b.std is None:
        return None
    return _interval(sign * (a.mean - b.mean), welch(a.std, a.n, b.std, b.n), level)


def sums(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Mean of independent parts (value, variance of that value, df) with its variance and df.

    Degrees of freedom after Satterthwaite.
    """
    data = np.asarray(parts, dtype=np.float64)
    count = len(parts)
    variances = data[:, 1] / count**2
    total = float(variances.sum())
    bottom = float((variances**2 / data[:, 2]).sum())
    df = total**2 / bottom if bottom > 0 else float(data[:, 2].min())
    return float(data[:, 0].mean()), total, df


def _second(difference: float, ours: Sample, theirs: Theirs, level: float) -> Interval | None:
    if theirs.n is None or ours.std is None:
        return None
    if theirs.spread == "assumed":
        if ours.std == 0:
            return None
        errors = assumed_spread(ours.std, ours.n, theirs.n)
    else:
        errors = welch(ours.std, ours.n, theirs.std, theirs.n)
    return _interval(difference, errors, level, theirs.reading_error)


def _interval(
    difference: float, errors: tuple[float, float], level: float, reading: float = 0.0
) -> Interval:
    error, df = float(errors[0]), float(errors[1])
    half = float(half_width(error, df, level, reading))
    return Interval(
        difference=difference,
        low=difference - half,
        high=difference + half,
        half_width=half,
        standard_error=error,
        df=df,
        level=level,
    )


def _needed(
    difference: float, ours: Sample, theirs: Theirs, margin: float, level: float
) -> int | None:
    if ours.std is None:
        return None
    return seeds_to_settle(
        difference, ours.std, margin, theirs.std, theirs.n, level, theirs.reading_error
    )
