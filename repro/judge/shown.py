"""Statistics that are not one number a seed: shown with a bootstrap, never deciding."""

from __future__ import annotations

import zlib

import numpy as np

from repro.judge.case import Case, Untestable, horizon_of, looks
from repro.judge.published import curve_of, published_side
from repro.judge.types import Evidence, Verdict
from repro.judge.words import number

RESAMPLES = 2000


def max_of_mean(run: Evidence, horizon: int, fill: float) -> tuple[list[int], np.ndarray]:
    """Common evaluation steps up to the horizon, and returns of shape [seed, step].

    A diverged seed scores `fill` (the random policy) from where its evaluations end.
    """
    steps = sorted({step for seed in run.seeds for step, _ in seed.evaluations if step <= horizon})
    if not steps:
        raise Untestable("The run made no evaluations, and this claim is about evaluations.")
    rows = []
    for seed in run.seeds:
        known = dict(seed.evaluations)
        gaps = [step for step in steps if step not in known]
        if gaps and seed.status == "finished":
            raise Untestable(f"Seed {seed.seed} lacks the evaluation at {gaps[0]:,} steps.")
        rows.append([known.get(step, fill) for step in steps])
    return steps, np.asarray(rows, dtype=np.float64)


def shown_only(case: Case, run: Evidence) -> Verdict:
    """The statistic beside the printed one; the deciding claims are per-seed ones.

    The maximum over time of the mean over seeds is biased upwards, more so with fewer seeds, and
    has no standard error a seed; the bootstrap over seeds shows how far it wanders.
    """
    if case.metric.name != "evaluation-max-of-mean":
        return case.not_tested(f"{case.metric.name} is a curve: it needs a check of kind curve.")
    try:
        horizon = horizon_of(case.claim, case.metric, run)
        _, returns = max_of_mean(run, horizon, case.random(run.env).mean)
    except Untestable as lack:
        return case.not_tested(str(lack))
    value = float(returns.mean(axis=0).max())
    generator = np.random.default_rng(zlib.crc32(case.claim.id.encode()))
    n = len(run.seeds)
    draws = generator.integers(0, n, (RESAMPLES, n))
    spread = returns[draws].mean(axis=1).max(axis=1)
    low, high = (float(edge) for edge in np.quantile(spread, [0.025, 0.975]))
    theirs = published_side(case.claim, curve_of(case.claim, case.context.curves))
    printed = "" if theirs is None else f"; printed: {number(theirs.mean)}"
    marks, _ = looks(run)
    return case.verdict(
        "inconclusive",
        f"shown, not judged: {number(value)} [{number(low)}, {number(high)}]{printed}",
        env=run.env,
        settleable=False,
        marks=marks,
        theirs=theirs,
        random=case.random(run.env).mean,
        reasons=[
            f"Largest value over time of the mean over {n} seeds: {number(value)}; bootstrap over "
            f"seeds ({RESAMPLES} draws): [{number(low)}, {number(high)}]{printed}.",
            "This statistic is biased upwards, more so with fewer seeds, and is not one number a "
            "seed: claims about single seeds decide (the last ten evaluations, the curve).",
        ],
    )
