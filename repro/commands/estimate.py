"""What several commands do around a run: its cost beforehand, its summary afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands import text

if TYPE_CHECKING:
    from repro.experiment import Experiment
    from repro.launch.local import Outcome


def core_hours(experiments: Sequence[Experiment], seeds: int) -> float | None:
    """Wall-clock hours times cores in use of `seeds` seeds each, as runs of their sets took.

    None where a set has not run yet.

    Measured on a busy machine it is an estimate for one as busy.
    """
    from repro.launch import origin
    from repro.nightly.cost import measured
    from repro.nightly.observed import observations

    seen, cpu, seconds = observations([]), origin.machine()["cpu"], 0.0
    for experiment in experiments:
        found = measured(experiment, seen, cpu)
        if found is None:
            return None
        seconds += found[0] * experiment.steps * seeds
    return seconds / 3600.0


def cost(hours: float | None) -> str:
    """`about 3.8 core-hours`, in the two digits that an estimate has."""
    if not hours:
        return "cost not measured"
    return f"about {text.number(float(f'{hours:.2g}'))} core-hours"


def explored(outcome: Outcome, experiment: Experiment, seeds: Sequence[int]) -> Path:
    """Summarise an ordinary run into its own folder, with the doctor's look at its logs."""
    from repro import results
    from repro.doctor.read import record

    folder = outcome.folder.path
    records = results.read_records(outcome.folder, experiment, seeds)
    files = results.summarise(experiment, records)
    files["doctor.json"] = record(outcome.folder, experiment, seeds, replay=False)
    results.write_files(folder, files)
    return folder
