"""Merely stepping Repro's environments, a stack of them, with random actions drawn beforehand."""

from __future__ import annotations

import numpy as np

from benchmarks import settings
from benchmarks.window import Window, read_order
from repro.training.environments import make


def main() -> None:
    order, window = read_order(), Window()
    envs = make(settings.ENV, seeds=range(order.stack), per_seed=1)
    envs.reset()
    box = envs.action_space
    actions = np.random.default_rng(order.seed).uniform(
        box.low, box.high, (settings.HORIZON, order.stack, 1, *box.shape)
    )
    for _ in range(order.iterations):
        window.mark()
        for action in actions:
            envs.step(action)
    window.publish(order.stack * settings.HORIZON, ["repro-rl", "gymnasium", "mujoco", "numpy"])


if __name__ == "__main__":
    main()
