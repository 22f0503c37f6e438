"""Intervals, ceilings and comparisons against hand-made cases and slow oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from repro.errors import ReproError
from repro.judge import comparison
from repro.judge import statistics as js
from repro.judge.aggregate import mean_normalised_random_best
from repro.judge.case import Untestable
from repro.judge.compare import compare
from repro.judge.published import sample_of, theirs
from repro.judge.types import Sample


def test_welch_is_scipys_from_five_seeds_on():
    generator = np.random.default_rng(1)
    for n, n_pub in ((5, 5), (10, 6), (20, 5), (7, 30)):
        a, b = generator.normal(3, 2, n), generator.normal(1, 5, n_pub)
        oracle = stats.ttest_ind(a, b, equal_var=False)
        low, high = oracle.confidence_interval(0.95)
        error, df = js.welch(a.std(ddof=1), n, b.std(ddof=1), n_pub)
        half = js.half_width(error, df, 0.025)
        assert float(df) == pytest.approx(oracle.df)
        assert a.mean() - b.mean() - half == pytest.approx(low)
        assert a.mean() - b.mean() + half == pytest.approx(high)


@pytest.mark.parametrize(("n", "n_pub", "df"), [(10, 3, 2), (3, 10, 2), (4, 20, 3), (3, 3, 2)])
def test_few_seeds_on_a_side_take_the_smaller_sides_degrees_of_freedom(n, n_pub, df):
    assert float(js.welch(1.0, n, 1.7, n_pub)[1]) == df


def test_welch_without_any_spread():
    error, df = js.welch(0.0, 10, 0.0, 6)
    assert float(error) == 0.0
    assert float(df) == 5.0


def test_assumed_spread_by_hand():
    error, df = js.assumed_spread(210.0, 10, 3)
    assert float(error) == pytest.approx(210.0 * math.sqrt(1 / 10 + 1 / 3))
    assert float(df) == 9.0
    assert float(js.t_quantile(9.0, 0.025)) == pytest.approx(2.26216, abs=1e-5)


def test_scale_by_hand():
    assert js.scale_of(1800.0, -280.0, 10_000.0) == 2080.0
    assert js.scale_of(-100.0, -280.0, 10_000.0) == pytest.approx(1028.0)  # a tenth of 10,280
    assert js.scale_of(-100.0, -280.0, None) == 180.0


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.21, 0.4, "exceeds"),
        (-0.19, 0.5, "reproduced"),
        (-0.2, 0.1, "inconclusive"),  # an end on the margin decides nothing
        (-0.4, -0.2, "inconclusive"),
        (-0.4, -0.21, "not reproduced"),
        (0.2, 0.5, "reproduced"),
    ],
)
def test_classify(low, high, answer):
    assert str(js.classify(low, high, 0.2)) == answer


@pytest.mark.parametrize(("n_pub", "s_pub"), [(3, 0.25), (5, 0.12), (6, 0.15), (10, 0.25)])
def test_printed_ceiling_is_what_simulation_gives(n_pub, s_pub):
    generator = np.random.default_rng(n_pub)
    values = generator.normal(0.0, s_pub, (200_000, n_pub))
    half = stats.t.ppf(0.975, n_pub - 1) * values.std(axis=1, ddof=1) / math.sqrt(n_pub)
    reproduced = np.mean(-values.mean(axis=1) - half > -0.2)
    assert float(js.ceiling_printed(s_pub, n_pub, 0.2)) == pytest.approx(reproduced, abs=0.004)


def test_assumed_ceiling_is_what_many_seeds_of_ours_reach():
    generator = np.random.default_rng(3)
    error = 0.25 / math.sqrt(3)
    reproduced = np.mean(generator.normal(0.0, error, 400_000) - 1.959964 * error > -0.2)
    assert float(js.ceiling_assumed(0.25, 3, 0.2)) == pytest.approx(reproduced, abs=0.003)
    assert float(js.ceiling_assumed(0.25, 3, 0.2)) == pytest.approx(0.2829, abs=1e-4)
    assert float(js.ceiling_printed(0.25, 3, 0.2)) == pytest.approx(0.1333, abs=1e-4)


def test_ceilings_at_their_ends():
    assert float(js.ceiling_printed(0.0, 6, 0.2)) == 1.0
    assert float(js.ceiling_printed(0.0, 6, -0.1)) == 0.0  # the reading error ate the margin
    assert float(js.ceiling_printed(1e-9, 3, 0.2)) == pytest.approx(1.0)
    assert float(js.ceiling_printed(1e9, 3, 0.2)) == pytest.approx(0.025, abs=1e-3)
    assert float(js.ceiling_assumed(1e9, 3, 0.2)) == pytest.approx(0.025, abs=1e-3)
    assert float(js.ceiling_printed(0.1, 3, -100.0)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("looks", "level"),
    [([10], 0.025), ([], 0.025), ([5, 10, 20, 40], 0.0075), ([5, 10], 0.0075), ([4, 8], 0.0125)],
)
def test_levels_of_looks(looks, level):
    assert js.look_level(looks) == level


@pytest.mark.parametrize("n", [2, 5, 10])
def test_range_to_std_is_the_tabled_factor(n):
    tabled = {2: 1.128, 5: 2.326, 10: 3.078}
    assert js.range_to_std(n) == pytest.approx(tabled[n], abs=5e-4)
    with pytest.raises(ReproError):
        js.range_to_std(1)


def test_spread_behind_each_kind_of_band():
    assert js.spread_over_seeds(10.0, "std", 4) == 10.0
    assert js.spread_over_seeds(10.0, "half-std", 4) == 20.0
    assert js.spread_over_seeds(10.0, "standard-error", 4) == 20.0
    assert js.spread_over_seeds(10.0, "unstated", 9) == 30.0
    assert js.spread_over_seeds(10.0, None, 9) == 30.0
    assert js.spread_over_seeds(10.0, "min-max", 10) == pytest.approx(20.0 / 3.078, abs=2e-3)


def test_seeds_to_settle_is_the_first_number_that_likely_decides():
    n = js.seeds_to_settle(-0.1, 0.15, 0.2, None, 6, 0.025)
    assert n is None  # theirs alone is too uncertain for a difference that near the margin
    n = js.seeds_to_settle(0.0, 0.15, 0.2, 0.1, 10, 0.025)
    assert n is not None
    for seeds, enough in ((n, True), (n - 1, False)):
        half = js.half_width(*js.welch(0.15, seeds, 0.1, 10), 0.025)
        within = stats.norm.cdf((0.2 - half) / (0.15 / seeds**0.5))
        assert js.chance_to_settle(seeds, 0.0, 0.15, 0.2, 0.1, 10, 0.025) == pytest.approx(within)
        assert (within >= 0.8) == enough


@pytest.mark.parametrize(("s_pub", "n_pub"), [(0.1, 10), (None, 10), (None, None)])
@pytest.mark.parametrize("difference", [-0.35, -0.1, 0.0])
def test_the_chance_to_settle_is_that_of_drawing_seeds(difference, s_pub, n_pub):
    """Seeds drawn around the difference; intervals with their own spreads."""
    n, generator = 12, np.random.default_rng(6)
    drawn = difference + 0.15 * generator.standard_normal((20_000, n))
    s = drawn.std(axis=1, ddof=1)
    if n_pub is None:
        errors = js.own_error(s, n)
    else:
        errors = js.assumed_spread(s, n, n_pub) if s_pub is None else js.welch(s, n, s_pub, n_pub)
    half = js.half_width(*errors, 0.025)
    answers = js.classify(drawn.mean(1) - half, drawn.mean(1) + half, 0.2)
    chance = js.chance_to_settle(n, difference, 0.15, 0.2, s_pub, n_pub, 0.025)
    assert (answers != "inconclusive").mean() == pytest.approx(float(chance), abs=0.08)


def test_skewness_is_scipys():
    values = np.random.default_rng(2).exponential(size=30)
    assert js.skewness(values) == pytest.approx(stats.skew(values))
    assert js.skewness(np.ones(5)) == 0.0


numbers = st.floats(-1e4, 1e4)
spreads = st.floats(0.1, 1e3)


@settings(max_examples=60, deadline=None)
@given(numbers, spreads, numbers, spreads, st.integers(2, 30), st.integers(2, 30), numbers,
       st.floats(0.01, 100.0))  # fmt: skip
def test_shifting_or_scaling_everything_changes_no_answer(m, s, mp, sp, n, n_pub, shift, factor):
    def answers(shift, factor):
        ours = Sample(n=n, mean=m * factor + shift, std=s * factor)
        side = theirs(mp * factor + shift, n_pub, sp * factor, "std", 3.0 * factor)
        return compare(ours, side, 250.0 * factor, 0.025)

    plain, moved = answers(0.0, 1.0), answers(shift * factor, factor)
    # answers whose interval ends within rounding of a margin are not meant
    ends = [abs(abs(edge) - 250.0) for one in (plain.interval, plain.own_interval)
            for edge in (one.low, one.high)]  # fmt: skip
    if min(ends) > 1e-6:
        assert (plain.reach, plain.answer, plain.seeds_needed) == (
            moved.reach, moved.answer, moved.seeds_needed)  # fmt: skip
        assert plain.ceiling == pytest.approx(moved.ceiling)


def test_a_ceiling_far_in_the_tail_is_a_number():
    shifts = np.linspace(30.0, 400.0, 2000)
    for n_pub in (3, 6, 10):
        ceilings = js.ceiling_printed(np.sqrt(n_pub) / shifts, float(n_pub), 1.0)
        assert np.all(ceilings > 0.99)


@settings(max_examples=60, deadline=None)
@given(numbers, spreads, numbers, st.integers(2, 30))
def test_flipping_the_direction_mirrors_the_answers(m, s, mp, n):
    higher = compare(Sample(n=n, mean=m, std=s), theirs(mp, 6, s, "std"), 250.0, 0.025, 1)
    lower = compare(Sample(n=n, mean=-m, std=s), theirs(-mp, 6, s, "std"), 250.0, 0.025, -1)
    assert higher == lower


def test_probability_of_improvement_is_mann_whitneys():
    generator = np.random.default_rng(4)
    a, b = generator.normal(1, 1, 9), generator.normal(0, 1, 12)
    oracle = stats.mannwhitneyu(a, b).statistic / (9 * 12)
    assert comparison.probability_of_improvement(a, b) == pytest.approx(oracle)
    assert comparison.probability_of_improvement([1.0, 1.0], [1.0]) == 0.5
    low, high = comparison.improvement_interval([2.0] * 10, [1.0] * 10)
    assert high == 1.0
    assert 0.5 < low < 1.0
    flipped = comparison.improvement_interval(b, a)
    assert comparison.improvement_interval(a, b) == pytest.approx((1 - flipped[1], 1 - flipped[0]))


def test_improvement_interval_covers():
    generator = np.random.default_rng(5)
    truth = stats.norm.cdf(1.0 / math.sqrt(2.0))
    inside = 0
    for _ in range(400):
        low, high = comparison.improvement_interval(
            generator.normal(1, 1, 10), generator.normal(0, 1, 10)
        )
        inside += low < truth < high
    assert inside / 400 > 0.92


def test_improvement_over_tasks_by_hand():
    # One seed against one: V(p) = p (1 − p), so k tasks are Wilson's interval for k tosses.
    z2 = stats.norm.ppf(0.975) ** 2
    won, lost = ([2.0], [1.0]), ([1.0], [2.0])
    assert comparison.improvement_over_tasks([won]) == pytest.approx((1.0, 1 / (1 + z2), 1.0))
    assert comparison.improvement_over_tasks([won, won]) == pytest.approx(
        (1.0, 1 / (1 + z2 / 2), 1.0)
    )
    half = math.sqrt((z2 / 8) / (1 + z2 / 2))  # d² = z² (1/4 − d²) / 2
    assert comparison.improvement_over_tasks([won, lost]) == pytest.approx(
        (0.5, 0.5 - half, 0.5 + half)
    )


@pytest.mark.parametrize(
    ("seeds", "chances"),
    [(3, [0.7]), (5, [0.7]), (3, [0.9, 0.9, 0.9, 0.9]), (5, [0.5, 0.95])],
    ids=["three-seeds", "five-seeds", "four-tasks-alike", "two-tasks-that-differ"],
)
def test_improvement_over_tasks_covers(seeds, chances):
    generator = np.random.default_rng(8)
    gaps = stats.norm.ppf(chances) * math.sqrt(2.0)  # P(A > B) = Φ(gap / √2)
    inside = 0
    for _ in range(400):
        _, low, high = comparison.improvement_over_tasks(
            [(generator.normal(gap, 1, seeds), generator.normal(0, 1, seeds)) for gap in gaps]
        )
        inside += low <= np.mean(chances) <= high
    assert inside / 400 > 0.93


def test_interquartile_mean_and_its_bootstrap():
    assert comparison.interquartile_mean([0, 1, 2, 3, 4, 5, 6, 100]) == pytest.approx(3.5)
    values = list(np.random.default_rng(6).normal(0.0, 1.0, 24))
    assert comparison.interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))
    low, high = comparison.stratified_bootstrap({"a": values}, np.random.default_rng(0))
    assert low < comparison.interquartile_mean(values) < high
    with pytest.raises(ReproError, match="20 seeds"):
        comparison.stratified_bootstrap({"a": values[:19]}, np.random.default_rng(0))
    with pytest.raises(ReproError, match="at least 2"):
        comparison.mean_interval([1.0])
    assert comparison.mean_interval([1.0, 3.0]) == pytest.approx((2 - 12.7062, 2 + 12.7062), 1e-5)


def test_holm_and_restricted_mean_by_hand():
    assert comparison.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert comparison.holm([0.9, 0.8]) == [1.0, 1.0]
    assert comparison.restricted_mean([100.0, 900.0, 5000.0], 1000.0) == pytest.approx(2000 / 3)


def test_normalised_score_of_table_1_by_hand():
    samples = {
        "A": {"paper": Sample(n=4, mean=50.0, std=10.0), "best": Sample(n=4, mean=100.0, std=20.0)},
        "B": {"paper": Sample(n=4, mean=10.0, std=2.0), "best": Sample(n=4, mean=5.0, std=1.0)},
    }
    score = mean_normalised_random_best(samples, "paper", {"A": 0.0, "B": -10.0})
    assert score.by_task == {"A": 0.5, "B": 1.0}
    assert score.value == 0.75
    # A: sqrt(5² + (0.5·10)²)/100, B is the best itself: no error; the mean of two halves it
    assert score.error == pytest.approx(math.sqrt(50.0) / 100.0 / 2.0)
    assert score.df == pytest.approx(6.0)  # (25 + 25)² / (25²/3 + 25²/3)


def test_normalised_scores_error_is_what_simulation_gives():
    generator = np.random.default_rng(8)
    values = []
    for _ in range(4000):
        ours, best = generator.normal(50, 10, 10), generator.normal(100, 20, 10)
        samples = {"A": {"paper": sample_of(list(ours)), "best": sample_of(list(best))}}
        values.append(mean_normalised_random_best(samples, "paper", {"A": 0.0}).value)
    exact = {"A": {"paper": Sample(n=10, mean=50.0, std=10.0),
                   "best": Sample(n=10, mean=100.0, std=20.0)}}  # fmt: skip
    error = mean_normalised_random_best(exact, "paper", {"A": 0.0}).error
    assert np.std(values) == pytest.approx(error, rel=0.06)
    with pytest.raises(Untestable, match="no arm beats"):
        mean_normalised_random_best(exact, "paper", {"A": 200.0})
