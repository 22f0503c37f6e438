"""Which task a fault is judged on: chosen from the pilot, before any of the runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from benchmarks.spoiled.faults import FAULTS, NONE
from benchmarks.spoiled.jobs import Task

Row = dict[str, Any]


def task_of(row: Row) -> Task:
    return Task(row["env"], row["hparams"])


def latest(rows: Iterable[Row]) -> dict[tuple[str, Task], Row]:
    """(fault, task) → its last row."""
    return {(row["fault"], task_of(row)): row for row in rows}


def drop(fault: Row, none: Row) -> tuple[float, float]:
    """How far the fault lowers the return, and the standard error of that, in margins."""
    variance = sum(float(row["std"] or 0.0) ** 2 / row["n"] for row in (fault, none))
    return (none["mean"] - fault["mean"]) / none["margin"], math.sqrt(variance) / none["margin"]


def unseen(pilot: Iterable[Row]) -> list[str]:
    """Faults that the pilot tried and that no task of it shows."""
    rows = list(pilot)
    tried = {row["fault"] for row in rows}
    return [name for name, task in tasks(rows).items() if task is None and name in tried]


def tasks(pilot: Iterable[Row]) -> dict[str, Task | None]:
    """Fault → the task where it does most harm, None where it does none that a verdict shows.

    Asked for: the claim can be settled (else nothing could end *reproduced*, spoiled or not), and
    the drop less its standard error exceeds the margin, for the judge allows that much.
    """
    rows = latest(pilot)
    chosen: dict[str, Task | None] = {}
    for name in FAULTS:
        if name == NONE.name:
            continue
        harm = {
            task: drop(row, rows[NONE.name, task])
            for (fault, task), row in rows.items()
            if fault == name and rows.get((NONE.name, task), {}).get("settleable")
        }
        clear = {task: d - error for task, (d, error) in harm.items() if d - error > 1.0}
        chosen[name] = max(clear, key=lambda task: clear[task]) if clear else None
    return chosen
