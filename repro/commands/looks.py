"""`repro run --until-decided`: more seeds at the planned looks, until the judge has decided."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands import text
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.experiment import Experiment
    from repro.judge.types import Verdict
    from repro.plans import Plan

# What carries out an experiment for some seeds: the folder of its result, or an exit status.
CarryOut = Callable[[argparse.Namespace, "Experiment", Sequence[int], "Plan | None"], "Path | int"]


def until_decided(
    args: argparse.Namespace, experiment: Experiment, plan: Plan | None, carry_out: CarryOut
) -> int:
    """Look at 5, 10, 20, 40 seeds (or as the plan says) until every claim that can be is decided.

    The judge takes each look at its own level, so that looking again costs nothing. What is done
    is not run again: the same command goes on. Evidence is looked at with the ten seeds that
    count, whatever five of them say.
    """
    from repro.cards import load_card
    from repro.commands.finish import finish, judged
    from repro.evidence import own_verdicts
    from repro.judge.case import COUNTED_SEEDS

    looks, card = planned_looks(args, plan), load_card(experiment.paper)
    folder, seen = None, 0
    for look in looks:
        if look < seen:  # an earlier command came further
            continue
        seeds = plan.seeds[:look] if plan else list(range(look))
        done = carry_out(args, experiment, seeds, plan)
        if isinstance(done, int):
            return done
        folder = done
        found, every = judged(experiment, plan, folder, looks)
        seen, verdicts = len(found.seeds), own_verdicts(card, experiment, every)
        left = undecided(verdicts)
        if not args.quiet:
            print(text.dim(f"look at {seen} seeds: {left_in_words(verdicts, left)}"))
        if not left and (plan is None or seen >= min(COUNTED_SEEDS, looks[-1])):
            break
    assert folder is not None
    return finish(args, experiment, plan, folder, looks)


def planned_looks(args: argparse.Namespace, plan: Plan | None) -> list[int]:
    """The numbers of seeds to look at; `ReproError` where there is but one."""
    from repro.plans import LOOKS

    if args.seeds:
        raise ReproError(
            f"--until-decided looks at {', '.join(map(str, LOOKS))} seeds; leave out --seeds"
        )
    if plan is None:
        return list(LOOKS)
    if len(plan.looks) == 1:
        raise ReproError(
            f"this plan has one look, at {plan.looks[0]} seeds; --until-decided needs several: "
            f"repro plan … --looks {','.join(map(str, LOOKS))}"
        )
    return list(plan.looks)


def undecided(verdicts: Sequence[Verdict]) -> list[str]:
    """Claims that more seeds may decide."""
    open_still = ("inconclusive", "undecided")
    return [v.claim for v in verdicts if v.answer in open_still and v.settleable]


def left_in_words(verdicts: Sequence[Verdict], left: Sequence[str]) -> str:
    if not verdicts:
        return "no claim of the card is about this, so there is nothing to decide"
    if left:
        return f"undecided: {', '.join(left)}"
    thin = sum(not verdict.settleable for verdict in verdicts)
    return "decided" + (f"; {thin} cannot be settled by our seeds" if thin else "")
