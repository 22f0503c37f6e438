"""Merely stepping Gymnasium's environment, with random actions drawn beforehand."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np

from benchmarks import settings
from benchmarks.window import Window, read_order


def main() -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    order, window = read_order(), Window()
    env = gymnasium.make(settings.ENV)
    env.reset(seed=order.seed)
    box = env.action_space
    actions = np.random.default_rng(order.seed).uniform(
        box.low, box.high, (settings.HORIZON, *box.shape)
    )
    for _ in range(order.iterations):
        window.mark()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
    window.publish(settings.HORIZON, ["gymnasium", "mujoco", "numpy"])


if __name__ == "__main__":
    main()
