"""Where things lie in the clone. Repro is used from a clone (editable install)."""

from __future__ import annotations

import os
from pathlib import Path

from repro.errors import ReproError

ROOT = Path(os.environ.get("REPRO_ROOT") or Path(__file__).resolve().parent.parent)

PAPERS = ROOT / "papers"
HPARAMS = ROOT / "hparams"
IMPLEMENTATIONS = ROOT / "implementations"
RESULTS = ROOT / "results"
RUNS = Path(os.environ.get("REPRO_RUNS") or ROOT / "runs")
CACHE = ROOT / ".cache"


def require_clone() -> None:
    """Refuse, in one line, to work outside a clone."""
    if not (PAPERS / "topics.yaml").exists():
        raise ReproError(
            "Repro works from a clone: its cards and results are files beside the code; "
            "clone the repository, install it with `pip install -e .`, and run it again"
        )
