"""Optimisers of a stack: step size, step count and mask per seed.

The parameters of all modules lie in one tensor [S, P], so an update is a handful of operations
whatever the number of layers. A seed that is masked keeps its parameters, moments and step count
bit for bit (Adam would move on with a zero gradient, and NaN × 0 is NaN).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.adam import adam

FUSED = 1 << 16  # numbers of a seed from which on Adam leaves a step to Torch's kernel
LARGE = 1 << 20  # numbers from which on a step works on parts
PART = 1 << 16  # numbers of a part: 256 KB of each of its tensors


class FlatParameters:
    """The parameters of some modules as views of one tensor `data` [S, P]; `grad` likewise."""

    def __init__(self, *modules: nn.Module):
        self.parameters = [p for module in modules for p in module.parameters()]
        seeds = self.parameters[0].shape[0]
        self.data = torch.cat([p.detach().reshape(seeds, -1) for p in self.parameters], dim=1)
        self.grad = torch.zeros_like(self.data)
        self._grads: list[Tensor] = []  # views of `grad`, one a parameter
        begin = 0
        for p in self.parameters:
            end = begin + p[0].numel()
            p.data = self.data[:, begin:end].view(p.shape)
            self._grads.append(self.grad[:, begin:end].view(p.shape))
            begin = end

    def backward(self, loss: Tensor) -> None:
        """Set `grad` to the gradient of `loss`: one value a seed [S], or their sum.

        Seeds share no parameter, so the sum's gradient is each seed's own.
        """
        for place, grad in zip(self._grads, self._gradients(loss), strict=True):
            place.copy_(grad)

    def gradient(self, loss: Tensor, create_graph: bool = False) -> Tensor:
        """The gradient of `loss` [S], laid out like `data`, [S, P]; `grad` stays as it is.

        create_graph: it can be differentiated again (Hessian-vector products); the graph of
        `loss` is then kept.
        """
        grads = self._gradients(loss, create_graph)
        return torch.cat([g.reshape(len(self.data), -1) for g in grads], dim=1)

    def _gradients(self, loss: Tensor, create_graph: bool = False) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            loss.sum(),
            self.parameters,
            create_graph=create_graph,
            allow_unused=True,
            materialize_grads=True,
        )

    def named(self, module: nn.Module, flat: Tensor) -> dict[str, Tensor]:
        """`flat` [R, P] as the parameters of `module`, for torch.func.functional_call.

        Differentiable; R may differ from S (an adapted copy a task, say). Parameters of `module`
        that are not among these are left out.
        """
        names = {id(p): name for name, p in module.named_parameters()}
        sizes = [p[0].numel() for p in self.parameters]
        return {
            names[id(p)]: part.reshape(len(flat), *p.shape[1:])
            for p, part in zip(self.parameters, flat.split(sizes, dim=1), strict=True)
            if id(p) in names
        }

    def grad_norm(self) -> Tensor:
        """Euclidean norm of each seed's gradient, [S]."""
        return torch.linalg.vector_norm(self.grad, dim=1)

    def clip_grad_norm(self, maximum: float) -> Tensor:
        """Scale each seed's gradient to norm `maximum` where it is larger; norms before, [S]."""
        norm = self.grad_norm()
        # max/‖g‖ where the norm is above the maximum, else 1 (tf.clip_by_global_norm's form).
        self.grad.mul_((maximum / norm.clamp(min=maximum)).unsqueeze(1))
        return norm

    def finite(self) -> Tensor:
        """Whether all parameters of a seed are finite, bool [S]."""
        return self.data.isfinite().all(dim=1)


class SGD:
    """θ ← θ − α g, per seed."""

    def __init__(self, parameters: FlatParameters):
        self.parameters = parameters

    def step(self, step_size: float | Tensor, active: Tensor | None = None) -> None:
        """step_size: a number or [S]; active: bool [S], None for all."""
        change = column(step_size, self.parameters.data) * self.parameters.grad
        if active is not None:
            change = torch.where(active.unsqueeze(1), change, 0.0)
        self.parameters.data.sub_(change)

    def finite(self) -> Tensor:
        """Whether all parameters of a seed are finite, bool [S]."""
        return self.parameters.finite()

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        del state


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1), per seed.

    epsilon_hat: ε is added to √v before the bias correction, as TensorFlow and openai/baselines'
    MpiAdam do (end of the Adam paper's section 2); a thirty times larger ε at the first steps.
    """

    def __init__(
        self,
        parameters: FlatParameters,
        beta1: float,
        beta2: float,
        epsilon: float,
        epsilon_hat: bool,
    ):
        self.parameters = parameters
        self.beta1, self.beta2 = beta1, beta2
        self.epsilon, self.epsilon_hat = epsilon, epsilon_hat
        self.m = torch.zeros_like(parameters.data)
        self.v = torch.zeros_like(parameters.data)
        self.t = torch.zeros(len(self.m), 1, dtype=torch.float64)  # on the CPU wherever the rest is
        self._denominator = torch.empty_like(self.m)

    def step(self, step_size: float | Tensor, active: Tensor | None = None) -> None:
        """One step with `step_size`, a number or [S]; active: bool [S], None for all."""
        data, grad = self.parameters.data, self.parameters.grad
        if data.shape[1] >= FUSED and not data.is_cuda:
            return self._fused(torch.as_tensor(step_size).expand(len(data)).tolist(), active)
        if active is not None:
            before = data.clone(), self.m.clone(), self.v.clone(), self.t.clone()
        self.t += 1
        t = self.t.numpy()  # a few numbers: numpy's operations take a fifth of a tensor's time
        correction1, correction2 = 1 - self.beta1**t, np.sqrt(1 - self.beta2**t)
        # m/c1 / (√v/c2 + ε) = m · (c2/c1) / (√v + ε·c2); with ε̂ the last ε is not scaled.
        epsilon: float | Tensor = self.epsilon
        if not self.epsilon_hat:
            epsilon = _row_factors(self.epsilon * correction2, data)
        scale = -column(step_size, self.t).numpy() * correction2 / correction1
        factor = _row_factors(scale, data)
        self.m.lerp_(grad, 1 - self.beta1)
        self.v.mul_(self.beta2).addcmul_(grad, grad, value=1 - self.beta2)
        denominator = torch.sqrt(self.v, out=self._denominator)
        denominator.add_(epsilon)
        torch.div(self.m, denominator, out=denominator)
        data.addcmul_(denominator, factor)
        if active is not None:
            keep = ~active.unsqueeze(1)
            for now, old in zip((data, self.m, self.v, self.t), before, strict=True):
                now.copy_(torch.where(keep.to(now.device), old, now))

    def _fused(self, step_sizes: list[float], active: Tensor | None) -> None:
        """The same seed by seed: Torch's kernel reads a large network's numbers once.

        It has one step count and step size a call, and no ε̂: ε̂ over the bias correction is its ε.
        """
        data, grad = self.parameters.data, self.parameters.grad
        for s, size in enumerate(step_sizes):
            if active is not None and not active[s]:
                continue
            epsilon = self.epsilon
            if self.epsilon_hat:
                epsilon /= math.sqrt(1 - self.beta2 ** (float(self.t[s]) + 1))
            with torch.no_grad():
                adam(
                    [data[s]], [grad[s]], [self.m[s]], [self.v[s]], [], [self.t[s, 0]],
                    fused=True, amsgrad=False, beta1=self.beta1, beta2=self.beta2, lr=size,
                    weight_decay=0.0, eps=epsilon, maximize=False,
                )  # fmt: skip

    def finite(self) -> Tensor:
        """Whether all parameters of a seed are finite, bool [S]."""
        return self.parameters.finite()

    def state_dict(self) -> dict[str, Tensor]:
        return {"m": self.m, "v": self.v, "t": self.t}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            getattr(self, name).copy_(value)


class RMSProp:
    """RMSProp (Tieleman & Hinton 2012, lecture 6.5), per seed: no bias correction, no momentum.

    The step is g over √(square + ε), square being the running mean of g², with `epsilon_inside`
    (A3C's paper, TensorFlow, Nature's DQN), else over √square + ε (PyTorch).
    centered: square − mean² takes the place of square. initial_square: where square starts, 1 in
    TensorFlow (small first steps), 0 elsewhere (first steps of 1/√(1 − decay) times the step size).
    """

    def __init__(
        self,
        parameters: FlatParameters,
        decay: float,
        epsilon: float,
        epsilon_inside: bool,
        initial_square: float,
        centered: bool,
    ):
        self.parameters = parameters
        self.decay, self.epsilon, self.epsilon_inside = decay, epsilon, epsilon_inside
        self.square = torch.full_like(parameters.data, initial_square)
        self.mean = torch.zeros_like(parameters.data) if centered else None

    def step(self, step_size: float | Tensor, active: Tensor | None = None) -> None:
        """One step with `step_size`, a number or [S]; active: bool [S], None for all."""
        data, grad = self.parameters.data, self.parameters.grad
        changed = [data, *self.state_dict().values()]
        before = [] if active is None else [value.clone() for value in changed]
        rate = column(step_size, data)
        means = grad if self.mean is None else self.mean  # without one it is not looked at
        for square, mean, g, parameters in _parts(self.square, means, grad, data):
            square.mul_(self.decay).addcmul_(g, g, value=1 - self.decay)
            variance = square
            if self.mean is not None:
                mean.lerp_(g, 1 - self.decay)
                # Rounding can leave a variance of nothing below zero.
                variance = torch.addcmul(square, mean, mean, value=-1).clamp_(min=0.0)
            if self.epsilon_inside:
                denominator = (variance + self.epsilon).sqrt_()
            else:
                denominator = variance.sqrt().add_(self.epsilon)
            parameters.sub_(torch.div(g, denominator, out=denominator).mul_(rate))
        if active is not None:
            for now, old in zip(changed, before, strict=True):
                now.copy_(torch.where(active.unsqueeze(1), now, old))

    def finite(self) -> Tensor:
        """Whether all parameters of a seed are finite, bool [S]."""
        return self.parameters.finite()

    def state_dict(self) -> dict[str, Tensor]:
        state = {"square": self.square}
        return state if self.mean is None else {**state, "mean": self.mean}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            getattr(self, name).copy_(value)


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors [S, P], large ones a range of columns at a time.

    What a step works on then stays in a core's cache through all its operations; with four
    million numbers it takes half the time. A GPU takes them at once.
    """
    seeds, numbers = tensors[0].shape
    if seeds * numbers <= LARGE or tensors[0].is_cuda:
        yield tensors
        return
    width = max(PART // seeds, 1)
    for begin in range(0, numbers, width):
        yield tuple(tensor[:, begin : begin + width] for tensor in tensors)


def column(value: float | Tensor, like: Tensor) -> Tensor:
    """A number or [S] as a column [S, 1] (or [1, 1]) that broadcasts over parameters."""
    return torch.as_tensor(value, dtype=like.dtype, device=like.device).reshape(-1, 1)


def _row_factors(values: NDArray[np.float64], like: Tensor) -> Tensor:
    """Numbers [S, 1] as a tensor of the type and on the device of the parameters."""
    return torch.from_numpy(values).to(like)
