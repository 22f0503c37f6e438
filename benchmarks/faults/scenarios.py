"""Faults of the machine, one function each: what was tried, how often, and what was lost."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.faults.damage import damaged_checkpoint
from benchmarks.faults.disk import full_disk, unwritable, unwritable_results
from benchmarks.faults.finding import Finding
from benchmarks.faults.machine import (
    clock_change,
    hanging_worker,
    nan_in_one_seed,
    out_of_memory,
    two_runs,
)
from benchmarks.faults.subjects import Place

SCENARIOS: dict[str, Callable[[Place], Finding]] = {
    "full disk": full_disk,
    "damaged checkpoint": damaged_checkpoint,
    "two runs in one folder": two_runs,
    "clock change": clock_change,
    "unwritable runs": unwritable,
    "unwritable results": unwritable_results,
    "hanging worker": hanging_worker,
    "NaN in one seed": nan_in_one_seed,
    "out of memory in one worker": out_of_memory,
}
