"""Small tabular problems in closed form: random MDPs, softmax policies, exact values.

For identities and bounds that hold exactly (checked in double precision), and for estimates
whose expectation is known. n states, k actions; policies are [n, k], rows sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # float64 throughout


@dataclass(frozen=True)
class MDP:
    """transition [n, k, n], reward [n, k] (expected), start [n], discount gamma < 1."""

    transition: Array
    reward: Array
    start: Array
    gamma: float


def random_mdp(
    chance: np.random.Generator, states: int, actions: int, successors: int, gamma: float
) -> MDP:
    """Rewards N(0, 1); each action leads to `successors` states with random probabilities."""
    transition = np.zeros((states, actions, states))
    for row in transition.reshape(-1, states):
        reached = chance.choice(states, successors, replace=False)
        row[reached] = chance.dirichlet(np.ones(successors))
    reward = chance.normal(size=(states, actions))
    return MDP(transition, reward, chance.dirichlet(np.ones(states)), gamma)


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def under_policy(mdp: MDP, policy: Array) -> tuple[Array, Array]:
    """Transitions [n, n] and expected rewards [n] of the chain that a policy makes."""
    return np.einsum("sa,sat->st", policy, mdp.transition), (policy * mdp.reward).sum(1)


def state_values(mdp: MDP, policy: Array) -> Array:
    """V of the policy, [n]."""
    chain, reward = under_policy(mdp, policy)
    return np.linalg.solve(np.eye(len(chain)) - mdp.gamma * chain, reward)


def action_values(mdp: MDP, policy: Array) -> Array:
    """Q of the policy, [n, k]."""
    return mdp.reward + mdp.gamma * mdp.transition @ state_values(mdp, policy)


def state_distribution(mdp: MDP, policy: Array) -> Array:
    """Σ_t γ^t Pr(s_t = s) from the start, [n]; sums to 1/(1 − γ)."""
    chain, _ = under_policy(mdp, policy)
    return np.linalg.solve((np.eye(len(chain)) - mdp.gamma * chain).T, mdp.start)


def expected_return(mdp: MDP, policy: Array) -> float:
    """The discounted return expected from the start."""
    return float(mdp.start @ state_values(mdp, policy))
