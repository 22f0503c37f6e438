"""Metrics: what a claim's figure measures, each a pure function of one seed's history.

A metric declares its good direction, its bounds, what it needs, and what a run scores that never
got there. A name may carry a parameter after an @, as in `steps-to-threshold@475`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from repro.cards.models import Claim, Property, TimeTo
from repro.errors import ReproError, nearest

Direction = Literal["higher", "lower"]
Needs = Literal["training", "evaluation", "manifest"]
Never = Literal["random", "budget", "longest", "one", "none"]

WINDOW = 100  # training episodes that a level averages over
LAST_EVALUATIONS = 10
CURVE_POINTS = 100


class Episode(NamedTuple):
    """A finished training episode: environment steps of its seed so far, return, length."""

    step: int
    ret: float
    length: int


class Evaluation(NamedTuple):
    """One evaluation: environment steps of its seed so far, the return of each episode."""

    step: int
    returns: Sequence[float]


@dataclass(frozen=True)
class History:
    """What one seed did, in the order it happened. budget: its environment steps.

    rate: environment steps of this seed a second of its stack's training, by the wall's clock.
    """

    budget: int
    episodes: Sequence[Episode] = ()
    evaluations: Sequence[Evaluation] = ()
    properties: dict[str, float] = field(default_factory=dict)  # e.g. parameters-count
    rate: float | None = None

    def within(self) -> list[Episode]:
        """Training episodes that finished within the budget."""
        return [Episode(*episode) for episode in self.episodes if episode[0] <= self.budget]

    def evaluated(self) -> list[tuple[int, float]]:
        """(step, mean return over the evaluation's episodes), within the budget."""
        return [(step, mean(r)) for step, r in self.evaluations if step <= self.budget and len(r)]


@dataclass(frozen=True)
class Metric:
    """A metric by name.

    per_seed False: it is not one number a seed (`compute` is None) and never decides a claim.
    never: what a run scores that never got there or diverged: the random policy, the budget in
    steps, the longest that any of the seeds took, or 1.
    """

    name: str
    says: str
    direction: Direction
    needs: Needs
    never: Never
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    per_seed: bool = True
    exact: bool = False  # the same for every seed by construction: one seed settles it
    compute: Callable[[History, float | None], float | None] | None = None
    parameter: str | None = None  # what stands after the @


def mean(values: Iterable[float]) -> float:
    """Plain mean of at least one value."""
    listed = list(values)
    return sum(listed) / len(listed)


def curve_grid(steps: int, points: int = CURVE_POINTS) -> list[int]:
    """The common grid of a learning curve: `points` equally spaced steps, the last one `steps`."""
    points = max(1, min(points, steps))
    return sorted({round(steps * k / points) for k in range(1, points + 1)})


def training_curve(history: History, grid: Sequence[int]) -> list[tuple[int, float, int]]:
    """(step, mean return, number) of the training episodes that finished since the step before.

    Where none did, the value stays and the number is 0; points before the first episode are left
    out. Nothing older enters a point: a window of a hundred episodes would lag behind a published
    curve (on HalfCheetah by a tenth of the million steps).
    """
    episodes = history.within()
    ends = [episode.step for episode in episodes]
    curve: list[tuple[int, float, int]] = []
    before = 0
    for step in grid:
        done = bisect_right(ends, step)
        if done > before:
            value = mean(episode.ret for episode in episodes[before:done])
            curve.append((int(step), value, done - before))
        elif curve:
            curve.append((int(step), curve[-1][1], 0))
        before = done
    return curve


def level_of_curve(
    curve: Sequence[tuple[int, float]], episodes: Sequence[int], step: int
) -> float | None:
    """The mean of the last 100 training episodes at `step`, from a stored training curve.

    Whole points are taken, from `step` backwards, until they hold a hundred episodes.
    """
    total, count = 0.0, 0
    for (at, value), number in reversed(list(zip(curve, episodes, strict=True))):
        if at <= step and count < WINDOW:
            total, count = total + value * number, count + number
    return total / count if count else None


def evaluation_curve(history: History) -> list[tuple[int, float, int]]:
    """(step, mean return, number of episodes) of every evaluation within the budget."""
    numbers = {step: len(returns) for step, returns in history.evaluations}
    return [(step, value, numbers[step]) for step, value in history.evaluated()]


def _last_episodes(history: History, _: float | None) -> float | None:
    episodes = history.within()[-WINDOW:]
    return mean(episode.ret for episode in episodes) if episodes else None


def _all_episodes(history: History, _: float | None) -> float | None:
    episodes = history.within()
    return mean(episode.ret for episode in episodes) if episodes else None


def _area(history: History, _: float | None) -> float | None:
    curve = training_curve(history, curve_grid(history.budget))
    return mean(value for _, value, _ in curve) if curve else None


def _last_evaluations(history: History, _: float | None) -> float | None:
    evaluations = history.evaluated()
    if len(evaluations) < LAST_EVALUATIONS:
        return None
    return mean(value for _, value in evaluations[-LAST_EVALUATIONS:])


def _reached(history: History, threshold: float | None) -> int | None:
    """Index of the episode that completes the first hundred with a mean at the threshold."""
    if threshold is None:
        raise ReproError("a threshold metric was asked without one; write it as name@475")
    total, returns = 0.0, [episode.ret for episode in history.within()]
    for index, value in enumerate(returns):
        total += value - (returns[index - WINDOW] if index >= WINDOW else 0.0)
        if index + 1 >= WINDOW and total / WINDOW >= threshold:
            return index
    return None


def _steps_to(history: History, threshold: float | None) -> float | None:
    index = _reached(history, threshold)
    return float(history.budget if index is None else history.within()[index].step)


def _seconds_to(history: History, threshold: float | None) -> float | None:
    steps = _steps_to(history, threshold)
    return steps / history.rate if steps is not None and history.rate else None


def _rate(history: History, _: float | None) -> float | None:
    return history.rate


def _episodes_to(history: History, threshold: float | None) -> float | None:
    index = _reached(history, threshold)
    return float(len(history.within()) if index is None else index + 1)


def _never_reached(history: History, threshold: float | None) -> float | None:
    return 1.0 if _reached(history, threshold) is None else 0.0


def _parameters(history: History, _: float | None) -> float | None:
    return history.properties.get("parameters-count")


def _measured(
    name: str, says: str, better: Direction = "lower",
    bounds: tuple[float, float] = (0.0, float("inf")), parameter: str | None = None,
) -> Metric:  # fmt: skip
    """A number that an experiment measures itself and leaves among its properties, by full name."""

    def compute(history: History, value: float | None) -> float | None:
        return history.properties.get(name if value is None else f"{name}@{value:.12g}")

    return Metric(name, says, better, "manifest", "none", bounds, compute=compute,
                  parameter=parameter)  # fmt: skip


_ALL = (
    Metric("training-return-last-100", "mean return of the last 100 training episodes within the"
           " budget", "higher", "training", "random", compute=_last_episodes),
    Metric("training-return-mean-over-training", "mean return of all training episodes within the"
           " budget", "higher", "training", "random", compute=_all_episodes),
    Metric("training-return-area", "training return averaged over time (its curve over 100 equal"
           " steps)", "higher", "training", "random", compute=_area),
    Metric("training-return-curve", "training episodes of each hundredth of the budget", "higher",
           "training", "random", per_seed=False),
    Metric("evaluation-last-10", "mean of the last ten evaluations", "higher", "evaluation",
           "random", compute=_last_evaluations),
    Metric("evaluation-max-of-mean", "largest value over time of the mean over seeds (biased"
           " upwards; shown, never deciding)", "higher", "evaluation", "random", per_seed=False),
    Metric("evaluation-curve", "the evaluations along the budget", "higher", "evaluation",
           "random", per_seed=False),
    Metric("steps-to-threshold", "environment steps until 100 episodes in a row average the"
           " threshold; the budget where they never do", "lower", "training", "budget",
           (0.0, float("inf")), compute=_steps_to, parameter="threshold"),
    Metric("episodes-to-threshold", "episodes until 100 in a row average the threshold; all"
           " episodes of the budget where they never do", "lower", "training", "longest",
           (0.0, float("inf")), compute=_episodes_to, parameter="threshold"),
    Metric("seconds-to-threshold", "seconds of training, by the wall's clock and at the run's own"
           " pace, until 100 episodes in a row average the threshold; the whole run's where they"
           " never do", "lower", "training", "longest", (0.0, float("inf")), compute=_seconds_to,
           parameter="threshold"),
    Metric("steps-per-second", "environment steps of the seed a second of training, by the wall's"
           " clock; evaluation and checkpoints are not counted", "higher", "manifest", "none",
           (0.0, float("inf")), compute=_rate),
    Metric("never-reached-threshold", "1 where 100 episodes in a row never averaged the threshold",
           "lower", "training", "one", (0.0, 1.0), compute=_never_reached,
           parameter="threshold"),
    Metric("parameters-count", "trainable numbers of the networks", "lower", "manifest", "none",
           (0.0, float("inf")), exact=True, compute=_parameters),
    _measured("identity-error", "largest relative difference between the two sides of a stated"
              " identity, over the problems tried"),
    _measured("bound-violations", "share of the checks in which a stated bound did not hold"),
    _measured("gradient-cosine", "mean cosine between two gradient estimates of one policy, each"
              " from so many samples", "higher", (-1.0, 1.0), "samples"),
    _measured("gradient-cosine-lost", "by how much that cosine is lower now than at the start of"
              " training", "higher", (-2.0, 2.0)),
    _measured("value-error-ratio", "mean error of the value function against true returns, over"
              " its error against the targets it learns from", "higher"),
    _measured("surrogate-kept", "what an update gained in the surrogate on fresh samples, over its"
              " gain on its own", "lower", (float("-inf"), float("inf"))),
    _measured("cost-last-100", "mean cost, as the constraint counts it, of the last 100 training"
              " episodes"),
    _measured("violations", "constraint violations or catastrophes over the whole training"),
    _measured("hard-resets", "resets from outside over the whole training"),
)  # fmt: skip
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
# One number a seed, a return, nothing to be told beforehand: any two arms can be compared by it.
RETURNS = tuple(m.name for m in _ALL if m.per_seed and m.never == "random")


def metric(name: str) -> Metric:
    """The metric of that name (its parameter after the @ is ignored)."""
    base = name.partition("@")[0]
    if base not in METRICS:
        raise ReproError(f'found metric "{name}", expected one of Repro\'s; '
                         f"{nearest(base, METRICS)}")  # fmt: skip
    return METRICS[base]


def parameter_of(name: str) -> float | None:
    """The number after the @, None where there is none."""
    _, at, text = name.partition("@")
    if not at:
        return None
    try:
        return float(text)
    except ValueError:
        raise ReproError(f'found "{text}" after the @ of metric "{name}", expected a number; '
                         "write it as steps-to-threshold@475") from None  # fmt: skip


def other_arm(kind: str, name: str, mean: float, difference: float | None) -> float | None:
    """The second arm's mean in a comparison of two on one task, None where it is no such thing.

    mean: the first arm's; difference: first − second, turned so that more is better.
    """
    if kind not in ("ordering", "not-worse") or difference is None:
        return None
    return mean - difference if metric(name).direction == "higher" else mean + difference


def metrics_of(claim: Claim) -> list[str]:
    """Every per-seed number that judging this claim needs, by name."""
    check = claim.check
    names = [claim.metric]
    if isinstance(check, TimeTo):
        names = [f"{check.unit}-to-threshold@{check.threshold:g}"]
        names.append(f"never-reached-threshold@{check.threshold:g}")
    elif isinstance(check, Property):
        names.append(check.measure)
    return [name for name in dict.fromkeys(names) if metric(name).per_seed]


def compute_metrics(names: Iterable[str], history: History) -> dict[str, float]:
    """Every per-seed metric among `names`; one that the history cannot give is left out.

    Left out are: metrics that are not one number a seed (curves), and those whose protocol the
    run did not have (no evaluations, no finished episode). The judge fills in what a run scores
    that never got there.
    """
    values = {}
    for name in names:
        chosen = metric(name)
        value = chosen.compute(history, parameter_of(name)) if chosen.compute else None
        if value is not None:
            values[name] = float(value)
    return values
