"""From a claim to its verdict: one pure function per kind of check."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from repro.cards.models import (
    Aggregate,
    Card,
    Claim,
    Curve,
    Level,
    NotWorse,
    Ordering,
    Property,
    TimeTo,
)
from repro.judge.aggregate import judge_aggregate
from repro.judge.arms import judge_not_worse, judge_ordering
from repro.judge.bounds import judge_property, judge_time_to
from repro.judge.case import Case, same_task
from repro.judge.curve import judge_curve
from repro.judge.level import judge_level
from repro.judge.types import Context, Evidence, Verdict
from repro.judge.words import pointing

JUDGES: dict[type, Callable[[Case], Verdict]] = {
    Level: judge_level,
    Curve: judge_curve,
    Ordering: judge_ordering,
    NotWorse: judge_not_worse,
    TimeTo: judge_time_to,
    Property: judge_property,
    Aggregate: judge_aggregate,
}


def judge_claim(
    claim: Claim, evidence: Sequence[Evidence], card: Card, context: Context
) -> Verdict:
    """The verdict on one claim, from all evidence of its paper (and of papers it compares with).

    Pure: the same card, evidence and committed figures give the same verdict.
    """
    verdict = _judge(claim, evidence, card, context)
    if verdict.settleable or verdict.answer == "not tested":
        return verdict
    pointer = settled_by(claim, evidence, card, context)
    line = (
        f'The claim "{pointer}" on the same task can be settled.'
        if pointer
        else "No other claim of the card on this task can be settled by our seeds."
    )
    return msgspec.structs.replace(
        verdict,
        headline=pointing(verdict.headline, pointer),
        settled_by=pointer,
        reasons=[*verdict.reasons, line],
    )


def _judge(claim: Claim, evidence: Sequence[Evidence], card: Card, context: Context) -> Verdict:
    return JUDGES[type(claim.check)](Case(claim, card, evidence, context))


def settled_by(
    claim: Claim, evidence: Sequence[Evidence], card: Card, context: Context
) -> str | None:
    """Id of the claim on the same task that our seeds can settle.

    One that has been tested comes first; else one whose published side has seeds and a spread.
    """
    untested = None
    for other in card.claims:
        if other.id == claim.id or not isinstance(other.check, Level | Curve):
            continue
        if other.ablation != claim.ablation or not same_task(claim.env, other.env):
            continue
        verdict = _judge(other, evidence, card, context)
        if verdict.answer != "not tested" and verdict.settleable:
            return other.id
        figure = other.published
        promising = figure is not None and figure.confidence != "recalled"
        if verdict.answer == "not tested" and promising and figure is not None:
            spread = figure.per_seed or figure.curve or (figure.std is not None and figure.seeds)
            untested = untested or (other.id if spread else None)
    return untested
