"""What Stable-Baselines3 and SBX share: environments, settings' names, evaluation, the window.

SBX takes its environments, callbacks and buffers from Stable-Baselines3.
"""

from __future__ import annotations

import warnings

from benchmarks import settings
from benchmarks.window import Order, Window


def environments(seed: int, number: int = 1):
    """Environments one after the other, as they are."""
    from stable_baselines3.common.env_util import make_vec_env

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    return make_vec_env(settings.ENV, n_envs=number, seed=seed)


def normalized(seed: int, training: bool, number: int = 1):
    """Environments under VecNormalize; the evaluation's keep its statistics frozen."""
    from stable_baselines3.common.vec_env import VecNormalize

    return VecNormalize(
        environments(seed, number),
        training=training,
        norm_reward=training,
        clip_obs=settings.NORMALIZATION_CLIP,
        clip_reward=settings.NORMALIZATION_CLIP,
        gamma=settings.GAMMA,
    )


def keywords() -> dict:
    """PPO's settings under the names that both libraries use."""
    return {
        "learning_rate": settings.STEP_SIZE,
        "n_steps": settings.HORIZON,
        "batch_size": settings.MINIBATCH,
        "n_epochs": settings.EPOCHS,
        "gamma": settings.GAMMA,
        "gae_lambda": settings.GAE_LAMBDA,
        "clip_range": settings.CLIP_RANGE,
        "normalize_advantage": True,
        "ent_coef": 0.0,
        "vf_coef": settings.VALUE_COEFFICIENT,
        "max_grad_norm": settings.MAX_GRAD_NORM,
        "device": "cpu",
        "verbose": 0,
    }


def a2c_keywords() -> dict:
    """A2C's settings under Stable-Baselines3's names."""
    return {
        "learning_rate": settings.A2C_STEP_SIZE,
        "n_steps": settings.A2C_HORIZON,
        "gamma": settings.GAMMA,
        "gae_lambda": 1.0,  # n-step returns
        "ent_coef": 0.0,
        "vf_coef": settings.VALUE_COEFFICIENT,
        "max_grad_norm": settings.MAX_GRAD_NORM,
        "use_rms_prop": True,
        "rms_prop_eps": settings.A2C_EPSILON,  # its decay is 0.99
        "normalize_advantage": False,
        "device": "cpu",
        "verbose": 0,
    }


def td3_keywords() -> dict:
    """TD3's settings under the names that both libraries use."""
    import numpy as np
    from stable_baselines3.common.noise import NormalActionNoise

    return {
        "learning_rate": settings.TD3_STEP_SIZE,
        "buffer_size": settings.TD3_CAPACITY,
        "learning_starts": settings.TD3_STEPS,
        "batch_size": settings.TD3_BATCH,
        "tau": settings.TD3_TAU,
        "gamma": settings.GAMMA,
        "train_freq": 1,
        "gradient_steps": 1,
        "action_noise": NormalActionNoise(np.zeros(6), np.full(6, settings.TD3_NOISE)),
        "policy_delay": settings.TD3_DELAY,
        "target_policy_noise": settings.TD3_TARGET_NOISE,
        "target_noise_clip": settings.TD3_TARGET_CLIP,
        "policy_kwargs": {"net_arch": settings.TD3_HIDDEN},
        "device": "cpu",
        "verbose": 0,
    }


def dqn_keywords() -> dict:
    """DQN's settings under Stable-Baselines3's names; its network is Nature's."""
    return {
        "learning_rate": settings.DQN_STEP_SIZE,
        "buffer_size": settings.DQN_CAPACITY,
        "learning_starts": settings.DQN_STEPS,
        "batch_size": settings.DQN_BATCH,
        "gamma": settings.GAMMA,
        "train_freq": settings.DQN_PERIOD,
        "gradient_steps": 1,
        "target_update_interval": settings.DQN_TARGET_PERIOD,
        "exploration_initial_eps": settings.DQN_EPSILON,
        "exploration_final_eps": settings.DQN_EPSILON,
        "device": "cpu",
        "verbose": 0,
    }


def learn(
    model,
    order: Order,
    packages: list[str],
    steps: int,
    updates: int,
    window: Window | None = None,
) -> None:
    """Train, with evaluation where asked for, and print the measurement.

    steps: of the environments between two marks. updates: how many the whole run must have made.
    window: a new one, where nothing is watched.
    """
    from stable_baselines3.common.callbacks import BaseCallback, EvalCallback

    window = window or Window()

    class Marks(BaseCallback):
        def _on_rollout_start(self) -> None:
            if self.num_timesteps % steps == 0:
                window.mark()

        def _on_step(self) -> bool:
            return True

    callbacks: list[BaseCallback] = [Marks()]
    if order.evaluate:
        callbacks.append(
            EvalCallback(
                normalized(order.seed + 1000, training=False),
                eval_freq=settings.EVALUATION_PERIOD,
                n_eval_episodes=settings.EVALUATION_EPISODES,
                deterministic=True,
                verbose=0,
            )
        )
    model.learn(order.iterations * steps, callback=callbacks)
    assert len(window.marks) == order.iterations
    assert model._n_updates == updates, f"{model._n_updates} updates, not {updates}"
    window.publish(steps, packages)
