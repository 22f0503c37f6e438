"""A paper's table of ablations beside ours: scores, orderings, and which rows can be told apart.

On a single task rows are ordered and compared by their returns. Over several tasks they need a unit
in common: what the best arm of a task gains over the random policy.

Holm's correction is applied within each column of p-values: the orderings (each row against the
standard set) and the neighbours (each row against the next one) are two questions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from scipy import special

from repro.judge.aggregate import best_of, mean_normalised_random_best
from repro.judge.compare import difference_of_arms, sums
from repro.judge.comparison import holm
from repro.judge.statistics import ONE_LOOK_LEVEL, half_width
from repro.judge.types import Data, Sample

ALPHA = 0.05  # of a column of the table, two-sided
STANDARD = "paper"

Samples = Mapping[str, Mapping[str, Sample]]  # task → arm → its seeds


class Difference(Data, frozen=True, kw_only=True):
    """One arm less another. unit: *return* on a single task; over several *gain*: the mean over the
    tasks that both have run on, in units of the best arm's gain over the random policy.
    p: two-sided."""

    value: float
    low: float
    high: float
    p: float
    tasks: int
    unit: Literal["return", "gain"]


class Row(Data, frozen=True, kw_only=True):
    """One arm of the table.

    ours: the seeds of a single task. seeds: fewest of a task; kind: which they are, in words.
    score: the paper's aggregate (random = 0, best arm = 1, mean over tasks; see `unscored`), error:
    its standard error, low and high: its 95 % interval, None of an arm that is the best of every
    task. published: the paper's figure. ordering: *as published*, *the other way round*,
    *undecided* or *not stated* for the comparison with the standard set; ordering_p and below_p
    after Holm. below: the row that follows; separable: whether the two can be told apart.
    """

    arm: str
    tasks: int
    seeds: int
    kind: str | None = None
    score: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    ours: Sample | None = None
    published: float | None = None
    difference: Difference | None = None  # standard − this arm
    ordering: str | None = None
    ordering_p: float | None = None
    below: str | None = None
    separable: bool | None = None
    below_p: float | None = None


def unscored(samples: Samples, random: Mapping[str, float]) -> dict[str, str]:
    """Task → why its arms have no score, in words; tasks that have scores are left out."""
    found = {}
    for task, arms in samples.items():
        if task not in random:
            found[task] = "the random policy's return was not measured"
        elif max(arm.mean for arm in arms.values()) <= random[task]:
            found[task] = "no arm beats the random policy"
        elif len(arms) < 2:
            found[task] = "a single arm was run, and it would be its own best"
    return found


def difference(samples: Samples, first: str, second: str, random: Mapping[str, float]
               ) -> Difference | None:  # fmt: skip
    """first − second; None where no task has both, an arm has a single seed on one of them, or,
    of several tasks, none has scores."""
    single = len(samples) == 1
    parts = []
    for task, arms in samples.items() if single else _scored(samples, random).items():
        if first not in arms or second not in arms:
            continue
        unit = 1.0 if single else max(arm.mean for arm in arms.values()) - random[task]
        interval = difference_of_arms(arms[first], arms[second], ONE_LOOK_LEVEL)
        if interval is None:
            return None
        parts.append(
            (interval.difference / unit, (interval.standard_error / unit) ** 2, interval.df)
        )
    if not parts:
        return None
    value, variance, df = sums(parts)
    error = math.sqrt(variance)
    half = float(half_width(error, df, ONE_LOOK_LEVEL))
    p = 2.0 * float(special.stdtr(df, -abs(value) / error)) if error > 0 else float(value == 0)
    return Difference(
        value=value,
        low=value - half,
        high=value + half,
        p=p,
        tasks=len(parts),
        unit="return" if single else "gain",
    )


def _scored(samples: Samples, random: Mapping[str, float]) -> Samples:
    without = unscored(samples, random)
    return {task: arms for task, arms in samples.items() if task not in without}


def table(
    samples: Samples,
    random: Mapping[str, float],
    arms: Sequence[str],
    published: Mapping[str, float],
    worse: Sequence[str] = (),
    better: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
) -> list[Row]:
    """The rows, best first, after them those that were run on fewer tasks, whose scores are of
    those tasks alone, and last those that were not run, in the order given.

    samples: what was run. published: the paper's figure of an arm, the standard set's as `paper`.
    worse, better: arms that the paper says are below and above the standard set, where it does not
    print both figures.
    random: task → the random policy's return, where it was measured.
    """
    rows = [
        _changed(_row(samples, random, arm, published.get(arm)), kind=(kinds or {}).get(arm))
        for arm in arms
    ]
    run = sorted((row for row in rows if row.tasks), key=_rank, reverse=True)
    theirs = {arm: _sign(published, arm, worse, better) for arm in arms}
    run = _with_orderings(run, samples, random, theirs)
    run = _with_neighbours(run, samples, random)
    return [*run, *(row for row in rows if not row.tasks)]


def _rank(row: Row) -> tuple[int, float]:
    """What rows stand in order of: their tasks, then a single task's return or the score."""
    if row.ours is not None:
        return row.tasks, row.ours.mean
    return row.tasks, -math.inf if row.score is None else row.score


def _row(samples: Samples, random: Mapping[str, float], arm: str, published: float | None) -> Row:
    mine = {task: arms for task, arms in samples.items() if arm in arms}
    if not mine:
        return Row(arm=arm, tasks=0, seeds=0, published=published)
    row = Row(
        arm=arm,
        tasks=len(mine),
        seeds=min(arms[arm].n for arms in mine.values()),
        ours=next(iter(mine.values()))[arm] if len(samples) == 1 else None,
        published=published,
    )
    scored = _scored(mine, random)
    if not scored:
        return row
    score = mean_normalised_random_best(scored, arm, random)
    if all(best_of(arms) == arm for arms in scored.values()):
        return _changed(row, score=score.value)
    half = float(half_width(score.error, score.df, ONE_LOOK_LEVEL))
    return _changed(
        row,
        score=score.value,
        error=score.error,
        low=score.value - half,
        high=score.value + half,
    )


def _with_orderings(
    rows: list[Row],
    samples: Samples,
    random: Mapping[str, float],
    published: Mapping[str, int | None],
) -> list[Row]:
    """Each row against the standard set: the difference, and whether the paper says the same.

    published: arm → the sign of the paper's difference, None where it states none.
    """
    found = {
        row.arm: difference(samples, STANDARD, row.arm, random)
        for row in rows if row.arm != STANDARD
    }  # fmt: skip
    adjusted = _adjusted({arm: d.p for arm, d in found.items() if d is not None})
    result = []
    for row in rows:
        apart = found.get(row.arm)
        if apart is None:
            result.append(row)
            continue
        theirs = published.get(row.arm)
        p = adjusted.get(row.arm)
        if theirs is None:
            answer = "not stated"
        elif p is None or p > ALPHA:
            answer = "undecided"
        else:
            answer = "as published" if (apart.value > 0) == (theirs > 0) else "the other way round"
        result.append(_changed(row, difference=apart, ordering=answer, ordering_p=p))
    return result


def _with_neighbours(rows: list[Row], samples: Samples, random: Mapping[str, float]) -> list[Row]:
    """Each row against the next one."""
    pairs = {a.arm: b.arm for a, b in itertools.pairwise(rows)}
    apart = {a: difference(samples, a, b, random) for a, b in pairs.items()}
    adjusted = _adjusted({arm: d.p for arm, d in apart.items() if d is not None})
    result = []
    for row in rows:
        p = adjusted.get(row.arm)
        separable = None if p is None else p <= ALPHA
        result.append(_changed(row, below=pairs.get(row.arm), separable=separable, below_p=p))
    return result


def _sign(
    published: Mapping[str, float], arm: str, worse: Sequence[str], better: Sequence[str]
) -> int | None:
    """+1 where the paper has the standard set above this arm, −1 below; None where it is silent,
    prints the same figure for both, or says one thing here and another there."""
    if STANDARD in published and arm in published:
        gap = published[STANDARD] - published[arm]
        return None if gap == 0 else 1 if gap > 0 else -1
    return ((arm in worse) - (arm in better)) or None


def _adjusted(p_values: Mapping[str, float | None]) -> dict[str, float]:
    known = {arm: p for arm, p in p_values.items() if p is not None}
    return dict(zip(known, holm(list(known.values())), strict=True)) if known else {}


def _changed(row: Row, **values: object) -> Row:
    import msgspec

    changed: Row = msgspec.structs.replace(row, **values)
    return changed
