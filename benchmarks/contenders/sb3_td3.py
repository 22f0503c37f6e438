"""Stable-Baselines3's TD3."""

from __future__ import annotations

import torch
from stable_baselines3 import TD3

from benchmarks import settings
from benchmarks.contenders import library
from benchmarks.window import read_order


def main() -> None:
    torch.set_num_threads(1)
    order = read_order()
    environments = library.environments(order.seed)
    model = TD3("MlpPolicy", environments, seed=order.seed, **library.td3_keywords())
    packages = ["stable-baselines3", "torch", "gymnasium", "mujoco", "numpy"]
    updates = (order.iterations - 1) * settings.TD3_STEPS
    library.learn(model, order, packages, settings.TD3_STEPS, updates)


if __name__ == "__main__":
    main()
