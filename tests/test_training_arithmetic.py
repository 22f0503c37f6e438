"""What a training process does with numbers that are too small for a float's exponent."""

from __future__ import annotations

import threading

import pytest
import torch

from repro.training import arithmetic

pytestmark = pytest.mark.skipif(
    not torch.set_flush_denormal(False), reason="PyTorch cannot flush subnormal numbers here"
)


def test_a_thread_that_is_settled_takes_subnormal_numbers_for_zero():
    """In a thread of its own: the setting is the thread's, and other tests keep theirs."""
    small, seen = torch.full((64,), 1e-39), {}

    def compute() -> None:
        seen["before"] = (small * 1.0).max().item()
        arithmetic.settle()
        seen["after"] = (small * 1.0).max().item()

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert seen == {"before": pytest.approx(1e-39), "after": 0.0}
    assert (small * 1.0).max().item() > 0, "the main thread is as it was"


def test_the_mean_of_gradients_that_are_zero_ends_at_zero():
    """Adam's mean of a dead unit's gradients stays subnormal for ever where nothing is flushed."""
    ends = {}

    def decay(settled: bool) -> None:
        if settled:
            arithmetic.settle()
        mean = torch.full((64,), 1e-30)
        for _ in range(2000):
            mean.mul_(0.9)
        ends[settled] = mean.max().item()

    for settled in (False, True):
        thread = threading.Thread(target=decay, args=(settled,))
        thread.start()
        thread.join()
    assert 0 < ends[False] < 1.2e-38
    assert ends[True] == 0
