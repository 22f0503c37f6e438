"""The policy gradient theorem on tabular problems: exact, by Monte Carlo, with critics.

The claims of kind `property` on the card are held to `pg_theorem_1999.measure`; the Monte-Carlo
gradient is the one that the implementation's own parts give.
"""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest
import torch

from implementations import pg_theorem_1999
from implementations.pg_theorem_1999 import (
    fitted,
    masked_mean,
    measure,
    policy_gradient,
    returns_to_go,
    softmax_derivative,
    state_weights,
)
from repro.cards import load_card, load_sets
from repro.training import tabular

CARD = load_card("pg-theorem-1999")
CLAIMS = [claim for claim in CARD.claims if claim.hparams in pg_theorem_1999.MEASURED]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_of_the_card_hold(claim):
    values = load_sets(CARD.id)[claim.hparams].values()
    if claim.ablation:
        values = values | CARD.ablations[claim.ablation].changes
    problems = 2 if values["critic"]["kind"] == "monte-carlo" else 20  # thousands of episodes each
    hp = msgspec.convert(values | {"problems": problems}, pg_theorem_1999.MEASURED[claim.hparams])
    found = measure(hp, seed=3)[claim.check.measure]
    if claim.check.at_most is not None:
        assert found <= claim.check.at_most
    if claim.check.at_least is not None:
        assert found >= claim.check.at_least
    assert claim.check.at_most is not None or claim.check.at_least is not None


def two_states(gamma):
    """Action 1 leads on from state 0 to 1 for reward 3; in state 1 action 0 pays 2 for ever."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[0, 1, 1] = transition[1, :, 1] = 1.0
    reward = np.array([[0.0, 3.0], [2.0, 0.0]])
    return tabular.MDP(transition, reward, np.array([1.0, 0.0]), gamma)


def test_values_and_weights_of_states_by_hand():
    """γ = 1/2, even choices: V₁ = 1 + V₁/2 = 2; V₀ = 3/2 + (V₀ + V₁)/4 = 8/3."""
    mdp, even = two_states(0.5), np.full((2, 2), 0.5)
    np.testing.assert_allclose(tabular.state_values(mdp, even), [8 / 3, 2])
    np.testing.assert_allclose(tabular.action_values(mdp, even), [[4 / 3, 4], [3, 1]])
    # From state 0: 1 + 1/4 + 1/16 + … = 4/3; in all 1/(1 − γ) = 2.
    np.testing.assert_allclose(tabular.state_distribution(mdp, even), [4 / 3, 2 / 3])
    assert tabular.expected_return(mdp, even) == pytest.approx(8 / 3)


def test_gradient_by_hand():
    """One parameter for action 1 in state 0: dπ = ±1/4, so 4/3 · (4 − 4/3) / 4."""
    mdp, even = two_states(0.5), np.full((2, 2), 0.5)
    features = np.zeros((2, 2, 1))
    features[0, 1] = 1.0
    derivative = softmax_derivative(features, even)
    assert derivative[0, :, 0].tolist() == [-0.25, 0.25]
    found = policy_gradient(mdp, even, derivative, tabular.action_values(mdp, even))
    np.testing.assert_allclose(found, [8 / 9])


def test_random_problems_are_problems():
    mdp = tabular.random_mdp(np.random.default_rng(0), 6, 3, 2, 0.9)
    np.testing.assert_allclose(mdp.transition.sum(-1), 1.0)
    assert ((mdp.transition > 0).sum(-1) == 2).all()
    assert mdp.start.sum() == pytest.approx(1.0)
    even = np.full((6, 3), 1 / 3)
    assert tabular.state_distribution(mdp, even).sum() == pytest.approx(10.0)
    value, action_value = tabular.state_values(mdp, even), tabular.action_values(mdp, even)
    np.testing.assert_allclose((even * action_value).sum(1), value)


def test_a_function_of_the_state_leaves_the_gradient():
    chance = np.random.default_rng(1)
    mdp = tabular.random_mdp(chance, 6, 3, 2, 0.9)
    features = chance.normal(size=(6, 3, 4))
    policy = tabular.softmax(features @ chance.normal(size=4))
    derivative, values = softmax_derivative(features, policy), tabular.action_values(mdp, policy)
    shifted = values - 100 * chance.normal(size=(6, 1))
    np.testing.assert_allclose(
        policy_gradient(mdp, policy, derivative, shifted),
        policy_gradient(mdp, policy, derivative, values),
        rtol=1e-9,
    )


def test_a_critic_that_can_hold_every_value_is_fitted_exactly():
    chance = np.random.default_rng(2)
    mdp = tabular.random_mdp(chance, 5, 2, 2, 0.9)
    policy = tabular.softmax(chance.normal(size=(5, 2)))
    every = np.eye(10).reshape(5, 2, 10)
    np.testing.assert_allclose(fitted(mdp, policy, every), tabular.action_values(mdp, policy))


# The Monte-Carlo gradient

STEPS, EPISODES = 40, 6000


def monte_carlo(mdp, features, theta, chance, kind, baseline):
    """Gradients [N, F] of single episodes, as the implementation's loss gives them."""
    policy = tabular.softmax(features @ theta)
    state, action, reward = tabular.sampled_episodes(mdp, policy, chance, EPISODES, STEPS)
    done = np.zeros(state.shape, dtype=bool)
    done[:, -1] = True
    # Each episode is a seed of its own: [N, 1, T].
    found = returns_to_go(reward.astype(np.float32)[:, None], np.zeros_like(done)[:, None],
                          done[:, None], mdp.gamma)  # fmt: skip
    if baseline:
        found = found - tabular.state_values(mdp, policy)[state][:, None].astype(np.float32)
    mask = np.ones_like(done)[:, None]
    weight = torch.from_numpy(state_weights(mask, mdp.gamma, kind)).flatten(1)
    parameters = torch.from_numpy(theta).repeat(EPISODES, 1).requires_grad_()
    seen = torch.from_numpy(features[state])  # [N, T, k, F]
    logits = torch.einsum("ntkf,nf->ntk", seen, parameters)
    log_prob = logits.log_softmax(-1).gather(-1, torch.from_numpy(action)[..., None]).squeeze(-1)
    gain = masked_mean(
        weight * log_prob * torch.from_numpy(found).flatten(1), torch.from_numpy(mask).flatten(1)
    )
    (gradient,) = torch.autograd.grad(gain.sum(), parameters)
    return gradient.numpy() * STEPS  # a mean over the steps, where the theorem has a sum


@pytest.fixture(scope="module")
def problem():
    chance = np.random.default_rng(11)
    mdp = tabular.random_mdp(chance, 5, 3, 2, 0.7)  # γ^40 is 6e-7
    features, theta = chance.normal(size=(5, 3, 3)), chance.normal(size=3)
    policy = tabular.softmax(features @ theta)
    derivative = softmax_derivative(features, policy)
    exact = policy_gradient(mdp, policy, derivative, tabular.action_values(mdp, policy))
    return mdp, features, theta, exact


def deviations(gradients, exact):
    """How many standard errors each component is away."""
    error = gradients.std(0, ddof=1) / np.sqrt(len(gradients))
    return np.abs(gradients.mean(0) - exact) / error


@pytest.mark.parametrize("baseline", [False, True])
def test_monte_carlo_gradient_is_the_analytic_one(problem, baseline):
    *parts, exact = problem
    found = monte_carlo(*parts, np.random.default_rng(5), "discounted", baseline)
    assert (deviations(found, exact) < 4).all()
    cosine = found.mean(0) @ exact / np.linalg.norm(found.mean(0)) / np.linalg.norm(exact)
    assert cosine > 0.98


def test_without_the_states_weight_it_is_another_gradient(problem):
    """The trap: dropping γ^t from the states shows far beyond chance."""
    *parts, exact = problem
    found = monte_carlo(*parts, np.random.default_rng(5), "undiscounted", True)
    assert deviations(found, exact).max() > 10


def test_a_baseline_cuts_the_variance(problem):
    """Much so where every reward is high: the returns then say little of the action."""
    mdp, *parts, _ = problem
    high = dataclasses.replace(mdp, reward=mdp.reward + 5)
    spread = {}
    for baseline in (False, True):
        found = monte_carlo(high, *parts, np.random.default_rng(5), "discounted", baseline)
        spread[baseline] = found.var(0).sum()
    assert spread[True] < 0.2 * spread[False]
