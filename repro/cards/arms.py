"""Arms: the runs of our own that a claim sets side by side, by name.

paper                     the claim's own hparam set
no-clip                   the claim's own set with an ablation of the card
a3c-2016                  another paper, with whichever of its sets was run on the task
a3c-2016/a2c              a paper (another or this one) with a set of its own
td3-2018/classic+myopic   the same with an ablation
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from repro.cards.models import Aggregate, Card, Claim, NotWorse, Ordering

PAPER = "paper"


class Arm(NamedTuple):
    """Which runs an arm's name means; hparams None: whichever set was run."""

    paper: str
    hparams: str | None
    ablation: str | None


def arm_of(name: str, claim: Claim, card: Card) -> Arm:
    """What `name` means in a claim of `card`."""
    if name == PAPER:
        return Arm(card.id, claim.hparams, None)
    if name in card.ablations:
        return Arm(card.id, claim.hparams, name)
    paper, _, rest = name.partition("/")
    hparams, _, ablation = rest.partition("+")
    return Arm(paper, hparams or None, ablation or None)


def own_arm(claim: Claim) -> str:
    """The name of the claim's own arm: its set, with its ablation where it has one."""
    return claim.ablation or PAPER


def named_arms(claim: Claim) -> list[tuple[str, str]]:
    """(field of the check, arm's name) for every arm that a claim's check names."""
    rule = claim.check
    if isinstance(rule, Ordering):
        return [("better", rule.better), ("than", rule.than)]
    if isinstance(rule, NotWorse):
        return [("arm", rule.arm), ("than", rule.than)]
    if isinstance(rule, Aggregate):
        return [("arms", arm) for arm in rule.arms or []]
    return []


def arms_of(claim: Claim, card: Card) -> Iterator[Arm]:
    """Every arm whose runs speak to a claim, its own first."""
    yield Arm(card.id, claim.hparams, claim.ablation)
    for _, name in named_arms(claim):
        yield arm_of(name, claim, card)


def rivals(card: Card) -> list[str]:
    """Ids of the other papers whose runs the card's claims compare with."""
    named = {arm.paper for claim in card.claims for arm in arms_of(claim, card)}
    return sorted(named - {card.id})
