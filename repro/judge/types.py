"""What the judge is given and what it answers, as plain frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Reach = Literal["reaches", "misses", "undecided"]
Answer = Literal[
    "reproduced", "exceeds", "not reproduced", "inconclusive",  # the verdicts
    "on track", "behind", "undecided",  # a run stopped before the claim's horizon
    "not tested",  # no run of the claim's own set, ablation, environment and protocol
]  # fmt: skip
DECIDED = ("reproduced", "exceeds", "not reproduced")


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen, and written as JSON by `msgspec.to_builtins`."""


class SeedResult(Data, frozen=True, kw_only=True):
    """One seed of a result. status: finished, diverged, or anything else for unfinished.

    metrics: per-seed metrics by name. curve: (step, mean of the training episodes finished since
    the step before), episodes: how many those were. evaluations: (step, mean return of one).
    """

    seed: int
    status: str
    steps: int
    metrics: dict[str, float] = {}
    curve: list[tuple[int, float]] = []
    episodes: list[int] = []
    evaluations: list[tuple[int, float]] = []


class Evidence(Data, frozen=True, kw_only=True):
    """The seeds of one experiment, and how they were promised.

    steps: environment steps a seed was to run. planned: the run carries out a committed plan;
    looks: numbers of seeds at which that plan looks; planned_seeds: all it promised.
    evaluation: the protocol evaluated beside training, None without. stale: the implementation
    behaves otherwise now.
    """

    paper: str
    env: str
    hparam_set: str
    ablation: str | None = None
    overrides: dict[str, Any] = {}
    steps: int
    seeds: list[SeedResult]
    planned: bool = False
    looks: list[int] = []
    planned_seeds: list[int] | None = None
    evaluation: dict[str, Any] | None = None
    stale: bool = False


class RandomScore(Data, frozen=True, kw_only=True):
    """Return of the uniformly random policy: mean and std over episodes, and how many."""

    mean: float
    std: float
    episodes: int


class ReferenceScore(Data, frozen=True, kw_only=True):
    """A sourced return of a good agent, which keeps scales from shrinking to nothing."""

    mean: float
    source: str = ""


class PublishedCurve(Data, frozen=True, kw_only=True):
    """A published learning curve: columns step, mean, band (half-width), n (seeds)."""

    step: list[float]
    mean: list[float]
    band: list[float] | None = None
    n: int | None = None


class Context(Data, frozen=True, kw_only=True):
    """The committed figures every verdict leans on: scores by environment id, curves by file."""

    random: Mapping[str, RandomScore] = {}
    reference: Mapping[str, ReferenceScore] = {}
    curves: Mapping[str, PublishedCurve] = {}


class SeedValue(Data, frozen=True, kw_only=True):
    """One seed's number as judged. A diverged seed has the random policy's."""

    seed: int
    value: float
    status: str


class Sample(Data, frozen=True, kw_only=True):
    """Numbers over seeds: how many, their mean, their standard deviation (None from one seed)."""

    n: int
    mean: float
    std: float | None


class Score(Data, frozen=True, kw_only=True):
    """An arm's aggregate: value, standard error, degrees of freedom, and value by task."""

    value: float
    error: float
    df: float
    by_task: dict[str, float]


class Theirs(Data, frozen=True, kw_only=True):
    """The published side. spread: where std comes from; None for n or std: not known."""

    mean: float
    n: int | None
    std: float | None
    spread: Literal["printed", "assumed", "unknown"]
    reading_error: float = 0.0


class Interval(Data, frozen=True, kw_only=True):
    """An interval of the difference ours − theirs, in the metric's good direction."""

    difference: float
    low: float
    high: float
    half_width: float
    standard_error: float
    df: float
    level: float  # one-sided


class Point(Data, frozen=True, kw_only=True):
    """One of a curve's six comparisons (the area, five points)."""

    at: str
    step: int | None
    ours: Sample
    theirs: Theirs
    interval: Interval | None
    fail_level: float | None
    passes: bool
    fails: bool


class Verdict(Data, frozen=True, kw_only=True):
    """The answer for one claim, with every number it was made from.

    reach: does our implementation reach the printed figure (our seeds' uncertainty only)?
    answer: does it perform like the paper's agents (both sides' uncertainty)?
    headline: what a page shows. settleable: False where the published side is too thin.
    power_ceiling: chance of *reproduced* with infinitely many seeds of ours.
    counts: decided, planned and at ten seeds or more, so totals include it.
    judged: what `counts` asks but for being decided; totals expect false verdicts among these.
    """

    claim: str
    paper: str
    env: str
    hparam_set: str
    ablation: str | None = None
    kind: str
    metric: str
    central: bool = False
    answer: Answer
    reach: Reach | None = None
    headline: str
    settleable: bool = True
    settled_by: str | None = None
    counts: bool = False
    judged: bool = False
    marks: list[str] = []
    warnings: list[str] = []
    reasons: list[str] = []
    command: str | None = None
    seeds: list[SeedValue] = []
    ours: Sample | None = None
    theirs: Theirs | None = None
    random: float | None = None
    reference: float | None = None
    tolerance: float | None = None
    scale: float | None = None
    margin: float | None = None
    own_interval: Interval | None = None
    interval: Interval | None = None
    answer_at_default_tolerance: Answer | None = None
    power_ceiling: float | None = None
    seeds_needed: int | None = None
    level: float | None = None
    points: list[Point] = []
    improvement: tuple[float, float, float] | None = None  # P(A > B), low, high
    published_effect: float | None = None
    at_least: float | None = None  # bounds of a property; the least effect of an ordering
    at_most: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class Totals(Data, frozen=True, kw_only=True):
    """Counts over verdicts that were planned, at ten seeds or more, and can be settled.

    expected_false: false verdicts to expect at most among the `judged`, were every one of them
    at its margin: the sum of their one-sided error rates.
    """

    judged: int
    reproduced: int
    exceeds: int
    not_reproduced: int
    inconclusive: int
    expected_false: float
    prefixes: int = 0
    not_tested: int = 0
