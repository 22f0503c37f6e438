"""Stochastic policies of a stack, and their distributions.

Noise is drawn in blocks, per seed, before it is needed (`Policy.noise`); `sample` is then a
deterministic function of it. Shapes: S seeds, B batch, A action dimensions or choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from repro.training.networks import MLP
from repro.training.rng import Mask, Streams

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Independent normal action components: mean [S, B, A], log_std [S, 1, A] or [S, B, A]."""

    mean: Tensor
    log_std: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Actions [S, B, A] from standard normal noise of the same shape."""
        return torch.addcmul(self.mean, self.log_std.exp(), noise)

    def mode(self) -> Tensor:
        return self.mean

    @property
    def statistic(self) -> Tensor:
        """What differs from sample to sample, [S, B, A]; `replaced` takes a part of it back."""
        return self.mean

    def replaced(self, statistic: Tensor) -> Gaussian:
        return Gaussian(statistic, self.log_std)

    def frozen(self) -> Gaussian:
        """A copy that neither gradients nor later changes of the parameters reach."""
        return Gaussian(self.mean.detach().clone(), self.log_std.detach().clone())

    def log_prob(self, action: Tensor) -> Tensor:
        """log density of `action` [S, B, A] -> [S, B]."""
        z = (action - self.mean) * (-self.log_std).exp()
        constant = self.log_std.sum(-1) + 0.5 * LOG_2PI * self.mean.shape[-1]
        return -0.5 * z.square().sum(-1) - constant

    def entropy(self) -> Tensor:
        """Differential entropy in nats, [S, 1] or [S, B] as log_std is."""
        return self.log_std.sum(-1) + 0.5 * (LOG_2PI + 1) * self.mean.shape[-1]

    def kl(self, other: Distribution) -> Tensor:
        """KL(self ‖ other) in nats, [S, B]; other is a Gaussian too."""
        assert isinstance(other, Gaussian)
        ratio = ((self.log_std - other.log_std) * 2).exp()
        shift = ((self.mean - other.mean) * (-other.log_std).exp()).square()
        return (0.5 * (ratio + shift - 1) + other.log_std - self.log_std).sum(-1)


@dataclass(frozen=True, slots=True)
class Categorical:
    """A choice among A actions: log_probs [S, B, A], normalised."""

    log_probs: Tensor

    @classmethod
    def from_logits(cls, logits: Tensor) -> Categorical:
        return cls(logits.log_softmax(-1))

    def sample(self, noise: Tensor) -> Tensor:
        """Actions [S, B] (int64) from uniform noise [S, B] by the inverse of the distribution."""
        below = self.log_probs.exp().cumsum(-1) <= noise.unsqueeze(-1)
        # Rounding can leave the last cumulative sum below the noise.
        return below.sum(-1).clamp_(max=self.log_probs.shape[-1] - 1)

    def mode(self) -> Tensor:
        return self.log_probs.argmax(-1)

    @property
    def statistic(self) -> Tensor:
        """What differs from sample to sample, [S, B, A]; `replaced` takes a part of it back."""
        return self.log_probs

    def replaced(self, statistic: Tensor) -> Categorical:
        return Categorical(statistic)

    def frozen(self) -> Categorical:
        """A copy that neither gradients nor later changes of the parameters reach."""
        return Categorical(self.log_probs.detach().clone())

    def log_prob(self, action: Tensor) -> Tensor:
        """log probability of `action` [S, B] (any number type) -> [S, B]."""
        return self.log_probs.gather(-1, action.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """Entropy in nats, [S, B]."""
        return -(self.log_probs.exp() * self.log_probs).sum(-1)

    def kl(self, other: Distribution) -> Tensor:
        """KL(self ‖ other) in nats, [S, B]; other is a Categorical too."""
        assert isinstance(other, Categorical)
        return (self.log_probs.exp() * (self.log_probs - other.log_probs)).sum(-1)


Distribution = Gaussian | Categorical
Sampler = Callable[[Tensor, Tensor], Tensor]  # observations, noise -> actions, all [S, B, ...]


class GaussianPolicy(nn.Module):
    """A Gaussian whose mean is a network's output and whose log std does not depend on the state.

    `log_std` is a learnt parameter [S, 1, A], or a buffer that `set_log_std` anneals.
    """

    def __init__(self, mean: MLP, num_actions: int, log_std: float, learnt: bool, seeds: int):
        super().__init__()
        self.mean = mean
        value = torch.full((seeds, 1, num_actions), float(log_std))
        if learnt:
            self.log_std = nn.Parameter(value)
        else:
            self.register_buffer("log_std", value)

    def forward(self, observation: Tensor) -> Gaussian:
        """observation [S, B, *shape] -> distribution over [S, B, A]."""
        return Gaussian(self.mean(observation), self.log_std)

    def sampler(self) -> Sampler:
        """`forward(observation).sample(noise)` while the parameters stay as they are."""
        mean, std = self.mean.plain(), self.log_std.exp()
        return lambda observation, noise: torch.addcmul(mean(observation), std, noise)

    def set_log_std(self, value: Tensor) -> None:
        """Anneal: value [S], the same for all actions of a seed."""
        with torch.no_grad():
            self.log_std.copy_(value.reshape(-1, 1, 1).expand_as(self.log_std))

    def noise(self, streams: Streams, *shape: int, active: Mask = None) -> Tensor:
        """Noise for actions of `shape`: standard normal [S, *shape, A]."""
        return streams.normal(*shape, self.log_std.shape[-1], active=active)


class SoftplusGaussianPolicy(nn.Module):
    """A Gaussian whose mean and variance are a network's outputs; one variance for all actions.

    The last output x gives the variance log(1 + e^x).
    """

    def __init__(self, outputs: MLP, num_actions: int):
        super().__init__()
        self.outputs, self.num_actions = outputs, num_actions

    def forward(self, observation: Tensor) -> Gaussian:
        """observation [S, B, *shape] -> distribution over [S, B, A]."""
        return self._gaussian(self.outputs(observation))

    def sampler(self) -> Sampler:
        """`forward(observation).sample(noise)` while the parameters stay as they are."""
        outputs = self.outputs.plain()
        return lambda observation, noise: self._gaussian(outputs(observation)).sample(noise)

    def _gaussian(self, outputs: Tensor) -> Gaussian:
        mean, raw = outputs[..., :-1], outputs[..., -1:]
        return Gaussian(mean, (0.5 * F.softplus(raw).log()).expand_as(mean))

    def noise(self, streams: Streams, *shape: int, active: Mask = None) -> Tensor:
        """Noise for actions of `shape`: standard normal [S, *shape, A]."""
        return streams.normal(*shape, self.num_actions, active=active)


class CategoricalPolicy(nn.Module):
    """A softmax over a network's outputs."""

    def __init__(self, logits: MLP):
        super().__init__()
        self.logits = logits

    def forward(self, observation: Tensor) -> Categorical:
        """observation [S, B, *shape] -> distribution over A choices."""
        return Categorical.from_logits(self.logits(observation))

    def sampler(self) -> Sampler:
        """`forward(observation).sample(noise)` while the parameters stay as they are."""
        logits = self.logits.plain()
        return lambda observation, noise: Categorical.from_logits(logits(observation)).sample(noise)

    def noise(self, streams: Streams, *shape: int, active: Mask = None) -> Tensor:
        """Noise for actions of `shape`: uniform [S, *shape]."""
        return streams.uniform(*shape, active=active)


Policy = GaussianPolicy | SoftplusGaussianPolicy | CategoricalPolicy
