"""Measuring how an arm trains: a run of at most two updates, made small, and a few of its values.

Run as a script in a copy of an older commit, it tells how the code of a result behaved:

    python -P repro/behaviour.py PAPER ARM ENV        prints JSON
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from repro.experiment import implementation_of, resolve
from repro.training.run import Run

UPDATES = 2
ITERATIONS = 200  # without two updates, where episodes are long
SEED = 0
# A run this small takes some 0.2 seconds; the words are the field's, hence the same everywhere.
SMALL = {
    "num_actors": 2,
    "horizon": 32,
    "epochs": 1,
    "minibatch_size": 32,
    "episodes": 2,
    "value_updates": 1,
    "population": 4,
    "directions": 4,
    "count": 4,  # of them
    "replay_capacity": 1000,
    "random_steps": 8,
    "learning_starts": 16,
    "target_update_period": 1,
}


class _Enough(Exception):
    """The updates are done."""


class _Watched(Run[Any]):
    """A run that ends before its third update (without optimisers: its third iteration)."""

    def keep(self, **objects: Any) -> None:
        super().keep(**objects)
        self.start = {name: _numbers(kept) for name, kept in objects.items()}
        self.optimizers = [
            kept
            for kept in objects.values()
            if hasattr(kept, "step") and hasattr(kept, "parameters")
        ]
        for optimizer in self.optimizers:
            optimizer.step = _counted(optimizer.step)

    def iterations(self) -> Iterator[int]:
        for number in super().iterations():
            if number >= (ITERATIONS if self.optimizers else UPDATES):
                raise _Enough
            yield number

    def values(self) -> dict[str, list[float]]:
        found = {"steps": [float(self.steps_done[0])]}
        for name, before in self.start.items():
            after = _numbers(self._kept[name])
            moved = after - before if after.shape == before.shape else after
            if len(after):
                found[name] = [*_summary(before), *_summary(moved)]
        return found


def _counted(step: Callable[..., None]) -> Callable[..., None]:
    """An optimiser's step that refuses to be taken a third time."""
    taken = 0

    def counted(*arguments: Any, **more: Any) -> None:
        nonlocal taken
        if taken == UPDATES:
            raise _Enough
        taken += 1
        step(*arguments, **more)

    return counted


def _numbers(kept: Any) -> Tensor:
    """All real numbers of what a run keeps, in a row, float64."""
    found: list[Tensor] = []

    def collect(state: Any) -> None:
        if isinstance(state, Mapping):
            for value in state.values():
                collect(value)
        elif isinstance(state, list | tuple):
            for value in state:
                collect(value)
        elif isinstance(state, Tensor) and state.is_floating_point():
            found.append(state.detach().to("cpu", torch.float64).flatten().clone())

    collect(kept if isinstance(kept, Tensor) else kept.state_dict())
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)


def _summary(x: Tensor) -> tuple[float, float]:
    """Root mean square, and a projection of the same size on a direction that depends on n."""
    n = max(len(x), 1)
    direction = torch.cos(torch.arange(len(x), dtype=torch.float64)) * math.sqrt(2 / n)
    size, along = float(x.square().mean().sqrt()) if len(x) else 0.0, float(direction @ x)
    return float(f"{size:.6g}"), float(f"{along:.6g}")


def small(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters with fewer actors, steps and samples; networks as they are."""

    def less(name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return small(value)
        return min(value, SMALL[name]) if name in SMALL and isinstance(value, int) else value

    return {name: less(name, value) for name, value in values.items()}


def measure(paper: str, arm: str, env: str) -> dict[str, list[float]]:
    """The values of a short run of `set[+ablation]` on an environment; see `Fingerprint`."""
    hparams, _, ablation = arm.partition("+")
    experiment = resolve(paper, env, hparams, ablation or None, steps=1)
    module = implementation_of(paper)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = _Watched(
            msgspec.convert(small(experiment.hparams), module.HParams),
            experiment.env,
            [SEED],
            10**9,
            Path(folder),
            checkpoint_seconds=1e9,
        )
        try:
            module.train(run)
        except _Enough:
            return run.values()
    raise AssertionError("a run of a billion steps ended")


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
