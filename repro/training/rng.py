"""Random numbers of a stack: one generator per seed and purpose.

A seed's stream depends on the seed and the purpose alone, never on the other seeds of the stack,
so seed k draws the same numbers alone and in any company. CPU and CUDA generators differ: on
another device a seed is another seed.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of one seed."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


class Streams:
    """The generators of one purpose, one a seed; draws have the seed on axis 0."""

    def __init__(self, seeds: Sequence[int], purpose: str, device: str | torch.device = "cpu"):
        self.device = torch.device(device)
        self.generators = [
            torch.Generator(self.device).manual_seed(derived_seed(seed, purpose)) for seed in seeds
        ]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal draws, float32 [S, *shape]."""
        return self._stack(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform draws in [0, 1), float32 [S, *shape]."""
        return self._stack(torch.rand, shape)

    def permutation(self, n: int) -> Tensor:
        """One random order of range(n) a seed, int64 [S, n]."""
        return torch.stack(
            [torch.randperm(n, generator=g, device=self.device) for g in self.generators]
        )

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform integers in [0, high), int64 [S, *shape]."""
        return torch.stack(
            [torch.randint(high, shape, generator=g, device=self.device) for g in self.generators]
        )

    def _stack(self, draw, shape: tuple[int, ...]) -> Tensor:
        out = torch.empty((len(self.generators), *shape), device=self.device)
        for row, generator in zip(out, self.generators, strict=True):
            draw(shape, generator=generator, out=row)
        return out

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"generators": [g.get_state() for g in self.generators]}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved)
