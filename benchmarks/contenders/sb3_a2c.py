"""Stable-Baselines3's A2C."""

from __future__ import annotations

import torch
from stable_baselines3 import A2C

from benchmarks import settings
from benchmarks.contenders import library
from benchmarks.window import read_order


def main() -> None:
    torch.set_num_threads(1)
    order = read_order()
    model = A2C(
        "MlpPolicy",
        library.normalized(order.seed, training=True, number=settings.A2C_ACTORS),
        seed=order.seed,
        policy_kwargs={
            "net_arch": {"pi": settings.HIDDEN, "vf": settings.HIDDEN},
            "activation_fn": torch.nn.Tanh,
        },
        **library.a2c_keywords(),
    )
    packages = ["stable-baselines3", "torch", "gymnasium", "mujoco", "numpy"]
    updates = order.iterations * settings.A2C_UPDATES
    library.learn(model, order, packages, settings.A2C_STEPS, updates)


if __name__ == "__main__":
    main()
