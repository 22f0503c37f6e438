"""Stable-Baselines3's DQN on Breakout."""

from __future__ import annotations

import ale_py
import gymnasium
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

from benchmarks import settings
from benchmarks.contenders import library
from benchmarks.window import Window, read_order


def main() -> None:
    torch.set_num_threads(1)
    order, window = read_order(), Window()
    gymnasium.register_envs(ale_py)
    game = {"frameskip": 1, "repeat_action_probability": 0.0}  # its wrapper repeats actions
    environments = VecFrameStack(
        make_atari_env(settings.DQN_ENV, seed=order.seed, env_kwargs=game), n_stack=4
    )
    model = DQN("CnnPolicy", environments, seed=order.seed, **library.dqn_keywords())
    window.watch("emulator", model.env, "step")
    window.watch("replay", model.replay_buffer, "add", "sample")
    packages = ["stable-baselines3", "torch", "gymnasium", "ale-py", "numpy"]
    updates = (order.iterations - 1) * settings.DQN_STEPS // settings.DQN_PERIOD
    library.learn(model, order, packages, settings.DQN_STEPS, updates, window)


if __name__ == "__main__":
    main()
