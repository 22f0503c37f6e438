"""What the rules look at: the histories of a run's seeds, and what is known about its task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

WINDOW = 100  # episodes that a level averages over


class Series(NamedTuple):
    """A quantity along a seed's environment steps; what was not finite is left out."""

    steps: Sequence[int]
    values: Sequence[float]

    def between(self, start: float, end: float) -> list[float]:
        """Values at steps in (start, end]."""
        return [v for s, v in zip(self.steps, self.values, strict=True) if start < s <= end]


NOTHING = Series((), ())


@dataclass(frozen=True)
class SeedHistory:
    """One seed. logged: quantities of the training log by name. episodes: returns of the training
    episodes, lengths: their steps. evaluations: mean return of each evaluation."""

    seed: int
    status: str = "finished"
    diagnosis: str | None = None
    logged: Mapping[str, Series] = field(default_factory=dict)
    episodes: Series = NOTHING
    lengths: Sequence[int] = ()
    evaluations: Series = NOTHING

    def last_return(self) -> float | None:
        """Mean of the last hundred training episodes."""
        return mean(self.episodes.values[-WINDOW:])


@dataclass(frozen=True)
class Actions:
    """The action space: number of choices, or dimensions and the half of each one's range."""

    choices: int | None = None
    half_ranges: Sequence[float] = ()


@dataclass(frozen=True)
class Replay:
    """The stored policy of one seed, played again from fresh starts with the stored normaliser.

    saturated: share of action components at or beyond a bound, None for discrete actions.
    dead: layer → share of its units that never change over the states visited.
    """

    seed: int
    returns: Sequence[float]
    saturated: float | None = None
    dead: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunHistory:
    """A run, as far as it is known. A part that is missing is None, and `missing` says why.

    steps: environment steps of a seed. full_steps: those of the card's claims. random and
    random_std: return of the random policy over episodes. reference: a good agent's.
    """

    title: str
    steps: int
    hparams: Mapping[str, Any]
    seeds: Sequence[SeedHistory]
    full_steps: int | None = None
    random: float | None = None
    random_std: float = 0.0
    reference: float | None = None
    actions: Actions | None = None
    replay: Replay | None = None
    missing: Mapping[str, str] = field(default_factory=dict)  # "log" or "replay" → why

    @property
    def trained(self) -> list[SeedHistory]:
        """The seeds that did not diverge."""
        return [seed for seed in self.seeds if seed.status != "diverged"]

    def logging(self, name: str) -> list[SeedHistory]:
        """Those of them whose log has the quantity at five steps or more."""
        return [s for s in self.trained if len(s.logged.get(name, NOTHING).values) >= 5]

    def medians(self, name: str, half: int) -> dict[int, float]:
        """Seed → median of a logged quantity over the first or second half of the steps, or over
        all where that half is empty; no seed where it is not logged."""
        start, end = (0.0, self.steps / 2) if half == 1 else (self.steps / 2, math.inf)
        logged = {seed.seed: seed.logged[name] for seed in self.logging(name)}
        return {k: median(s.between(start, end) or s.values) for k, s in logged.items()}

    def number(self, name: str) -> float | None:
        """A hyperparameter that is a plain number."""
        value = self.hparams.get(name)
        return float(value) if isinstance(value, int | float) else None

    def kind(self, name: str) -> str | None:
        """The kind of a hyperparameter that is a tagged block."""
        value = self.hparams.get(name)
        return value.get("kind") if isinstance(value, Mapping) else None

    def capped(self) -> bool:
        """Whether most episodes of the second half of the steps end at the time limit: at the
        same, greatest length of all."""
        lengths = [
            n
            for s in self.seeds
            for step, n in zip(s.episodes.steps, s.lengths, strict=False)
            if step > self.steps / 2
        ]
        longest = max((n for s in self.seeds for n in s.lengths), default=0)
        return bool(lengths) and sum(n == longest for n in lengths) > len(lengths) / 2


def mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else None


def median(values: Iterable[float]) -> float:
    """The middle value (the upper one of an even number) of at least one."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def quantile(values: Iterable[float], share: float) -> float:
    """The value that a share of the others lies below."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
