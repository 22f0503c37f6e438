"""Policy Gradient Methods for Reinforcement Learning with Function Approximation.

Sutton, McAllester, Singh & Mansour, NIPS 1999. Card: papers/pg-theorem-1999.yaml. `train` is
REINFORCE with a learned baseline ("vanilla policy gradient"), or one-step actor-critic; `measure`
holds the theorems to problems in closed form. The trap: the theorem weighs the state at time t by
γ^t; common code drops that weight and then follows the gradient of no objective.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training import tabular
from repro.training.actor_critic import make_actor_critic
from repro.training.choices import AdamSettings, FullyConnected, LearntStd, Normc, Off, Orthogonal
from repro.training.episodes import EpisodeCollector, Episodes
from repro.training.hparams import Choice, Count, Decay, Fraction, Natural, NonNegative, Positive
from repro.training.hparams import HParams as Strict
from repro.training.optim import FlatParameters
from repro.training.run import Run
from repro.training.schedules import Schedule
from repro.training.tabular import MDP

Array = NDArray[np.float32]
Exactly = tabular.Array


class Baseline(Choice, frozen=True, kw_only=True, tag="value-baseline"):
    """REINFORCE: returns to go, less a learned value of the state."""


class NoBaseline(Choice, frozen=True, kw_only=True, tag="none"):
    """REINFORCE: returns to go as they are."""


class OneStep(Choice, frozen=True, kw_only=True, tag="one-step"):
    """Actor-critic: a reward and the value of the next state, less the value of the state."""


class Standardized(Choice, frozen=True, kw_only=True, tag="batch"):
    """Mean 0, standard deviation 1 over the batch; epsilon is added to the deviation."""

    epsilon: NonNegative


class HParams(Strict, frozen=True, kw_only=True):
    episodes: Count
    gamma: Fraction
    critic: Baseline | NoBaseline | OneStep
    state_weight: Literal["discounted", "undiscounted"]
    step_size: Schedule
    value_step_size: Schedule
    value_updates: Natural
    adam: AdamSettings
    advantage_normalization: Standardized | Off
    network: FullyConnected
    initialization: Normc | Orthogonal
    log_std: LearntStd
    clip_actions: bool
    time_limit: Literal["terminal", "bootstrap"]
    schedule_steps: Count


class ExactCritic(Choice, frozen=True, kw_only=True, tag="exact"):
    """The true action values (Theorem 1)."""


class Compatible(Choice, frozen=True, kw_only=True, tag="compatible"):
    """A critic linear in the policy's score function, fitted by least squares (Theorem 2)."""


class RandomFeatures(Choice, frozen=True, kw_only=True, tag="random-features"):
    """A critic linear in as many random features, fitted likewise."""


class MonteCarlo(Choice, frozen=True, kw_only=True, tag="monte-carlo"):
    """No critic: returns to go of sampled episodes, less the state's true value, as `train`'s."""

    episodes: Count
    steps: Count  # of each episode; what comes later is left out
    state_weight: Literal["discounted", "undiscounted"]


class Problem(Strict, frozen=True, kw_only=True):
    states: Count
    actions: Count
    successors: Count
    features: Count  # of the softmax policy

    def __post_init__(self) -> None:
        if self.successors > self.states:
            raise ValueError(
                f"successors: found {self.successors}, expected at most {self.states}, the states"
            )


class Exact(Strict, frozen=True, kw_only=True):
    """Hyperparameters of `measure`."""

    critic: ExactCritic | Compatible | RandomFeatures | MonteCarlo
    gamma: Decay  # below 1: the problems never end
    problem: Problem
    problems: Count
    finite_difference: Positive


MEASURED = {"exact": Exact}  # sets that `measure` takes, and their type


def returns_to_go(reward: Array, bootstrap: Array, done: NDArray[np.bool_], gamma: float) -> Array:
    """Discounted rewards from each step to the episode's end, [..., T], time last.

    bootstrap: the value of what follows where `done`, 0 after a termination. Steps beyond the
    end have reward 0 and get 0.
    """
    returns = np.zeros_like(reward)
    following: NDArray[np.floating[Any]] = np.zeros_like(reward[..., 0])
    for t in reversed(range(reward.shape[-1])):
        following = reward[..., t] + gamma * np.where(done[..., t], bootstrap[..., t], following)
        returns[..., t] = following
    return returns


def action_values(batch: Episodes, value: Array, hp: HParams) -> Array:
    """What stands for Q(s, a) at each step, [S, E, T]; value [S, E, T + 1] of all observations."""
    done = batch.terminated | batch.truncated
    terminal = done if hp.time_limit == "terminal" else batch.terminated
    bootstrap = np.where(terminal, np.float32(0.0), value[:, :, 1:])
    if isinstance(hp.critic, OneStep):
        return np.where(batch.mask, batch.reward + np.float32(hp.gamma) * bootstrap, 0.0)
    return returns_to_go(batch.reward, bootstrap, done, hp.gamma)


def state_weights(mask: NDArray[np.bool_], gamma: float, kind: str) -> Array:
    """γ^t of each step that happened, or 1; [S, E, T], 0 beyond the episodes."""
    discount = gamma if kind == "discounted" else 1.0
    return (mask * discount ** np.arange(mask.shape[-1])).astype(np.float32)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of x [S, B] over the samples of each seed that count, [S]; 0 where none does."""
    return torch.where(mask, x, 0.0).sum(1) / mask.sum(1).clamp(min=1)


def standardized(x: Tensor, mask: Tensor, epsilon: float) -> Tensor:
    """x [S, B] with mean 0 and standard deviation 1 over the samples that count."""
    centred = x - masked_mean(x, mask).unsqueeze(1)
    return centred / (masked_mean(centred.square(), mask).sqrt() + epsilon).unsqueeze(1)


def train(run: Run[HParams]) -> None:
    """Play whole episodes, take one step along the policy gradient, fit the value function."""
    hp, envs = run.hparams, run.make_envs(per_seed=run.hparams.episodes)
    model = make_actor_critic(run, envs, hp.network, hp.initialization, hp.log_std)
    parameters, value_parameters = FlatParameters(model.policy), FlatParameters(model.critic)
    optimizer, value_optimizer = hp.adam.make(parameters), hp.adam.make(value_parameters)
    collector = EpisodeCollector(run, envs, hp.clip_actions)
    run.keep(model=model, optimizer=optimizer, value_optimizer=value_optimizer)

    def values(seen: Tensor, shape: tuple[int, ...]) -> Array:
        with torch.no_grad():
            return model.value(seen).view(shape).cpu().numpy()

    for _ in run.iterations():
        step_size, value_step_size = run.scheduled(hp.step_size), run.scheduled(hp.value_step_size)
        batch = collector.collect(model)
        seen, observation = run.batch(batch.observation), run.batch(batch.observation[:, :, :-1])
        action, mask = run.batch(batch.action), run.batch(batch.mask).bool()
        weight = run.batch(state_weights(batch.mask, hp.gamma, hp.state_weight))
        shape = batch.observation.shape[:3]

        value = values(seen, shape)
        target = run.batch(action_values(batch, value, hp))
        advantage = target
        if not isinstance(hp.critic, NoBaseline):
            advantage = target - run.batch(value[:, :, :-1])  # pg-theorem-1999 sec.3
        if isinstance(hp.advantage_normalization, Standardized):
            advantage = standardized(advantage, mask, hp.advantage_normalization.epsilon)

        policy = model.act(observation)
        gain = masked_mean(weight * policy.log_prob(action) * advantage, mask)
        parameters.backward(-gain)  # pg-theorem-1999 eq.2
        grad_norm = parameters.grad_norm()
        optimizer.step(step_size, run.mask)

        value_loss = run.full(0.0)
        for update in range(hp.value_updates):
            if update and isinstance(hp.critic, OneStep):  # its target moves with the critic
                target = run.batch(action_values(batch, values(seen, shape), hp))
            error = masked_mean((model.value(observation) - target).square(), mask)
            value_parameters.backward(error)
            value_optimizer.step(value_step_size, run.mask)
            value_loss = error.detach() if not update else value_loss
        run.log(
            policy_loss=-gain,
            value_loss=value_loss,
            grad_norm=grad_norm,
            entropy=masked_mean(policy.entropy().expand(mask.shape), mask),
            value=masked_mean(run.batch(value[:, :, :-1]), mask),
            samples=mask.sum(1).float(),
            step_size=step_size,
        )
        run.evaluate(collector.actor(model))


# The theorems themselves, on random MDPs and softmax policies, in double precision.
# n states, k actions, F parameters: features [n, k, F], policy [n, k], values of actions [n, k].


def softmax_derivative(features: Exactly, policy: Exactly) -> Exactly:
    """dπ(a|s)/dθ [n, k, F] where π is the softmax of features · θ."""
    mean = np.einsum("sa,saf->sf", policy, features)
    return policy[..., None] * (features - mean[:, None])


def policy_gradient(mdp: MDP, policy: Exactly, derivative: Exactly, values: Exactly) -> Exactly:
    """The theorem's sum over states and actions, [F]."""
    weight = tabular.state_distribution(mdp, policy)
    return np.einsum("s,saf,sa->f", weight, derivative, values)  # pg-theorem-1999 eq.2


def fitted(mdp: MDP, policy: Exactly, features: Exactly) -> Exactly:
    """The linear critic nearest to Q under the policy's own states and actions, [n, k]."""
    root = np.sqrt(tabular.state_distribution(mdp, policy)[:, None] * policy)
    x = (root[..., None] * features).reshape(-1, features.shape[-1])
    y = (root * tabular.action_values(mdp, policy)).reshape(-1)
    return features @ np.linalg.lstsq(x, y, rcond=None)[0]  # pg-theorem-1999 eq.3


def finite_differences(mdp: MDP, features: Exactly, theta: Exactly, step: float) -> Exactly:
    """The derivative of the expected return, [F], by central differences."""

    def expected_return(parameters: Exactly) -> float:
        return tabular.expected_return(mdp, tabular.softmax(features @ parameters))

    shifts = step * np.eye(len(theta))
    return np.array(
        [expected_return(theta + d) - expected_return(theta - d) for d in shifts]
    ) / (2 * step)  # fmt: skip


def sampled_gradient(
    mdp: MDP, policy: Exactly, derivative: Exactly, hp: MonteCarlo, chance: np.random.Generator
) -> Exactly:
    """The theorem's sum estimated from episodes alone, as REINFORCE with a baseline does, [F]."""
    state, action, reward = tabular.sampled_episodes(mdp, policy, chance, hp.episodes, hp.steps)
    done = np.zeros(state.shape, dtype=bool)
    done[:, -1] = True
    returns = returns_to_go(reward.astype(np.float32), np.zeros_like(done), done, mdp.gamma)
    advantage = returns - tabular.state_values(mdp, policy)[state]  # pg-theorem-1999 sec.3
    gain = state_weights(np.ones_like(done), mdp.gamma, hp.state_weight) * advantage
    place = np.ravel_multi_index((state, action), policy.shape).ravel()
    gain_there = np.bincount(place, gain.ravel(), policy.size).reshape(policy.shape) / hp.episodes
    return np.einsum("sa,saf->f", gain_there / policy, derivative)


def measure(hp: Exact, seed: int) -> dict[str, float]:
    """The largest relative error of the gradient over random problems, as `identity-error`.

    With the true action values, against the derivative of the return; with a critic or from
    samples, against the gradient with the true ones.
    """
    chance, worst = np.random.default_rng(seed), 0.0
    size = hp.problem
    for _ in range(hp.problems):
        mdp = tabular.random_mdp(chance, size.states, size.actions, size.successors, hp.gamma)
        features = chance.normal(size=(size.states, size.actions, size.features))
        theta = chance.normal(size=size.features)
        policy = tabular.softmax(features @ theta)
        derivative = softmax_derivative(features, policy)
        exact = policy_gradient(mdp, policy, derivative, tabular.action_values(mdp, policy))
        if isinstance(hp.critic, ExactCritic):
            found, expected = exact, finite_differences(mdp, features, theta, hp.finite_difference)
        elif isinstance(hp.critic, MonteCarlo):
            found = sampled_gradient(mdp, policy, derivative, hp.critic, chance)
            expected = exact
        else:
            of_critic = derivative / policy[..., None]  # pg-theorem-1999 eq.4
            if isinstance(hp.critic, RandomFeatures):
                of_critic = chance.normal(size=features.shape)
            critic = fitted(mdp, policy, of_critic)
            found, expected = policy_gradient(mdp, policy, derivative, critic), exact
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        worst = max(worst, float(error))
    return {"identity-error": worst}
