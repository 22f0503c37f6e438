"""Curves, orderings, not-worse, times, properties and aggregates."""

from __future__ import annotations

import numpy as np
import pytest
from judge_tools import (
    CONTEXT,
    METRIC,
    STEPS,
    card,
    claim,
    evidence,
    judge,
    published,
    seed,
    spread,
)
from scipy import stats

from repro.cards.models import Ablation, Aggregate, Curve, NotWorse, Ordering, Property, TimeTo
from repro.errors import ReproError
from repro.judge import Context, PublishedCurve, RandomScore, curve
from repro.judge.verdict import judge_claim

GRID = [k * 100_000.0 for k in range(11)]
LEVELS = [-280.0 + 200.0 * k for k in range(11)]  # up to 1720, scale 2000
TWO_TASKS = Context(
    random={**CONTEXT.random, "Hopper-v4": RandomScore(mean=0.0, std=1.0, episodes=100)}
)
NO_CLIP = {"no-clip": Ablation(changes={}, source="Table 1")}


def curve_claim(**figure):
    given = {"seeds": 10, "band": "std", "curve": "c.csv", **figure}
    return claim(published(None, **given), Curve(), metric="training-return-curve")


def with_curve(band=80.0):
    bands = None if band is None else [band] * 11
    published_curve = PublishedCurve(step=GRID, mean=LEVELS, band=bands, n=6)
    return Context(
        random=CONTEXT.random, reference=CONTEXT.reference, curves={"c.csv": published_curve}
    )


def learners(shift, std=80.0, n=10, **fields):
    offsets = spread(0.0, std, n)
    return [
        seed(1000 + k, 0.0, curve=[(int(s), m + shift(s) + offsets[k])
                                   for s, m in zip(GRID[1:], LEVELS[1:], strict=True)], **fields)
        for k in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shift", "answer"),
    [
        (lambda s: 0.0, "reproduced"),
        (lambda s: 900.0, "exceeds"),
        (lambda s: -1000.0, "not reproduced"),
        (lambda s: -1000.0 if s == 400_000 else 0.0, "not reproduced"),  # one of the five points
        (lambda s: -1000.0 if s == 500_000 else 0.0, "reproduced"),  # not one of them
        (lambda s: -380.0 if s == 1_000_000 else 0.0, "inconclusive"),
    ],
)
def test_curve_answers(shift, answer):
    verdict = judge(curve_claim(), evidence(seeds=learners(shift)), context=with_curve())
    assert verdict.answer == answer
    assert len(verdict.points) == 6
    assert verdict.margin == 400.0
    assert verdict.counts == (answer != "inconclusive")


def test_the_area_is_a_time_average_with_its_spread_bounded():
    verdict = judge(curve_claim(), evidence(seeds=learners(lambda s: 0.0)), context=with_curve())
    area = verdict.points[0]
    grid, means = np.asarray(GRID[1:]), np.asarray(LEVELS[1:])
    assert area.theirs.mean == pytest.approx(np.trapezoid(means, grid) / 900_000)
    assert area.theirs.std == pytest.approx(80.0)
    assert area.ours.std == pytest.approx(80.0)
    assert [point.step for point in verdict.points[1:]] == [200_000, 400_000, 600_000, 800_000,
                                                            1_000_000]  # fmt: skip
    assert verdict.points[1].fail_level == pytest.approx(0.005)


def test_a_point_is_welchs_comparison():
    generator = np.random.default_rng(0)
    weights = curve.time_weights(np.asarray(GRID[1:]))
    assert weights.sum() == pytest.approx(1.0)
    values = generator.normal(0, 80, (10, 10)) + np.asarray(LEVELS[1:])
    side = with_curve().curves["c.csv"]
    points = curve.compare_points(
        np.asarray(GRID[1:]), values, side, 6, "std", 0.0, 400.0, 0.025, 1
    )
    oracle = stats.ttest_ind_from_stats(
        values[:, 1].mean(), values[:, 1].std(ddof=1), 10, LEVELS[2], 80.0, 6, equal_var=False
    )
    assert points[1].interval.df == pytest.approx(
        (values[:, 1].var(ddof=1) / 10 + 6400 / 6) ** 2
        / ((values[:, 1].var(ddof=1) / 10) ** 2 / 9 + (6400 / 6) ** 2 / 5)
    )  # fmt: skip
    t = points[1].interval.difference / points[1].interval.standard_error
    assert t == pytest.approx(oracle.statistic)


def test_a_curve_without_band_assumes_the_spread_and_without_seeds_settles_nothing():
    ours = evidence(seeds=learners(lambda s: 0.0))
    lent = judge(curve_claim(seeds=6), ours, context=with_curve(None))
    assert "assumed spread" in lent.marks
    assert lent.answer == "reproduced"
    bare = Context(random=CONTEXT.random, curves={"c.csv": PublishedCurve(step=GRID, mean=LEVELS)})
    unknown = judge(curve_claim(seeds=None), ours, context=bare)
    assert (unknown.answer, unknown.reach, unknown.settleable) == ("inconclusive", "reaches", False)


def test_a_diverged_seeds_curve_falls_to_random():
    seeds = learners(lambda s: 0.0)
    cut = seed(1000, 0.0, status="diverged", steps=400_000, curve=seeds[0].curve[:4])
    verdict = judge(curve_claim(), evidence(seeds=[cut, *seeds[1:]]), context=with_curve())
    last = verdict.points[-1]
    kept = [one.curve[-1][1] for one in seeds[1:]]
    assert last.ours.mean == pytest.approx((sum(kept) - 280.0) / 10)
    assert "1 diverged" in verdict.marks


def test_a_curve_is_warned_of_like_a_level():
    seeds = learners(lambda s: 0.0)
    lost = [(int(s), -280.0) for s in GRID[1:]]
    seeds[3] = seed(1003, 0.0, curve=lost)
    verdict = judge(curve_claim(), evidence(seeds=seeds), context=with_curve())
    assert any("Failed seeds (1003)" in line for line in verdict.warnings)
    assert any("skewed" in line for line in verdict.warnings)
    prefix = judge(curve_claim(), evidence(seeds=seeds, steps=500_000), context=with_curve())
    assert any("Failed seeds (1003)" in line for line in prefix.warnings)
    sound = judge(curve_claim(), evidence(seeds=learners(lambda s: 0.0)), context=with_curve())
    assert sound.warnings == []


def test_a_curves_prefix():
    seeds = [
        seed(one.seed, 0.0, steps=500_000, curve=one.curve[:5]) for one in learners(lambda s: 0.0)
    ]
    verdict = judge(curve_claim(), evidence(seeds=seeds, steps=500_000), context=with_curve())
    assert (verdict.answer, verdict.counts) == ("on track", False)


def test_a_curve_claim_without_curves_is_not_tested():
    verdict = judge(curve_claim(), evidence(spread(0.0, 1.0)), context=with_curve())
    assert verdict.answer == "not tested"
    with pytest.raises(ReproError, match=r"c\.csv"):
        judge(curve_claim(), evidence(seeds=learners(lambda s: 0.0)))


def ordering(better="paper", than="no-clip", **fields):
    return claim(fields.pop("figure", None), Ordering(better=better, than=than), **fields)


def arms(first, second, rule, context=CONTEXT, **fields):
    runs = [evidence(first), evidence(second, ablation="no-clip")]
    return judge_claim(rule, runs, card(rule, ablations=NO_CLIP, **fields), context)


@pytest.mark.parametrize(
    ("gap", "answer"), [(300.0, "reproduced"), (0.0, "inconclusive"), (-300.0, "not reproduced")]
)
def test_ordering(gap, answer):
    verdict = arms(spread(1000.0 + gap, 150.0), spread(1000.0, 100.0), ordering())
    assert verdict.answer == answer
    oracle = stats.ttest_ind(
        spread(1000.0 + gap, 150.0), spread(1000.0, 100.0), equal_var=False
    ).confidence_interval(0.95)
    assert (verdict.interval.low, verdict.interval.high) == pytest.approx(tuple(oracle))
    estimate, low, high = verdict.improvement
    assert low <= estimate <= high
    assert (low > 0.5, high < 0.5) == (gap > 0, gap < 0)


def test_an_orderings_prefix_is_never_counted():
    rule = ordering()
    half = {"steps": 500_000}
    seeds = [seed(1000 + k, v, **half) for k, v in enumerate(spread(1500.0, 100.0))]
    runs = [evidence(seeds=seeds, **half), evidence(spread(1000.0, 100.0), ablation="no-clip")]
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), CONTEXT)
    assert (verdict.answer, verdict.judged, verdict.counts) == ("on track", False, False)


def test_ordering_needs_both_arms_and_names_the_command():
    rule = ordering()
    one = [evidence(spread(1000.0, 100.0))]
    verdict = judge_claim(rule, one, card(rule, ablations=NO_CLIP), CONTEXT)
    assert verdict.answer == "not tested"
    assert "--ablation no-clip" in verdict.command
    rival = ordering(than="trpo-2015")
    verdict = judge_claim(rival, one, card(rival), CONTEXT)
    assert verdict.command.startswith("repro plan trpo-2015 --env HalfCheetah")


def test_ordering_over_several_tasks_averages_in_units_of_the_gain():
    rule = ordering(env="several")
    context = TWO_TASKS
    runs = [
        evidence(spread(1720.0, 100.0)),
        evidence(spread(720.0, 100.0), ablation="no-clip"),
        evidence(spread(100.0, 10.0), env="Hopper-v4"),
        evidence(spread(50.0, 10.0), env="Hopper-v4", ablation="no-clip"),
    ]
    both = card(rule, ablations=NO_CLIP, environments=["HalfCheetah", "Hopper"])
    verdict = judge_claim(rule, runs, both, context)
    assert verdict.answer == "reproduced"
    assert verdict.interval.difference == pytest.approx((1000 / 2000 + 50 / 100) / 2)
    # A task with one of the arms is left out, whichever arm it is; one task is not several.
    names = ["HalfCheetah", "Hopper", "Walker2d"]
    third = card(rule, ablations=NO_CLIP, environments=names)
    for ablation in (None, "no-clip"):
        half = evidence(spread(1.0, 1.0), env="Walker2d-v4", ablation=ablation)
        assert judge_claim(rule, [*runs, half], third, context).interval == verdict.interval
    alone = judge_claim(rule, runs[:3], both, context)
    assert alone.answer == "not tested"
    assert "there is one" in alone.reasons[0]
    assert alone.command.startswith("repro plan ppo-2017 --env Hopper --hparams mujoco --ablation")
    assert "there is none" in judge_claim(rule, [], both, context).reasons[0]


def test_not_worse():
    rule = claim(check=NotWorse(arm="paper", than="no-clip", margin=0.2))
    # scale: the other arm's 1720 + 280; margin 400
    assert arms(spread(1600.0, 150.0), spread(1720.0, 150.0), rule).answer == "reproduced"
    assert arms(spread(900.0, 150.0), spread(1720.0, 150.0), rule).answer == "not reproduced"
    assert arms(spread(1320.0, 150.0), spread(1720.0, 150.0), rule).answer == "inconclusive"


def timed(values, censored=()):
    name = "steps-to-threshold@475"
    return [
        seed(1000 + k, 0.0,
             metrics={name: v, "never-reached-threshold@475": 1.0 if k in censored else 0.0})
        for k, v in enumerate(values)
    ]  # fmt: skip


def time_claim():
    figure = published(40_000.0, std=3_000.0, band="std", seeds=10)
    return claim(figure, TimeTo(threshold=475.0, tolerance=0.2), metric="steps-to-threshold")


def test_time_to_a_threshold_is_better_when_sooner():
    judged = {
        mean: judge(time_claim(), evidence(seeds=timed(spread(mean, 3000.0)))).answer
        for mean in (20_000.0, 40_000.0, 48_000.0, 90_000.0)
    }
    assert list(judged.values()) == ["exceeds", "reproduced", "inconclusive", "not reproduced"]


def test_censored_times_count_with_the_budget():
    values = spread(40_000.0, 3000.0)[:8] + [float(STEPS)] * 2
    verdict = judge(time_claim(), evidence(seeds=timed(values, censored=(8, 9))))
    assert any("2 of 10 seeds never got there" in line for line in verdict.reasons)
    assert verdict.ours.mean == pytest.approx(np.mean(values))
    gone = [*timed(spread(40_000.0, 3000.0))[:9], seed(1009, 0.0, status="diverged", metrics={})]
    assert judge(time_claim(), evidence(seeds=gone)).seeds[9].value == float(STEPS)
    assert judge(time_claim(), evidence(spread(0.0, 1.0))).answer == "not tested"


def test_a_budget_that_ends_before_the_published_time_decides_nothing_for_censored_seeds():
    figure = published(1.1 * STEPS, std=3_000.0, band="std", seeds=10)
    rule = TimeTo(threshold=475.0, tolerance=0.2)
    late = claim(figure, rule, metric="steps-to-threshold")
    nobody = judge(late, evidence(seeds=timed([float(STEPS)] * 10, censored=range(10))))
    assert nobody.answer == "inconclusive"
    assert any("budget is no longer" in line for line in nobody.reasons)
    assert judge(late, evidence(seeds=timed(spread(0.9 * STEPS, 3000.0)))).answer == "reproduced"


def test_a_diverged_seed_never_reached_the_threshold():
    name = "never-reached-threshold@475"
    rule = claim(check=Property(measure=name, at_most=0.3))
    seeds = [seed(1000 + k, 0.0, metrics={name: 0.0}) for k in range(9)]
    verdict = judge(rule, evidence(seeds=[*seeds, seed(1009, 0.0, status="diverged", metrics={})]))
    assert [one.value for one in verdict.seeds] == [0.0] * 9 + [1.0]
    assert any("count with 1." in line for line in verdict.reasons)


def test_times_of_a_longer_run_are_cut_at_the_claims_horizon():
    seeds = timed([*spread(40_000.0, 3000.0)[:9], 1_700_000.0])
    verdict = judge(time_claim(), evidence(seeds=seeds, steps=2_000_000))
    assert verdict.seeds[9].value == float(STEPS)
    assert any("1 of 10 seeds never got there" in line for line in verdict.reasons)


def test_a_diverged_seeds_episodes_are_as_many_as_any_seed_had():
    check = TimeTo(threshold=475.0, unit="episodes")
    figure = published(200.0, std=20.0, band="std", seeds=10)
    rule = claim(figure, check, metric="episodes-to-threshold")
    name, never = "episodes-to-threshold@475", "never-reached-threshold@475"
    seeds = [seed(1000 + k, 0.0, metrics={name: 200.0 + k, never: 0.0}) for k in range(9)]
    early = seed(1009, 0.0, status="diverged", metrics={name: 3.0, never: 1.0})
    verdict = judge(rule, evidence(seeds=[*seeds, early]))
    assert verdict.seeds[9].value == 208.0
    got_there = seed(1009, 0.0, status="diverged", metrics={name: 150.0, never: 0.0})
    assert judge(rule, evidence(seeds=[*seeds, got_there])).seeds[9].value == 150.0


def test_properties_against_bounds():
    def ask(values, **bound):
        seeds = [seed(1000 + k, 0.0, metrics={"parameters-count": v, METRIC: v})
                 for k, v in enumerate(values)]  # fmt: skip
        return judge(claim(check=Property(**bound)), evidence(seeds=seeds))

    assert ask([5126.0], measure="parameters-count", at_most=6000).answer == "reproduced"
    assert ask([5126.0], measure="parameters-count", at_most=6000).counts
    assert ask([5126.0], measure="parameters-count", at_least=6000).answer == "not reproduced"
    assert ask(spread(10.0, 1.0), measure=METRIC, at_least=9.0).answer == "reproduced"
    assert ask(spread(10.0, 1.0), measure=METRIC, at_least=9.5).answer == "inconclusive"
    assert ask(spread(10.0, 1.0), measure=METRIC, at_least=11).answer == "not reproduced"
    assert ask([10.0], measure=METRIC, at_least=1.0).answer == "inconclusive"
    assert ask([10.0] * 10, measure=METRIC).answer == "not tested"


def table_1(environments=("HalfCheetah", "Hopper"), **check):
    rule = Aggregate(environments=list(environments), aggregator="mean-normalised-random-best",
                     arms=["paper", "no-clip"], **check)  # fmt: skip
    return claim(published(0.8, seeds=21), rule, env="several")


def test_aggregate_of_table_1():
    context = TWO_TASKS
    runs = [
        evidence(spread(1320.0, 100.0)),
        evidence(spread(1720.0, 100.0), ablation="no-clip"),
        evidence(spread(100.0, 5.0), env="Hopper-v4"),
        evidence(spread(80.0, 5.0), env="Hopper-v4", ablation="no-clip"),
    ]
    rule = table_1()
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), context)
    assert verdict.ours.mean == pytest.approx((1600 / 2000 + 1.0) / 2)
    assert verdict.margin == pytest.approx(0.16)
    assert verdict.answer == "reproduced"
    assert verdict.reach == "reaches"
    verdict = judge_claim(rule, runs[:3], card(rule, ablations=NO_CLIP), context)
    assert verdict.answer == "not tested"
    assert "--env Hopper" in verdict.command
    assert "--ablation no-clip" in verdict.command
    lost = [*runs[:2], evidence(spread(-9.0, 5.0), env="Hopper-v4"),
            evidence(spread(-8.0, 5.0), env="Hopper-v4", ablation="no-clip")]  # fmt: skip
    verdict = judge_claim(rule, lost, card(rule, ablations=NO_CLIP), context)
    assert verdict.answer == "not tested"
    assert "Hopper: no arm beats the random policy" in verdict.reasons[0]
    other = claim(check=Aggregate(environments=["Hopper"], aggregator="mean"), env="several")
    with pytest.raises(ReproError, match="mean-normalised-random-best"):
        judge_claim(other, runs, card(other), context)
