"""The promised error rates and powers, put to the test by simulation with the judge's functions.

Unit: the scale is 1, so the margin is the tolerance (0.2) and spreads are fractions of the scale.
δ is the true difference ours − theirs. Everything is vectorised over trials; generators are given.
`python -m repro.judge.simulation` rewrites the tables in `docs/judge.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from repro.judge.ablation import difference
from repro.judge.aggregate import mean_normalised_random_best
from repro.judge.curve import POINTS, point_indices, time_weights
from repro.judge.samplers import Sampler
from repro.judge.statistics import (
    DEFAULT_TOLERANCE,
    LOOKS_LEVEL,
    ONE_LOOK_LEVEL,
    PLANNED_LOOKS,
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
from repro.judge.types import Sample

MARGIN = DEFAULT_TOLERANCE
SEEDS = (3, 5, 10, 20)
PUBLISHED_SEEDS = (3, 5, 6, 10)
SPREADS = (0.05, 0.1, 0.15, 0.25, 0.5)
RATIOS = (0.5, 1.0, 1.5, 2.0)
TRIALS = 20_000


class Rates(NamedTuple):
    """Shares of trials by answer, before (`…`) and after (`judged_…`) the power ceiling's gate."""

    reproduced: float
    exceeds: float
    not_reproduced: float
    judged_reproduced: float
    judged_not_reproduced: float


def summaries(generator: np.random.Generator, trials: int, n: int, std: float) -> tuple[Any, Any]:
    """Sample mean and standard deviation of n normal values with mean 0, for each trial."""
    mean = generator.standard_normal(trials) * std / np.sqrt(n)
    return mean, std * np.sqrt(generator.chisquare(n - 1, trials) / (n - 1))


def largest_spread(n_pub: int, assumed: bool = False, margin: float = MARGIN) -> float:
    """Largest spread between the paper's seeds (over the scale) that our seeds can settle."""
    ceiling = ceiling_assumed if assumed else ceiling_printed
    return float(
        optimize.brentq(
            lambda s: float(ceiling(s, n_pub, margin)) - SETTLING_POWER, 1e-4 * margin, 50 * margin
        )
    )


def printed(
    generator: np.random.Generator, delta: float, n: int, n_pub: int, s: float, s_pub: float,
    trials: int = TRIALS, noisy_margin: bool = False,
) -> Rates:  # fmt: skip
    """Both spreads known. noisy_margin: the margin is 0.2 × |printed mean − random|, as judged."""
    ours, spread = summaries(generator, trials, n, s)
    theirs, their_spread = summaries(generator, trials, n_pub, s_pub)
    margin = MARGIN * np.abs(1.0 + theirs) if noisy_margin else np.full(trials, MARGIN)
    error, df = welch(spread, n, their_spread, n_pub)
    gate = their_spread <= largest_spread(n_pub) * margin / MARGIN
    return _rates(delta + ours - theirs, error, df, margin, gate)


def assumed(
    generator: np.random.Generator, delta: float, n: int, n_pub: int, s: float, s_pub: float,
    trials: int = TRIALS,
) -> Rates:  # fmt: skip
    """Theirs is not printed, so ours is lent to it, whether or not it is right."""
    ours, spread = summaries(generator, trials, n, s)
    theirs, _ = summaries(generator, trials, max(n_pub, 2), s_pub)
    theirs = theirs * np.sqrt(max(n_pub, 2) / n_pub)
    error, df = assumed_spread(spread, n, n_pub)
    gate = spread <= largest_spread(n_pub, assumed=True)
    return _rates(delta + ours - theirs, error, df, MARGIN, gate)


def sampled(
    generator: np.random.Generator, delta: float, n: int, n_pub: int, sampler: Sampler,
    theirs: Sampler | None = None, trials: int = TRIALS,
) -> Rates:  # fmt: skip
    """Seeds drawn one by one, ours shifted by delta; theirs distributed likewise by default."""
    ours = sampler(generator, (trials, n))
    printed = (theirs or sampler)(generator, (trials, n_pub))
    their_spread = printed.std(axis=1, ddof=1)
    error, df = welch(ours.std(axis=1, ddof=1), n, their_spread, n_pub)
    difference = delta + ours.mean(axis=1) - printed.mean(axis=1)
    return _rates(difference, error, df, MARGIN, their_spread <= largest_spread(n_pub))


def _rates(difference: Any, error: Any, df: Any, margin: Any, gate: Any) -> Rates:
    half = half_width(error, df, ONE_LOOK_LEVEL)
    answer = classify(difference - half, difference + half, margin)
    passes = (answer == "reproduced") | (answer == "exceeds")
    fails = answer == "not reproduced"
    return Rates(
        reproduced=float(passes.mean()),
        exceeds=float((answer == "exceeds").mean()),
        not_reproduced=float(fails.mean()),
        judged_reproduced=float((passes & gate).mean()),
        judged_not_reproduced=float((fails & gate).mean()),
    )


class Looked(NamedTuple):
    """Shares that end at a decision, and how many seeds were run until the end, in the mean."""

    passed: float  # reproduced or exceeds
    failed: float  # not reproduced
    seeds: float


def planned_looks(
    generator: np.random.Generator, delta: float, n_pub: int | None, sampler: Sampler,
    looks: Sequence[int] = PLANNED_LOOKS, level: float = LOOKS_LEVEL, trials: int = TRIALS // 2,
) -> Looked:  # fmt: skip
    """Stopping at the first decision, with the published side drawn once: every look sees the same
    printed figure. n_pub None: only our own seeds are uncertain (the first question).
    """
    values = sampler(generator, (trials, max(looks)))
    theirs, their_spread = np.zeros(trials), np.zeros(trials)
    if n_pub is not None:
        printed = sampler(generator, (trials, n_pub))
        theirs, their_spread = printed.mean(axis=1), printed.std(axis=1, ddof=1)
    passed = np.zeros(trials, dtype=bool)
    failed = np.zeros(trials, dtype=bool)
    used = np.zeros(trials)
    for n in looks:
        ours = values[:, :n]
        spread = ours.std(axis=1, ddof=1)
        known = own_error(spread, n) if n_pub is None else welch(spread, n, their_spread, n_pub)
        half = half_width(*known, level)
        difference = delta + ours.mean(axis=1) - theirs
        answer = classify(difference - half, difference + half, MARGIN)
        open_still = ~(passed | failed)
        used[open_still] = n
        passed |= open_still & ((answer == "reproduced") | (answer == "exceeds"))
        failed |= open_still & (answer == "not reproduced")
    return Looked(float(passed.mean()), float(failed.mean()), float(used.mean()))


class Recommended(NamedTuple):
    """What becomes of the number of seeds that *inconclusive* comes with.

    told: share of pilots that were inconclusive and were told a number up to 1,000. seeds: the
    median number. as_seemed, in_truth: share decided by that many fresh seeds, were difference
    and spread what the pilot showed; as they are.
    """

    told: float
    seeds: float
    as_seemed: float
    in_truth: float


def recommended(
    generator: np.random.Generator, delta: float, pilot: int, n_pub: int, s: float, s_pub: float,
    trials: int = 400, repeats: int = 50,
) -> Recommended:  # fmt: skip
    """Pilots of few seeds, then as many fresh seeds as the judge recommends."""
    told: list[int] = []
    decided: list[tuple[float, float]] = []
    for _ in range(trials):
        theirs, ours = (
            s_pub * generator.standard_normal(n_pub),
            s * generator.standard_normal(pilot),
        )
        their_spread, spread = float(theirs.std(ddof=1)), float(ours.std(ddof=1))
        difference = delta + float(ours.mean() - theirs.mean())
        half = half_width(*welch(spread, pilot, their_spread, n_pub), ONE_LOOK_LEVEL)
        if classify(difference - half, difference + half, MARGIN) != "inconclusive":
            continue
        n = seeds_to_settle(difference, spread, MARGIN, their_spread, n_pub, ONE_LOOK_LEVEL)
        if n is None:
            continue
        told.append(n)
        truth = delta - float(theirs.mean())  # of our mean against the figure as it was printed
        shares = [
            _decided(generator, around, deviation, n, their_spread, n_pub, repeats)
            for around, deviation in ((difference, spread), (truth, s))
        ]
        decided.append((shares[0], shares[1]))
    seemed, true = np.mean(decided, axis=0) if decided else (np.nan, np.nan)
    return Recommended(
        len(told) / trials, float(np.median(told)) if told else np.nan, float(seemed), float(true)
    )


def _decided(
    generator: np.random.Generator, difference: float, s: float, n: int, s_pub: float, n_pub: int,
    trials: int,
) -> float:  # fmt: skip
    """Share of trials whose interval decides; the published side is fixed."""
    mean, spread = summaries(generator, trials, n, s)
    half = half_width(*welch(spread, n, s_pub, n_pub), ONE_LOOK_LEVEL)
    answer = classify(difference + mean - half, difference + mean + half, MARGIN)
    return float((answer != "inconclusive").mean())


def bootstrap_coverage(
    generator: np.random.Generator, n: int, trials: int = 2000, resamples: int = 400
) -> float:
    """How often a 95 % percentile bootstrap of the mean of n normal values covers it."""
    values = generator.standard_normal((trials, n))
    weights = generator.multinomial(n, np.full(n, 1.0 / n), size=resamples) / n
    low, high = np.quantile(values @ weights.T, [0.025, 0.975], axis=1)
    return float(np.mean((low < 0) & (high > 0)))


def curves(
    generator: np.random.Generator, delta: float, n: int, n_pub: int, spread: float,
    memory: float, trials: int = TRIALS // 8, grid_points: int = 20, level: Sampler | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Curve claims: shares that end (reproduced or exceeds, not reproduced).

    Seeds' curves are Gaussian processes whose correlation falls to 1/e over `memory` of the
    horizon; `delta` is the difference all along the curve. level: what each seed's whole curve
    is shifted by besides, by default nothing.
    """
    grid = np.linspace(1.0 / grid_points, 1.0, grid_points)
    root = np.linalg.cholesky(np.exp(-np.abs(grid[:, None] - grid[None, :]) / memory))
    ours = delta + spread * generator.standard_normal((trials, n, grid_points)) @ root.T
    theirs = spread * generator.standard_normal((trials, n_pub, grid_points)) @ root.T
    if level is not None:
        ours = ours + level(generator, (trials, n))[..., None]
        theirs = theirs + level(generator, (trials, n_pub))[..., None]
    weights, chosen = time_weights(grid), point_indices(grid)
    their_spread = theirs.std(axis=1, ddof=1)
    columns = [
        (ours @ weights, theirs.mean(axis=1) @ weights, their_spread @ weights, ONE_LOOK_LEVEL)
    ]
    columns += [
        (ours[:, :, k], theirs[:, :, k].mean(axis=1), their_spread[:, k], ONE_LOOK_LEVEL / POINTS)
        for k in chosen
    ]
    passes = np.ones(trials, dtype=bool)
    fails = np.zeros(trials, dtype=bool)
    for values, mean, s_pub, fail_level in columns:
        error, df = welch(values.std(axis=1, ddof=1), n, s_pub, n_pub)
        difference = values.mean(axis=1) - mean
        passes &= difference - half_width(error, df, ONE_LOOK_LEVEL) > -MARGIN
        fails |= difference + half_width(error, df, fail_level) < -MARGIN
    return float((passes & ~fails).mean()), float(fails.mean())


def ordering(
    generator: np.random.Generator, effect: float, n: int, trials: int = TRIALS
) -> tuple[float, float]:
    """Shares of (reproduced, not reproduced) for two arms `effect` standard deviations apart."""
    first, spread = summaries(generator, trials, n, 1.0)
    second, other = summaries(generator, trials, n, 1.0)
    half = half_width(*welch(spread, n, other, n), ONE_LOOK_LEVEL)
    difference = effect + first - second
    return float((difference > half).mean()), float((difference < -half).mean())


def arms_of_table(
    generator: np.random.Generator,
    means: Sequence[float],
    n: int,
    tasks: int,
    spread: float,
    dominant: float | None = None,
) -> dict[str, dict[str, Sample]]:
    """One table of ablations: task → arm ("0", "1" …) → its n seeds, random being 0.

    spread: between the seeds of an arm; dominant: that of the first task instead.
    """
    found: dict[str, dict[str, Sample]] = {}
    for task in range(tasks):
        std = spread if task or dominant is None else dominant
        mean, s = summaries(generator, len(means), n, std)
        found[str(task)] = {
            str(arm): Sample(n=n, mean=float(m + mean[arm]), std=float(s[arm]))
            for arm, m in enumerate(means)
        }
    return found


def scores(
    generator: np.random.Generator, step: float, n: int, tasks: int, arms: int = 11,
    spread: float = 0.1, trials: int = TRIALS // 20,
) -> tuple[float, float]:  # fmt: skip
    """Scores of a table whose arms stand `step` standard deviations apart, the best gaining 1.

    Returns how often their 95 % intervals cover the true scores, and how much too low they are,
    both on average over the arms but the best.
    """
    means = [1.0 - step * spread * arm for arm in range(arms)]
    random = {str(task): 0.0 for task in range(tasks)}
    covered, low = [], []
    for _ in range(trials):
        table = arms_of_table(generator, means, n, tasks, spread)
        for arm in range(1, arms):
            score = mean_normalised_random_best(table, str(arm), random)
            half = float(half_width(score.error, score.df, ONE_LOOK_LEVEL))
            covered.append(abs(score.value - means[arm]) <= half)
            low.append(means[arm] - score.value)
    return float(np.mean(covered)), float(np.mean(low))


def false_orderings(
    generator: np.random.Generator, n: int, tasks: int, dominant: float | None,
    levels: Sequence[float], trials: int = TRIALS // 4,
) -> list[float]:  # fmt: skip
    """How often two arms that are alike differ with a p of at most each level, over tasks that
    weigh alike; dominant: the spread on the first task, elsewhere 0.1 of the gain."""
    random = {str(task): 0.0 for task in range(tasks)}
    found = []
    for _ in range(trials):
        table = arms_of_table(generator, (1.0, 1.0), n, tasks, 0.1, dominant)
        gap = difference(table, "0", "1", random)
        found.append(1.0 if gap is None else gap.p)
    return [float(np.mean(np.asarray(found) <= level)) for level in levels]


if __name__ == "__main__":
    from repro.judge.tables import rewrite

    print(rewrite())
