"""What Stable-Baselines3 and SBX share: environments, normalisation, evaluation, the window.

SBX takes its environments, callbacks and buffers from Stable-Baselines3.
"""

from __future__ import annotations

import warnings

from benchmarks import settings
from benchmarks.window import Order, Window


def environments(seed: int, training: bool):
    """One environment under VecNormalize; the evaluation's keeps its statistics frozen."""
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    return VecNormalize(
        make_vec_env(settings.ENV, n_envs=1, seed=seed),
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


def learn(model, order: Order, packages: list[str]) -> None:
    """Train, with evaluation where asked for, and print the measurement."""
    from stable_baselines3.common.callbacks import BaseCallback, EvalCallback

    window = Window()

    class Marks(BaseCallback):
        def _on_rollout_start(self) -> None:
            window.mark()

        def _on_step(self) -> bool:
            return True

    callbacks: list[BaseCallback] = [Marks()]
    if order.evaluate:
        callbacks.append(
            EvalCallback(
                environments(order.seed + 1000, training=False),
                eval_freq=settings.EVALUATION_PERIOD,
                n_eval_episodes=settings.EVALUATION_EPISODES,
                deterministic=True,
                verbose=0,
            )
        )
    model.learn(order.iterations * settings.HORIZON, callback=callbacks)
    assert len(window.marks) == order.iterations
    window.publish(settings.HORIZON, packages)
