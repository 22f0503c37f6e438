"""benchmarks/faults.json: what was tried and what came of it, written after every trial."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.faults.finding import Finding
from benchmarks.faults.kills import Trial
from repro.files import read_json, write_json
from repro.paths import ROOT

RECORD = ROOT / "benchmarks" / "faults.json"
SCHEMA_VERSION = 1

Row = dict[str, Any]


def read(path: Path = RECORD) -> Row:
    """`kills`: one row a trial; `scenarios`: name → its row."""
    if path.exists():
        record: Row = read_json(path, SCHEMA_VERSION)
        return record
    return {"schema_version": SCHEMA_VERSION, "kills": [], "scenarios": {}}


def add_trial(path: Path, trial: Trial, commit: str, seconds: float) -> None:
    record = read(path)
    row = {
        "subject": trial.subject.name,
        "env": trial.subject.env,
        "bits": trial.subject.repeats,
        "launcher": trial.launcher,
        "kills": trial.kills,
        "starts": trial.starts,
        "lost": trial.lost,
    }
    record["kills"].append(row | _when(commit, seconds))
    write_json(path, record)


def add_finding(path: Path, name: str, found: Finding, commit: str, seconds: float) -> None:
    record = read(path)
    row = {
        "tried": found.tried,
        "times": found.times,
        "said": found.said,
        "lost": found.lost,
        "figures": found.figures,
        "skipped": found.skipped,
    }
    record["scenarios"][name] = row | _when(commit, seconds)
    write_json(path, record)


def _when(commit: str, seconds: float) -> Row:
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    return {"commit": commit, "date": date, "seconds": round(seconds, 1)}
