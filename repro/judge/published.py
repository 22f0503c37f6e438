"""The published side of a claim: mean, seeds, spread between seeds, and how sure each is."""

from __future__ import annotations

import math

import numpy as np

from repro.cards.arms import own_arm
from repro.cards.models import Claim, Published
from repro.errors import ReproError
from repro.judge.statistics import ONE_LOOK_LEVEL, spread_over_seeds, t_quantile
from repro.judge.types import PublishedCurve, RandomScore, Sample, Theirs


def published_side(claim: Claim, curve: PublishedCurve | None) -> Theirs | None:
    """What the card prints for the claim's horizon; None where it prints no figure.

    A level that is only given as a curve is the curve's value at the claim's horizon.
    """
    figure = claim.published
    if figure is None:
        return None
    mean, band, n = figure.mean, figure.std, figure.seeds
    kind: str | None = figure.band
    if figure.per_seed:
        data = np.asarray(figure.per_seed, dtype=np.float64)
        mean = float(data.mean()) if mean is None else mean
        n, kind = data.size, "std"
        band = float(data.std(ddof=1)) if data.size > 1 else None
    elif mean is None and curve is not None:
        at = horizon(claim, curve)
        mean = float(np.interp(at, curve.step, curve.mean))
        n = curve.n if n is None else n
        if band is None and curve.band is not None:
            band = float(np.interp(at, curve.step, curve.band))
    if mean is None:
        return None
    return theirs(mean, n, band, kind, figure.reading_error or 0.0)


def theirs(mean: float, n: int | None, band: float | None, kind: str | None,
           reading_error: float = 0.0) -> Theirs:  # fmt: skip
    """The published side from a band's half-width of some kind.

    A band is worth nothing without the number of seeds behind it, nor with a single one.
    """
    if n is None or n < 1:
        return Theirs(mean=mean, n=None, std=None, spread="unknown", reading_error=reading_error)
    if band is None or n < 2:
        return Theirs(mean=mean, n=n, std=None, spread="assumed", reading_error=reading_error)
    std = spread_over_seeds(band, kind, n)
    return Theirs(mean=mean, n=n, std=std, spread="printed", reading_error=reading_error)


def published_arms(claim: Claim, first: str, second: str) -> tuple[float | None, float | None]:
    """The published levels of two arms by name; None where the card prints none for one.

    `mean` is the level of the claim's own arm and `rival` the other's.
    """
    figure, own = claim.published, own_arm(claim)
    if figure is None or own not in (first, second):
        return None, None
    return (figure.mean, figure.rival) if first == own else (figure.rival, figure.mean)


def published_effect(claim: Claim, first: str, second: str, sign: int) -> float | None:
    """Published first − second in the metric's good direction; None unless both are printed."""
    a, b = published_arms(claim, first, second)
    return None if a is None or b is None else sign * (a - b)


def horizon(claim: Claim, curve: PublishedCurve) -> float:
    """The step at which the claim is judged, no further than its curve goes."""
    last = curve.step[-1]
    return last if claim.steps is None else min(float(claim.steps), last)


def curve_of(claim: Claim, curves: object) -> PublishedCurve | None:
    """The claim's published curve among those loaded."""
    name = claim.published.curve if claim.published else None
    if name is None:
        return None
    loaded: dict[str, PublishedCurve] = dict(curves)  # type: ignore[call-overload]
    if name not in loaded:
        raise ReproError(f'{claim.id}: curve "{name}" was not loaded; expected in papers/data/')
    return loaded[name]


def band_in_words(figure: Published, side: Theirs) -> str:
    """How the spread between the paper's seeds was come by."""
    if side.spread == "unknown":
        return "number of seeds not known" if figure.seeds is None else "no usable spread"
    if side.spread == "assumed":
        return "no spread printed"
    if figure.per_seed:
        return "computed from the authors' seeds"
    words = {
        "std": "printed",
        "half-std": "twice the printed half standard deviation",
        "standard-error": "printed standard error × √n",
        "min-max": "from the printed range over seeds",
    }
    return words.get(figure.band or "", "a band of unstated kind, read as a standard error × √n")


BANDS = {
    "std": "standard deviation over {seeds}",
    "half-std": "half the standard deviation over {seeds}",
    "standard-error": "standard error of {seeds}",
    "min-max": "half the range over {seeds}",
}


def band_kind(figure: Published) -> str:
    """What a published band or ± is, as printed: `standard error of 6 seeds`."""
    seeds = "an unknown number of seeds" if figure.seeds is None else f"{figure.seeds} seeds"
    unstated = "of a kind not said, read as a standard error of {seeds}"
    return BANDS.get(figure.band or "", unstated).format(seeds=seeds)


def undecidable(figure: Published) -> str | None:
    """Why this figure may never decide a verdict; None where it may."""
    if figure.confidence == "recalled":
        return "The published figure is recalled, not read in a source: it decides nothing."
    if figure.how == "read off the figure" and figure.reading_error is None:
        return "The figure was read off a plot, and the card gives no reading error."
    return None


def near_random(side: Theirs, random: RandomScore) -> float | None:
    """The noise, where the published figure lies within it of the random policy; else None.

    Noise: 1.96 standard errors of both, plus the reading error.
    """
    variance = random.std**2 / max(random.episodes, 1)
    if side.std is not None and side.n is not None:
        variance += side.std**2 / side.n
    noise = 1.96 * math.sqrt(variance) + side.reading_error
    return noise if abs(side.mean - random.mean) <= noise else None


def sample_of(values: list[float]) -> Sample:
    """Count, mean and standard deviation (n − 1) of the seeds' numbers."""
    data = np.asarray(values, dtype=np.float64)
    std = float(data.std(ddof=1)) if data.size > 1 else None
    return Sample(n=data.size, mean=float(data.mean()), std=std)


def critical(df: float, level: float = ONE_LOOK_LEVEL) -> float:
    """Student's t value behind an interval, for the sentences that explain it."""
    return float(t_quantile(df, level))
