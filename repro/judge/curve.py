"""Curve claims: the area under the learning curve and five points of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from repro.cards.models import Curve
from repro.judge.case import (
    EXPLORATION,
    FEW,
    PREFIX,
    UNPLANNED,
    Case,
    Prepared,
    Untestable,
    looks,
    reached_step,
)
from repro.judge.cautions import cautions
from repro.judge.compare import answer_of, compare
from repro.judge.prefix import judge_prefix
from repro.judge.published import curve_of, horizon, near_random, sample_of, undecidable
from repro.judge.published import theirs as side
from repro.judge.statistics import DEFAULT_TOLERANCE, SETTLING_POWER, scale_of
from repro.judge.types import (
    DECIDED,
    Answer,
    Evidence,
    Point,
    PublishedCurve,
    SeedResult,
    SeedValue,
    Verdict,
)
from repro.judge.words import headline, number, percent, say_interval

POINTS = 5
Array = NDArray[np.float64]


def judge_curve(case: Case) -> Verdict:
    """*reproduced* if the area and all five points pass; *not reproduced* if one of them fails."""
    check, figure, run = case.claim.check, case.claim.published, case.find()
    assert isinstance(check, Curve)
    published = curve_of(case.claim, case.context.curves)
    if run is None:
        return case.not_tested("No run of this claim's own hparam set and task.")
    if figure is None or published is None:
        return case.not_tested("The card gives no curve for this claim.")
    end = horizon(case.claim, published)
    n_pub, reading = figure.seeds or published.n, figure.reading_error or 0.0
    final = side(float(np.interp(end, published.step, published.mean)), n_pub,
                 _band(published, end), figure.band, reading)  # fmt: skip
    reached = reached_step(run, int(end))
    try:
        if reached is not None:
            return judge_prefix(case, at_step(case, run, reached), final)
        grid, values = on_grid(case, run, published, end)
    except Untestable as lack:
        return case.not_tested(str(lack))
    random, known = case.random(run.env), case.context.reference.get(run.env)
    reference = None if known is None else known.mean
    scale = scale_of(final.mean, random.mean, reference)
    margin = check.tolerance * scale
    marks, level = looks(run)

    def compared(margin: float) -> list[Point]:
        return compare_points(
            grid, values, published, n_pub, figure.band, reading, margin, level, case.sign
        )

    points = compared(margin)
    area = points[0]
    ceiling = lowest_ceiling(points, margin, level)
    refused = undecidable(figure)
    if near_random(final, random) is not None:
        refused = "The published curve ends within noise of the random policy."
    settleable = refused is None and (ceiling is None or ceiling >= SETTLING_POWER)
    answer: Answer = combine(points, margin) if settleable else "inconclusive"
    default = None
    if check.tolerance != DEFAULT_TOLERANCE and settleable:
        usual = DEFAULT_TOLERANCE * scale
        default = combine(compared(usual), usual)
    diverged = sum(seed.status == "diverged" for seed in run.seeds)
    marks += ["assumed spread"] if area.theirs.spread == "assumed" else []
    marks += [f"{diverged} diverged"] if diverged else []
    reasons = [
        f"Ours: {len(run.seeds)} seeds on the published curve's grid ({len(grid)} points up to "
        f"{end:,.0f} steps); published: {n_pub or 'an unknown number of'} seeds, {figure.how}.",
        f"One scale for the whole curve, at the horizon: {number(scale)} (random policy "
        f"{number(random.mean)}); margin {check.tolerance:g} × scale = {number(margin)}.",
        *(say_point(point) for point in points),
    ]
    if figure.smoothing:
        own = (
            "each evaluation"
            if case.metric.needs == "evaluation"
            else "the episodes of each hundredth"
        )
        reasons.append(f"Smoothing of the published curve: {figure.smoothing}; ours: {own}.")
    if ceiling is not None:
        reasons.append(f"Power ceiling (the lowest of the six): {percent(ceiling)}.")
    if refused:
        reasons.append(refused)
    if default is not None:
        reasons.append(f"At the usual tolerance of 0.2 × scale it would be: {default}.")
    first = compare(area.ours, area.theirs, margin, level, case.sign)
    weights = time_weights(grid)
    seeds = seed_values(run, np.asarray([row @ weights for row in values]))
    admissible = settleable and not {EXPLORATION, UNPLANNED, FEW} & set(marks)
    return case.verdict(
        answer,
        headline(answer, first.reach, settleable, refused, ceiling),
        env=run.env,
        reach=first.reach,
        settleable=settleable,
        judged=admissible,
        counts=admissible and answer in DECIDED,
        marks=marks,
        warnings=cautions(case.claim, case.metric, run, seeds, case.context),
        reasons=reasons,
        seeds=seeds,
        ours=area.ours,
        theirs=area.theirs,
        random=random.mean,
        reference=reference,
        tolerance=check.tolerance,
        scale=scale,
        margin=margin,
        own_interval=first.own_interval,
        interval=area.interval,
        answer_at_default_tolerance=default,
        power_ceiling=ceiling,
        level=level,
        points=points,
    )


def kept_curve(case: Case, seed: SeedResult) -> list[tuple[int, float]]:
    """The stored curve of the kind that the claim is about."""
    curve = seed.evaluations if case.metric.needs == "evaluation" else seed.curve
    if not curve and seed.status != "diverged":
        raise Untestable(f"Seed {seed.seed} has no curve of the kind this claim needs.")
    return curve


def at_steps(case: Case, run: Evidence, grid: Array) -> Array:
    """Our curves at the steps of `grid`, shape [seed, step].

    A diverged seed scores the random policy from its last step on.
    """
    rows = []
    for seed in run.seeds:
        curve = kept_curve(case, seed)
        steps, values = zip(*curve, strict=True) if curve else ((0,), (0.0,))
        row = np.interp(grid, steps, values)
        if seed.status == "diverged":
            row = np.where(grid > (curve[-1][0] if curve else -1), case.random(run.env).mean, row)
        rows.append(row)
    return np.asarray(rows)


def seed_values(run: Evidence, values: Array) -> list[SeedValue]:
    """A number a seed, shape [seed], with the seeds it is of."""
    return [
        SeedValue(seed=seed.seed, value=float(value), status=seed.status)
        for seed, value in zip(run.seeds, values, strict=True)
    ]


def on_grid(
    case: Case, run: Evidence, published: PublishedCurve, end: float
) -> tuple[Array, Array]:
    """The published grid up to the horizon, and our curves on it.

    Published points before all of our stored ones are left out: nothing of ours is there yet.
    """
    starts = [curve[0][0] for seed in run.seeds if (curve := kept_curve(case, seed))]
    first = min(starts, default=0)
    grid = np.asarray([s for s in published.step if first <= s <= end], dtype=np.float64)
    if grid.size < 2:
        raise Untestable("Our curve and the published one have no two steps in common.")
    return grid, at_steps(case, run, grid)


def at_step(case: Case, run: Evidence, step: int) -> Prepared:
    """Our side at one step of a run that stopped there."""
    values = at_steps(case, run, np.asarray([step], dtype=np.float64))[:, 0]
    marks, level = looks(run)
    seeds = seed_values(run, values)
    sample = sample_of([seed.value for seed in seeds])
    warnings = cautions(case.claim, case.metric, run, seeds, case.context)
    return Prepared(run, seeds, sample, level, step, [*marks, PREFIX], warnings)


def compare_points(
    grid: Array, values: Array, published: PublishedCurve, n_pub: int | None, band: str | None,
    reading: float, margin: float, level: float, sign: int,
) -> list[Point]:  # fmt: skip
    """The area first, then five points at equal distances up to the horizon.

    The area is the time average of the curve, in the metric's unit. The spread of the published
    area is bounded by the mean of the pointwise spreads: seeds' curves need not move together.
    """
    weights = time_weights(grid)
    means = np.interp(grid, published.step, published.mean)
    bands = None if published.band is None else np.interp(grid, published.step, published.band)
    area_band = None if bands is None else float(weights @ bands)
    pairs: list[tuple[str, int | None, Array, float, float | None, float]] = [
        ("area", None, values @ weights, float(weights @ means), area_band, level)
    ]
    pairs += [
        (
            f"{grid[index]:,.0f} steps",
            int(grid[index]),
            values[:, index],
            float(means[index]),
            None if bands is None else float(bands[index]),
            level / POINTS,
        )
        for index in point_indices(grid)
    ]
    points = []
    for at, step, ours, mean, width, fail_level in pairs:
        sample = sample_of([float(value) for value in ours])
        theirs = side(mean, n_pub, width, band, reading)
        passed = compare(sample, theirs, margin, level, sign)
        strict = compare(sample, theirs, margin, fail_level, sign)
        points.append(
            Point(
                at=at,
                step=step,
                ours=sample,
                theirs=theirs,
                interval=passed.interval,
                fail_level=fail_level,
                passes=answer_of(passed.interval, margin) in ("reproduced", "exceeds"),
                fails=answer_of(strict.interval, margin) == "not reproduced",
            )
        )
    return points


def combine(points: Sequence[Point], margin: float) -> Answer:
    """One answer from the area (first) and the points."""
    if any(point.fails for point in points):
        return "not reproduced"
    if all(point.passes for point in points):
        return "exceeds" if answer_of(points[0].interval, margin) == "exceeds" else "reproduced"
    return "inconclusive"


def lowest_ceiling(points: Sequence[Point], margin: float, level: float) -> float | None:
    """The claim needs all six to pass, so its ceiling is at most the lowest of theirs."""
    ceilings = [compare(p.ours, p.theirs, margin, level).ceiling for p in points]
    known = [ceiling for ceiling in ceilings if ceiling is not None]
    return min(known) if known else None


def time_weights(grid: Array) -> Array:
    """Trapezoid weights that sum to one: weights @ curve is its average over time."""
    if grid.size == 1:
        return np.ones(1)
    gaps = np.diff(grid)
    weights = np.zeros_like(grid)
    weights[:-1] += gaps / 2
    weights[1:] += gaps / 2
    return weights / gaps.sum()


def point_indices(grid: Array) -> list[int]:
    """Grid points nearest to a fifth, two fifths … of the horizon."""
    return [int(np.abs(grid - grid[-1] * k / POINTS).argmin()) for k in range(1, POINTS + 1)]


def say_point(point: Point) -> str:
    """One of the six comparisons in words."""
    end = "passes" if point.passes else "fails" if point.fails else "open"
    what = f"ours {number(point.ours.mean)}, published {number(point.theirs.mean)}"
    if point.interval is None:
        return f"{point.at}: {what}: {end}."
    return f"{point.at}: {what}; d = {say_interval(point.interval)}: {end}."


def _band(published: PublishedCurve, step: float) -> float | None:
    if published.band is None:
        return None
    return float(np.interp(step, published.step, published.band))
