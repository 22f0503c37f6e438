"""Random numbers of a stack: one generator per seed and purpose.

A seed's stream depends on the seed and the purpose alone, never on the other seeds of the stack,
so seed k draws the same numbers alone and in any company. CPU and CUDA generators differ: on
another device a seed is another seed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Mask = NDArray[np.bool_] | None


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of one seed."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


class Streams:
    """The generators of one purpose, one a seed; draws have the seed on axis 0."""

    def __init__(self, seeds: Sequence[int], purpose: str, device: str | torch.device = "cpu"):
        self.device = torch.device(device)
        self._seeds, self._purpose = list(seeds), purpose
        self.generators = [
            torch.Generator(self.device).manual_seed(derived_seed(seed, purpose)) for seed in seeds
        ]

    # `active` (bool [S], None for all): a seed that rests draws nothing and gets zeros, so that it
    # later draws what it would have drawn alone.

    def normal(self, *shape: int, active: Mask = None) -> Tensor:
        """Standard normal draws, float32 [S, *shape]."""
        return self._draw(lambda g, row: row.normal_(generator=g), shape, active)

    def uniform(self, *shape: int, active: Mask = None) -> Tensor:
        """Uniform draws in [0, 1), float32 [S, *shape]."""
        return self._draw(lambda g, row: row.uniform_(generator=g), shape, active)

    def permutation(self, n: int, active: Mask = None) -> Tensor:
        """One random order of range(n) a seed, int64 [S, n]."""
        return self._draw(
            lambda g, row: torch.randperm(n, generator=g, out=row), (n,), active, torch.int64
        )

    def integers(self, high: int | Sequence[int], *shape: int, active: Mask = None) -> Tensor:
        """Uniform integers in [0, high), int64 [S, *shape]; high: a number, or one a seed."""
        below = dict(
            zip(self.generators, [high] * len(self.generators), strict=True)
            if isinstance(high, int)
            else zip(self.generators, high, strict=True)
        )
        return self._draw(
            lambda g, row: row.random_(int(below[g]), generator=g), shape, active, torch.int64
        )

    def _draw(
        self,
        fill: Callable[[torch.Generator, Tensor], object],
        shape: tuple[int, ...],
        active: Mask,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        out = torch.zeros((len(self.generators), *shape), dtype=dtype, device=self.device)
        for i, (row, generator) in enumerate(zip(out, self.generators, strict=True)):
            if active is None or active[i]:
                fill(generator, row)
        return out

    def begin(self, begins: NDArray[np.bool_], steps: NDArray[np.int64]) -> None:
        """Seeds with an episode that begins (bool [S, E]) draw anew, for the purpose at `steps`.

        So an evaluation's draws depend neither on how long other seeds played nor on the last one.
        steps: int64 [S].
        """
        for i in np.flatnonzero(begins.any(1)).tolist():
            own = derived_seed(self._seeds[i], f"{self._purpose}-{steps[i]}")
            self.generators[i].manual_seed(own)

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {"generators": [g.get_state() for g in self.generators]}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved)
