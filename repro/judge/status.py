"""A paper's status and totals over verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import special

from repro.cards.models import Card
from repro.cards.sets import alias
from repro.judge.compare import difference_of_arms
from repro.judge.comparison import holm
from repro.judge.published import sample_of
from repro.judge.statistics import ONE_LOOK_LEVEL
from repro.judge.types import Data, Interval, Totals, Verdict

StatusWord = Literal[
    "reproduced", "partly", "not reproduced", "undecided", "scaled only", "no experiment"
]

# Tasks that do not make a status by themselves: pendulums, classic control, toy text, the two-link
# arm, whose joints are a driven double pendulum, what is measured without a task to be learnt, and
# "several", which may be any of them.
EASY = frozenset(
    {"Acrobot", "Blackjack", "CartPole", "CliffWalking", "FrozenLake", "FrozenLake8x8"}
    | {"MountainCar", "MountainCarContinuous", "Pendulum", "Taxi"}
    | {"InvertedPendulum", "InvertedDoublePendulum", "Reacher"}
    | {"Bandit", "RandomMDP", "TwoHalves", "several"}
)


class Status(Data, frozen=True, kw_only=True):
    """A paper's status, why, and the totals behind it."""

    status: StatusWord
    reason: str
    totals: Totals


def totals(verdicts: Sequence[Verdict]) -> Totals:
    """Counts of the verdicts that may be counted."""
    judged = [verdict for verdict in verdicts if verdict.judged]

    def count(answer: str) -> int:
        return sum(verdict.answer == answer for verdict in judged)

    return Totals(
        judged=len(judged),
        reproduced=count("reproduced"),
        exceeds=count("exceeds"),
        not_reproduced=count("not reproduced"),
        inconclusive=count("inconclusive"),
        expected_false=sum(error_rate(verdict) for verdict in judged),
        prefixes=sum(v.answer in ("on track", "behind", "undecided") for v in verdicts),
        not_tested=sum(verdict.answer == "not tested" for verdict in verdicts),
    )


def error_rate(verdict: Verdict) -> float:
    """Largest rate of false verdicts at the margin that the simulation in docs/judge.md finds.

    3.1 % for a curve, 3 % for other verdicts at one look, 2.9 % over planned looks. An assumed
    spread that is wrong errs more: by up to 14 % where theirs is twice ours.
    """
    if verdict.kind == "curve":
        return 0.031
    return 0.029 if verdict.level is not None and verdict.level < ONE_LOOK_LEVEL else 0.03


def paper_status(card: Card, verdicts: Sequence[Verdict]) -> Status:
    """One word for a paper, from its central claims.

    *reproduced*: central claims pass on at least two environments, one of them harder than a
    pendulum, none refuted; of a paper of theory, all of them pass. *partly*: some pass. *not
    reproduced*: some are refuted and none passes. *scaled only*: the card has but a scaled test,
    and it was decided. *no experiment*: nothing could be run. Else *undecided*.
    """
    count = totals(verdicts)
    central = [verdict for verdict in verdicts if verdict.central and verdict.counts]
    passed = {alias(v.env) for v in central if v.answer in ("reproduced", "exceeds")}
    refuted = sorted({v.claim for v in central if v.answer == "not reproduced"})
    if card.tier == "none" or (card.no_experiment is not None and not card.claims):
        why = card.no_experiment or "The card says that nothing of it can be run here."
        return Status(status="no experiment", reason=why, totals=count)
    if not any(verdict.central for verdict in verdicts):
        return Status(status="undecided", reason="No central claim is on the card.", totals=count)
    if not passed and not refuted:
        reason = "No central claim is decided by planned runs of ten seeds or more."
        return Status(status="undecided", reason=reason, totals=count)
    said = f"Central claims pass on {', '.join(sorted(passed)) or 'no task'}"
    said += f"; refuted: {', '.join(refuted)}." if refuted else "; none is refuted."
    if card.tier == "scaled":
        return Status(status="scaled only", reason=f"Tested at a smaller scale. {said}",
                      totals=count)  # fmt: skip
    if not passed:
        return Status(status="not reproduced", reason=said, totals=count)
    if card.kind == "theory" and not refuted and len(central) == sum(v.central for v in verdicts):
        return Status(status="reproduced", reason=f"All of its theorems hold. {said}", totals=count)
    if not refuted and len(passed) >= 2 and passed - EASY:
        return Status(status="reproduced", reason=said, totals=count)
    need = " Reproduced needs two tasks, one harder than a pendulum, and none refuted."
    return Status(status="partly", reason=said + need, totals=count)


class Row(Data, frozen=True, kw_only=True):
    """One arm of a table against its baseline: difference, interval, p-value, Holm's p-value."""

    arm: str
    interval: Interval | None
    p_value: float | None
    adjusted: float | None


def compare_table(
    baseline: Sequence[float], arms: Mapping[str, Sequence[float]], level: float = 0.025
) -> list[Row]:
    """Every arm minus the baseline (Welch, two-sided p), Holm's correction inside this table."""
    base = sample_of(list(baseline))
    intervals = {
        name: difference_of_arms(sample_of(list(values)), base, level)
        for name, values in arms.items()
    }
    raw = {name: _p_value(interval) for name, interval in intervals.items()}
    known = {name: p for name, p in raw.items() if p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True)) if known else {}
    return [
        Row(arm=name, interval=intervals[name], p_value=raw[name], adjusted=adjusted.get(name))
        for name in arms
    ]


def _p_value(interval: Interval | None) -> float | None:
    if interval is None:
        return None
    if interval.standard_error == 0:
        return 1.0 if interval.difference == 0 else 0.0
    t = abs(interval.difference) / interval.standard_error
    return float(np.minimum(1.0, 2.0 * special.stdtr(interval.df, -t)))
