"""Stable-Baselines3's PPO."""

from __future__ import annotations

import torch
from stable_baselines3 import PPO

from benchmarks import settings
from benchmarks.contenders import library
from benchmarks.window import read_order


def main() -> None:
    torch.set_num_threads(1)
    order = read_order()
    hidden = {"pi": settings.HIDDEN, "vf": settings.HIDDEN}
    model = PPO(
        "MlpPolicy",
        library.normalized(order.seed, training=True),
        seed=order.seed,
        policy_kwargs={
            "net_arch": hidden,
            "activation_fn": torch.nn.Tanh,
            "optimizer_kwargs": {"eps": settings.ADAM_EPSILON},
        },
        **library.keywords(),
    )
    packages = ["stable-baselines3", "torch", "gymnasium", "mujoco", "numpy"]
    updates = order.iterations * settings.EPOCHS  # it counts epochs
    library.learn(model, order, packages, settings.HORIZON, updates)


if __name__ == "__main__":
    main()
