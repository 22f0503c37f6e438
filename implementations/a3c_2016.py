"""Asynchronous Methods for Deep Reinforcement Learning (Mnih et al. 2016). arXiv:1602.01783.

Card: papers/a3c-2016.yaml. Here its actors run in step, as A2C: one update for all of them. The
trap: the ε of RMSProp is as large as the gradients, so a loss that is a sum in one code and a mean
in the other, or a mean square that starts at 1 instead of 0, is another algorithm.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.actor_critic import ActorCritic, make_actor_critic
from repro.training.choices import (
    Convolutional,
    FullyConnected,
    GlobalNorm,
    LearntStd,
    Normc,
    Off,
    Orthogonal,
    ReturnStd,
    RMSPropSettings,
    RunningObservation,
    clip_gradient,
)
from repro.training.hparams import HParams as Strict
from repro.training.optim import FlatParameters
from repro.training.policies import Distribution
from repro.training.rollout import Collector, Rollout
from repro.training.run import Run
from repro.training.schedules import Schedule

Array = NDArray[np.float32]


class HParams(Strict, frozen=True, kw_only=True):
    num_actors: int
    horizon: int  # t_max
    gamma: float
    step_size: Schedule
    rmsprop: RMSPropSettings
    entropy_coefficient: float  # β
    value_coefficient: float
    over_steps: Literal["sum", "mean"]
    max_grad_norm: GlobalNorm | Off
    network: FullyConnected | Convolutional
    initialization: Normc | Orthogonal
    log_std: LearntStd
    clip_actions: bool
    observation_normalization: RunningObservation | Off
    reward_normalization: ReturnStd | Off
    time_limit: Literal["terminal", "bootstrap"]
    schedule_steps: int


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


def returns_and_values(model: ActorCritic, rollout: Rollout, hp: HParams) -> tuple[Array, Array]:
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


def train(run: Run[HParams]) -> None:
    """Algorithm S3 with actors in step: t_max steps of each, then one update of shared weights."""
    hp, envs = run.hparams, run.make_envs(per_seed=run.hparams.num_actors)
    model = make_actor_critic(run, envs, hp.network, hp.initialization, hp.log_std)
    parameters = FlatParameters(model)
    optimizer = hp.rmsprop.make(parameters)
    collector = Collector(
        run, envs, hp.horizon, hp.clip_actions,
        hp.observation_normalization, hp.reward_normalization, hp.gamma,
    )  # fmt: skip
    # The paper accumulates an actor's gradient over its steps; over actors it is always a mean.
    weight = float(hp.horizon) if hp.over_steps == "sum" else 1.0
    run.keep(model=model, optimizer=optimizer, collector=collector)

    for _ in run.iterations():  # a3c-2016 alg.S3
        step_size = run.scheduled(hp.step_size)
        rollout = collector.collect(model)
        returns, old_values = returns_and_values(model, rollout, hp)
        observation = run.batch(collector.refreshed(rollout))
        action, target = run.batch(rollout.action), run.batch(returns)
        policy, value = model(observation)
        policy_loss, value_loss, entropy = losses(policy, action, value, target)
        loss = (  # a3c-2016 sec.4
            policy_loss + hp.value_coefficient * value_loss - hp.entropy_coefficient * entropy
        )
        parameters.backward(weight * loss)
        grad_norm = clip_gradient(hp.max_grad_norm, parameters)
        optimizer.step(step_size, run.mask)
        run.log(
            policy_loss=policy_loss,
            value_loss=value_loss,
            grad_norm=grad_norm,
            entropy=entropy,
            value=torch.from_numpy(old_values.mean((1, 2))),
            step_size=step_size,
        )
        run.evaluate(collector.actor(model))
