"""Reads the committed figures that verdicts lean on: random and reference scores, curves."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from repro import paths
from repro.errors import ReproError
from repro.judge.types import Context, PublishedCurve, RandomScore, ReferenceScore

RANDOM_SCORES = "random-scores.yaml"
REFERENCE_SCORES = "reference-scores.yaml"


def load_context(curves: Iterable[str] = (), data: Path | None = None) -> Context:
    """Scores of every environment, and the curves named (files relative to `papers/data`)."""
    data = data or paths.PAPERS / "data"
    return Context(
        random=random_scores(_scores(data / RANDOM_SCORES), RANDOM_SCORES),
        reference=reference_scores(_scores(data / REFERENCE_SCORES), REFERENCE_SCORES),
        curves={name: read_curve(data / name) for name in sorted(set(curves))},
    )


def _scores(file: Path) -> Mapping[str, Any]:
    """The mapping environment → entry, whether or not it stands under a heading of its own."""
    from repro.cards.yaml import read

    if not file.exists():
        return {}
    document = read(file).value
    for heading in ("scores", "environments"):
        if isinstance(document.get(heading), dict):
            inner: Mapping[str, Any] = document[heading]
            return inner
    return {name: entry for name, entry in document.items() if isinstance(entry, dict)}


def random_scores(entries: Mapping[str, Any], file: str) -> dict[str, RandomScore]:
    """Entries with mean, std and episodes, as measured on the pinned version."""
    return {
        env: RandomScore(
            mean=_number(entry, ("mean",), env, file),
            std=_number(entry, ("std",), env, file),
            episodes=int(_number(entry, ("episodes",), env, file)),
        )
        for env, entry in entries.items()
    }


def reference_scores(entries: Mapping[str, Any], file: str) -> dict[str, ReferenceScore]:
    """Entries with mean (or score) and source."""
    return {
        env: ReferenceScore(
            mean=_number(entry, ("mean", "score", "value"), env, file),
            source=str(entry.get("source", "")),
        )
        for env, entry in entries.items()
    }


def _number(entry: Mapping[str, Any], names: tuple[str, ...], env: str, file: str) -> float:
    for name in names:
        value = entry.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    raise ReproError(f'{file}: {env} has no number "{names[0]}"; measure it or add it there')


def read_curve(file: Path) -> PublishedCurve:
    """A curve file: `#` comments, header `step,mean,band,n`; band and n may be left empty."""
    if not file.exists():
        raise ReproError(f"no curve file {file.name} in {file.parent.name}/; mend the card's path")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    if not rows or not {"step", "mean"} <= set(rows[0]):
        raise ReproError(f"{file.name}: expected a header `step,mean,band,n` and rows below it")
    try:
        bands = [row.get("band") or None for row in rows]
        seeds = [int(float(row["n"])) for row in rows if row.get("n")]
        return PublishedCurve(
            step=[float(row["step"]) for row in rows],
            mean=[float(row["mean"]) for row in rows],
            band=None if None in bands else [float(band) for band in bands if band is not None],
            n=min(seeds) if seeds else None,
        )
    except ValueError as error:
        raise ReproError(f"{file.name}: {error}; every cell is a number or empty") from None
