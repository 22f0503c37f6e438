"""Metrics of hand-made histories, and the budget's edge."""

from __future__ import annotations

import numpy as np
import pytest
from judge_tools import claim

from repro.cards.models import Property, TimeTo
from repro.errors import ReproError
from repro.judge.metrics import (
    METRICS,
    Episode,
    Evaluation,
    History,
    compute_metrics,
    curve_grid,
    evaluation_curve,
    level_of_curve,
    metric,
    metrics_of,
    training_curve,
)


def history(returns, length=10, **fields):
    episodes = [Episode((k + 1) * length, value, length) for k, value in enumerate(returns)]
    return History(**{"budget": len(returns) * length, "episodes": episodes, **fields})


def test_last_hundred_episodes_within_the_budget():
    past = history(range(300), budget=2500)  # the episodes ending at 10, 20 … 2500
    assert compute_metrics(["training-return-last-100"], past) == {
        "training-return-last-100": np.mean(range(150, 250))
    }
    few = history([1.0, 2.0])
    assert compute_metrics(["training-return-last-100"], few) == {"training-return-last-100": 1.5}


def test_an_episode_that_ends_on_the_budget_counts():
    assert compute_metrics(["training-return-last-100"], history([4.0], budget=10)) != {}
    assert compute_metrics(["training-return-last-100"], history([4.0], budget=9)) == {}


def test_curve_against_a_slow_oracle():
    generator = np.random.default_rng(0)
    ends = np.cumsum(generator.integers(1, 30, 400))
    returns = generator.normal(size=400)
    past = History(
        budget=4000,
        episodes=[Episode(int(e), float(r), 1) for e, r in zip(ends, returns, strict=True)],
    )
    grid = curve_grid(4000)
    curve = training_curve(past, grid)
    for (before, _, _), (step, value, number) in zip([(0, 0, 0), *curve], curve, strict=False):
        done = returns[(ends > before) & (ends <= step)]
        assert number == len(done)
        if number:
            assert value == pytest.approx(done.mean())
    assert sum(number for *_, number in curve) == (ends <= 4000).sum()
    assert training_curve(past, [0]) == []


def test_a_point_without_an_episode_keeps_the_value_before():
    episodes = [Episode(8, 1.0, 8), Episode(10, 3.0, 2), Episode(35, 7.0, 25)]
    past = History(budget=40, episodes=episodes)
    assert training_curve(past, [5, 10, 20, 30, 40]) == [
        (10, 2.0, 2), (20, 2.0, 0), (30, 2.0, 0), (40, 7.0, 1)]  # fmt: skip


def test_the_level_at_a_step_is_had_from_a_stored_curve():
    episodes = [Episode(10 * (k + 1), float(k), 10) for k in range(1000)]
    past = History(budget=10_000, episodes=episodes)
    stored = training_curve(past, curve_grid(10_000))
    curve, numbers = [p[:2] for p in stored], [p[2] for p in stored]
    assert level_of_curve(curve, numbers, 5000) == pytest.approx(449.5)  # episodes 400 to 499
    level = compute_metrics(["training-return-last-100"], past)["training-return-last-100"]
    assert level_of_curve(curve, numbers, 10_000) == pytest.approx(level)
    assert level_of_curve([], [], 10) is None


def test_grid_ends_at_the_budget_and_is_no_finer_than_steps():
    assert curve_grid(1_000_000)[0] == 10_000
    assert curve_grid(1_000_000)[-1] == 1_000_000
    assert len(curve_grid(1_000_000)) == 100
    assert curve_grid(3) == [1, 2, 3]


def test_means_over_training_weigh_episodes_or_time():
    past = History(budget=100, episodes=[Episode(10, 0.0, 10), Episode(100, 10.0, 90)])
    values = compute_metrics(["training-return-mean-over-training", "training-return-area"], past)
    assert values["training-return-mean-over-training"] == 5.0
    # the curve: 0 from 10 to 99 steps, 10 at 100
    assert values["training-return-area"] == pytest.approx(10.0 / 91)


def test_thresholds_and_censoring():
    past = history([0.0] * 50 + [10.0] * 150)
    names = ["steps-to-threshold@10", "episodes-to-threshold@10", "never-reached-threshold@10"]
    assert compute_metrics(names, past) == dict(zip(names, (1500.0, 150.0, 0.0), strict=True))
    missing = [name.replace("@10", "@11") for name in names]
    assert compute_metrics(missing, past) == dict(zip(missing, (2000.0, 200.0, 1.0), strict=True))
    with pytest.raises(ReproError, match="without one"):
        compute_metrics(["steps-to-threshold"], past)
    with pytest.raises(ReproError, match="expected a number"):
        compute_metrics(["steps-to-threshold@high"], past)


def test_times_of_the_wall_go_by_the_runs_own_pace():
    """The threshold falls after 1500 of 2000 steps, at 50 steps a second."""
    past = history([0.0] * 50 + [10.0] * 150, rate=50.0)
    assert compute_metrics(["steps-per-second", "seconds-to-threshold@10"], past) == {
        "steps-per-second": 50.0, "seconds-to-threshold@10": 30.0}  # fmt: skip
    assert compute_metrics(["seconds-to-threshold@11"], past) == {"seconds-to-threshold@11": 40.0}
    assert compute_metrics(["steps-per-second", "seconds-to-threshold@10"], history([1.0])) == {}


def test_evaluations():
    past = History(budget=110, evaluations=[Evaluation(k * 10, [k, k + 2]) for k in range(1, 13)])
    assert compute_metrics(["evaluation-last-10"], past) == {
        "evaluation-last-10": np.mean(range(2, 12)) + 1
    }
    assert evaluation_curve(past)[0] == (10, 2.0, 2)
    assert evaluation_curve(past)[-1] == (110, 12.0, 2)
    assert compute_metrics(["evaluation-last-10"], History(budget=50)) == {}


def test_names_are_declared_and_the_nearest_is_told():
    for name, one in METRICS.items():
        assert one.name == name
        assert one.direction in ("higher", "lower")
        assert one.bounds[0] < one.bounds[1]
        assert one.per_seed == (one.compute is not None)
    with pytest.raises(ReproError, match="training-return-last-100"):
        metric("training-return-last-10")


def test_properties_and_what_a_claim_needs():
    assert compute_metrics(["parameters-count"], History(budget=1)) == {}
    past = History(budget=1, properties={"parameters-count": 5126.0})
    assert compute_metrics(["parameters-count"], past) == {"parameters-count": 5126.0}
    assert metrics_of(claim()) == ["training-return-last-100"]
    assert metrics_of(claim(metric="evaluation-curve")) == []
    assert metrics_of(claim(check=TimeTo(threshold=475.0), metric="steps-to-threshold")) == [
        "steps-to-threshold@475", "never-reached-threshold@475"]  # fmt: skip
    bound = Property(measure="parameters-count", at_most=6000)
    assert metrics_of(claim(check=bound))[-1] == "parameters-count"
