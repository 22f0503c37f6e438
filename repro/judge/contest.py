"""Runs beside each other: who is better on which task, over all tasks, and by how much.

Interquartile means, P(A > B) and performance profiles are those of Agarwal et al. 2021 (rliable);
the interval of P(A > B) is Newcombe's, which holds for few seeds, too, on one task and over all.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special

from repro.judge.compare import difference_of_arms, sums
from repro.judge.comparison import (
    BOOTSTRAP_SEEDS,
    holm,
    improvement_over_tasks,
    interquartile_mean,
    stratified_bootstrap,
)
from repro.judge.published import sample_of
from repro.judge.statistics import ONE_LOOK_LEVEL, half_width
from repro.judge.types import Data, Interval, Sample

Scores = Mapping[str, Mapping[str, Sequence[float]]]  # task → run → a score a seed
PROFILE_POINTS = 201


class Pair(Data, frozen=True, kw_only=True):
    """Run a against run b on one task. difference: of means, in the task's unit; improvement:
    P(A > B) with its 95 % interval; p: Welch's, two-sided, after Holm over the table."""

    task: str
    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    improvement: tuple[float, float, float]
    p: float | None


class Overall(Data, frozen=True, kw_only=True):
    """A run over all tasks, scores normalised (random policy 0, a good agent 1).

    how: what the interval of the interquartile mean is from; without one where seeds are few.
    mean has a t interval whose tasks weigh alike.
    """

    run: str
    iqm: float
    iqm_low: float | None
    iqm_high: float | None
    how: str
    mean: float
    mean_low: float | None
    mean_high: float | None
    improvement: Mapping[str, tuple[float, float, float]]  # over every other run, mean over tasks


def pairs(scores: Scores) -> list[Pair]:
    """Every two runs on every task that both have."""
    rows, p_values = [], []
    for task, runs in scores.items():
        for a, b in itertools.combinations(runs, 2):
            first, second = sample_of(list(runs[a])), sample_of(list(runs[b]))
            interval = difference_of_arms(first, second, ONE_LOOK_LEVEL)
            rows.append(
                Pair(
                    task=task,
                    a=a,
                    b=b,
                    difference=first.mean - second.mean,
                    low=None if interval is None else interval.low,
                    high=None if interval is None else interval.high,
                    improvement=improvement_over_tasks([(runs[a], runs[b])]),
                    p=None,
                )
            )
            p_values.append(None if interval is None else _p(interval))
    known = [p for p in p_values if p is not None]
    adjusted = iter(holm(known)) if known else iter(())
    return [
        _with(row, p=None if p is None else next(adjusted))
        for row, p in zip(rows, p_values, strict=True)
    ]


def overall(scores: Scores, names: Sequence[str]) -> list[Overall]:
    """Each run over the tasks that all of them have. scores: normalised."""
    tasks = {task: runs for task, runs in scores.items() if all(name in runs for name in names)}
    if not tasks:
        return []
    return [_overall(tasks, name, names) for name in names]


def profile(values: Sequence[float], grid: Sequence[float]) -> list[tuple[float, float]]:
    """Share of the scores above each point of the grid."""
    data = np.asarray(values, dtype=np.float64)
    return [(float(at), float(np.mean(data > at))) for at in grid]


def profile_grid(scores: Scores) -> list[float]:
    """From the lowest score to the highest, 0 and 1 within."""
    every = [v for runs in scores.values() for values in runs.values() for v in values]
    low, high = min([0.0, *every]), max([1.0, *every])
    return [low + (high - low) * i / (PROFILE_POINTS - 1) for i in range(PROFILE_POINTS)]


def _overall(tasks: Scores, name: str, names: Sequence[str]) -> Overall:
    mine = {task: list(runs[name]) for task, runs in tasks.items()}
    pooled = [value for values in mine.values() for value in values]
    low = high = None
    fewest = min(len(values) for values in mine.values())
    how = f"fewer than {BOOTSTRAP_SEEDS} seeds a task: no interval"
    if fewest >= BOOTSTRAP_SEEDS:
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        low, high = stratified_bootstrap(mine, generator)
        how = "stratified bootstrap"
    mean, edges = _mean([sample_of(values) for values in mine.values()])
    return Overall(
        run=name,
        iqm=interquartile_mean(pooled),
        iqm_low=low,
        iqm_high=high,
        how=how,
        mean=mean,
        mean_low=edges[0],
        mean_high=edges[1],
        improvement={
            other: improvement_over_tasks([(runs[name], runs[other]) for runs in tasks.values()])
            for other in names
            if other != name
        },
    )


def _mean(samples: Sequence[Sample]) -> tuple[float, tuple[float | None, float | None]]:
    """Mean over tasks of the mean over seeds, with Satterthwaite's t interval."""
    if any(sample.std is None for sample in samples):
        return sum(sample.mean for sample in samples) / len(samples), (None, None)
    value, variance, df = sums([(s.mean, (s.std or 0.0) ** 2 / s.n, s.n - 1) for s in samples])
    half = float(half_width(math.sqrt(variance), df, ONE_LOOK_LEVEL))
    return value, (value - half, value + half)


def _p(interval: Interval) -> float | None:
    error = interval.standard_error
    if error <= 0:
        return None
    df, gap = interval.df, interval.difference
    return 2.0 * float(special.stdtr(df, -abs(gap) / error))


def _with(row: Pair, **values: object) -> Pair:
    import msgspec

    changed: Pair = msgspec.structs.replace(row, **values)
    return changed
