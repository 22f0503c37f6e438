"""benchmarks/mutants.json: what became of each mutant, one row each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.mutants.catalogue import Mutant
from benchmarks.mutants.hunt import TIMEOUT, Outcome
from repro import git
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


def file_changed(row: Row, mutant: Mutant, commit: str) -> bool:
    """Whether the mutated file of `commit` is another one than when the mutant was hunted."""
    return _differs(row["commit"], commit, mutant.edit.file)


def catcher_changed(row: Row, commit: str) -> bool:
    """Whether the file of the test that caught it is; a mutant that hung was caught by none."""
    caught_by = row["caught_by"]
    return caught_by not in (None, TIMEOUT) and _differs(
        row["commit"], commit, caught_by.partition("::")[0]
    )


def stale(row: Row, mutant: Mutant, commit: str) -> bool:
    return file_changed(row, mutant, commit) or catcher_changed(row, commit)


def _differs(then: str, now: str, name: str) -> bool:
    """Of two commits, or one of them is unknown to this clone."""
    return git.git("diff", "--quiet", then, now, "--", name) is None


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
