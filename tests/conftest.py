"""What every test shares: one thread, no display, reproducible examples."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from hypothesis import settings  # noqa: E402 - after the threads are set

settings.register_profile("repro", deadline=None, derandomize=True)
settings.load_profile("repro")
