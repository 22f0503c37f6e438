"""What a night takes and in which order; what jobs cost; how the budget is kept."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.errors import ReproError
from repro.experiment import Experiment
from repro.nightly.cost import (
    PRIOR_ALONE,
    PRIOR_STACKED,
    START_SECONDS,
    Observation,
    drifted,
    estimate,
)
from repro.nightly.schedule import Standing, choose, order

TODAY = datetime.date(2026, 3, 1)
STATES = ["suspected", "promised", "new", "stale", "undecided", "decided"]


def experiment(name="x", paper="ppo-2017", env="Hopper-v4", steps=1_000_000):
    return Experiment(
        paper=paper, env=env, hparam_set=name, ablation=None, overrides={}, steps=steps,
        hparams={}, evaluation=None,
    )  # fmt: skip


def standing(name, state="decided", days=5, **more):
    return Standing(
        experiment(name), state, "why", ("training-return-last-100",), looks=(5, 10, 20, 40),
        checked=TODAY - datetime.timedelta(days=days), **more,
    )  # fmt: skip


def names(standings):
    return [s.experiment.hparam_set for s in standings]


def test_suspicions_then_promises_then_by_turns_then_the_rest():
    given_ = [
        standing("rest", days=5),
        standing("old", days=40),
        standing("older", days=400),
        standing("undecided", "undecided", have=5),
        standing("stale", "stale", have=10),
        standing("new", "new"),
        standing("new-central", "new", central=True),
        standing("promised-late", "promised", days=1),
        standing("promised-early", "promised", days=3),
        standing("suspected", "suspected", have=10),
    ]
    assert names(order(given_, TODAY)) == [
        "suspected", "promised-early", "promised-late", "new-central", "stale", "undecided",
        "older", "new", "old", "rest",
    ]  # fmt: skip


def test_a_long_list_of_new_things_starves_nothing():
    many = [standing(f"new{i}", "new") for i in range(100)]
    few = [standing("stale", "stale", have=10), standing("undecided", "undecided", have=5)]
    first = names(order([*many, *few], TODAY))[:4]
    assert {"stale", "undecided"} <= set(first)


def test_the_rest_is_gone_through_one_place_further_each_day():
    rest = [standing(f"r{i}") for i in range(4)]
    days = [TODAY + datetime.timedelta(days=i) for i in range(4)]
    orders = [names(order([replace(s, checked=day) for s in rest], day)) for day in days]
    assert orders[0] == orders[0]
    assert {first for first, *_ in orders} == set(names(rest))
    assert names(order(rest, TODAY)) == names(order(rest, TODAY))


@pytest.mark.parametrize(
    ("state", "more", "kind", "look"),
    [
        ("new", {}, "begin", 5),
        ("promised", {}, "carry out", 5),
        ("undecided", {"have": 5}, "more seeds", 10),
        ("undecided", {"have": 10}, "more seeds", 20),
        ("decided", {"have": 10}, "check", None),
        ("suspected", {"have": 10}, "check", None),
        ("stale", {"have": 10}, "check", None),
        ("stale", {"have": 10, "renew": True}, "renew", 5),
    ],
)
def test_seeds_are_added_at_planned_looks_only(state, more, kind, look):
    found = standing("x", state, **more)
    assert (found.kind, found.look) == (kind, look)


@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.floats(1, 50_000)), max_size=30),
    st.floats(60, 20_000),
    st.integers(1, 4),
)
def test_the_plan_fits_the_budget_of_every_machine(given_, budget, machines):
    stands = [standing(str(i), state, have=5) for i, (state, _) in enumerate(given_)]
    cost = {f"{i}": seconds for i, (_, seconds) in enumerate(given_)}
    taken, left = choose(
        order(stands, TODAY), lambda s: cost[s.experiment.hparam_set], budget, machines
    )
    assert sorted(names([c.standing for c in taken] + left)) == sorted(names(stands))
    assert sum(chosen.seconds for chosen in taken) <= budget * machines + 1e-6
    for chosen in taken:
        needs = cost[chosen.standing.experiment.hparam_set]
        assert chosen.part == (needs > budget)
        assert chosen.seconds == pytest.approx(budget / 2 if chosen.part else needs)
        assert not (chosen.part and chosen.standing.kind == "check")
    assert sum(chosen.part for chosen in taken) <= machines


def test_what_does_not_fit_lets_something_smaller_pass():
    stands = [standing("long", "new", central=True), standing("short", "new")]
    taken, left = choose(stands, lambda s: {"long": 900, "short": 50}[s.experiment.hparam_set], 600)
    assert names([c.standing for c in taken]) == ["long", "short"]
    assert taken[0].part
    assert not left


def seen(rate, arm="x", paper="ppo-2017", env="Hopper-v4", cpu="here", seeds=10, steps=1000):
    return Observation(paper, env, arm, seeds, steps, rate * seeds * steps, cpu)


def test_the_nearest_earlier_run_says_what_a_job_costs():
    here = seen(1e-3)
    others = [
        seen(2e-3, arm="x+without"), seen(5e-3, env="Ant-v4"), seen(9e-3, cpu="there"),
        seen(1.0, paper="td3-2018"), seen(1.0, arm="small"),
    ]  # fmt: skip

    def rate(observations):
        found = estimate(experiment(), 10, observations, "here", workers=2)
        return (found.seconds - START_SECONDS) / 1_000_000 / 5, found.basis

    assert rate([here, *others]) == (pytest.approx(1e-3), "1 earlier run of this arm")
    there = rate(others)
    assert there[0] == pytest.approx(9e-3)
    assert "another CPU" in there[1]
    assert rate([others[0], others[1]])[0] == pytest.approx(2e-3)
    assert rate([others[1]]) == (pytest.approx(5e-3), "1 earlier run of other tasks")
    # A measurement has one step, whatever it computes in it.
    assert rate([others[1], seen(9.0, env="RandomMDP", steps=1)])[0] == pytest.approx(5e-3)
    assert rate(others[3:]) == (pytest.approx(PRIOR_STACKED), rate([])[1])
    alone = estimate(experiment(), 1, [], "here", workers=2, max_stack=1)
    assert alone.seconds == pytest.approx(START_SECONDS + PRIOR_ALONE * 1e6)
    assert "prior" in alone.basis


def test_drift_is_said_beyond_half_as_long_again():
    before = [seen(1e-3), seen(1.1e-3), seen(0.9e-3), seen(9.0, cpu="there")]
    assert drifted(seen(1.3e-3), before) is None
    assert drifted(seen(2e-3), before) == pytest.approx(2.0)
    assert drifted(seen(0.4e-3), before) == pytest.approx(0.4)
    assert drifted(seen(2e-3), []) is None
    assert drifted(seen(2e-3, seeds=5), before) is None


@pytest.mark.parametrize(("words", "seconds"), [("5h", 18000), ("90m", 5400), ("1h30m", 5400)])
def test_budgets_as_people_write_them(words, seconds):
    from repro.commands.nightly import duration

    assert duration(words) == seconds


@pytest.mark.parametrize("words", ["", "5", "h", "5 h", "5d", "-1h", "0s", "1e9h", "5hh"])
def test_other_budgets_are_refused(words):
    from repro.commands.nightly import duration

    with pytest.raises(ReproError, match="--budget"):
        duration(words)
