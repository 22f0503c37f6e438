"""A stack whose implementation measures identities and bounds itself; nothing is trained."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from repro.training import outcome
from repro.training.log import SeedLog
from repro.training.run import Stopped

STEPS = 1  # of a seed: the one measurement


def measure_stack(
    measure: Callable[[Any, int], dict[str, float]],
    hparams: Any,
    seeds: Sequence[int],
    folder: Path,
    stop: threading.Event,
) -> None:
    """Log what `measure(hparams, seed)` finds, seed by seed, and say that the stack is done.

    A seed with a number that is not finite has diverged. Raises Stopped between two seeds.
    """
    began, diagnoses = time.monotonic(), []
    for seed in seeds:
        if stop.is_set():
            raise Stopped
        found = measure(hparams, seed)
        wrong = [name for name, value in found.items() if not math.isfinite(value)]
        values = {name: value for name, value in found.items() if name not in wrong}
        diagnoses.append(f"{', '.join(wrong)} is not finite" if wrong else None)
        log = SeedLog(folder, seed)
        log.start()
        log.write({"kind": "measured", "step": STEPS, "values": values})
        log.flush(sync=True)
    seconds = {"training": time.monotonic() - began, "evaluation": 0.0, "checkpoints": 0.0}
    outcome.write(folder, seeds, [STEPS] * len(seeds), diagnoses, seconds)
