"""Shuffled minibatches of a stack: each seed has its own order, all seeds step together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from repro.training.rng import Streams


def minibatches(
    tensors: Sequence[Tensor], size: int, epochs: int, streams: Streams
) -> Iterator[list[Tensor]]:
    """Every sample once an epoch, `size` samples a seed at a time (the last batch may be smaller).

    tensors: float32, each [S, N, *shape]. Yields their slices [S, size, *shape], views that the
    next epoch overwrites. The columns are gathered side by side, once an epoch:
    one indexing instead of one a minibatch and tensor.
    """
    seeds, samples = tensors[0].shape[:2]
    columns = [t.reshape(seeds, samples, -1) for t in tensors]
    widths = [c.shape[-1] for c in columns]
    rows = torch.cat(columns, dim=-1).reshape(seeds * samples, sum(widths))
    first_row = (torch.arange(seeds, device=rows.device) * samples).unsqueeze(1)
    shuffled = torch.empty_like(rows)
    for _ in range(epochs):
        order = (streams.permutation(samples) + first_row).flatten()
        torch.index_select(rows, 0, order, out=shuffled)
        for begin in range(0, samples, size):
            batch = shuffled.view(seeds, samples, -1)[:, begin : begin + size]
            yield [
                part.reshape(*part.shape[:2], *tensor.shape[2:])
                for part, tensor in zip(batch.split(widths, dim=-1), tensors, strict=True)
            ]
