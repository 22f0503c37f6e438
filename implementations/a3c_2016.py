"""Asynchronous Methods for Deep Reinforcement Learning (Mnih et al. 2016). arXiv:1602.01783.

Card: papers/a3c-2016.yaml. Actor-learners are processes on shared parameters, or run in step as one
(A2C). The trap: the ε of RMSProp is as large as the gradients, so a loss that is a sum in one code
and a mean in the other, or a mean square that starts at 1 instead of 0, is another algorithm.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.actor_critic import (
    ActorCritic,
    RecurrentActorCritic,
    make_actor_critic,
    make_recurrent_actor_critic,
)
from repro.training.choices import (
    Convolutional,
    FullyConnected,
    GlobalNorm,
    LearntStd,
    Lstm,
    Normc,
    Off,
    Orthogonal,
    ReturnStd,
    RMSPropSettings,
    RunningObservation,
    SoftplusVariance,
    clip_gradient,
)
from repro.training.environments.atari_presets import AtariPreset
from repro.training.hparams import Choice, Count, Fraction, NonNegative
from repro.training.hparams import HParams as Strict
from repro.training.optim import FlatParameters, RMSProp
from repro.training.policies import Distribution
from repro.training.processes import ActorLearners
from repro.training.rollout import Collector, Rollout, bounded_by, evaluation_act
from repro.training.run import Run
from repro.training.schedules import Schedule
from repro.training.training_environments import TrainingEnvironments

# Read by the launcher and the tests: seeds of a stack, processes of a stack, and why runs do not
# repeat bit for bit.
max_stack = {"execution.asynchronous": 1, "network.conv": 1}
processes = {"execution.asynchronous": "num_actors"}
not_deterministic = {
    "execution.asynchronous": "the system decides which update meets which parameters"
}

Array = NDArray[np.float32]
Networks = ActorCritic | RecurrentActorCritic


class Synchronous(Choice, frozen=True, kw_only=True, tag="synchronous"):
    """A2C: actors run in step; one update with the mean of their gradients."""


class Asynchronous(Choice, frozen=True, kw_only=True, tag="asynchronous"):
    """A3C: every actor is a process that updates the shared parameters by itself, without locks.

    statistics: one mean square for all (the paper's Shared RMSProp), or one each.
    """

    statistics: Literal["shared", "own"]


class HParams(Strict, frozen=True, kw_only=True):
    atari: AtariPreset | Off
    execution: Asynchronous | Synchronous
    num_actors: Count
    horizon: Count  # t_max
    gamma: Fraction
    step_size: Schedule
    rmsprop: RMSPropSettings
    entropy_coefficient: NonNegative  # β
    value_coefficient: NonNegative
    over_steps: Literal["sum", "mean"]
    max_grad_norm: GlobalNorm | Off
    network: FullyConnected | Convolutional
    memory: Lstm | Off
    initialization: Normc | Orthogonal
    log_std: LearntStd | SoftplusVariance
    clip_actions: bool
    observation_normalization: RunningObservation | Off
    reward_normalization: ReturnStd | Off
    time_limit: Literal["terminal", "bootstrap"]
    schedule_steps: Count

    def __post_init__(self) -> None:
        normalized = (self.observation_normalization, self.reward_normalization)
        if isinstance(self.execution, Asynchronous) and normalized != (Off(), Off()):
            raise ValueError("asynchronous actors share no running statistics: normalise nothing")


def make_networks(run: Run[HParams], envs: TrainingEnvironments) -> Networks:
    """π and V; with `memory` of all that was seen since the episode began."""
    hp = run.hparams
    if isinstance(hp.memory, Lstm):
        return make_recurrent_actor_critic(
            run, envs, hp.network, hp.memory, hp.initialization, hp.log_std
        )
    return make_actor_critic(run, envs, hp.network, hp.initialization, hp.log_std)


def n_step_returns(
    reward: Array,
    next_value: Array,
    terminal: NDArray[np.bool_],
    done: NDArray[np.bool_],
    gamma: float,
) -> Array:
    """R of each step 0..T-1: rewards to the episode's or the rollout's end, then the value there.

    Time is the last axis, [..., T]. next_value: the value of the state that the action led to,
    before any reset; it counts unless `terminal`. done: the episode ended with this step.
    """
    bootstrap = np.where(terminal, np.float32(0.0), next_value)
    returns = np.empty_like(reward)
    following = bootstrap[..., -1]
    for t in reversed(range(reward.shape[-1])):
        following = reward[..., t] + gamma * np.where(done[..., t], bootstrap[..., t], following)
        returns[..., t] = following
    return returns


def returns_and_values(model: Networks, rollout: Rollout, hp: HParams) -> tuple[Array, Array]:
    """The n-step returns of a rollout and the values of its states, both [S, E, T]."""
    values = rollout.values(model.value)
    next_value = values[:, :, 1:].copy()
    done = rollout.terminated | rollout.truncated
    terminal = done
    if hp.time_limit == "bootstrap":
        next_value[rollout.cut_at] = rollout.cut_values(model.value)
        terminal = rollout.terminated
    returns = n_step_returns(rollout.reward, next_value, terminal, done, hp.gamma)
    return returns, values[:, :, :-1]


def losses(
    policy: Distribution, action: Tensor, value: Tensor, target: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Policy loss, squared value error and entropy, each [S], means over the batch.

    action [S, B, ...]; value, target [S, B]. The advantage is a constant to the policy.
    """
    advantage = (target - value).detach()
    policy_loss = -(policy.log_prob(action) * advantage).mean(1)
    return policy_loss, (target - value).square().mean(1), policy.entropy().mean(1)


class ActorLearner:
    """A thread of algorithm S3: environments, θ′ and θ′_v, and the gradients of its own steps.

    Alone (A2C) it has the environments of all actors, and θ itself; its steps go on over episodes'
    ends, as A2C's do.
    """

    def __init__(
        self,
        run: Run[HParams],
        envs: TrainingEnvironments,
        model: Networks,
        optimizer: RMSProp,
    ):
        hp = run.hparams
        alone = isinstance(hp.execution, Synchronous)
        self.run, self.optimizer = run, optimizer
        self.model = model if alone else copy.deepcopy(model)
        self.own = optimizer.parameters if alone else FlatParameters(self.model)
        self.collector = Collector(
            run, envs, hp.horizon, hp.clip_actions, hp.observation_normalization,
            hp.reward_normalization, hp.gamma, until_end=not alone,
            memory=self.model.memory(envs.per_seed),
        )  # fmt: skip
        self.kept: dict[str, Any] = {"collector": self.collector}
        if hp.execution == Asynchronous(statistics="own"):
            self.kept["optimizer"] = optimizer

    def update(self) -> None:
        """Steps until a terminal state or t_max of them, then one update of θ and θ_v."""
        run, hp, shared = self.run, self.run.hparams, self.optimizer.parameters
        step_size = run.scheduled(hp.step_size)
        self.own.data.copy_(shared.data)  # a3c-2016 alg.S3 (θ′ ← θ, θ′_v ← θ_v)
        rollout = self.collector.collect(self.model)
        returns, old_values = returns_and_values(self.model, rollout, hp)
        observation = run.batch(self.collector.refreshed(rollout))
        action, target = run.batch(rollout.action), run.batch(returns)
        # The memory is the one it had; gradients end with the rollout.
        policy, value = self.model(observation, rollout.past)
        policy_loss, value_loss, entropy = losses(policy, action, value, target)
        loss = (  # a3c-2016 sec.4
            policy_loss + hp.value_coefficient * value_loss - hp.entropy_coefficient * entropy
        )
        # The paper sums an actor's gradient over its steps; over A2C's actors it is a mean.
        steps = rollout.reward.shape[-1] if hp.over_steps == "sum" else 1
        shared.grad.copy_(self.own.gradient(float(steps) * loss))  # dθ, dθ_v
        grad_norm = clip_gradient(hp.max_grad_norm, shared)
        self.optimizer.step(step_size, run.mask)  # a3c-2016 sec.7
        run.log(
            policy_loss=policy_loss,
            value_loss=value_loss,
            grad_norm=grad_norm,
            entropy=entropy,
            value=torch.from_numpy(old_values.mean((1, 2))),
            step_size=step_size,
        )

    def state_dict(self) -> dict[str, Any]:
        return {name: kept.state_dict() for name, kept in self.kept.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, kept in self.kept.items():
            kept.load_state_dict(state[name])


def train(run: Run[HParams]) -> None:
    """Algorithm S3: every actor-learner by itself (A3C), or one for all actors (A2C)."""
    if isinstance(run.hparams.execution, Asynchronous):
        asynchronous(run, run.hparams.execution.statistics)
    else:
        synchronous(run)


def asynchronous(run: Run[HParams], statistics: str) -> None:
    """A process an actor-learner, all on the same θ, θ_v and T, each until T > T_max."""
    hp = run.hparams
    spaces = run.make_envs(per_seed=1, purpose="spaces")  # never stepped
    model = make_networks(run, spaces)
    parameters = FlatParameters(model)  # θ and θ_v
    optimizer = hp.rmsprop.make(parameters)  # with g
    shared = [parameters.data]
    if statistics == "shared":
        shared += optimizer.state_dict().values()
    bounded = bounded_by(spaces.action_space, hp.clip_actions)
    act = evaluation_act(run, model, lambda observation: observation, bounded)

    def actor_learner(its: Run[HParams]) -> ActorLearner:
        return ActorLearner(its, its.make_envs(per_seed=1), model, optimizer)

    with ActorLearners(run, hp.num_actors, actor_learner, shared) as actors:
        run.keep(model=model, optimizer=optimizer, actors=actors)
        for _ in run.iterations():
            actors.round()
            run.evaluate(act)


def synchronous(run: Run[HParams]) -> None:
    """One process steps all actors, which makes a single learner's batch."""
    hp, envs = run.hparams, run.make_envs(per_seed=run.hparams.num_actors)
    model = make_networks(run, envs)
    learner = ActorLearner(run, envs, model, hp.rmsprop.make(FlatParameters(model)))
    run.keep(model=model, optimizer=learner.optimizer, collector=learner.collector)
    for _ in run.iterations():
        learner.update()
        run.evaluate(learner.collector.actor(model))
