"""Running normalisers of a stack, with the semantics of the papers' code, in float64.

Not Gymnasium's: its reward normaliser treats episode ends otherwise (a terminal reward enters the
statistics bare), and neither of its normalisers is saved with the model.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


class RunningMoments:
    """Mean and variance of everything seen so far, per seed.

    The prior (mean 0, variance 1) has the weight of `prior_count` samples: 1e-4 in baselines'
    RunningMeanStd, 1e-2 in its MpiRunningMeanStd.
    """

    def __init__(self, seeds: int, shape: tuple[int, ...], prior_count: float):
        self.mean = np.zeros((seeds, *shape))
        self.variance = np.ones((seeds, *shape))
        self.count = np.full(seeds, float(prior_count))

    def update(self, batch: Array, active: NDArray[np.bool_] | None = None) -> None:
        """Add `batch` [S, B, *shape] (Chan et al. 1979, the parallel form)."""
        n = batch.shape[1]
        count = self.count.reshape(-1, *[1] * (self.mean.ndim - 1))
        total = count + n
        if n == 1:
            delta = batch[:, 0] - self.mean
            within = 0.0
        else:
            batch_mean = batch.mean(axis=1)
            within = np.square(batch - batch_mean[:, None]).sum(axis=1)
            delta = batch_mean - self.mean
        mean = self.mean + delta * (n / total)
        variance = (self.variance * count + within + delta * delta * (count * n / total)) / total
        if active is None:
            self.mean, self.variance = mean, variance
            self.count = self.count + n
        else:
            keep = active.reshape(count.shape)
            self.mean = np.where(keep, mean, self.mean)
            self.variance = np.where(keep, variance, self.variance)
            self.count = np.where(active, self.count + n, self.count)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(np.array(value)) for name, value in vars(self).items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            setattr(self, name, value.numpy().copy())


class ObservationNormalizer:
    """Observations minus their running mean, over their running standard deviation, clipped.

    The denominator is √(max(variance, variance_floor) + epsilon).
    """

    def __init__(
        self,
        seeds: int,
        shape: tuple[int, ...],
        clip: float,
        prior_count: float,
        variance_floor: float,
        epsilon: float,
    ):
        self.moments = RunningMoments(seeds, shape, prior_count)
        self.clip, self.variance_floor, self.epsilon = clip, variance_floor, epsilon
        self._prepare()

    def update(self, observations: Array, active: NDArray[np.bool_] | None = None) -> None:
        """Add raw observations [S, B, *shape] to the statistics."""
        self.moments.update(observations, active)
        self._prepare()

    def __call__(self, observations: Array) -> Array:
        """Normalise raw observations [S, B, *shape]; the statistics stay as they are."""
        out = observations - self._mean
        out *= self._scale
        # np.clip costs three times as much on small arrays.
        np.minimum(out, self.clip, out=out)
        np.maximum(out, -self.clip, out=out)
        return out

    def _prepare(self) -> None:
        variance = np.maximum(self.moments.variance, self.variance_floor)
        self._mean = self.moments.mean[:, None]
        self._scale = 1.0 / np.sqrt(variance + self.epsilon)[:, None]

    def state_dict(self) -> dict[str, Tensor]:
        return self.moments.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.moments.load_state_dict(state)
        self._prepare()


class RewardNormalizer:
    """Rewards over the running standard deviation of the discounted return, clipped.

    baselines' VecNormalize: the return so far takes the reward in, the statistics take the return
    in, the reward is scaled, and (with `reset`) an episode's end, terminated or truncated, zeroes
    the return. The mean is not subtracted.
    """

    def __init__(
        self,
        seeds: int,
        per_seed: int,
        gamma: float,
        clip: float,
        prior_count: float,
        epsilon: float,
        reset: bool,
    ):
        self.moments = RunningMoments(seeds, (), prior_count)
        self.returns = np.zeros((seeds, per_seed))
        self.gamma, self.clip, self.epsilon, self.reset = gamma, clip, epsilon, reset

    def __call__(
        self, reward: Array, done: NDArray[np.bool_], active: NDArray[np.bool_] | None = None
    ) -> Array:
        """Scale the rewards [S, E] of one step; done [S, E]: the episode ended with it."""
        self.returns = self.returns * self.gamma + reward
        self.moments.update(self.returns, active)
        scaled = self.scaled(reward)
        if self.reset:
            self.returns[done] = 0.0
        return scaled

    def scaled(self, reward: Array) -> Array:
        """Rewards [S, B] by the statistics as they are, which stay so."""
        scaled = reward / np.sqrt(self.moments.variance + self.epsilon)[:, None]
        return np.minimum(np.maximum(scaled, -self.clip), self.clip)

    def state_dict(self) -> dict[str, Tensor]:
        return {**self.moments.state_dict(), "returns": torch.from_numpy(self.returns.copy())}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        state = dict(state)
        self.returns = state.pop("returns").numpy().copy()
        self.moments.load_state_dict(state)


class RewardScale:
    """Rewards times a constant, called as `RewardNormalizer` is."""

    def __init__(self, factor: float):
        self.factor = factor

    def __call__(
        self, reward: Array, done: NDArray[np.bool_], active: NDArray[np.bool_] | None = None
    ) -> Array:
        """Rewards [S, E] times the factor, whether episodes end and seeds are active or not."""
        del done, active
        return self.scaled(reward)

    def scaled(self, reward: Array) -> Array:
        return self.factor * reward

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        assert not state, "nothing is remembered"
