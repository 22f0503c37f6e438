"""Choices that many papers share, as hyperparameters: networks, normalisers, optimiser settings.

No paper of the list introduced them; what one did introduce lives in that paper's file.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from torch import Tensor

from repro.training.hparams import (
    Choice,
    Count,
    Decay,
    HParams,
    Natural,
    NonNegative,
    Positive,
)
from repro.training.networks import Initializer, normc, orthogonal
from repro.training.normalise import ObservationNormalizer, RewardNormalizer, RewardScale
from repro.training.optim import Adam, FlatParameters, RMSProp
from repro.training.recurrent import LSTM
from repro.training.rng import Streams
from repro.training.schedules import SignedSchedule


class Off(Choice, frozen=True, kw_only=True, tag="none"):
    """Not done."""


class AdamSettings(HParams, frozen=True, kw_only=True):
    """See `repro.training.optim.Adam`."""

    beta1: Decay
    beta2: Decay
    epsilon: NonNegative
    epsilon_hat: bool

    def make(self, parameters: FlatParameters) -> Adam:
        return Adam(parameters, **msgspec.structs.asdict(self))


class RMSPropSettings(HParams, frozen=True, kw_only=True):
    """See `repro.training.optim.RMSProp`."""

    decay: Decay
    epsilon: NonNegative
    epsilon_inside: bool
    initial_square: NonNegative
    centered: bool

    def make(self, parameters: FlatParameters) -> RMSProp:
        return RMSProp(parameters, **msgspec.structs.asdict(self))


class ChosenAdam(AdamSettings, frozen=True, kw_only=True, tag_field="kind", tag="adam"):
    """Adam where a paper's sets take one optimiser or another."""


class ChosenRMSProp(RMSPropSettings, frozen=True, kw_only=True, tag_field="kind", tag="rmsprop"):
    """RMSProp where a paper's sets take one optimiser or another."""


Optimizer = ChosenAdam | ChosenRMSProp


class GlobalNorm(Choice, frozen=True, kw_only=True, tag="global-norm"):
    """Each seed's gradient is scaled down to norm `max`."""

    max: Positive


def clip_gradient(choice: GlobalNorm | Off, parameters: FlatParameters) -> Tensor:
    """Clip where chosen; the gradient's norm before, [S]."""
    if isinstance(choice, GlobalNorm):
        return parameters.clip_grad_norm(choice.max)
    return parameters.grad_norm()


class FullyConnected(Choice, frozen=True, kw_only=True, tag="mlp"):
    """Separate networks for policy and value."""

    hidden: list[Count]
    activation: Literal["tanh", "relu"]


class Convolutional(Choice, frozen=True, kw_only=True, tag="conv"):
    """A convolutional torso that policy and value share, ReLU throughout."""

    channels: list[Count]
    kernels: list[Count]
    strides: list[Count]
    padding: list[Natural] | Literal["same"]
    hidden: Count

    def __post_init__(self) -> None:
        layers = [self.channels, self.kernels, self.strides]
        if self.padding != "same":
            layers.append(self.padding)
        if len(set(map(len, layers))) > 1:
            found = ", ".join(str(len(numbers)) for numbers in layers)
            raise ValueError(
                f"channels, kernels, strides, padding: found {found} numbers, expected one a layer"
            )


class Lstm(Choice, frozen=True, kw_only=True, tag="lstm"):
    """LSTM cells behind the last hidden layer: see `repro.training.recurrent.LSTM`.

    gain: of the orthogonal matrices that both weights start as.
    """

    cells: Count
    gain: NonNegative
    forget_bias: float

    def make(self, inputs: int, streams: Streams) -> LSTM:
        return LSTM(inputs, self.cells, orthogonal(self.gain), self.forget_bias, streams)


class Normc(Choice, frozen=True, kw_only=True, tag="normc"):
    """Gaussian columns scaled to these norms."""

    hidden: NonNegative
    policy: NonNegative
    value: NonNegative

    def initializer(self, part: Literal["hidden", "policy", "value"]) -> Initializer:
        return normc(getattr(self, part))


class Orthogonal(Choice, frozen=True, kw_only=True, tag="orthogonal"):
    """Orthogonal matrices with these gains."""

    hidden: NonNegative
    policy: NonNegative
    value: NonNegative

    def initializer(self, part: Literal["hidden", "policy", "value"]) -> Initializer:
        return orthogonal(getattr(self, part))


class Glorot(Choice, frozen=True, kw_only=True, tag="glorot"):
    """Weights uniform within ± √(6/(inputs + outputs)) of the layer, biases 0: TensorFlow's own."""


class LearntStd(Choice, frozen=True, kw_only=True, tag="learnt"):
    """log std of the Gaussian policy: one parameter an action, whatever the state."""

    initial: float


class SoftplusVariance(Choice, frozen=True, kw_only=True, tag="softplus"):
    """Variance of the Gaussian policy: log(1 + e^x) of an output x of its network, for all actions
    the same."""


class AnnealedStd(Choice, frozen=True, kw_only=True, tag="annealed"):
    """log std of the Gaussian policy: the same for all actions, on a schedule."""

    schedule: SignedSchedule


class RunningObservation(Choice, frozen=True, kw_only=True, tag="running"):
    """See `repro.training.normalise.ObservationNormalizer`.

    update: "step", when an observation is first seen, or "iteration", after each rollout.
    """

    update: Literal["step", "iteration"]
    clip: Positive
    prior_count: NonNegative
    variance_floor: NonNegative
    epsilon: NonNegative

    def make(self, seeds: int, shape: tuple[int, ...]) -> ObservationNormalizer:
        settings: dict[str, Any] = msgspec.to_builtins(self)
        del settings["kind"], settings["update"]
        return ObservationNormalizer(seeds, shape, **settings)


class ReturnStd(Choice, frozen=True, kw_only=True, tag="return-std"):
    """See `repro.training.normalise.RewardNormalizer`.

    reset: whether an episode's end zeroes the running return.
    """

    clip: Positive
    prior_count: NonNegative
    epsilon: NonNegative
    reset: Literal["episode", "never"]

    def make(self, seeds: int, per_seed: int, gamma: float) -> RewardNormalizer:
        return RewardNormalizer(
            seeds,
            per_seed,
            gamma,
            self.clip,
            self.prior_count,
            self.epsilon,
            reset=self.reset == "episode",
        )


class RewardFactor(Choice, frozen=True, kw_only=True, tag="factor"):
    """Every reward times one number, chosen beforehand."""

    factor: Positive

    def make(self, seeds: int, per_seed: int, gamma: float) -> RewardScale:
        del seeds, per_seed, gamma  # the same for all, and nothing is counted
        return RewardScale(self.factor)
