"""GAE's and PPO's formulas against hand-computed cases and slow oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from implementations.gae_2015 import generalized_advantage
from implementations.ppo_2017 import (
    adapted_beta,
    adapted_step_size,
    clipped_surrogate,
    explained_variance,
    penalized_surrogate,
    standardized,
    value_error,
)


def array(*values, dtype=np.float32):
    return np.array(values, dtype=dtype)


def test_advantage_by_hand_with_termination():
    """γ = 1/2, λ = 1/2; the second step terminates."""
    found = generalized_advantage(
        reward=array(1, 2, 3),
        value=array(4, 8, 16),
        next_value=array(8, 99, 32),
        terminated=array(0, 1, 0, dtype=bool),
        done=array(0, 1, 0, dtype=bool),
        gamma=0.5,
        gae_lambda=0.5,
    )
    # δ = 1 + 4 − 4 = 1;  2 − 8 = −6;  3 + 16 − 16 = 3;  Â₀ = 1 − 6/4
    assert found.tolist() == [-0.5, -6.0, 3.0]


def test_advantage_by_hand_with_a_time_limit():
    """The second step is cut off: its next value counts, and nothing flows back over it."""
    found = generalized_advantage(
        reward=array(1, 2, 3, 1),
        value=array(4, 8, 16, 2),
        next_value=array(8, 4, 2, 6),
        terminated=array(0, 0, 0, 0, dtype=bool),
        done=array(0, 1, 0, 0, dtype=bool),
        gamma=0.5,
        gae_lambda=0.5,
    )
    # δ = 1;  2 + 2 − 8 = −4;  3 + 1 − 16 = −12;  1 + 3 − 2 = 2
    assert found.tolist() == [1 - 4 / 4, -4.0, -12 + 2 / 4, 2.0]


def slow_advantage(reward, value, next_value, terminated, done, gamma, gae_lambda):
    """Equation 16 as it stands: for each t the sum over all later steps of the episode."""
    advantage = []
    for t in range(len(reward)):
        total = 0.0
        for later in range(t, len(reward)):
            bootstrap = 0.0 if terminated[later] else gamma * next_value[later]
            delta = reward[later] + bootstrap - value[later]
            total += (gamma * gae_lambda) ** (later - t) * delta
            if done[later]:
                break
        advantage.append(total)
    return advantage


@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 12),
    gamma=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    gae_lambda=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_advantage_against_the_sum_over_all_steps(seed, steps, gamma, gae_lambda):
    chance = np.random.default_rng(seed)
    shape = (2, 3, steps)
    reward, value, next_value = chance.normal(size=(3, *shape)).astype(np.float32)
    done = chance.random(shape) < 0.3
    terminated = done & (chance.random(shape) < 0.5)
    found = generalized_advantage(reward, value, next_value, terminated, done, gamma, gae_lambda)
    assert found.dtype == np.float32
    for s in range(2):
        for e in range(3):
            arrays = (a[s, e].tolist() for a in (reward, value, next_value, terminated, done))
            expected = slow_advantage(*arrays, gamma, gae_lambda)
            np.testing.assert_allclose(found[s, e], expected, rtol=1e-4, atol=1e-5)


def test_advantage_changes_no_argument():
    arguments = [array(1, 2, 3), array(4, 8, 16), array(8, 9, 32)]
    flags = [array(0, 1, 0, dtype=bool), array(0, 1, 0, dtype=bool)]
    before = [a.copy() for a in arguments + flags]
    generalized_advantage(*arguments, *flags, 0.5, 0.5)
    for now, old in zip(arguments + flags, before, strict=True):
        assert np.array_equal(now, old)


def scalar_clip(ratio, advantage, epsilon):
    """Equation 7's summand, case by case as in the paper's Figure 1."""
    if advantage >= 0:
        return min(ratio, 1 + epsilon) * advantage
    return max(ratio, 1 - epsilon) * advantage


def test_clipped_surrogate_case_by_case():
    ratio = torch.tensor([[0.5, 1.0, 1.5, 0.5, 1.0, 1.5], [0.85, 1.05, 1.2, 0.85, 1.05, 1.2]])
    advantage = torch.tensor([[2.0, 2.0, 2.0, -1.0, -1.0, -1.0]]).repeat(2, 1)
    epsilon = torch.tensor([0.2, 0.1])
    expected = [
        sum(scalar_clip(r, a, e) for r, a in zip(rs, row, strict=True)) / 6
        for rs, row, e in zip(ratio.tolist(), advantage.tolist(), epsilon.tolist(), strict=True)
    ]
    found = clipped_surrogate(ratio, advantage, epsilon)
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("ratio", "advantage", "slope"),
    [(1.5, 1.0, 0), (0.5, 1.0, 1), (1.1, 1.0, 1), (0.5, -1.0, 0), (1.5, -1.0, -1), (0.9, -1.0, -1)],
)
def test_clipped_surrogate_is_flat_only_where_moving_on_would_gain(ratio, advantage, slope):
    r = torch.tensor([[ratio]], requires_grad=True)
    clipped_surrogate(r, torch.tensor([[advantage]]), torch.tensor([0.2])).sum().backward()
    assert r.grad.item() == slope


def test_penalized_surrogate_by_hand():
    ratio, advantage = torch.tensor([[2.0, 0.5]]), torch.tensor([[1.0, -4.0]])
    kl = torch.tensor([[0.1, 0.3]])
    found = penalized_surrogate(ratio, advantage, kl, torch.tensor([5.0]))
    assert found.item() == pytest.approx((2.0 - 2.0 - 5 * 0.4) / 2)


def test_value_error_by_hand():
    value, target = torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]])
    assert value_error(value, target, value, None).tolist() == [2.5]


def test_clipped_value_error_takes_the_larger_error():
    """Old 0, ε 0.2. Beyond the limit and nearer to the target: the clipped error counts."""
    value = torch.tensor([[1.0, 1.0, 0.1]])
    target = torch.tensor([[2.0, -1.0, 1.0]])
    found = value_error(value, target, torch.zeros(1, 3), torch.tensor([0.2]))
    # max(1, 1.8²), max(2², 1.2²), 0.9² twice
    assert found.item() == pytest.approx((1.8**2 + 2**2 + 0.9**2) / 3)


def test_standardized_uses_the_population_deviation():
    x = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    for row, found in zip(x.numpy(), standardized(x, 0.0).numpy(), strict=True):
        np.testing.assert_allclose(found, (row - row.mean()) / row.std(), rtol=1e-6)
    same = standardized(torch.full((1, 4), 7.0), 1e-8)
    assert (same == 0).all()
    assert standardized(x, 1.0)[0, 2].item() == pytest.approx(3 / (math.sqrt(14 / 3) + 1))


def test_beta_follows_the_papers_rule():
    """Section 4: halved below d/1.5, doubled above 1.5 d, kept between."""
    kl = torch.tensor([0.0065, 0.0068, 0.01, 0.0149, 0.0151])
    found = adapted_beta(torch.full((5,), 3.0), kl, target=0.01)
    assert found.tolist() == [1.5, 3.0, 3.0, 3.0, 6.0]


def test_step_size_follows_the_divergence():
    kl = torch.tensor([0.0049, 0.0051, 0.01, 0.0199, 0.0201])
    found = adapted_step_size(torch.full((5,), 3.0), kl, target=0.01)
    assert found.tolist() == pytest.approx([4.5, 3.0, 3.0, 3.0, 2.0])


def test_explained_variance():
    target = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [1.0, 2.0, 3.0]])
    value = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert explained_variance(value, target).tolist() == [1.0, 0.0, -3.0]
