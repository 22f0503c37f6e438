"""promise evidence: write a plan, to be committed before its run

examples:
  repro plan ppo-2017 --env HalfCheetah --seeds 10
  git add results && git commit -m "Plan"
  repro run --plan results/ppo-2017/HalfCheetah-v4/mujoco/plan.json

  repro plan ppo-2017 --env Hopper --looks 5,10,20      look up to three times
  repro plan ppo-2017 --env Hopper --seeds 10 --because "the clip range was annealed twice"
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from repro.commands.arguments import add_experiment, counts, whole
from repro.errors import ReproError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    parser.add_argument("--seeds", type=whole, metavar="N", help="evidence seeds; default: 10")
    parser.add_argument(
        "--looks", type=counts, metavar="N,N", help="how many seeds the judge sees each time"
    )
    parser.add_argument("--because", metavar="WHY", help="why an earlier plan is replaced")
    parser.add_argument("--json", action="store_true", help="print the plan itself")


def execute(args: argparse.Namespace) -> int:
    import msgspec

    from repro.cards.protocol import words
    from repro.experiment import MEASUREMENT, resolve
    from repro.plans import make_plan, shown, write_plan

    if not args.env:
        raise ReproError(f"--env is missing: repro plan {args.paper} --env HalfCheetah")
    experiment = resolve(
        args.paper, args.env, args.hparams, args.ablation, steps=args.steps, evaluate=args.evaluate
    )
    seeds = args.seeds if args.seeds is not None else args.looks[-1] if args.looks else 10
    plan = make_plan(experiment, seeds, args.looks, because=args.because)
    path = write_plan(plan)
    if args.json:
        print(json.dumps(msgspec.to_builtins(plan), indent=1, sort_keys=True))
        return 0
    if args.quiet:
        print(shown(path))
        return 0
    steps = "" if experiment.steps == MEASUREMENT else f"{experiment.steps:,} steps, "
    print(f"{experiment.title}: {steps}{len(plan.seeds)} evidence seeds")
    if experiment.evaluation is not None:
        print(f"  evaluated {words(experiment.evaluation)}")
    for claim in plan.claims:
        remark = "" if claim.judged else "  (not judged: its metric needs --evaluate)"
        remark += "  (a prefix: the run stops short of its horizon)" if claim.prefix else ""
        print(f"  claim {claim.id}{remark}")
    if not plan.claims:
        print("  no claim of the card is about this: the runs will be kept, nothing judged")
    print(f"written to {shown(path)}")
    print("next:")
    print_commit(experiment.paper, [path], shown(path.parent), f"Plan {experiment.title}")
    print(f"  repro run --plan {shown(path)}")
    return 0


def print_commit(paper: str, plans: Iterable[Path], folder: str, message: str) -> None:
    """What makes plans a promise: how arms that are new behave today, then a commit."""
    from repro import fingerprints
    from repro.plans import shown

    known = fingerprints.read(paper)
    if {path.parent.name for path in plans} - known.arms.keys() - known.without.keys():
        print(f"  repro stale --write {paper}")
        folder += f" {shown(fingerprints.path_of(paper))}"
    print(f"  git add {folder} && git commit -m '{message}'")
