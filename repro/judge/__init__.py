"""The judge: verdicts as pure functions of committed results and cards; it never trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.judge.types import (
    Context,
    Evidence,
    PublishedCurve,
    RandomScore,
    ReferenceScore,
    SeedResult,
    Verdict,
)

if TYPE_CHECKING:
    from repro.cards.models import Card, Claim
    from repro.judge.status import Status

__all__ = [
    "Context",
    "Evidence",
    "PublishedCurve",
    "RandomScore",
    "ReferenceScore",
    "SeedResult",
    "Verdict",
    "judge_claim",
    "judge_paper",
    "paper_status",
]


def judge_paper(
    card: Card, evidence: Sequence[Evidence], context: Context | None = None
) -> list[Verdict]:
    """The verdict on every claim of a card, in the card's order.

    evidence: all results of the paper, and of papers its claims compare with. context: random
    and reference scores and published curves; by default the committed ones in `papers/data`.
    """
    if context is None:
        from repro.judge.scores import load_context

        curves = [c.published.curve for c in card.claims if c.published and c.published.curve]
        context = load_context(curves)
    return [judge_claim(claim, evidence, card, context) for claim in card.claims]


def judge_claim(
    claim: Claim, evidence: Sequence[Evidence], card: Card, context: Context
) -> Verdict:
    """The verdict on one claim; see `repro.judge.verdict`."""
    from repro.judge.verdict import judge_claim as judge

    return judge(claim, evidence, card, context)


def paper_status(card: Card, verdicts: Sequence[Verdict]) -> Status:
    """A paper's status in one word, with its reason and totals; see `repro.judge.status`."""
    from repro.judge.status import paper_status as status

    return status(card, verdicts)
