"""Repro's A2C."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks import settings
from benchmarks.contenders import measured
from implementations import a3c_2016
from repro.experiment import resolve

OVERRIDES: dict[str, Any] = {
    "num_actors": settings.A2C_ACTORS,
    "horizon": settings.A2C_HORIZON,
    "gamma": settings.GAMMA,
    "over_steps": "mean",
    "value_coefficient": settings.VALUE_COEFFICIENT,
    "entropy_coefficient": 0.0,
    "max_grad_norm.max": settings.MAX_GRAD_NORM,
    "step_size": {"kind": "constant", "value": settings.A2C_STEP_SIZE},
    "rmsprop": {
        "decay": settings.A2C_DECAY,
        "epsilon": settings.A2C_EPSILON,
        "epsilon_inside": False,
        "initial_square": 0.0,
        "centered": False,
    },
    "network.hidden": settings.HIDDEN,
    "observation_normalization.clip": settings.NORMALIZATION_CLIP,
    "reward_normalization.clip": settings.NORMALIZATION_CLIP,
    "clip_actions": True,
    "time_limit": "bootstrap",
}


def hparams() -> a3c_2016.HParams:
    """The set for continuous control, with what Stable-Baselines3 does otherwise changed to it."""
    experiment = resolve("a3c-2016", settings.ENV, hparams="a2c", overrides=OVERRIDES)
    return msgspec.convert(experiment.hparams, a3c_2016.HParams)


if __name__ == "__main__":
    measured.main(a3c_2016.train, hparams(), settings.A2C_STEPS)
