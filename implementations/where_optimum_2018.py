"""Where Did My Optimum Go?: optimisers in policy gradient methods (Henderson et al. 2018).

arXiv:1810.02525. Card: papers/where-optimum-2018.yaml. `train` is PPO's own, with another
optimiser where one is chosen. The trap: gradients are clipped at norm 0.5 before they reach the
optimiser, so that step sizes of Adam and of gradient descent are not to be compared.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from implementations import ppo_2017
from repro.training.choices import ChosenAdam
from repro.training.hparams import Choice, Decay, NonNegative
from repro.training.optim import FlatParameters, column
from repro.training.run import Run


class SGD(Choice, frozen=True, kw_only=True, tag="sgd"):
    """Gradient descent; momentum 0 is none."""

    momentum: Decay

    def make(self, parameters: FlatParameters) -> Momentum:
        return Momentum(parameters, self.momentum)


class AMSGrad(Choice, frozen=True, kw_only=True, tag="amsgrad"):
    """Adam over the largest mean square so far (Reddi et al. 2018)."""

    beta1: Decay
    beta2: Decay
    epsilon: NonNegative

    def make(self, parameters: FlatParameters) -> LargestSquare:
        return LargestSquare(parameters, self.beta1, self.beta2, self.epsilon)


class HParams(ppo_2017.HParams, frozen=True, kw_only=True, rename={"adam": "optimizer"}):
    """PPO's, with a choice where it has Adam."""

    adam: ChosenAdam | SGD | AMSGrad  # type: ignore[assignment]  # what PPO calls Adam


class Momentum:
    """b ← μ b + g, θ ← θ − α b, per seed (Polyak 1964, as torch.optim.SGD has it)."""

    def __init__(self, parameters: FlatParameters, momentum: float):
        self.parameters, self.momentum = parameters, momentum
        self.velocity = torch.zeros_like(parameters.data)

    def step(self, step_size: float | Tensor, active: Tensor | None = None) -> None:
        """step_size: a number or [S]; active: bool [S], None for all."""
        rows = chosen(active)
        self.velocity[rows] = self.momentum * self.velocity[rows] + self.parameters.grad[rows]
        change = column(step_size, self.velocity) * self.velocity
        self.parameters.data[rows] -= change[rows]

    def finite(self) -> Tensor:
        """Whether all parameters of a seed are finite, bool [S]."""
        return self.parameters.finite()

    def state_dict(self) -> dict[str, Tensor]:
        return {"velocity": self.velocity}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.velocity.copy_(state["velocity"])


class LargestSquare:
    """AMSGrad per seed, both moments corrected for their start as torch.optim.Adam does it."""

    def __init__(self, parameters: FlatParameters, beta1: float, beta2: float, epsilon: float):
        self.parameters = parameters
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        zero = torch.zeros_like(parameters.data)
        self.mean, self.square, self.largest = zero, zero.clone(), zero.clone()
        self.steps = zero.new_zeros(len(zero), 1)

    def step(self, step_size: float | Tensor, active: Tensor | None = None) -> None:
        """step_size: a number or [S]; active: bool [S], None for all."""
        rows, g = chosen(active), self.parameters.grad
        self.steps[rows] += 1
        self.mean[rows] = torch.lerp(self.mean, g, 1 - self.beta1)[rows]
        self.square[rows] = torch.lerp(self.square, g.square(), 1 - self.beta2)[rows]
        self.largest[rows] = torch.maximum(self.largest, self.square)[rows]
        mean = self.mean / (1 - self.beta1**self.steps)
        root = (self.largest / (1 - self.beta2**self.steps)).sqrt()
        change = column(step_size, mean) * mean / (root + self.epsilon)
        self.parameters.data[rows] -= change[rows]

    def finite(self) -> Tensor:
        """Whether all parameters of a seed are finite, bool [S]."""
        return self.parameters.finite()

    def state_dict(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in ("mean", "square", "largest", "steps")}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            getattr(self, name).copy_(value)


def chosen(active: Tensor | None) -> Any:
    """An index of the active seeds' rows."""
    return slice(None) if active is None else active


WAITING = {"a2c": "only the paper's runs of PPO are made here; the set ppo runs"}


def train(run: Run[HParams]) -> None:
    """PPO's training; its optimiser is made by whatever stands in Adam's place."""
    of_ppo: Any = run
    ppo_2017.train(of_ppo)  # ppo-2017 alg.1
