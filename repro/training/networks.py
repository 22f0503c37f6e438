"""Networks of a stack: every parameter and every activation has the seed on axis 0.

A layer maps [S, B, in] to [S, B, out] by one batched matrix product, so ten seeds cost little
more than one where a layer is small. Seeds never mix: seed k's output depends on seed k's
parameters and inputs alone, and a NaN stays in its seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.training.rng import Streams


class Initializer(Protocol):
    """Weights [S, inputs, outputs]; a convolution's `inputs` are those of all `area` pixels."""

    def __call__(self, inputs: int, outputs: int, streams: Streams, area: int = 1, /) -> Tensor: ...


# In place: what a layer gives is used by nothing else, and needs no second block of memory.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh_,
    "relu": torch.relu_,
}


def normc(scale: float) -> Initializer:
    """Gaussian weights whose columns (one per output) have norm `scale` (openai/baselines)."""

    def draw(inputs: int, outputs: int, streams: Streams, area: int = 1) -> Tensor:
        weight = streams.normal(inputs, outputs)
        return weight * (scale / weight.square().sum(dim=1, keepdim=True).sqrt())

    return draw


def orthogonal(gain: float) -> Initializer:
    """Orthonormal rows or columns (whichever is shorter) times `gain` (Saxe et al. 2014)."""

    def draw(inputs: int, outputs: int, streams: Streams, area: int = 1) -> Tensor:
        tall = streams.normal(max(inputs, outputs), min(inputs, outputs))
        q, r = torch.linalg.qr(tall)
        # The sign of R's diagonal makes the decomposition unique, hence q uniformly distributed.
        q = q * torch.diagonal(r, dim1=1, dim2=2).sign().unsqueeze(1)
        return gain * (q if inputs >= outputs else q.transpose(1, 2)).contiguous()

    return draw


def fan_in(inputs: int, outputs: int, streams: Streams, area: int = 1) -> Tensor:
    """Uniform within ± 1/√inputs: Torch's own; its biases too, see `draw_biases`."""
    return (2 * streams.uniform(inputs, outputs) - 1) / math.sqrt(inputs)


def glorot(inputs: int, outputs: int, streams: Streams, area: int = 1) -> Tensor:
    """Uniform within ± √(6/(inputs + outputs)) (Glorot & Bengio 2010): TensorFlow's own."""
    bound = math.sqrt(6 / (inputs + outputs * area))
    return bound * (2 * streams.uniform(inputs, outputs) - 1)


class Activation(nn.Module):
    """An activation as a module, where a network does not end with a linear layer."""

    def __init__(self, name: str):
        super().__init__()
        self.function = ACTIVATIONS[name]

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


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
        return self.plain()(x)

    def plain(self) -> Callable[[Tensor], Tensor]:
        """`forward` as a function of the tensors that the parameters are now.

        On small batches looking them up, and calling modules, takes as long as the products.
        """
        activation = self.activation
        layers = [(m.weight, m.bias) for m in self.layers if isinstance(m, Linear)]
        *hidden, (last_weight, last_bias) = layers

        def forward(x: Tensor) -> Tensor:
            for weight, bias in hidden:
                x = activation(torch.baddbmm(bias, x, weight))
            return torch.baddbmm(last_bias, x, last_weight)

        return forward


def parameters_per_seed(module: nn.Module) -> int:
    """Number of parameters of one seed's network."""
    return sum(p[0].numel() for p in module.parameters())


class ConvTorso(nn.Module):
    """Convolutions, then one fully connected layer, each followed by a ReLU.

    Images [S, B, C, H, W] as bytes or numbers in [0, 255]; they are divided by 255. One
    convolution a seed: on a CPU that beats a grouped convolution. padding: zeros on every side of
    each layer's image, or "same": as few as keep every pixel, the odd one right and below
    (TensorFlow's). weights: [S, out, height, width, in]; with channels last in memory, images and
    weights alike, forward and backward pass together take two thirds of the time.
    """

    def __init__(
        self,
        image: tuple[int, ...],
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        padding: Sequence[int] | Literal["same"],
        hidden: int,
        initializer: Initializer,
        streams: Streams,
    ):
        super().__init__()
        inputs, height, width = image
        self.strides, self.pads = list(strides), []
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        around: Sequence[int | Literal["same"]] = (
            ["same"] * len(strides) if padding == "same" else padding
        )
        for outputs, kernel, stride, zeros in zip(channels, kernels, strides, around, strict=True):
            area = kernel * kernel
            flat = initializer(inputs * area, outputs, streams, area)
            weight = flat.transpose(1, 2).reshape(-1, outputs, inputs, kernel, kernel)
            self.weights.append(nn.Parameter(weight.permute(0, 1, 3, 4, 2).contiguous()))
            self.biases.append(nn.Parameter(weight.new_zeros(len(weight), outputs)))
            inputs = outputs
            left, right = padded(width, kernel, stride, zeros)
            top, bottom = padded(height, kernel, stride, zeros)
            self.pads.append((left, right, top, bottom))
            width = (left + width + right - kernel) // stride + 1
            height = (top + height + bottom - kernel) // stride + 1
        # Looking parameters up in their lists took 80 µs of every pass.
        self._layers = list(zip(self.weights, self.biases, self.strides, self.pads, strict=True))
        self.output = Linear(inputs * height * width, hidden, initializer, streams)

    def forward(self, x: Tensor) -> Tensor:
        """x [S, B, C, H, W] -> [S, B, hidden]."""
        features = [self._features(images, seed) for seed, images in enumerate(x)]
        return torch.relu(self.output(torch.stack(features)))

    def _features(self, images: Tensor, seed: int) -> Tensor:
        """images [B, C, H, W] of one seed -> [B, what the last layer takes]."""
        # Channel by channel takes a third of the time of `contiguous(channels_last)`.
        x = torch.stack(images.unbind(1), dim=-1).float().permute(0, 3, 1, 2)
        for weight, bias, stride, (left, right, top, bottom) in self._layers:
            if left != right or top != bottom:  # a convolution pads both sides alike
                x = F.pad(x, (left, right, top, bottom))
                left = top = 0
            kernel = weight[seed].permute(0, 3, 1, 2)
            if weight is self._layers[0][0]:
                kernel = kernel / 255.0  # fewer numbers than the images have
            x = F.conv2d(x, kernel, bias[seed], stride, (top, left)).relu_()
        return x.permute(0, 2, 3, 1).flatten(1)  # as it lies in memory


def padded(side: int, kernel: int, stride: int, padding: int | Literal["same"]) -> tuple[int, int]:
    """Zeros before and after an image's `side` pixels, as `ConvTorso` says."""
    if padding != "same":
        return padding, padding
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def draw_biases(module: nn.Module, streams: Streams) -> None:
    """Every bias of `module` uniform within ± 1/√(inputs of its layer), as Torch draws them."""
    pairs = [(m.weight, m.bias) for m in module.modules() if isinstance(m, Linear)]
    for torso in module.modules():
        if isinstance(torso, ConvTorso):
            pairs += zip(torso.weights, torso.biases, strict=True)
    with torch.no_grad():
        for weight, bias in pairs:
            inputs = weight[0].numel() // bias[0].numel()
            bias.copy_(fan_in(inputs, bias[0].numel(), streams)[:, 0].view_as(bias))
