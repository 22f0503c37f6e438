"""Networks of a stack: every parameter and every activation has the seed on axis 0.

A layer maps [S, B, in] to [S, B, out] by one batched matrix product, so ten seeds cost little
more than one where a layer is small. Seeds never mix: seed k's output depends on seed k's
parameters and inputs alone, and a NaN stays in its seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.training.rng import Streams

Initializer = Callable[[int, int, Streams], Tensor]  # (inputs, outputs, streams) -> [S, in, out]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
}


def normc(scale: float) -> Initializer:
    """Gaussian weights whose columns (one per output) have norm `scale` (openai/baselines)."""

    def draw(inputs: int, outputs: int, streams: Streams) -> Tensor:
        weight = streams.normal(inputs, outputs)
        return weight * (scale / weight.square().sum(dim=1, keepdim=True).sqrt())

    return draw


def orthogonal(gain: float) -> Initializer:
    """Orthonormal rows or columns (whichever is shorter) times `gain` (Saxe et al. 2014)."""

    def draw(inputs: int, outputs: int, streams: Streams) -> Tensor:
        tall = streams.normal(max(inputs, outputs), min(inputs, outputs))
        q, r = torch.linalg.qr(tall)
        # The sign of R's diagonal makes the decomposition unique, hence q uniformly distributed.
        q = q * torch.diagonal(r, dim1=1, dim2=2).sign().unsqueeze(1)
        return gain * (q if inputs >= outputs else q.transpose(1, 2)).contiguous()

    return draw


class Linear(nn.Module):
    """y = x W + b with W [S, in, out], b [S, 1, out]; biases start at zero."""

    def __init__(self, inputs: int, outputs: int, initializer: Initializer, streams: Streams):
        super().__init__()
        self.weight = nn.Parameter(initializer(inputs, outputs, streams))
        self.bias = nn.Parameter(self.weight.new_zeros(self.weight.shape[0], 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """x [S, B, in] -> [S, B, out]."""
        return torch.baddbmm(self.bias, x, self.weight)


class MLP(nn.Module):
    """Fully connected layers with an activation between them, none after the last."""

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str,
        hidden: Initializer,
        output: Initializer,
        streams: Streams,
    ):
        super().__init__()
        pairs = list(itertools.pairwise(sizes))
        initializers = [hidden] * (len(pairs) - 1) + [output]
        self.layers = nn.ModuleList(
            Linear(i, o, init, streams) for (i, o), init in zip(pairs, initializers, strict=True)
        )
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """x [S, B, sizes[0]] -> [S, B, sizes[-1]]."""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


def parameters_per_seed(module: nn.Module) -> int:
    """Number of parameters of one seed's network."""
    return sum(p[0].numel() for p in module.parameters())


class ConvTorso(nn.Module):
    """Convolutions, then one fully connected layer, each followed by a ReLU.

    Images [S, B, C, H, W] as bytes or numbers in [0, 255]; they are divided by 255. One
    convolution a seed: on a CPU that beats a grouped convolution.
    """

    def __init__(
        self,
        image: tuple[int, ...],
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        hidden: int,
        initializer: Initializer,
        streams: Streams,
    ):
        super().__init__()
        inputs, height, width = image
        self.strides = list(strides)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for outputs, kernel, stride in zip(channels, kernels, strides, strict=True):
            flat = initializer(inputs * kernel * kernel, outputs, streams)
            weight = flat.transpose(1, 2).reshape(-1, outputs, inputs, kernel, kernel)
            self.weights.append(nn.Parameter(weight.contiguous()))
            self.biases.append(nn.Parameter(weight.new_zeros(len(weight), outputs)))
            inputs = outputs
            height, width = ((side - kernel) // stride + 1 for side in (height, width))
        self.output = Linear(inputs * height * width, hidden, initializer, streams)

    def forward(self, x: Tensor) -> Tensor:
        """x [S, B, C, H, W] -> [S, B, hidden]."""
        x = x.float() / 255.0
        for weight, bias, stride in zip(self.weights, self.biases, self.strides, strict=True):
            rows = zip(x, weight, bias, strict=True)
            x = torch.relu(torch.stack([F.conv2d(i, w, b, stride) for i, w, b in rows]))
        return torch.relu(self.output(x.flatten(2)))
