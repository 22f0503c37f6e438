"""PPO, with every surrogate, on tasks whose values and best actions are known (tests/probes.py)."""

from __future__ import annotations

import numpy as np
import probes
import pytest
from training_tools import (
    ITERATION,
    SURROGATES,
    assert_pictures_are_seen,
    lines,
    policy_at,
    ppo,
    statuses,
    trained,
    value_at,
)

STEPS = 20 * ITERATION

surrogates = pytest.mark.parametrize("surrogate", SURROGATES.values(), ids=SURROGATES)


def close(found, expected, within=0.1):
    np.testing.assert_allclose(found, np.full(len(found), expected), rtol=0, atol=within)


@surrogates
def test_constant_reward_is_the_value(surrogate, tmp_path):
    run = trained(ppo(surrogate=surrogate), "ProbeConstant-v0", tmp_path, steps=STEPS)
    assert statuses(tmp_path) == {"finished"}  # a target that never varies is no divergence
    close(value_at(run, 0.0), 2.0)


@surrogates
def test_discounting_counts_the_steps(surrogate, tmp_path):
    run = trained(ppo(surrogate=surrogate), "ProbeDiscount-v0", tmp_path, steps=STEPS)
    close(value_at(run, 0.0), 0.5)
    close(value_at(run, 1.0), 1.0)


@surrogates
def test_value_depends_on_the_observation(surrogate, tmp_path):
    run = trained(ppo(surrogate=surrogate), "ProbeObservation-v0", tmp_path, steps=STEPS)
    close(value_at(run, 1.0), 1.0)
    close(value_at(run, -1.0), -1.0)


@surrogates
def test_better_choice_is_taken(surrogate, tmp_path):
    run = trained(ppo(surrogate=surrogate), "ProbeAction-v0", tmp_path, steps=STEPS)
    assert (policy_at(run, 0.0).log_probs[:, 0, 1].exp() > 0.9).all()


@surrogates
def test_better_action_is_taken(surrogate, tmp_path):
    run = trained(ppo(surrogate=surrogate), "ProbeActionBox-v0", tmp_path, steps=STEPS)
    close(policy_at(run, 0.0).mean[:, 0, 0], probes.BEST, within=0.15)


@surrogates
def test_better_choice_depends_on_the_observation(surrogate, tmp_path):
    run = trained(ppo(surrogate=surrogate), "ProbeBoth-v0", tmp_path, steps=STEPS)
    assert (policy_at(run, 1.0).log_probs[:, 0, 1].exp() > 0.9).all()
    assert (policy_at(run, -1.0).log_probs[:, 0, 0].exp() > 0.9).all()


@surrogates
def test_better_action_depends_on_the_observation(surrogate, tmp_path):
    run = trained(ppo(surrogate=surrogate), "ProbeBothBox-v0", tmp_path, steps=STEPS)
    close(policy_at(run, 1.0).mean[:, 0, 0], probes.BEST, within=0.15)
    close(policy_at(run, -1.0).mean[:, 0, 0], -probes.BEST, within=0.15)


def test_pictures_are_seen(tmp_path):
    run = trained(ppo(network=probes.CONV), "ProbeImage-v0", tmp_path, steps=STEPS)
    assert_pictures_are_seen(run)


@pytest.mark.parametrize(("time_limit", "value"), [("terminal", 1.0), ("bootstrap", 2.0)])
def test_time_limit_ends_the_value_or_not(time_limit, value, tmp_path):
    """Reward 1 a step, cut off after each: r, or r/(1 − γ) with γ = 1/2."""
    run = trained(ppo(time_limit=time_limit), "ProbeForever-v0", tmp_path, steps=STEPS)
    close(value_at(run, 1.0), value)


def test_bootstrap_takes_the_value_of_the_state_cut_off(tmp_path):
    """1 + γ V(−) = V(+) and γ V(+) = V(−): 4/3 and 2/3, whatever the place of the cut."""
    run = trained(ppo(time_limit="bootstrap"), "ProbeTurns-v0", tmp_path, steps=STEPS)
    close(value_at(run, 1.0), 4 / 3, within=0.07)
    close(value_at(run, -1.0), 2 / 3, within=0.07)


def divergence(folder, surrogate, **changes):
    """KL after one iteration of many epochs at a large step size, largest of the seeds."""
    hp = ppo(surrogate=surrogate, epochs=40, **changes)
    run = trained(hp, "ProbeBothBox-v0", folder, steps=1)
    return max(lines(folder, seed, "train")[0]["approx_kl"] for seed in run.seeds)


def test_clip_and_penalty_hold_the_policy_back(tmp_path):
    free = divergence(tmp_path / "none", {"kind": "none"})
    clipped = divergence(tmp_path / "clip", SURROGATES["clip"])
    penalised = divergence(tmp_path / "kl", {"kind": "fixed-kl", "beta": 30.0})
    assert clipped < 0.3 * free
    assert penalised < 0.1 * free


def test_penalty_holds_the_standard_deviation_back(tmp_path):
    """The old policy's deviation is the one that acted, not the live parameter."""
    moved = {}
    for beta in (0.0, 1000.0):
        folder = tmp_path / str(beta)
        hp = ppo(surrogate={"kind": "fixed-kl", "beta": beta}, epochs=40)
        run = trained(hp, "ProbeActionBox-v0", folder, steps=1)
        moved[beta] = np.abs(policy_at(run, 0.0).log_std.detach().numpy() + 0.5).max()
    assert moved[0.0] > 0.1
    assert moved[1000.0] < 0.1 * moved[0.0]


def test_adaptive_penalty_moves_its_coefficient(tmp_path):
    """A target that is far above what happens: β halves with every iteration."""
    far = {"kind": "adaptive-kl", "target": 100.0, "initial_beta": 1.0}
    trained(ppo(surrogate=far), "ProbeAction-v0", tmp_path, steps=3 * ITERATION)
    assert [line["beta"] for line in lines(tmp_path, 0, "train")] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("clip_actions", [True, False])
def test_actions_are_clipped_where_asked(clip_actions, tmp_path):
    """The environment rewards the size of what it got; its bounds are ±1."""
    hp = ppo(clip_actions=clip_actions, log_std={"kind": "learnt", "initial": 1.0})
    trained(hp, "ProbeBounds-v0", tmp_path, steps=300)
    largest = max(line["return"] for line in lines(tmp_path, 0, "episode"))
    assert (largest == 1.0) if clip_actions else (largest > 2.0)
