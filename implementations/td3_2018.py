"""Addressing Function Approximation Error in Actor-Critic Methods: TD3 (Fujimoto et al. 2018).

arXiv:1802.09477. Card: papers/td3-2018.yaml. The trap: the code behind the paper's figures learns
at the end of each episode; what people know as TD3's hyperparameters came a year later.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from implementations.ddpg_2015 import (
    GaussianNoise,
    Learner,
    NoisyExplorer,
    bellman_target,
    make_networks,
    squared_error,
)
from repro.training.choices import AdamSettings, FullyConnected, Off
from repro.training.deterministic import (
    ActionValue,
    ActionValueNetwork,
    Bounds,
    FanIn,
    FanInLast,
)
from repro.training.experience import AfterEpisode, EveryStep, Experience, Means
from repro.training.hparams import Choice, Count, Fraction, Natural, NonNegative
from repro.training.hparams import HParams as Strict
from repro.training.replay import Replay
from repro.training.run import Run
from repro.training.schedules import Constant

max_stack = 1  # matrix products fill a core: two stacked seeds gained a quarter (docs/decisions.md)


class Smoothing(Choice, frozen=True, kw_only=True, tag="gaussian"):
    """Noise on the target policy's action; scaled: in units of half the action's range."""

    std: NonNegative  # σ̃
    clip: NonNegative  # c
    scaled: bool


class ClippedDoubleQ(Choice, frozen=True, kw_only=True, tag="clipped-double-q"):
    """The smaller of two target critics."""


class SingleQ(Choice, frozen=True, kw_only=True, tag="single"):
    """One critic."""


class DoubleDQN(Choice, frozen=True, kw_only=True, tag="double-dqn"):
    """One critic; the target critic values the learnt policy's action, not the target policy's."""


class DoubleQ(Choice, frozen=True, kw_only=True, tag="double-q"):
    """Two policies and two critics; each critic's target comes from the other, section 4.1."""


TargetValue = ClippedDoubleQ | SingleQ | DoubleDQN | DoubleQ


class HParams(Strict, frozen=True, kw_only=True):
    gamma: Fraction
    tau: Fraction  # τ
    minibatch_size: Count  # N
    replay_capacity: Count
    random_steps: Natural
    learning_starts: Natural
    updates: EveryStep | AfterEpisode
    policy_delay: Count  # d
    target_value: TargetValue
    target_noise: Smoothing | Off
    exploration: GaussianNoise
    policy_step_size: Constant
    critic_step_size: Constant
    adam: AdamSettings
    policy_network: FullyConnected
    critic_network: ActionValueNetwork
    initialization: FanIn | FanInLast
    time_limit: Literal["terminal", "bootstrap"]


def smoothed(action: Tensor, normal: Tensor, noise: Smoothing, bounds: Bounds) -> Tensor:
    """ã: action [..., A] with clipped noise, within the bounds; normal: standard normal draws."""
    scale = bounds.half if noise.scaled else 1.0
    return bounds.clip(action + scale * (noise.std * normal).clamp(-noise.clip, noise.clip))


def next_value(kind: TargetValue, critics: ActionValue, state: Tensor, action: Tensor) -> Tensor:
    """The value of `state` [S, B, n] for each critic's target, [S, K or 1, B].

    critics: the target critics. action: [S, P, B, A], of each policy.
    """
    if isinstance(kind, DoubleQ):
        # Critic 1's target is critic 2's value of policy 1's action, and the other way round.
        return critics(state, action.flip(1)).flip(1)
    return critics(state, action).amin(1, keepdim=True)  # of one critic, its own


def train(run: Run[HParams]) -> None:
    """Algorithm 1: DDPG with twin critics, smoothed targets and a policy that moves later."""
    hp, envs = run.hparams, run.make_envs(per_seed=1)
    policies = 2 if isinstance(hp.target_value, DoubleQ) else 1
    critics = 2 if isinstance(hp.target_value, DoubleQ | ClippedDoubleQ) else 1
    policy, critic = make_networks(
        run, envs, hp.policy_network, hp.critic_network, hp.initialization, None, policies, critics
    )
    actor, valuer = Learner(policy, hp.adam), Learner(critic, hp.adam)
    explorer = NoisyExplorer(run, envs, policy, hp.exploration, hp.random_steps)
    replay = Replay(
        run.folder / "replay", run.seeds, hp.replay_capacity,
        envs.observation_shape, envs.action_space.shape, run.device,
    )  # fmt: skip
    experience = Experience(run, envs, replay, hp.updates, hp.learning_starts, hp.time_limit)
    draws, smoothing = run.rng("minibatch"), run.rng("smoothing")
    run.keep(
        policy=policy, critics=critic, target_policy=actor.target, target_critics=valuer.target,
        policy_optimizer=actor.optimizer, critic_optimizer=valuer.optimizer,
        replay=replay, experience=experience,
    )  # fmt: skip
    by_learnt_policy = isinstance(hp.target_value, DoubleDQN | DoubleQ)

    for _ in run.iterations():
        means = Means(run)
        for learning in experience.updates(explorer):  # td3-2018 alg.1
            where = run.where(learning)
            o, a, reward, after, terminal = replay.sample(draws, hp.minibatch_size, learning)
            with torch.no_grad():
                action = (policy if by_learnt_policy else actor.target)(after)
                if isinstance(hp.target_noise, Smoothing):
                    normal = smoothing.normal(*action.shape[1:], active=learning)
                    action = smoothed(action, normal, hp.target_noise, policy.bounds)
                best = next_value(hp.target_value, valuer.target, after, action)  # td3-2018 eq.15
                target = bellman_target(reward, terminal, best, hp.gamma)
            value = critic(o, a.unsqueeze(1))
            error = squared_error(value, target)
            valuer.descend(error, hp.critic_step_size.value, where)
            means.add(
                where, critic_loss=error, value=value.mean(2).mean(1),
                target=target.mean(2).mean(1), critic_grad_norm=valuer.parameters.grad_norm(),
            )  # fmt: skip

            due = learning & (experience.number % hp.policy_delay == 0)
            if due.any():
                late = run.where(due)
                gain = critic(o, policy(o), copies=policies).mean(2).sum(1)
                actor.descend(-gain, hp.policy_step_size.value, late)
                actor.track(hp.tau, late)
                valuer.track(hp.tau, late)
                means.add(
                    late, policy_loss=-gain, policy_grad_norm=actor.parameters.grad_norm()
                )  # fmt: skip
        means.log()
