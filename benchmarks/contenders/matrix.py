"""The machine's matrix rate: the float32 product that TD3's hidden layers make, over and over."""

from __future__ import annotations

import torch

from benchmarks import settings
from benchmarks.window import Window, read_order

PRODUCTS = 2000  # between two marks


def main() -> None:
    torch.set_num_threads(1)
    order, window = read_order(), Window()
    width = settings.TD3_HIDDEN[0]
    draws = torch.Generator().manual_seed(order.seed)
    batch = torch.randn(settings.TD3_BATCH, width, generator=draws)
    weight = torch.randn(width, settings.TD3_HIDDEN[1], generator=draws)
    product = torch.empty(settings.TD3_BATCH, settings.TD3_HIDDEN[1])
    for _ in range(order.iterations):
        window.mark()
        for _ in range(PRODUCTS):
            torch.mm(batch, weight, out=product)
    # Floating-point operations take the place of steps.
    window.publish(PRODUCTS * 2 * batch.shape[0] * weight.numel(), ["torch"])


if __name__ == "__main__":
    main()
