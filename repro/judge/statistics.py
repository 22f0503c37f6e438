"""The intervals behind every verdict, as pure functions of means, spreads and counts.

Everything takes numbers or NumPy arrays (broadcast together), so that the very functions which
judge a claim are the ones `simulation.py` puts to the test. "Level" is always one-sided: an
interval at level 0.025 covers 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special

from repro.errors import ReproError

ONE_LOOK_LEVEL = 0.025
LOOKS_LEVEL = 0.0075
PLANNED_LOOKS = (5, 10, 20, 40)
DEFAULT_TOLERANCE = 0.2
SETTLING_POWER = 0.8  # below this ceiling a claim cannot be settled by our seeds
SMALL_SIDE = 5  # fewer seeds than this on either side: conservative degrees of freedom

Numbers = Any  # float or NDArray[float64]; every function broadcasts
Array = NDArray[np.float64]


def look_level(looks: Sequence[int]) -> float:
    """One-sided level at which each planned look is taken.

    looks: numbers of seeds at which the plan looks. One look: 2.5 %. The looks 5, 10, 20, 40, or
    the first of them: 0.75 % each. Any other plan divides 2.5 % by the number of its looks.
    """
    looks = tuple(looks)
    if len(looks) <= 1:
        return ONE_LOOK_LEVEL
    if looks == PLANNED_LOOKS[: len(looks)]:
        return LOOKS_LEVEL
    return ONE_LOOK_LEVEL / len(looks)


def t_quantile(df: Numbers, level: float) -> Numbers:
    """Value that a Student t with `df` degrees of freedom exceeds with probability `level`."""
    return special.stdtrit(df, 1.0 - level)


def welch(s: Numbers, n: Numbers, s_pub: Numbers, n_pub: Numbers) -> tuple[Numbers, Numbers]:
    """Standard error of a difference of two means, and its degrees of freedom.

    s, s_pub: standard deviations over seeds; n, n_pub: numbers of seeds, both at least 2.
    With fewer than five seeds on either side Welch's degrees of freedom are too many (one-sided
    errors up to 3.8 % where 2.5 % was meant), so the smaller side's n − 1 is taken instead.
    """
    ours, theirs = np.square(s) / n, np.square(s_pub) / n_pub
    variance = ours + theirs
    spread = np.where(variance > 0, variance, 1.0)
    bottom = np.square(ours / spread) / (n - 1) + np.square(theirs / spread) / (n_pub - 1)
    fewest = np.minimum(n, n_pub)
    satterthwaite = np.where(variance > 0, 1.0 / np.where(variance > 0, bottom, 1.0), fewest - 1)
    df = np.where(fewest < SMALL_SIDE, fewest - 1, satterthwaite)
    return np.sqrt(variance), df


def assumed_spread(s: Numbers, n: Numbers, n_pub: Numbers) -> tuple[Numbers, Numbers]:
    """Standard error and degrees of freedom where only n_pub is printed and s_pub := s."""
    return s * np.sqrt(1.0 / n + 1.0 / n_pub), np.asarray(n) - 1.0


def own_error(s: Numbers, n: Numbers) -> tuple[Numbers, Numbers]:
    """Standard error and degrees of freedom of our mean alone (the first question)."""
    return s / np.sqrt(n), np.asarray(n) - 1.0


def half_width(error: Numbers, df: Numbers, level: float, reading_error: float = 0.0) -> Numbers:
    """Half-width of the interval: t × standard error, plus the error of reading a figure."""
    return t_quantile(df, level) * error + reading_error


def scale_of(published: float, random: float, reference: float | None) -> float:
    """What a tolerance is a fraction of: max(|published − random|, 0.1 · |reference − random|)."""
    floor = 0.0 if reference is None else 0.1 * abs(reference - random)
    return max(abs(published - random), floor)


def classify(low: Numbers, high: Numbers, margin: Numbers) -> NDArray[np.str_]:
    """Verdict from the interval [low, high] of the difference in the metric's good direction.

    The order matters: an interval above +margin is also above −margin.
    """
    return np.select(
        [low > margin, low > -margin, high < -margin],
        ["exceeds", "reproduced", "not reproduced"],
        "inconclusive",
    )


def ceiling_printed(
    s_pub: Numbers, n_pub: Numbers, margin: Numbers, level: float = ONE_LOOK_LEVEL
) -> Numbers:
    """Chance of *reproduced* with infinitely many seeds of ours, were there no difference.

    Theirs is then the only error: T = (margin + error) / (ŝ_pub/√n_pub) follows a noncentral t
    with n_pub − 1 degrees of freedom and noncentrality margin/(s_pub/√n_pub).
    margin: what is left of it after the reading error.
    """
    error = np.asarray(s_pub / np.sqrt(n_pub), dtype=np.float64)
    shift = np.where(error > 0, margin / np.where(error > 0, error, 1.0), np.inf)
    bounded = np.clip(shift, -30.0, 1000.0)  # beyond it the power is 0 or 1 anyway
    df = np.asarray(n_pub, dtype=np.float64) - 1.0
    power = 1.0 - special.nctdtr(df, bounded, t_quantile(df, level))
    # Far in the tail nctdtr gives NaN at some points (5, 55.67): the power is 1 there.
    power = np.where(np.isnan(power), np.where(bounded > 0, 1.0, 0.0), power)
    exact = np.where(np.asarray(margin) > 0, 1.0, 0.0)
    return np.where(np.isinf(shift), exact, np.clip(power, 0.0, 1.0))


def ceiling_assumed(
    s: Numbers, n_pub: Numbers, margin: Numbers, level: float = ONE_LOOK_LEVEL
) -> Numbers:
    """The same where s_pub := s: infinitely many seeds of ours know the spread, so it is normal."""
    error = np.asarray(s / np.sqrt(n_pub), dtype=np.float64)
    shift = np.where(error > 0, margin / np.where(error > 0, error, 1.0), np.inf)
    exact = np.where(np.asarray(margin) > 0, 1.0, 0.0)
    return np.where(np.isinf(shift), exact, special.ndtr(shift - special.ndtri(1.0 - level)))


def chance_to_settle(
    n: Numbers,
    difference: float,
    s: float,
    margin: float,
    s_pub: float | None,
    n_pub: int | None,
    level: float,
    reading_error: float = 0.0,
) -> Numbers:
    """Chance that n seeds of ours decide, were difference and spread in truth as they seem.

    The printed figure stays what it is: only our mean is drawn anew.
    s_pub None: the spread is assumed equal to ours; n_pub None: only our own mean is uncertain.
    """
    if n_pub is None:
        error, df = own_error(s, n)
    elif s_pub is None:
        error, df = assumed_spread(s, n, n_pub)
    else:
        error, df = welch(s, n, s_pub, n_pub)
    half = half_width(error, df, level, reading_error)
    if s == 0:  # nothing moves
        answer = classify(difference - half, difference + half, margin)
        return np.where(answer == "inconclusive", 0.0, 1.0)
    moves = s / np.sqrt(n)  # the standard error of our mean
    passes = special.ndtr((difference + margin - half) / moves)
    return passes + special.ndtr((-margin - half - difference) / moves)


def seeds_to_settle(
    difference: float,
    s: float,
    margin: float,
    s_pub: float | None,
    n_pub: int | None,
    level: float,
    reading_error: float = 0.0,
    at_most: int = 1000,
) -> int | None:
    """Fewest seeds of ours that decide with a chance of 80 %; see `chance_to_settle`.

    None: no number up to `at_most` does.
    """
    n = np.arange(2, at_most + 1)
    chance = chance_to_settle(n, difference, s, margin, s_pub, n_pub, level, reading_error)
    enough = n[chance >= SETTLING_POWER]
    return int(enough[0]) if enough.size else None


def range_to_std(n: int) -> float:
    """Expected range of n standard normal values (1.128 for 2, 3.078 for 10)."""
    if n < 2:
        raise ReproError(f"a range needs at least 2 seeds, found {n}; give the card another band")

    def outside(x: float) -> float:
        below = float(special.ndtr(x))
        return 1.0 - below**n - (1.0 - below) ** n

    return float(integrate.quad(outside, -12.0, 12.0)[0])


def spread_over_seeds(band: float, kind: str | None, n_pub: int) -> float:
    """Standard deviation over seeds behind a printed band (its half-width).

    A band of unstated kind is read as a standard error, the wider of the two usual readings.
    """
    if kind == "std":
        return band
    if kind == "half-std":
        return 2.0 * band
    if kind == "min-max":
        return 2.0 * band / range_to_std(n_pub)
    return band * math.sqrt(n_pub)  # "standard-error", "unstated", None


def skewness(values: Array) -> float:
    """Sample skewness g1 = m3 / m2^1.5; 0 where nothing varies."""
    centred = values - values.mean()
    spread = float(np.mean(centred**2))
    return 0.0 if spread == 0 else float(np.mean(centred**3)) / spread**1.5


def skewness_limit(n: int) -> float:
    """Two standard errors of g1 under normal data, beyond which we warn."""
    return 2.0 * math.sqrt(6.0 * (n - 2) / ((n + 1) * (n + 3)))
