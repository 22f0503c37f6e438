"""Repro's PPO through the `Run` of every experiment, with its log and checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import torch

from benchmarks import settings
from benchmarks.window import Order, Window, read_order
from implementations import ppo_2017
from repro.experiment import resolve
from repro.training.evaluate import Protocol
from repro.training.run import Run

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


class MarkedRun(Run[ppo_2017.HParams]):
    """A run that notes when each iteration began."""

    def __init__(self, *arguments: Any, window: Window, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self._window = window

    def iterations(self) -> Iterator[int]:
        for iteration in super().iterations():
            self._window.mark()
            yield iteration


def train(order: Order, folder: Path, window: Window) -> None:
    """Train a stack for the ordered iterations in `folder`."""
    evaluation = Protocol(
        period=settings.EVALUATION_PERIOD,
        episodes=settings.EVALUATION_EPISODES,
        deterministic=True,
    )
    run = MarkedRun(
        hparams(),
        settings.ENV,
        list(range(order.seed * order.stack, (order.seed + 1) * order.stack)),
        order.iterations * settings.HORIZON,
        folder,
        evaluation=evaluation if order.evaluate else None,
        window=window,
    )
    ppo_2017.train(run)


def main() -> None:
    torch.set_num_threads(1)
    order, window = read_order(), Window()
    with tempfile.TemporaryDirectory() as folder:
        train(order, Path(folder), window)
    assert len(window.marks) == order.iterations
    packages = ["repro-rl", "torch", "gymnasium", "mujoco", "numpy"]
    window.publish(order.stack * settings.HORIZON, packages)


if __name__ == "__main__":
    main()
