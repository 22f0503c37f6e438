"""Simple random search provides a competitive approach to reinforcement learning: ARS.

Mania, Guy & Recht 2018, arXiv:1803.07055. Card: papers/ars-2018.yaml. The trap: the survival
bonus of Hopper, Walker2d and Ant is taken off while directions are scored; with it, linear
policies learn to stand still. What is logged and evaluated has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repro.training.choices import Off
from repro.training.deterministic import Bounds
from repro.training.hparams import Choice, Count, NonNegative, Positive
from repro.training.hparams import HParams as Strict
from repro.training.optim import SGD, FlatParameters
from repro.training.run import Run

max_stack = 1  # a seed's directions are the batch; a generation of one is some ten seconds

Array = NDArray[np.float64]


class Every(Choice, frozen=True, kw_only=True, tag="all"):
    """V1, V2: every direction counts."""


class Best(Choice, frozen=True, kw_only=True, tag="best"):
    """V1-t, V2-t: the `count` directions whose better sign scored most."""

    count: Count  # b


class Deviation(Choice, frozen=True, kw_only=True, tag="std"):
    """Steps are divided by the standard deviation of the returns that enter them."""


class MeanStd(Choice, frozen=True, kw_only=True, tag="mean-std"):
    """V2: states less their mean, over their standard deviation, of all states in training."""


class HParams(Strict, frozen=True, kw_only=True):
    step_size: NonNegative  # α
    noise_std: Positive  # ν
    directions: Count  # N
    top_directions: Every | Best
    reward_scaling: Deviation | Off
    observation_normalization: MeanStd | Off
    alive_bonus: float

    def __post_init__(self) -> None:
        if isinstance(self.top_directions, Best) and self.top_directions.count > self.directions:
            raise ValueError(
                f"top_directions.count: found {self.top_directions.count}, expected at most "
                f"{self.directions}, the directions"
            )


class LinearPolicy(nn.Module):
    """M: one matrix a seed, [S, actions, observations], from zero."""

    def __init__(self, seeds: int, actions: int, observations: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(seeds, actions, observations, dtype=torch.float64))

    def matrices(self) -> Array:
        """M as it stands now, [S, 1, a, n]."""
        return self.weight.detach().unsqueeze(1).cpu().numpy()


class States:
    """How many states each seed met, their sum and sum of squares; V1 never looks at them."""

    smallest = 1e-8  # a variance below it counts as infinite, so that 0/0 is 0

    def __init__(self, seeds: int, observations: int, normalized: bool):
        self.normalized = normalized
        self.count = torch.zeros(seeds, 1, dtype=torch.float64)
        self.total, self.square = torch.zeros(2, seeds, observations, dtype=torch.float64)

    def add(self, states: Array, which: NDArray[np.bool_]) -> None:
        """states [S, E, n], of those `which` [S, E]."""
        seen = torch.from_numpy(np.where(which[..., None], states, 0.0))
        self.count += torch.from_numpy(which.sum(1, keepdims=True))
        self.total += seen.sum(1)
        self.square += seen.square().sum(1)

    def moments(self) -> tuple[Array, Array]:
        """Mean and standard deviation, each [S, 1, n]; 0 and 1 before any state, and for V1."""
        mean = self.total / self.count.clamp(min=1)
        variance = self.square / self.count.clamp(min=1) - mean.square()
        variance = torch.where(variance < self.smallest, torch.inf, variance)
        met = (self.count > 0) & self.normalized
        mean, std = torch.where(met, mean, 0.0), torch.where(met, variance.sqrt(), 1.0)
        return mean.unsqueeze(1).numpy(), std.unsqueeze(1).numpy()

    def state_dict(self) -> dict[str, Tensor]:
        return {"count": self.count, "total": self.total, "square": self.square}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            getattr(self, name).copy_(value)


def act(weight: Array, states: Array, mean: Array, std: Array) -> Array:
    """Actions [S, E, a] of the maps `weight` [S, E or 1, a, n] at states [S, E, n]."""
    return np.einsum("sean,sen->sea", weight, (states - mean) / std)


def chosen(plus: Array, minus: Array, top: Every | Best) -> NDArray[np.bool_]:
    """The directions that count, bool [S, N], by the better of both signs' returns [S, N]."""
    better = np.maximum(plus, minus)
    if isinstance(top, Every):
        return np.ones(better.shape, dtype=bool)
    rank = np.argsort(np.argsort(-better, axis=1, kind="stable"), axis=1)
    return rank < top.count


def ascent(plus: Array, minus: Array, delta: Array, hp: HParams) -> Array:
    """Where M goes, but for α: [S, a, n]; returns [S, N], directions delta [S, N, a, n]."""
    count = chosen(plus, minus, hp.top_directions)
    weight = np.where(count, plus - minus, 0.0) / count.sum(1, keepdims=True)
    if isinstance(hp.reward_scaling, Deviation):
        both = np.concatenate([plus, minus], axis=1)
        deviation = both.std(1, where=np.tile(count, 2), keepdims=True)
        weight = weight / np.where(deviation > 0, deviation, 1.0)  # all alike: no step at all
    return np.einsum("sk,skan->san", weight, delta)  # ars-2018 alg.2


def train(run: Run[HParams]) -> None:
    """Score random directions forwards and backwards by whole episodes; step along their mean."""
    hp, envs = run.hparams, run.make_envs(per_seed=2 * run.hparams.directions)
    actions, (observations,) = Bounds(envs.action_space, run.device).size, envs.observation_shape
    policy = LinearPolicy(envs.num_seeds, actions, observations).to(run.device)
    parameters = FlatParameters(policy)
    optimizer = SGD(parameters)
    states = States(envs.num_seeds, observations, isinstance(hp.observation_normalization, MeanStd))
    draws = run.rng("direction")
    run.keep(policy=policy, optimizer=optimizer, states=states)

    def greedy(observation: NDArray[Any], begins: NDArray[np.bool_]) -> Array:
        del begins  # the policy has no memory
        return act(policy.matrices(), observation, *states.moments())

    for _ in run.iterations():  # ars-2018 alg.1
        playing = np.repeat(run.active[:, None], envs.per_seed, axis=1)
        drawn = draws.normal(hp.directions, actions, observations, active=run.active)
        delta = drawn.double().cpu().numpy()
        tried = policy.matrices() + hp.noise_std * np.concatenate([delta, -delta], axis=1)
        moments, score = states.moments(), np.zeros(playing.shape)
        envs.reset(playing)
        while playing.any():
            states.add(envs.observation, playing)
            step = envs.step(act(tried, envs.observation, *moments), playing)
            score += np.where(playing, step.reward - hp.alive_bonus, 0.0)
            playing &= ~(step.terminated | step.truncated) & run.active[:, None]
        plus, minus = score[:, : hp.directions], score[:, hp.directions :]
        change = torch.from_numpy(ascent(plus, minus, delta, hp)).to(run.device)
        parameters.grad.copy_(-change.flatten(1))
        optimizer.step(hp.step_size, run.where(run.active))
        run.log(
            value=torch.from_numpy(score.mean(1)),
            best=torch.from_numpy(score.max(1)),
            deviation=torch.from_numpy(score.std(1)),
            grad_norm=parameters.grad_norm(),
            weight_norm=torch.linalg.vector_norm(parameters.data, dim=1),
        )
        run.evaluate(greedy)
