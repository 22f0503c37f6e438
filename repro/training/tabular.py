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


def sampled_episodes(
    mdp: MDP, policy: Array, chance: np.random.Generator, episodes: int, steps: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """States, actions and rewards of a policy played from the start, each [episodes, steps]."""
    acts, leads = policy.cumsum(1), mdp.transition.cumsum(2)
    states, actions = np.empty((2, episodes, steps), np.int64)
    state = _drawn(np.broadcast_to(mdp.start.cumsum(), (episodes, len(mdp.start))), chance)
    for t in range(steps):
        action = _drawn(acts[state], chance)
        states[:, t], actions[:, t] = state, action
        state = _drawn(leads[state, action], chance)
    return states, actions, mdp.reward[states, actions]


def _drawn(cumulated: Array, chance: np.random.Generator) -> NDArray[np.int64]:
    """A place in each row of cumulated probabilities [N, m], as likely as they say; [N]."""
    above = cumulated < chance.random((len(cumulated), 1))
    return above.sum(1).clip(max=cumulated.shape[1] - 1)  # a row may sum to a little less than 1
