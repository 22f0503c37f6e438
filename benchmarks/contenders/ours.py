"""Repro's PPO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from benchmarks import settings
from benchmarks.contenders import measured
from benchmarks.window import Order, Window
from implementations import ppo_2017
from repro.experiment import resolve

OVERRIDES: dict[str, Any] = {
    "adam": {
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": settings.ADAM_EPSILON,
        "epsilon_hat": False,
    },
    "epochs": settings.EPOCHS,
    "gae_lambda": settings.GAE_LAMBDA,
    "gamma": settings.GAMMA,
    "horizon": settings.HORIZON,
    "max_grad_norm.max": settings.MAX_GRAD_NORM,
    "minibatch_size": settings.MINIBATCH,
    "network.hidden": settings.HIDDEN,
    "observation_normalization.clip": settings.NORMALIZATION_CLIP,
    "reward_normalization.clip": settings.NORMALIZATION_CLIP,
    "reward_normalization.reset": "episode",
    "clip_actions": True,
    "step_size": {"kind": "constant", "value": settings.STEP_SIZE},
    "surrogate": {"kind": "clip", "range": {"kind": "constant", "value": settings.CLIP_RANGE}},
    "time_limit": "bootstrap",
    "value_clip": {"kind": "none"},
    "value_coefficient": settings.VALUE_COEFFICIENT,
}


def hparams() -> ppo_2017.HParams:
    """The later code's set, with what the other libraries do otherwise changed to theirs."""
    experiment = resolve("ppo-2017", settings.ENV, hparams="mujoco-ppo2", overrides=OVERRIDES)
    return msgspec.convert(experiment.hparams, ppo_2017.HParams)


def train(order: Order, folder: Path, window: Window) -> None:
    """Train a stack for the ordered iterations in `folder`."""
    measured.train(ppo_2017.train, hparams(), settings.HORIZON, order, folder, window)


if __name__ == "__main__":
    measured.main(ppo_2017.train, hparams(), settings.HORIZON)
