"""Level claims: both answers, ceilings, marks, refusals, prefixes; numbers computed by hand."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_tools import CONTEXT, ENV, claim, evidence, judge, published, seed, spread
from scipy import stats

from repro.cards.models import Level
from repro.errors import ReproError
from repro.judge import Context, PublishedCurve, RandomScore


def test_a_worked_example_by_hand():
    """Published 1720 ± 100 (10 seeds), random −280: scale 2000, margin 400."""
    verdict = judge(claim(), evidence(spread(1500.0, 150.0)))
    assert verdict.scale == 2000.0
    assert verdict.margin == 400.0
    assert verdict.ours.n == 10
    assert verdict.ours.mean == pytest.approx(1500.0)
    assert verdict.ours.std == pytest.approx(150.0)
    error = math.sqrt(150**2 / 10 + 100**2 / 10)
    df = error**4 / ((150**2 / 10) ** 2 / 9 + (100**2 / 10) ** 2 / 9)
    half = stats.t.ppf(0.975, df) * error
    assert verdict.interval.low == pytest.approx(-220 - half)
    assert verdict.interval.high == pytest.approx(-220 + half)
    own = stats.t.ppf(0.975, 9) * 150 / math.sqrt(10)
    assert verdict.own_interval.half_width == pytest.approx(own)
    assert verdict.reach == "reaches"
    assert verdict.answer == "reproduced"
    assert verdict.counts
    assert verdict.judged
    assert verdict.power_ceiling > 0.99
    text = " ".join(verdict.reasons)
    for shown in ("10 seeds", "1,500", "1,720", "2,000", "400", "reproduced"):
        assert shown in text


@pytest.mark.parametrize(
    ("mean", "answer", "reach"),
    [
        (2600.0, "exceeds", "reaches"),
        (1720.0, "reproduced", "reaches"),
        (1340.0, "inconclusive", "undecided"),
        (900.0, "not reproduced", "misses"),
    ],
)
def test_the_four_answers(mean, answer, reach):
    verdict = judge(claim(), evidence(spread(mean, 150.0)))
    assert (verdict.answer, verdict.reach) == (answer, reach)
    assert verdict.counts == (answer != "inconclusive")
    assert verdict.judged


def test_reaches_and_inconclusive_may_go_together():
    figure = published(std=160.0, band="std", seeds=5)
    verdict = judge(claim(figure), evidence(spread(1480.0, 100.0)))
    assert (verdict.reach, verdict.answer) == ("reaches", "inconclusive")
    assert verdict.headline == "inconclusive; our seeds reach the printed figure"
    assert verdict.seeds_needed is None or verdict.seeds_needed > 10


def test_seeds_that_would_settle_it_are_told():
    verdict = judge(claim(), evidence(spread(1450.0, 300.0)))
    assert verdict.answer == "inconclusive"
    assert verdict.seeds_needed > 10
    assert any(f"About {verdict.seeds_needed} seeds" in line for line in verdict.reasons)


def test_assumed_spread():
    figure = published(seeds=6)
    verdict = judge(claim(figure), evidence(spread(1720.0, 150.0)))
    assert "assumed spread" in verdict.marks
    assert verdict.interval.standard_error == pytest.approx(150.0 * math.sqrt(1 / 10 + 1 / 6))
    assert verdict.interval.df == 9.0
    assert verdict.answer == "reproduced"
    power = stats.norm.cdf(400 / (150 / math.sqrt(6)) - stats.norm.ppf(0.975))
    assert verdict.power_ceiling == pytest.approx(power)


def test_a_thin_published_side_cannot_be_settled_and_points_to_the_claim_that_can():
    thin = claim(published(seeds=3, std=500.0, band="std"), id="figure-3")
    verdict = judge(thin, evidence(spread(1720.0, 100.0)), rest=[claim(id="table")])
    assert verdict.power_ceiling < 0.8
    assert not verdict.settleable
    assert (verdict.answer, verdict.reach) == ("inconclusive", "reaches")
    assert verdict.headline == (
        f"cannot be settled by our seeds (power ceiling {100 * verdict.power_ceiling:.1f} %); "
        "our seeds reach the printed figure; see table"
    )
    assert verdict.settled_by == "table"
    assert not verdict.counts
    assert not verdict.judged
    alone = judge(thin, evidence(spread(1720.0, 100.0)))
    assert alone.settled_by is None
    assert alone.headline.endswith("our seeds reach the printed figure")


def test_a_thin_side_gives_no_not_reproduced_either():
    thin = claim(published(seeds=3, std=500.0, band="std"))
    verdict = judge(thin, evidence(spread(-3000.0, 50.0)))
    assert verdict.interval.high < -verdict.margin
    assert (verdict.answer, verdict.reach) == ("inconclusive", "misses")


def test_unknown_number_of_seeds_answers_only_the_first_question():
    for figure in (published(), published(std=100.0, band="std")):
        verdict = judge(claim(figure), evidence(spread(1720.0, 100.0)))
        assert (verdict.reach, verdict.answer) == ("reaches", "inconclusive")
        assert verdict.interval is None
        assert verdict.power_ceiling == 0.0
        assert not verdict.settleable


@pytest.mark.parametrize(
    ("band", "std"),
    [("std", 60.0), ("half-std", 120.0), ("standard-error", 60.0 * 10**0.5),
     ("unstated", 60.0 * 10**0.5), (None, 60.0 * 10**0.5)],
)  # fmt: skip
def test_kinds_of_band(band, std):
    verdict = judge(claim(published(std=60.0, band=band, seeds=10)), evidence(spread(1720.0, 90.0)))
    assert verdict.theirs.std == pytest.approx(std)
    if band in ("unstated", None):
        assert any("read as a standard error" in line for line in verdict.reasons)


def test_the_usual_tolerance_asks_for_its_own_ceiling():
    thin = published(std=300.0, band="std", seeds=5)
    verdict = judge(claim(thin, Level(tolerance=0.6, reason="why")), evidence(spread(1720.0, 90.0)))
    assert verdict.answer == "reproduced"
    assert verdict.answer_at_default_tolerance == "inconclusive"


def test_a_spread_of_a_single_published_seed_is_none_between_seeds():
    verdict = judge(claim(published(std=20.0, band="std", seeds=1)), evidence(spread(1720.0, 90.0)))
    assert verdict.theirs.std is None
    assert "assumed spread" in verdict.marks


def test_released_seeds_are_used():
    values = [1700.0, 1650.0, 1800.0, 1730.0, 1690.0, 1760.0]
    verdict = judge(claim(published(None, per_seed=values)), evidence(spread(1720.0, 90.0)))
    assert verdict.theirs.mean == pytest.approx(np.mean(values))
    assert verdict.theirs.std == pytest.approx(np.std(values, ddof=1))
    assert verdict.theirs.n == 6
    ours = spread(1720.0, 90.0)
    oracle = stats.ttest_ind(ours, values, equal_var=False).confidence_interval(0.95)
    assert (verdict.interval.low, verdict.interval.high) == pytest.approx(tuple(oracle))


def test_reading_error_widens_both_intervals_and_lowers_the_ceiling():
    plain = judge(claim(published(seeds=6)), evidence(spread(1720.0, 150.0)))
    read = published(seeds=6, how="read off the figure", reading_error=60.0)
    verdict = judge(claim(read), evidence(spread(1720.0, 150.0)))
    assert verdict.interval.half_width == pytest.approx(plain.interval.half_width + 60.0)
    assert verdict.own_interval.half_width == pytest.approx(plain.own_interval.half_width + 60.0)
    error = 150.0 / math.sqrt(6)
    assert verdict.power_ceiling == pytest.approx(stats.norm.cdf(340.0 / error - 1.959964))
    read = published(std=150.0, band="std", seeds=6, how="read off the figure", reading_error=60.0)
    verdict = judge(claim(read), evidence(spread(1720.0, 150.0)))
    power = stats.nct.sf(stats.t.ppf(0.975, 5), 5, 340.0 / error)
    assert verdict.power_ceiling == pytest.approx(power)


def test_a_reading_without_its_error_and_a_recalled_figure_decide_nothing():
    for figure in (
        published(seeds=6, how="read off the figure"),
        published(seeds=6, std=90.0, band="std", confidence="recalled"),
    ):
        verdict = judge(claim(figure), evidence(spread(1720.0, 100.0)))
        assert verdict.answer == "inconclusive"
        assert verdict.headline.startswith("not decided by this figure")
        assert not verdict.counts


def test_a_published_figure_near_random_is_refused():
    figure = published(-270.0, std=10.0, band="std", seeds=10)
    verdict = judge(claim(figure), evidence(spread(-270.0, 1.0)))
    assert verdict.answer == "inconclusive"
    assert any("within noise" in line for line in verdict.reasons)


def test_another_tolerance_prints_the_verdict_at_the_usual_one():
    wide = claim(check=Level(tolerance=0.4, reason="a reason"))
    verdict = judge(wide, evidence(spread(1240.0, 100.0)))
    assert verdict.margin == 800.0
    assert verdict.answer == "reproduced"
    assert verdict.answer_at_default_tolerance == "inconclusive"
    assert judge(claim(), evidence(spread(1720.0, 90.0))).answer_at_default_tolerance is None
    absolute = claim(check=Level(absolute_tolerance=50.0, reason="the task has a ceiling"))
    verdict = judge(absolute, evidence(spread(1700.0, 10.0)))
    assert verdict.margin == 50.0
    assert verdict.tolerance is None
    assert not verdict.settleable
    assert verdict.answer_at_default_tolerance == "reproduced"


def test_diverged_seeds_score_the_random_policy_and_are_shown():
    seeds = [seed(1000 + k, v) for k, v in enumerate(spread(1720.0, 90.0))]
    seeds[3] = seed(1003, 9e9, status="diverged", steps=1234)
    verdict = judge(claim(), evidence(seeds=seeds))
    assert verdict.seeds[3].value == -280.0
    assert verdict.seeds[3].status == "diverged"
    assert "1 diverged" in verdict.marks
    assert any("1003" in line for line in verdict.reasons)
    assert any("Failed seeds (1003)" in line for line in verdict.warnings)
    everyone = [seed(1000 + k, 0.0, status="diverged", metrics={}) for k in range(10)]
    verdict = judge(claim(), evidence(seeds=everyone))
    assert verdict.ours.mean == -280.0
    assert verdict.ours.std == 0.0
    assert verdict.answer == "not reproduced"


def test_one_seed_answers_nothing():
    verdict = judge(claim(), evidence([1720.0]))
    assert (verdict.reach, verdict.answer) == ("undecided", "inconclusive")
    assert verdict.interval is None
    assert "fewer than ten seeds" in verdict.marks
    assert not verdict.counts


def test_no_spread_at_all():
    at_ceiling = claim(check=Level(absolute_tolerance=50.0, reason="ceiling"))
    printed = judge(at_ceiling, evidence([1720.0] * 10))
    assert printed.interval.standard_error == pytest.approx(100.0 / math.sqrt(10))
    assert printed.interval.df == pytest.approx(9.0)
    assert any("score the same" in line for line in printed.warnings)
    lent = judge(claim(published(seeds=6)), evidence([1720.0] * 10))
    assert (lent.reach, lent.answer, lent.interval) == ("reaches", "inconclusive", None)


@pytest.mark.parametrize("n", [5, 9, 10])
def test_fewer_than_ten_seeds_are_not_counted(n):
    verdict = judge(claim(), evidence([1700.0 + 20 * (k % 2) for k in range(n)]))
    assert verdict.answer == "reproduced"
    assert verdict.counts == (n == 10)


def test_exploration_and_unplanned_looks_are_marked_and_not_counted():
    values = spread(1720.0, 90.0)
    free = judge(claim(), evidence(values, planned=False, looks=[], planned_seeds=None))
    assert "exploration" in free.marks
    assert free.level == 0.025
    early = judge(claim(), evidence(values, looks=[20], planned_seeds=list(range(1000, 1020))))
    assert "unplanned look" in early.marks
    other = judge(claim(), evidence(values, planned_seeds=list(range(10))))
    assert "unplanned look" in other.marks
    for verdict in (free, early, other):
        assert verdict.answer == "reproduced"
        assert not verdict.counts
    planned = evidence(values, looks=[5, 10, 20, 40], planned_seeds=list(range(1000, 1040)))
    verdict = judge(claim(), planned)
    assert verdict.level == 0.0075
    assert verdict.interval.level == 0.0075
    assert verdict.counts


def test_only_runs_of_its_own_set_ablation_and_task_count():
    values = spread(1720.0, 90.0)
    for change in (
        {"hparam_set": "mujoco-ppo2"},
        {"ablation": "no-clip"},
        {"env": "Hopper-v4"},
        {"overrides": {"gamma": 0.9}},
        {"paper": "trpo-2015"},
    ):
        verdict = judge(claim(), evidence(values, **change))
        assert verdict.answer == "not tested"
        assert (
            verdict.command == "repro plan ppo-2017 --env HalfCheetah --hparams mujoco --seeds 10"
        )


def test_an_evaluation_claim_without_evaluations_names_the_command():
    verdict = judge(claim(metric="evaluation-last-10"), evidence(spread(1720.0, 90.0)))
    assert verdict.answer == "not tested"
    assert "--evaluate" in verdict.command
    seeds = [seed(1000 + k, 0.0, metrics={"evaluation-last-10": v})
             for k, v in enumerate(spread(1720.0, 90.0))]  # fmt: skip
    done = evidence(seeds=seeds, evaluation={"period": 5000, "episodes": 10})
    assert judge(claim(metric="evaluation-last-10"), done).answer == "reproduced"


def test_the_largest_mean_over_time_is_shown_and_never_decides():
    seeds = [
        seed(1000 + k, 0.0, metrics={}, evaluations=[(500_000, 100.0 + k), (1_000_000, 50.0)])
        for k in range(10)
    ]
    verdict = judge(claim(metric="evaluation-max-of-mean"), evidence(seeds=seeds, evaluation={}))
    assert verdict.headline.startswith("shown, not judged: 104.5")
    assert verdict.answer == "inconclusive"
    assert not verdict.judged
    again = judge(claim(metric="evaluation-max-of-mean"), evidence(seeds=seeds, evaluation={}))
    assert again == verdict


def test_a_prefix_is_on_track_behind_or_undecided():
    curve = PublishedCurve(step=[0.0, 500_000.0, 1e6], mean=[-280.0, 1000.0, 1720.0], n=6)
    context = Context(random=CONTEXT.random, reference=CONTEXT.reference, curves={"c.csv": curve})
    figure = published(seeds=6, std=90.0, band="std", curve="c.csv")
    cases = ((1000.0, "on track"), (100.0, "behind"), (744.0, "undecided"))
    for mean, answer in cases:
        seeds = [seed(1000 + k, v, steps=500_000) for k, v in enumerate(spread(mean, 90.0))]
        verdict = judge(claim(figure), evidence(seeds=seeds, steps=500_000), context=context)
        assert verdict.answer == answer
        assert "prefix" in verdict.marks
        assert not verdict.counts
        assert not verdict.judged
    plain = published(seeds=6, std=90.0, band="std")
    seeds = [seed(1000 + k, v, steps=500_000) for k, v in enumerate(spread(100.0, 90.0))]
    assert judge(claim(plain), evidence(seeds=seeds, steps=500_000)).answer == "undecided"
    seeds = [seed(1000 + k, v, steps=500_000) for k, v in enumerate(spread(1720.0, 90.0))]
    assert judge(claim(plain), evidence(seeds=seeds, steps=500_000)).answer == "on track"


def test_a_prefix_at_the_random_policys_score_is_never_on_track():
    """Where the published curve has hardly left the start, all of it lies within the margin."""
    figure = published(seeds=6, std=90.0, band="std", curve="c.csv")

    def answer(ours, theirs):
        mean = [-280.0, theirs, 1720.0]
        curve = PublishedCurve(step=[0.0, 500_000.0, 1e6], mean=mean, n=6)
        context = Context(random=CONTEXT.random, curves={"c.csv": curve})
        seeds = [seed(1000 + k, v, steps=500_000) for k, v in enumerate(spread(ours, 9.0))]
        return judge(claim(figure), evidence(seeds=seeds, steps=500_000), context=context)

    assert answer(-280.0, -100.0).answer == "behind"
    verdict = answer(-100.0, -100.0)
    assert (verdict.answer, verdict.margin) == ("on track", pytest.approx(36.0))
    assert answer(-136.0, -100.0).answer == "undecided"
    for nothing in (-280.0, -300.0):
        verdict = answer(1000.0, nothing)
        assert verdict.answer == "undecided"
        assert any("no better than the random policy" in line for line in verdict.reasons)


def test_an_unfinished_seed_makes_a_prefix():
    seeds = [seed(1000 + k, v) for k, v in enumerate(spread(1720.0, 90.0))]
    seeds[0] = seed(1000, 1700.0, status="running", steps=400_000)
    verdict = judge(claim(), evidence(seeds=seeds))
    assert verdict.answer == "on track"
    assert any("400,000 of 1,000,000" in line for line in verdict.reasons)


def test_a_longer_run_is_read_at_the_claims_horizon():
    seeds = [
        seed(1000 + k, 9999.0, steps=2_000_000,
             curve=[(500_000, 0.0), (1_000_000, v), (2_000_000, 9999.0)], episodes=[500, 500, 900])
        for k, v in enumerate(spread(1720.0, 90.0))
    ]  # fmt: skip
    verdict = judge(claim(), evidence(seeds=seeds, steps=2_000_000))
    assert verdict.ours.mean == pytest.approx(1720.0)
    assert verdict.answer == "reproduced"


def test_skewed_seeds_are_warned_about():
    values = [1720.0, 1725.0, 1715.0, 1730.0, 1722.0, 1718.0, 1721.0, 1719.0, 1724.0, 1100.0]
    assert any("skewed" in line for line in judge(claim(), evidence(values)).warnings)
    assert judge(claim(), evidence(spread(1720.0, 90.0))).warnings == []


def test_a_missing_random_score_is_said_in_one_line():
    with pytest.raises(ReproError, match="no random score of HalfCheetah-v4"):
        judge(claim(), evidence(spread(1720.0, 90.0)), context=Context())


def test_a_verdict_is_json():
    verdict = judge(claim(), evidence(spread(1720.0, 90.0)))
    plain = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert plain["answer"] == "reproduced"
    assert plain["interval"]["low"] == verdict.interval.low
    assert msgspec.convert(plain, type(verdict)) == verdict


@settings(max_examples=25, deadline=None)
@given(st.floats(-2000, 3000), st.floats(1, 400), st.floats(-1e4, 1e4), st.floats(0.1, 50))
def test_shifting_or_scaling_all_data_leaves_the_verdict(mean, std, shift, factor):
    def ask(shift: float, factor: float):
        figure = published(1720.0 * factor + shift, std=100.0 * factor, band="std", seeds=6)
        random = RandomScore(mean=-280.0 * factor + shift, std=80.0 * factor, episodes=100)
        context = Context(random={ENV: random})
        values = [v * factor + shift for v in spread(mean, std)]
        return judge(claim(figure), evidence(values), context=context)

    plain, moved = ask(0.0, 1.0), ask(shift, factor)
    ends = [plain.interval.low, plain.interval.high, plain.own_interval.low,
            plain.own_interval.high]  # fmt: skip
    if min(abs(abs(end) - plain.margin) for end in ends) > 1e-6:
        assert (plain.answer, plain.reach) == (moved.answer, moved.reach)
        assert moved.interval.low == pytest.approx(plain.interval.low * factor, abs=1e-6)


def test_a_time_is_not_judged_as_a_level():
    verdict = judge(claim(metric="steps-to-threshold@475"), evidence(spread(1720.0, 90.0)))
    assert verdict.answer == "not tested"
    assert "time-to" in verdict.reasons[0]
