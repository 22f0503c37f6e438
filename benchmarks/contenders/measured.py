"""Repro's training, measured through the `Run` of every experiment: with log and checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import settings
from benchmarks.window import Order, Window, read_order
from repro.training import arithmetic
from repro.training.evaluate import Protocol
from repro.training.run import Run


class MarkedRun(Run[Any]):
    """A run that marks the window each time `every` steps of a seed are done."""

    def __init__(self, *arguments: Any, window: Window, every: int, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self._window, self._every = window, every

    def iterations(self) -> Iterator[int]:
        for iteration in super().iterations():
            if self.steps_done[0] % self._every == 0:
                self._window.mark()
            yield iteration


def train(
    algorithm: Callable[[Run[Any]], None],
    hparams: Any,
    every: int,
    order: Order,
    folder: Path,
    window: Window,
    env: str = settings.ENV,
) -> None:
    """Train a stack as ordered in `folder`; every: steps of a seed between two marks."""
    evaluation = Protocol(
        period=settings.EVALUATION_PERIOD,
        episodes=settings.EVALUATION_EPISODES,
        deterministic=True,
    )
    seeds = range(order.seed * order.stack, (order.seed + 1) * order.stack)
    run = MarkedRun(
        hparams,
        env,
        list(seeds),
        order.iterations * every,
        folder,
        evaluation=evaluation if order.evaluate else None,
        window=window,
        every=every,
    )
    algorithm(run)


def main(
    algorithm: Callable[[Run[Any]], None],
    hparams: Any,
    every: int,
    env: str = settings.ENV,
    window: Window | None = None,
) -> None:
    """Carry out the command line's order and print the measurement.

    window: a new one, where nothing is watched.
    """
    arithmetic.settle()
    order, window = read_order(), window or Window()
    with tempfile.TemporaryDirectory() as folder:
        train(algorithm, hparams, every, order, Path(folder), window, env)
    assert len(window.marks) == order.iterations
    packages = ["repro-rl", "torch", "gymnasium", "mujoco", "ale-py", "numpy"]
    window.publish(order.stack * every, packages)
