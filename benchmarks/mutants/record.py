"""benchmarks/mutants.json: what became of each mutant, one row each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.mutants.catalogue import Mutant
from benchmarks.mutants.hunt import Outcome
from repro.files import read_json, write_json
from repro.paths import ROOT

RECORD = ROOT / "benchmarks" / "mutants.json"
SCHEMA_VERSION = 1

Row = dict[str, Any]


def read(path: Path = RECORD) -> dict[str, Row]:
    """Name → its row; empty where nothing was recorded."""
    if not path.exists():
        return {}
    rows: dict[str, Row] = read_json(path, SCHEMA_VERSION)["mutants"]
    return rows


def current(rows: dict[str, Row], mutant: Mutant) -> Row | None:
    """The mutant's row, unless its edit has changed since."""
    row = rows.get(mutant.name)
    return row if row and row["edit"] == mutant.digest else None


def add(path: Path, mutant: Mutant, outcome: Outcome, commit: str) -> None:
    rows = read(path)
    rows[mutant.name] = {
        "edit": mutant.digest,
        "commit": commit,
        "caught_by": outcome.caught_by,
        "seconds": outcome.seconds,
    }
    write_json(path, {"schema_version": SCHEMA_VERSION, "mutants": rows})


def drop(path: Path, test: str) -> None:
    """Strike out what a test caught that fails by itself."""
    rows = {name: row for name, row in read(path).items() if row["caught_by"] != test}
    write_json(path, {"schema_version": SCHEMA_VERSION, "mutants": rows})
