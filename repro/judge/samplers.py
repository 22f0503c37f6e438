"""Scores over seeds as they may be: normal, skewed, or with seeds that fail; all with mean 0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Sampler = Callable[[np.random.Generator, tuple[int, int]], Array]  # trials, seeds


def normal(std: float) -> Sampler:
    return lambda generator, shape: std * generator.standard_normal(shape)


def gamma(std: float, shape: float = 4.0) -> Sampler:
    """A long upper tail; skewness 2/√shape, an exponential for shape 1."""

    def draw(generator: np.random.Generator, size: tuple[int, int]) -> Array:
        return std * (generator.standard_gamma(shape, size) - shape) / np.sqrt(shape)

    return draw


def lognormal(std: float, sigma: float = 0.6) -> Sampler:
    """A longer upper tail; skewness 2.3 for a σ of 0.6."""
    mean = np.exp(sigma**2 / 2)
    spread = mean * np.sqrt(np.exp(sigma**2) - 1)

    def draw(generator: np.random.Generator, size: tuple[int, int]) -> Array:
        return std * (generator.lognormal(0.0, sigma, size) - mean) / spread

    return draw


def mirrored(sampler: Sampler) -> Sampler:
    """The long tail below: some seeds do much worse."""
    return lambda generator, shape: -sampler(generator, shape)


def failing(share: float, std: float) -> Sampler:
    """A share of the seeds scores the random policy (−1, the mean being 0), the others alike."""

    def draw(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
        works = generator.random(shape) >= share
        return works / (1.0 - share) + std * generator.standard_normal(shape) - 1.0

    return draw
