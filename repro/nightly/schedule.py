"""Which jobs a night takes, in which order. Pure: standings, a date and a budget give the list.

First what cannot wait: suspicions to confirm, then promises not yet kept. Then by turns one of what
is new, stale, undecided or longest unchecked, so that no long list starves the others. Then the
rest, from a place that moves on by one each day.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

from repro.experiment import Experiment

State = Literal["suspected", "promised", "new", "stale", "undecided", "decided"]
Kind = Literal["begin", "carry out", "more seeds", "renew", "check"]

OLD_DAYS = 30  # a result not looked at for so long comes before the rest
PART = 0.5  # of the budget for a job that is longer than a whole night


@dataclass(frozen=True)
class Standing:
    """Where an experiment stands.

    looks: of its plan (of the plan to be made). have: seeds in its result. checked: when it was
    last run or compared. why: of its state, in words. renew: a new plan
    takes the place of this one, whose set says something else or whose code behaves otherwise.
    """

    experiment: Experiment
    state: State
    why: str
    tests: tuple[str, ...]
    central: bool = False
    looks: tuple[int, ...] = ()
    have: int = 0
    checked: datetime.date | None = None
    renew: bool = False

    @property
    def kind(self) -> Kind:
        """What is done about it."""
        if self.renew:
            return "renew"
        kinds: dict[State, Kind] = {
            "new": "begin",
            "promised": "carry out",
            "undecided": "more seeds",
        }
        return kinds.get(self.state, "check")

    @property
    def look(self) -> int | None:
        """How many of the plan's seeds the job goes to; None for a check."""
        if self.kind == "check":
            return None
        have = 0 if self.renew else self.have
        return next((look for look in self.looks if look > have), self.looks[-1])


@dataclass(frozen=True)
class Chosen:
    """A job taken. seconds: of wall time it gets; part: less than it needs, it goes on later."""

    standing: Standing
    seconds: float
    part: bool = False


def order(standings: Sequence[Standing], today: datetime.date) -> list[Standing]:
    """All of them, in the order in which a night takes them."""

    def of(*states: State) -> list[Standing]:
        return [s for s in standings if s.state in states]

    def age(standing: Standing) -> datetime.date:
        return standing.checked or datetime.date.min

    new = sorted(of("new"), key=lambda s: not s.central)
    stale = sorted(of("stale"), key=lambda s: (not s.central, age(s)))
    undecided = sorted(of("undecided"), key=lambda s: (not s.central, age(s)))
    old = sorted((s for s in of("decided") if _is_old(s, today)), key=age)
    rest = [s for s in of("decided") if not _is_old(s, today)]
    turns = chain.from_iterable(zip_longest(new, stale, undecided, old))
    return [
        *sorted(of("suspected"), key=age),
        *sorted(of("promised"), key=age),
        *(standing for standing in turns if standing is not None),
        *_rotated(rest, today),
    ]


def choose(
    ordered: Iterable[Standing],
    seconds: Callable[[Standing], float],
    budget: float,
    machines: int = 1,
) -> tuple[list[Chosen], list[Standing]]:
    """The jobs that fit into `budget` seconds of each machine, and those left for later.

    Each takes the machine that has most time left. One that is longer than a whole night gets half
    a night of a machine and goes on later; one such a machine.
    """
    taken: list[Chosen] = []
    left: list[Standing] = []
    free = [budget] * machines
    long = 0
    for standing in ordered:
        needed, most = seconds(standing), max(free)
        lasting = standing.kind != "check"  # a plan's seeds go on from their checkpoints
        part = lasting and needed > budget and long < machines
        given = budget * PART if part else needed
        if given <= most:
            taken.append(Chosen(standing, given, part))
            free[free.index(most)] -= given
            long += part
        else:
            left.append(standing)
    return taken, left


def _is_old(standing: Standing, today: datetime.date) -> bool:
    return standing.checked is None or (today - standing.checked).days >= OLD_DAYS


def _rotated(rest: list[Standing], today: datetime.date) -> list[Standing]:
    start = today.toordinal() % len(rest) if rest else 0
    return rest[start:] + rest[:start]
