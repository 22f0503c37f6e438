"""What the unexplained band of OpenAI's Mujoco1M curves can be.

Six independent runs of standard deviation σ have a mean that varies by σ/√6 as a run varies by
itself. So noise of the mean curve around a smooth line, times √6, is part of σ: if the band were
the standard deviation, it would be at least √6 ≈ 2.45 times that noise; if it is the standard
error, at least once.
"""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from repro import paths

TASKS = ["Hopper", "InvertedDoublePendulum", "InvertedPendulum"]


def band_over_noise(paper: str, env: str) -> float:
    """Root mean square of the band over the mean curve's noise, second half of training."""
    file = paths.PAPERS / f"data/curves/{paper}.{env}.csv"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))[50:]
    mean = np.array([float(row["mean"]) for row in rows])
    band = np.array([float(row["band"]) for row in rows])
    x = np.linspace(-1, 1, len(rows))
    noise = mean - np.polyval(np.polyfit(x, mean, 3), x)
    return float(math.sqrt((band**2).mean() / (noise @ noise / (len(rows) - 4))))


def test_the_band_is_too_narrow_for_a_standard_deviation() -> None:
    ratios = [band_over_noise(p, e) for p in ("ppo-2017", "trpo-2015") for e in TASKS]
    assert np.median(ratios) < 0.7 * math.sqrt(6)
    assert max(ratios) < math.sqrt(6)


def test_the_band_is_wide_enough_for_a_standard_error() -> None:
    assert min(band_over_noise(p, e) for p in ("ppo-2017", "trpo-2015") for e in TASKS) > 1


@pytest.mark.parametrize(("divisor", "verdict"), [(1.0, "std"), (math.sqrt(6), "error")])
def test_the_measure_tells_the_two_apart(divisor: float, verdict: str) -> None:
    """On made-up runs with correlated noise the ratio is near √6 or near 1."""
    generator = np.random.default_rng(0)
    ratios = []
    for _ in range(40):
        kernel = np.exp(-np.abs(np.arange(-8, 9)))
        noise = generator.normal(size=(6, 66))
        runs = np.array([np.convolve(one, kernel, mode="valid") for one in noise])
        mean, band = runs.mean(0), runs.std(0) / divisor
        x = np.linspace(-1, 1, 50)
        rest = mean - np.polyval(np.polyfit(x, mean, 3), x)
        ratios.append(math.sqrt((band**2).mean() / (rest @ rest / 46)))
    assert (np.median(ratios) > 0.8 * math.sqrt(6)) == (verdict == "std")
