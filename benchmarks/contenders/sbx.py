"""SBX: Stable-Baselines3 with JAX. Clips the gradients of its two networks apart."""

from __future__ import annotations

import flax.linen as nn
import torch
from sbx import PPO

from benchmarks import settings
from benchmarks.contenders import library
from benchmarks.window import read_order


def main() -> None:
    torch.set_num_threads(1)  # its rollout buffer is torch's
    order = read_order()
    model = PPO(
        "MlpPolicy",
        library.normalized(order.seed, training=True),
        seed=order.seed,
        policy_kwargs={
            "net_arch": {"pi": settings.HIDDEN, "vf": settings.HIDDEN},
            "activation_fn": nn.tanh,
            "optimizer_kwargs": {"eps": settings.ADAM_EPSILON},
        },
        **library.keywords(),
    )
    packages = ["sbx-rl", "stable-baselines3", "jax", "flax", "gymnasium", "mujoco", "numpy"]
    updates = order.iterations * settings.EPOCHS  # it counts epochs
    library.learn(model, order, packages, settings.HORIZON, updates)


if __name__ == "__main__":
    main()
