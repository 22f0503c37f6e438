"""Has something got worse? An exact test, and levels that promise how rarely it is wrong.

A check trains fresh seeds and compares them with the committed ones by rank: if nothing changed,
every order of all the seeds together is equally likely, whatever their distribution. A first look
(`SCREEN_SEEDS`, at `SCREEN_LEVEL`) only says where to look again. An alarm is raised by other seeds
alone, at a level that allows one false alarm over all tests of ninety nights. That bound leans on
nothing else: a test that also has to be suspicious first is never more often wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb

NIGHTS = 90  # a quarter
FALSE_ALARMS = 1.0  # expected at most, over all tests of a quarter
SCREEN_SEEDS = 5
SCREEN_LEVEL = 0.05
FEWEST_CONFIRMING, MOST_CONFIRMING = 10, 20


def confirmation_level(tests: int) -> float:
    """One-sided level of each confirmation on a night of so many tests."""
    return FALSE_ALARMS / (NIGHTS * max(tests, 1))


def confirming_seeds(committed: int, level: float) -> int:
    """Seeds that a confirmation trains: enough that a tenth of `level` can be reached at all."""
    for seeds in range(FEWEST_CONFIRMING, MOST_CONFIRMING):
        if 1 / comb(committed + seeds, seeds) <= level / 10:
            return seeds
    return MOST_CONFIRMING


def p_worse(
    committed: Sequence[float | None], fresh: Sequence[float | None], direction: str
) -> float:
    """Chance that unchanged code gives fresh seeds ranked at least so badly (Mann-Whitney, exact).

    One value a seed; None for a seed that diverged, worse than any number and like any other that
    did. direction: "higher" or "lower" is better. Ties count for "unchanged", which keeps the
    level. 1.0 where either side is empty.
    """
    sign = 1.0 if direction == "higher" else -1.0
    before, now = ([_worst(v, sign) for v in side] for side in (committed, fresh))
    beaten = sum(old > new for old in before for new in now)
    if not before or not now:
        return 1.0
    counts = _orders(len(before), len(now))
    return sum(counts[beaten:]) / comb(len(before) + len(now), len(now))


def _worst(value: float | None, sign: float) -> float:
    return float("-inf") if value is None else sign * value


@lru_cache(maxsize=256)
def _orders(m: int, n: int) -> tuple[int, ...]:
    """Of all orders of m + n different values, how many have u pairs (old > new), u = 0 … m·n.

    By which side holds the largest value: an old one beats all n new ones, a new one none.
    """
    if m == 0 or n == 0:
        return (1,)
    old_first, new_first = _orders(m - 1, n), _orders(m, n - 1)
    counts = [0] * (m * n + 1)
    for u, number in enumerate(old_first):
        counts[u + n] += number
    for u, number in enumerate(new_first):
        counts[u] += number
    return tuple(counts)
