"""Shuffled minibatches of a stack: each seed has its own order, all seeds step together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from repro.training.rng import Streams


def minibatches(
    tensors: Sequence[Tensor], size: int, epochs: int, streams: Streams
) -> Iterator[tuple[Tensor, ...]]:
    """Every sample once an epoch, `size` samples a seed at a time (the last batch may be smaller).

    tensors: each [S, N, *shape] of any number type. Yields their slices [S, size, *shape], views
    of what is gathered once an epoch: one indexing a tensor instead of one a minibatch.
    """
    seeds, samples = tensors[0].shape[:2]
    rows = [tensor.flatten(0, 1) for tensor in tensors]
    first_row = (torch.arange(seeds, device=rows[0].device) * samples).unsqueeze(1)
    for _ in range(epochs):
        order = (streams.permutation(samples) + first_row).flatten()
        shuffled = [row.index_select(0, order).unflatten(0, (seeds, samples)) for row in rows]
        yield from zip(*(tensor.split(size, dim=1) for tensor in shuffled), strict=True)
