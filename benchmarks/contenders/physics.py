"""The physics alone: the environment's frames of `mj_step`, no observation and no reward."""

from __future__ import annotations

import warnings

import gymnasium
import mujoco
import numpy as np

from benchmarks import settings
from benchmarks.window import Window, read_order


def main() -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    order, window = read_order(), Window()
    env = gymnasium.make(settings.ENV).unwrapped
    env.reset(seed=order.seed)
    model, data, frames = env.model, env.data, env.frame_skip
    actions = np.random.default_rng(order.seed).uniform(-1, 1, (settings.HORIZON, model.nu))
    for _ in range(order.iterations):
        window.mark()
        for action in actions:
            data.ctrl[:] = action
            mujoco.mj_step(model, data, nstep=frames)
    window.publish(settings.HORIZON, ["mujoco", "numpy"])


if __name__ == "__main__":
    main()
