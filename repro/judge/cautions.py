"""Signs that a verdict's promised error rates do not hold for our seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repro.cards.models import Claim
from repro.errors import ReproError
from repro.judge.metrics import Metric
from repro.judge.statistics import skewness, skewness_limit
from repro.judge.types import Context, Evidence, SeedValue


def cautions(
    claim: Claim, metric: Metric, run: Evidence, seeds: Sequence[SeedValue], context: Context
) -> list[str]:
    """What to be careful about, a sentence each; ReproError for values that cannot be."""
    found = []
    values = np.asarray([seed.value for seed in seeds])
    sign = 1 if metric.direction == "higher" else -1
    if values.size >= 5 and abs(skewness(values)) > skewness_limit(values.size):
        found.append(
            f"Our seeds are skewed (g1 = {skewness(values):.2f}); the promised error rates are for "
            "normal data, see the table for skewed data."
        )
    if metric.never == "random" and run.env in context.random and values.size >= 3:
        floor = context.random[run.env].mean
        gain = float(np.median(values)) - floor
        failed = [s.seed for s in seeds if (s.value - floor) * sign < 0.25 * gain * sign]
        if failed and gain * sign > 0:
            found.append(
                f"Failed seeds ({listed(failed)}) gained less than a quarter of the median gain "
                "over random; see the table for tasks where seeds fail."
            )
    low, high = metric.bounds
    if values.size > 1 and values.std() == 0 and not metric.exact:
        found.append("All our seeds score the same; the task may have a ceiling.")
    if values.size and (values.min() < low or values.max() > high):
        raise ReproError(
            f"{claim.id}: a seed's {claim.metric} lies outside [{low}, {high}]; "
            "the result's metrics.json is wrong, run `repro verify` after mending it"
        )
    return found


def listed(items: Sequence[int]) -> str:
    return ", ".join(str(item) for item in items)
