"""Proximal Policy Optimization Algorithms (Schulman et al. 2017). arXiv:1707.06347.

Card: papers/ppo-2017.yaml. The trap: three sets of hyperparameters go by the name of PPO (as
printed, the authors' code of 2017, their later code), and their curves differ by a factor of two.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from implementations.gae_2015 import generalized_advantage
from repro.training.actor_critic import ActorCritic, make_actor_critic
from repro.training.choices import (
    AdamSettings,
    AnnealedStd,
    Convolutional,
    FullyConnected,
    GlobalNorm,
    LearntStd,
    Normc,
    Off,
    Orthogonal,
    ReturnStd,
    RunningObservation,
    clip_gradient,
)
from repro.training.hparams import Choice, Count, Fraction, NonNegative, Positive
from repro.training.hparams import HParams as Strict
from repro.training.minibatch import minibatches
from repro.training.optim import FlatParameters
from repro.training.policies import GaussianPolicy
from repro.training.rollout import Collector, Rollout
from repro.training.run import Run
from repro.training.schedules import Constant, Linear, Schedule

CLIP_FRACTION_AT = 0.2  # logged for every surrogate, so that runs compare
WAITING = {"atari": "it does not say how a game is played (its frames, lives, rewards: a preset)"}


class Clip(Choice, frozen=True, kw_only=True, tag="clip"):
    range: Schedule  # ε


class AdaptiveKL(Choice, frozen=True, kw_only=True, tag="adaptive-kl"):
    target: Positive  # d_targ
    initial_beta: NonNegative


class FixedKL(Choice, frozen=True, kw_only=True, tag="fixed-kl"):
    beta: NonNegative


class KLTarget(Choice, frozen=True, kw_only=True, tag="kl-target"):
    """A step size adjusted after each iteration so that the KL divergence stays near `target`."""

    initial: Positive
    target: Positive


class AdvantageNormalization(Strict, frozen=True, kw_only=True):
    over: Literal["batch", "minibatch"]
    epsilon: NonNegative


class HParams(Strict, frozen=True, kw_only=True):
    num_actors: Count  # N
    horizon: Count  # T
    epochs: Count  # K
    minibatch_size: Count  # M
    gamma: Fraction
    gae_lambda: Fraction
    surrogate: Clip | AdaptiveKL | FixedKL | Off
    step_size: Constant | Linear | KLTarget
    adam: AdamSettings
    value_coefficient: NonNegative  # c1
    value_clip: Clip | Off
    entropy_coefficient: NonNegative  # c2
    max_grad_norm: GlobalNorm | Off
    advantage_normalization: AdvantageNormalization
    network: FullyConnected | Convolutional
    initialization: Normc | Orthogonal
    log_std: LearntStd | AnnealedStd
    clip_actions: bool
    observation_normalization: RunningObservation | Off
    reward_normalization: ReturnStd | Off
    time_limit: Literal["terminal", "bootstrap"]
    schedule_steps: Count

    def __post_init__(self) -> None:
        if self.minibatch_size > (batch := self.num_actors * self.horizon):
            raise ValueError(
                f"minibatch_size: found {self.minibatch_size}, expected at most {batch}, "
                "num_actors × horizon"
            )


def clipped_surrogate(ratio: Tensor, advantage: Tensor, epsilon: Tensor) -> Tensor:
    """L^CLIP of each seed, [S]; ratio r, advantage A [S, B], epsilon ε [S].

    min(r A, clip(r, 1 − ε, 1 + ε) A) is min(r A, A + ε |A|), and so takes half the operations.
    """
    bound = torch.addcmul(advantage, epsilon.unsqueeze(1), advantage.abs())
    return torch.clamp(ratio * advantage, max=bound).mean(1)


def penalized_surrogate(ratio: Tensor, advantage: Tensor, kl: Tensor, beta: Tensor) -> Tensor:
    """L^KLPEN of each seed, [S]; ratio, advantage, kl(old ‖ new) [S, B], beta [S]."""
    return (ratio * advantage - beta.unsqueeze(1) * kl).mean(1)


def value_error(value: Tensor, target: Tensor, old: Tensor, epsilon: Tensor | None) -> Tensor:
    """Mean squared error of the value function, [S]; epsilon [S]: how far it may move (ppo2)."""
    error = (value - target).square()
    if epsilon is not None:
        limit = epsilon.unsqueeze(1)
        clipped = old + torch.clamp(value - old, -limit, limit)
        error = torch.maximum(error, (clipped - target).square())
    return error.mean(1)


def standardized(x: Tensor, epsilon: float) -> Tensor:
    """x [S, B] with mean 0 and standard deviation 1 over the batch."""
    return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True, correction=0) + epsilon)


def explained_variance(value: Tensor, target: Tensor) -> Tensor:
    """1 − Var(target − value)/Var(target), [S]; 0 where the target is the same everywhere."""
    variance = target.var(1)
    return torch.where(variance > 0, 1 - (target - value).var(1) / variance, 0.0)


def adapted_beta(beta: Tensor, kl: Tensor, target: float) -> Tensor:
    """β [S] after an iteration: halved where the policy moved little, doubled if it moved far."""
    return torch.where(kl < target / 1.5, beta / 2, torch.where(kl > target * 1.5, beta * 2, beta))


def adapted_step_size(step_size: Tensor, kl: Tensor, target: float) -> Tensor:
    """α [S] after an iteration: kept while the divergence is within a factor 2 of its target."""
    lowered = torch.where(kl > target * 2, step_size / 1.5, step_size)
    return torch.where(kl < target / 2, step_size * 1.5, lowered)


def advantages(
    model: ActorCritic, rollout: Rollout, hp: HParams
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Values of the states acted in, and their advantages, both [S, E, T]."""
    values = rollout.values(model.value)
    value, next_value = values[:, :, :-1], values[:, :, 1:].copy()
    done = rollout.terminated | rollout.truncated
    terminal = done
    if hp.time_limit == "bootstrap":
        next_value[rollout.cut_at] = rollout.cut_values(model.value)
        terminal = rollout.terminated
    return value, generalized_advantage(  # ppo-2017 eq.11
        rollout.reward, value, next_value, terminal, done, hp.gamma, hp.gae_lambda
    )


def clip_range(run: Run[HParams], choice: object) -> Tensor | None:
    """ε of this iteration, [S], where clipping was chosen."""
    return run.scheduled(choice.range) if isinstance(choice, Clip) else None


def train(run: Run[HParams]) -> None:
    """Algorithm 1: N actors act for T steps, then K epochs of minibatch ascent on the surrogate."""
    hp, envs = run.hparams, run.make_envs(per_seed=run.hparams.num_actors)
    model = make_actor_critic(run, envs, hp.network, hp.initialization, hp.log_std)
    parameters = FlatParameters(model)
    optimizer = hp.adam.make(parameters)
    collector = Collector(
        run, envs, hp.horizon, hp.clip_actions,
        hp.observation_normalization, hp.reward_normalization, hp.gamma,
    )  # fmt: skip
    initial_beta = {AdaptiveKL: "initial_beta", FixedKL: "beta"}.get(type(hp.surrogate))
    beta = run.full(getattr(hp.surrogate, initial_beta) if initial_beta else 0.0)
    kl_step_size = run.full(hp.step_size.initial if isinstance(hp.step_size, KLTarget) else 0.0)
    order = run.rng("minibatch")
    run.keep(
        model=model, optimizer=optimizer, collector=collector,
        beta=beta, kl_step_size=kl_step_size,
    )  # fmt: skip

    for _ in run.iterations():  # ppo-2017 alg.1
        epsilon, value_epsilon = clip_range(run, hp.surrogate), clip_range(run, hp.value_clip)
        step_size = (
            kl_step_size if isinstance(hp.step_size, KLTarget) else run.scheduled(hp.step_size)
        )
        if isinstance(hp.log_std, AnnealedStd) and isinstance(model.policy, GaussianPolicy):
            model.policy.set_log_std(run.scheduled(hp.log_std.schedule))

        rollout = collector.collect(model)
        values, estimates = advantages(model, rollout, hp)
        observation, action = run.batch(collector.refreshed(rollout)), run.batch(rollout.action)
        old_value, advantage = run.batch(values), run.batch(estimates)
        target = advantage + old_value
        if hp.advantage_normalization.over == "batch":
            advantage = standardized(advantage, hp.advantage_normalization.epsilon)
        with torch.no_grad():
            old = model.act(observation).frozen()
            old_log_prob = old.log_prob(action)

        value_loss = grad_norm = updates = run.full(0.0)
        for o, a, adv, tgt, v_old, logp_old, statistic in minibatches(
            [observation, action, advantage, target, old_value, old_log_prob, old.statistic],
            hp.minibatch_size, hp.epochs, order,
        ):  # fmt: skip
            if hp.advantage_normalization.over == "minibatch":
                adv = standardized(adv, hp.advantage_normalization.epsilon)
            new, v = model(o)
            ratio = (new.log_prob(a) - logp_old).exp()
            if epsilon is not None:
                objective = clipped_surrogate(ratio, adv, epsilon)  # ppo-2017 eq.7
            elif isinstance(hp.surrogate, AdaptiveKL | FixedKL):
                kl = old.replaced(statistic).kl(new)
                objective = penalized_surrogate(ratio, adv, kl, beta)  # ppo-2017 eq.8
            else:
                objective = (ratio * adv).mean(1)  # ppo-2017 eq.6
            error = value_error(v, tgt, v_old, value_epsilon)
            loss = hp.value_coefficient * error - objective  # ppo-2017 eq.9
            if hp.entropy_coefficient:
                loss = loss - hp.entropy_coefficient * new.entropy().mean(1)
            parameters.backward(loss)
            grad_norm = grad_norm + clip_gradient(hp.max_grad_norm, parameters)
            optimizer.step(step_size, run.mask)
            value_loss, updates = value_loss + error.detach(), updates + 1

        with torch.no_grad():
            new = model.act(observation)
            ratio = (new.log_prob(action) - old_log_prob).exp()
            kl = old.kl(new).mean(1)
        if isinstance(hp.surrogate, AdaptiveKL):
            beta.copy_(adapted_beta(beta, kl, hp.surrogate.target))
        if isinstance(hp.step_size, KLTarget):
            kl_step_size.copy_(adapted_step_size(kl_step_size, kl, hp.step_size.target))
        run.log(
            policy_loss=-(ratio * standardized(advantage, 1e-8)).mean(1),
            value_loss=value_loss / updates,
            grad_norm=grad_norm / updates,
            entropy=new.entropy().mean(1),
            approx_kl=kl,
            clip_fraction=((ratio - 1).abs() > CLIP_FRACTION_AT).float().mean(1),
            explained_variance=explained_variance(old_value, target),
            value=old_value.mean(1),
            step_size=step_size,
            beta=beta,
        )
        run.evaluate(collector.actor(model))
