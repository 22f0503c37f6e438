"""Each rule of the doctor on a history that has the fault, and on one that has not."""

from __future__ import annotations

import dataclasses

import pytest

from repro.doctor.findings import examine, listed, rules, warnings_line
from repro.doctor.history import Actions, Replay, RunHistory, SeedHistory, Series

STEPS = 100_000
POINTS = range(1000, STEPS + 1, 1000)
HPARAMS = {
    "gamma": 0.99,
    "surrogate": {"kind": "clip", "range": {"kind": "constant", "value": 0.2}},
    "max_grad_norm": {"kind": "global-norm", "max": 0.5},
    "time_limit": "bootstrap",
}


def series(start: float, end: float | None = None) -> Series:
    """From start to end in a straight line, a hundred points."""
    end = start if end is None else end
    return Series(list(POINTS), [start + (end - start) * i / 99 for i in range(100)])


SOUND = {
    "approx_kl": series(0.01),
    "clip_fraction": series(0.1),
    "entropy": series(1.4, 0.2),
    "explained_variance": series(0.2, 0.9),
    "value": series(0.0, 40.0),
    "grad_norm": series(0.3, 0.6),
    "critic_loss": series(1.0, 2.0),
}


def seed(number: int = 0, learns: Series | None = None, **logged: Series) -> SeedHistory:
    """A seed that learns from 10 to 500 in episodes of 1000 steps, with a little noise."""
    line = learns or series(10.0, 500.0)
    wobble = [value + (7 * (i + number)) % 5 for i, value in enumerate(line.values)]
    return SeedHistory(
        seed=number,
        logged=SOUND | logged,
        episodes=Series(line.steps, wobble),
        lengths=[1000] * len(line.values),
        evaluations=Series(line.steps, [value + 5 for value in wobble]),
    )


def run(*seeds: SeedHistory, **changes: object) -> RunHistory:
    known = {
        "title": "a run",
        "steps": STEPS,
        "hparams": HPARAMS,
        "seeds": seeds or (seed(0), seed(1)),
        "full_steps": STEPS,
        "random": 10.0,
        "random_std": 2.0,
        "reference": 600.0,
        "actions": Actions(half_ranges=(1.0,)),
        "replay": Replay(seed=0, returns=[495.0, 505.0], saturated=0.1, dead={"layers.0": 0.0}),
    }
    return RunHistory(**(known | changes))


def answers(history: RunHistory) -> dict[str, str]:
    return {finding.rule: finding.answer for finding in examine(history)}


def test_a_sound_run_is_clean_under_every_rule():
    assert set(answers(run()).values()) == {"clean"}


def hparams(**changes: object) -> dict[str, object]:
    return {"hparams": HPARAMS | changes}


TWICE = seed(3)
FAULTS = {
    "diverged": run(SeedHistory(seed=0, status="diverged", diagnosis="loss"), seed(1)),
    "no-better-than-random": run(seed(learns=series(10.0, 6.0))),
    "return-collapsed": run(
        seed(learns=Series(list(POINTS), [300.0] * 60 + [40.0] * 40)),
    ),
    "identical-seeds": run(TWICE, SeedHistory(4, episodes=TWICE.episodes, lengths=TWICE.lengths)),
    "evaluation-below-training": run(replay=Replay(seed=0, returns=[30.0, 40.0, 35.0])),
    "kl-far-from-target": run(seed(approx_kl=series(0.3))),
    "kl-spikes": run(
        seed(
            learns=Series(list(POINTS), [300.0] * 50 + [60.0] * 50),
            approx_kl=Series(list(POINTS), [0.01] * 49 + [4.0] + [0.01] * 50),
        )
    ),
    "clip-fraction-high": run(seed(clip_fraction=series(0.9))),
    "clip-fraction-low": run(seed(clip_fraction=series(0.001))),
    "policy-stands-still": run(seed(approx_kl=series(0.0))),
    "entropy-collapsed": run(seed(learns=series(10.0, 60.0), entropy=series(1.4, -4.0))),
    "actions-saturated": run(replay=Replay(seed=0, returns=[20.0], saturated=0.97)),
    "dead-units": run(replay=Replay(seed=0, returns=[500.0], dead={"layers.1": 0.8})),
    "explained-variance": run(seed(explained_variance=series(0.0))),
    "values-impossible": run(seed(value=series(0.0, 4000.0))),
    "critic-loss-grows": run(
        seed(critic_loss=Series(list(POINTS), [10 ** (i / 12) for i in range(100)]))
    ),
    "gradients-clipped": run(seed(grad_norm=series(400.0))),
    "reward-scale": run(seed(learns=series(10.0, 5e6), value=series(0.0, 4e5))),
}


NOTED = {"clip-fraction-low"}  # what may be meant


def test_every_rule_has_a_run_with_its_fault():
    assert set(FAULTS) == set(rules())


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_warned_of(name):
    found = {finding.rule: finding for finding in examine(FAULTS[name])}
    assert found[name].answer == ("note" if name in NOTED else "warns")
    assert found[name].seeds


def test_other_rules_keep_quiet_about_a_value_function_that_is_wrong():
    found = answers(FAULTS["explained-variance"])
    assert [rule for rule, answer in found.items() if answer == "warns"] == ["explained-variance"]


# What looks like a fault and is none.


def test_no_variance_is_explained_where_a_hidden_clock_decides():
    blind = seed(explained_variance=series(0.0))
    assert answers(run(blind, **hparams(time_limit="terminal")))["explained-variance"] == "clean"
    wrong = seed(explained_variance=series(-1.0))
    assert answers(run(wrong, **hparams(time_limit="terminal")))["explained-variance"] == "warns"


def test_only_what_ended_at_the_limit_late_in_training_hides_the_clock():
    # Short episodes at first, and by far the most; in the second half each ends at the limit.
    ends = [1 + i * STEPS // 2000 for i in range(1000)] + [STEPS // 2 + k + 1 for k in range(400)]
    episodes = Series(ends, [10.0] * 1000 + [500.0] * 400)
    late = SeedHistory(0, episodes=episodes, lengths=[10] * 1000 + [500] * 400)
    assert run(late).capped()
    early = SeedHistory(0, episodes=episodes, lengths=[500] * 1000 + [10] * 400)
    assert not run(early).capped()


@pytest.mark.parametrize("name", ["critic_loss", "value_loss", "loss"])
def test_a_growing_loss_is_seen_by_any_of_its_names(name):
    growing = Series(list(POINTS), [10 ** (i / 12) for i in range(100)])
    sick = seed(**{name: growing})
    others = {n: s for n, s in sick.logged.items() if n == name or not n.endswith("loss")}
    found = answers(run(dataclasses.replace(sick, logged=others)))
    assert found["critic-loss-grows"] == "warns"


def test_hardly_clipping_is_known_only_where_the_log_counts_at_the_clip_range():
    never = seed(clip_fraction=series(0.001))
    for found in ({"kind": "constant", "value": 0.1}, {"kind": "linear", "start": 0.2, "end": 0.0}):
        history = run(never, **hparams(surrogate={"kind": "clip", "range": found}))
        assert answers(history)["clip-fraction-low"] == "not looked at"
    penalty = run(never, **hparams(surrogate={"kind": "fixed-kl", "beta": 1.0}))
    assert answers(penalty)["clip-fraction-low"] == "not looked at"


def test_a_policy_may_become_certain_after_it_has_learnt():
    certain = seed(learns=series(10.0, 550.0), entropy=series(1.4, -4.0))
    assert answers(run(certain))["entropy-collapsed"] == "clean"


def test_the_entropy_of_choices_is_measured_by_their_number():
    sure = seed(learns=series(10.0, 60.0), entropy=series(0.69, 0.001))
    half_sure = seed(learns=series(10.0, 60.0), entropy=series(0.69, 0.3))
    choices = Actions(choices=2)
    assert answers(run(sure, actions=choices))["entropy-collapsed"] == "warns"
    assert answers(run(half_sure, actions=choices))["entropy-collapsed"] == "clean"


def test_a_spike_that_costs_nothing_is_a_note():
    spike = seed(approx_kl=Series(list(POINTS), [0.01] * 49 + [4.0] + [0.01] * 50))
    assert answers(run(spike))["kl-spikes"] == "note"


def test_a_divergence_is_held_against_its_own_target():
    adaptive = hparams(surrogate={"kind": "adaptive-kl", "target": 0.003})
    assert answers(run(seed(approx_kl=series(0.004)), **adaptive))["kl-far-from-target"] == "clean"
    assert answers(run(seed(approx_kl=series(0.04)), **adaptive))["kl-far-from-target"] == "warns"
    assert answers(run(seed(approx_kl=series(0.0002)), **adaptive))["kl-far-from-target"] == "warns"


def test_gradients_clipped_by_a_tight_bound_are_a_note():
    assert answers(run(seed(grad_norm=series(5.0))))["gradients-clipped"] == "note"


def test_a_policy_that_earns_well_may_press_against_its_bounds():
    pressed = Replay(seed=0, returns=[500.0, 510.0], saturated=0.9)
    assert answers(run(replay=pressed))["actions-saturated"] == "note"


def test_a_clip_range_that_is_never_reached_is_only_a_note_where_there_is_one():
    nothing = seed(clip_fraction=series(0.0))
    for kind in ("none", "fixed-kl", "adaptive-kl"):
        found = answers(run(nothing, **hparams(surrogate={"kind": kind, "target": 0.01})))
        assert found["clip-fraction-low"] == "not looked at"
    annealed = seed(clip_fraction=series(0.2, 0.0))
    assert answers(run(annealed))["clip-fraction-low"] == "clean"


def test_a_short_run_is_not_said_to_have_learnt_nothing():
    history = run(seed(learns=series(10.0, 6.0)), full_steps=10 * STEPS)
    assert answers(history)["no-better-than-random"] == "not looked at"


def test_values_of_normalised_rewards_have_a_unit_of_their_own():
    found = answers(run(seed(value=series(0.0, 4000.0)), **hparams(
        reward_normalization={"kind": "return-std"})))  # fmt: skip
    assert found["values-impossible"] == "not looked at"
    assert found["reward-scale"] == "clean"


def test_values_of_scaled_rewards_are_held_to_scaled_returns():
    """Returns of 10 or so: values of 40 are possible only with larger rewards."""
    for factor, impossible, far in ((1.0, "warns", "clean"), (100.0, "clean", "clean"),
                                    (1e-5, "warns", "warns")):  # fmt: skip
        found = answers(run(seed(value=series(0.0, 400.0)), **hparams(
            reward_normalization={"kind": "factor", "factor": factor})))  # fmt: skip
        assert (found["values-impossible"], found["reward-scale"]) == (impossible, far), factor


def test_returns_that_never_vary_do_not_make_seeds_identical():
    stuck = [SeedHistory(n, episodes=Series(list(POINTS), [-200.0] * 100), lengths=[200] * 100)
             for n in range(3)]  # fmt: skip
    assert answers(run(*stuck))["identical-seeds"] == "clean"


def test_what_is_missing_is_said_and_never_guessed():
    bare = [SeedHistory(n, episodes=seed(n).episodes) for n in range(2)]
    history = run(*bare, replay=None, missing={"log": "no log", "replay": "no policy"})
    found = {finding.rule: finding for finding in examine(history)}
    assert {f.answer for f in found.values()} == {"clean", "not looked at"}
    assert found["kl-spikes"].figure == "no log"
    assert found["dead-units"].figure == "no policy"
    assert found["return-collapsed"].answer == "clean"


def test_seeds_are_named_where_they_are_few():
    assert listed([3, 7], 10) == "seeds 3, 7"
    assert listed([3], 10) == "seed 3"
    assert listed(range(6), 10) == "6 of 10 seeds"
    found = examine(run(seed(0), seed(1, approx_kl=series(0.3))))
    assert warnings_line(found, 2) == "kl-far-from-target (seed 1)"


def test_every_rule_says_its_bound_its_meaning_and_its_source():
    for rule in rules().values():
        assert rule.bound
        assert len(rule.meaning) > 20
        assert rule.source
