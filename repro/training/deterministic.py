"""Deterministic policies and action values of a stack, several networks a seed side by side.

K copies of a seed are one batched product: twin critics cost two products' time, not two calls'.
Parameters are [S, K, …]; activations inside [S·K, B, …].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from repro.errors import ReproError
from repro.training.environments import Box, Discrete
from repro.training.hparams import Choice, Count, Fraction, Natural, NonNegative
from repro.training.networks import ACTIVATIONS
from repro.training.rng import Streams


class FanIn(Choice, frozen=True, kw_only=True, tag="fan-in"):
    """Weights and biases uniform within ± 1/√(inputs of the layer): PyTorch's own."""

    def bound(self, inputs: int, last: bool) -> float:
        del last
        return 1 / math.sqrt(inputs)


class FanInLast(Choice, frozen=True, kw_only=True, tag="fan-in-last"):
    """As fan-in, the last layer within ± `last`."""

    last: NonNegative

    def bound(self, inputs: int, last: bool) -> float:
        return self.last if last else 1 / math.sqrt(inputs)


class ActionValueNetwork(Choice, frozen=True, kw_only=True, tag="mlp"):
    """action_layer: the layer that the action enters, 0 the first hidden one."""

    hidden: list[Count]
    activation: Literal["tanh", "relu"]
    action_layer: Natural

    def __post_init__(self) -> None:
        if self.action_layer > len(self.hidden):
            raise ValueError(
                f"action_layer: found {self.action_layer}, expected at most {len(self.hidden)}, "
                "the number of hidden layers"
            )


class BatchNormalization(Choice, frozen=True, kw_only=True, tag="inputs"):
    """The state input and every hidden layer before the action enters, before the activation.

    momentum: share of a batch's statistics in the running ones after an update.
    """

    momentum: Fraction
    epsilon: NonNegative


class Affine(nn.Module):
    """K linear layers a seed: weight [S, K, in, out], bias [S, K, 1, out]."""

    def __init__(self, inputs: int, outputs: int, copies: int, bound: float, streams: Streams):
        super().__init__()
        self.weight = nn.Parameter((streams.uniform(copies, inputs, outputs) * 2 - 1) * bound)
        self.bias = nn.Parameter((streams.uniform(copies, 1, outputs) * 2 - 1) * bound)

    def forward(self, x: Tensor, copies: int) -> Tensor:
        """x [S·copies, B, in] -> [S·copies, B, out], of the first `copies`."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if copies < weight.shape[1]:  # slicing costs as much as a small layer
            weight, bias = weight[:, :copies], bias[:, :copies]
        return torch.baddbmm(bias.flatten(0, 1), x, weight.flatten(0, 1))


class BatchNorm(nn.Module):
    """Batch normalisation; statistics over the batch alone, running ones [S, K, 1, F].

    The running statistics move only with `absorb`, so a forward pass changes nothing.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int, copies: int, seeds: int, settings: BatchNormalization):
        super().__init__()
        shape = (seeds, copies, 1, features)
        self.settings = settings
        self.scale, self.shift = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self._batch: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor, batch: bool) -> Tensor:
        """x [S·K, B, F] -> the same shape; batch: by the batch's statistics, else the running."""
        if batch:
            mean, variance = x.mean(1, keepdim=True), x.var(1, correction=0, keepdim=True)
            self._batch = mean.detach(), variance.detach()
        else:
            mean, variance = self.mean.flatten(0, 1), self.variance.flatten(0, 1)
        normal = (x - mean) * (variance + self.settings.epsilon).rsqrt()
        return normal * self.scale.flatten(0, 1) + self.shift.flatten(0, 1)

    def absorb(self, where: Tensor | None) -> None:
        """Take the last batch into the running statistics; where: bool [S], None for all."""
        assert self._batch is not None, "no batch was normalised yet"
        for running, latest in zip((self.mean, self.variance), self._batch, strict=True):
            moved = running.lerp(latest.view_as(running), self.settings.momentum)
            keep = moved if where is None else torch.where(where.view(-1, 1, 1, 1), moved, running)
            running.copy_(keep)


class Perceptrons(nn.Module):
    """K fully connected networks a seed; a second input may enter at `late_layer`.

    With `normalization`, inputs and hidden layers before `late_layer` (all, without one) are
    normalised over the batch.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: str,
        copies: int,
        initialization: FanIn | FanInLast,
        normalization: BatchNormalization | None,
        streams: Streams,
        late: int = 0,
        late_layer: int | None = None,
    ):
        super().__init__()
        self.copies, self.late_layer = copies, late_layer
        self.activation = ACTIVATIONS[activation]
        sizes = [inputs, *hidden, outputs]
        self.layers, self.norms = nn.ModuleList(), nn.ModuleList()
        self._affines: list[Affine] = []  # the same layers, without what a module adds to a call
        for i, width in enumerate(sizes[1:]):
            entering = sizes[i] + (late if i == late_layer else 0)
            bound = initialization.bound(entering, last=i == len(hidden))
            self._affines.append(Affine(entering, width, copies, bound, streams))
        self.layers.extend(self._affines)
        if normalization is not None:
            # Before layer 0, and on the hidden layers below the one that `late` enters.
            normal = sizes[: len(hidden) + 1 if late_layer is None else late_layer + 1]
            seeds = len(streams.generators)
            self.norms.extend(BatchNorm(n, copies, seeds, normalization) for n in normal)

    def forward(
        self, x: Tensor, late: Tensor | None = None, batch: bool = False, copies: int | None = None
    ) -> Tensor:
        """x [S, B, in], late [S, K or 1, B, late] -> [S, K, B, out].

        batch: normalise by the batch's statistics. copies: of the first so many networks alone.
        """
        S, K = len(x), copies or self.copies
        h = x.unsqueeze(1).expand(-1, K, -1, -1).flatten(0, 1)
        norms = list(self.norms)
        if norms:
            h = norms[0](h, batch)
        last = len(self._affines) - 1
        for i, layer in enumerate(self._affines):
            if late is not None and i == self.late_layer:
                h = torch.cat([h, late.expand(-1, K, -1, -1).flatten(0, 1)], dim=-1)
            h = layer.forward(h, K)
            if i + 1 < len(norms):
                h = norms[i + 1](h, batch)
            if i < last:
                h = self.activation(h)
        return h.unflatten(0, (S, K))

    def absorb(self, where: Tensor | None) -> None:
        """Take the last batch into every layer's running statistics; where: bool [S] or None."""
        for norm in self.norms:
            assert isinstance(norm, BatchNorm)
            norm.absorb(where)


class Bounds:
    """The interval of each action component, as tensors [A]: centre ± half."""

    def __init__(self, space: Box | Discrete, device: torch.device | str = "cpu"):
        if not isinstance(space, Box):
            raise ReproError(
                "this algorithm takes real-valued actions and the task's are discrete; "
                "choose another, such as --env Pendulum"
            )
        if not np.isfinite([space.low, space.high]).all():
            raise ReproError("this algorithm needs bounds on its actions, and the task gives none")
        self.low, self.high = (
            torch.from_numpy(side.reshape(-1).copy()).to(device) for side in (space.low, space.high)
        )
        self.centre, self.half = (self.low + self.high) / 2, (self.high - self.low) / 2

    def clip(self, action: Tensor) -> Tensor:
        """action [..., A], within the bounds."""
        return torch.minimum(torch.maximum(action, self.low), self.high)

    @property
    def size(self) -> int:
        return len(self.low)


class DeterministicPolicy(nn.Module):
    """μ(s): tanh of the last layer, spread over the bounds of the actions. K policies a seed."""

    def __init__(self, bounds: Bounds, network: Perceptrons):
        super().__init__()
        self.bounds, self.network = bounds, network

    def forward(self, observation: Tensor, batch: bool = False) -> Tensor:
        """observation [S, B, n] -> actions [S, K, B, A]; batch: see `Perceptrons`."""
        squashed = torch.tanh(self.network(observation, batch=batch))
        return self.bounds.centre + self.bounds.half * squashed

    def absorb(self, where: Tensor | None) -> None:
        self.network.absorb(where)


class ActionValue(nn.Module):
    """Q(s, a), K critics a seed."""

    def __init__(self, network: Perceptrons):
        super().__init__()
        self.network = network

    def forward(
        self, observation: Tensor, action: Tensor, batch: bool = False, copies: int | None = None
    ) -> Tensor:
        """observation [S, B, n], action [S, K or 1, B, A] -> [S, K, B]; see `Perceptrons`."""
        return self.network(observation, action, batch, copies).squeeze(-1)

    def absorb(self, where: Tensor | None) -> None:
        self.network.absorb(where)


def flat(array: np.ndarray) -> Tensor:
    """Observations or actions [S, B, *shape] of any number type, as float32 [S, B, n]."""
    return torch.from_numpy(array.astype(np.float32)).flatten(2)
