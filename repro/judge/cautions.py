"""Signs that a verdict's promised error rates do not hold for our seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repro.cards.models import Claim
from repro.errors import ReproError
from repro.judge.metrics import Metric
from repro.judge.statistics import half_width, own_error, skewness, skewness_limit
from repro.judge.types import Context, Evidence, Sample, SeedValue


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


def learnt_nothing(
    metric: Metric, run: Evidence, sample: Sample, arm: str, level: float, context: Context
) -> list[str]:
    """A warning where the arm that is to be better is no better than the random policy itself.

    Then the comparison says which arm is the worse one, and not that the other learns. sample:
    that arm's returns; level: one-sided, of the interval of their mean.
    """
    if metric.never != "random" or run.env not in context.random:
        return []
    sign = 1 if metric.direction == "higher" else -1
    random = context.random[run.env].mean
    error, df = own_error(sample.std or 0.0, sample.n)
    half = float(half_width(error, df, level)) if sample.std else 0.0
    if sign * (sample.mean - random) > half:
        return []
    return [
        f"{arm}, the arm that is to be better, is itself no better than the random policy on "
        f"{run.env} ({sample.mean:,.4g} against {random:,.4g}): this says which arm is worse, and "
        "not that either learns."
    ]


def listed(items: Sequence[int]) -> str:
    return ", ".join(str(item) for item in items)
