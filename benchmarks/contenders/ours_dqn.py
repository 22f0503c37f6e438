"""Repro's DQN on Breakout."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks import settings
from benchmarks.contenders import measured
from benchmarks.window import Window
from implementations import dqn_2013
from repro.experiment import resolve
from repro.training.frames import FrameReplay
from repro.training.training_environments import TrainingEnvironments

OVERRIDES: dict[str, Any] = {
    "gamma": settings.GAMMA,
    "minibatch_size": settings.DQN_BATCH,
    "replay_capacity": settings.DQN_CAPACITY,
    "learning_starts": settings.DQN_STEPS,
    "update_period": settings.DQN_PERIOD,
    "target_network": {"kind": "periodic", "period": settings.DQN_TARGET_PERIOD},
    "exploration": {
        "kind": "epsilon-greedy",
        "start": settings.DQN_EPSILON,
        "end": settings.DQN_EPSILON,
        "steps": settings.DQN_STEPS,
    },
    "td_error": {"kind": "clipped", "bound": 1.0},
    "loss_reduction": "mean",
    "step_size": {"kind": "constant", "value": settings.DQN_STEP_SIZE},
    "optimizer": {
        "kind": "adam",
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "epsilon_hat": False,
    },
    "network.padding": [0, 0, 0],
    "atari.changes": {"fire_reset": True},
}


def hparams() -> dqn_2013.HParams:
    """Nature's network and pictures; the rest as Stable-Baselines3 has it."""
    experiment = resolve(
        "dqn-2013",
        settings.DQN_ENV,
        hparams="nature-2015",
        overrides=OVERRIDES,
        steps=settings.DQN_STEPS,  # the order says how many
    )
    return msgspec.convert(experiment.hparams, dqn_2013.HParams)


def watched() -> Window:
    """A window that tells emulator and replay from the rest, which is the network."""
    window = Window()
    window.watch("emulator", TrainingEnvironments, "step")
    window.watch("replay", FrameReplay, "add", "sample")
    return window


if __name__ == "__main__":
    measured.main(dqn_2013.train, hparams(), settings.DQN_STEPS, settings.DQN_ENV, watched())
