"""How PyTorch computes in a process that trains."""

from __future__ import annotations

import torch


def settle(threads: int = 1) -> None:
    """For this process, or rather its calling thread: so many threads, and subnormal numbers are 0.

    A unit that is dead for good has gradients of exactly 0, and Adam's mean of them falls by β₁ at
    every step, until it stays at the smallest number there is. On such numbers (below 1.2e-38) a
    processor computes many times as long: the first 6,000 steps of TD3 on HalfCheetah took 1.7
    times as long (docs/decisions.md). Where a processor cannot, they stay as they are.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
