"""train and judge: one experiment, many seeds; the same command resumes or re-judges

examples:
  repro run ppo-2017 --env HalfCheetah                       five seeds, the published steps
  repro run ppo-2017 --env HalfCheetah --seeds 10 --hparams mujoco-ppo2
  repro run ppo-2017 --env HalfCheetah --ablation no-clip
  repro run ppo-2017 --env CartPole --steps 50000 --set gamma=0.95 --set surrogate.range.value=0.1
  repro run ppo-2017 --env Reacher --until-decided           5, 10, 20, 40 seeds, as needed
  repro run --plan results/ppo-2017/HalfCheetah-v4/mujoco/plan.json
  repro run ppo-2017 --env HalfCheetah --seeds 20 --on ray   on a cluster (docs/cluster.md)

Without --plan a run is exploration: seeds 0 to 99, everything in runs/. Evidence is
`repro plan`, commit, `repro run --plan FILE`, commit.
Exit status: 0 done, whatever was found; 1 with --strict, a claim not reproduced or undecided;
2 wrong input; 3 unfinished; 4 internal error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands.arguments import add_experiment, seed_list, whole
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.experiment import Experiment
    from repro.plans import Plan

DEFAULT_SEEDS = "5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser, "?")
    parser.add_argument(
        "--seeds",
        metavar="N|LIST",
        help="how many (5), which (0,1,2) or a range (0-4); default: 5",
    )
    parser.add_argument("--plan", type=Path, metavar="FILE", help="carry out a committed plan")
    parser.add_argument(
        "--until-decided",
        action="store_true",
        help="more seeds at the looks (5, 10, 20, 40, or the plan's) until the judge has decided",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="another value of a hyperparameter; may be repeated",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1; default: cpu")
    parser.add_argument("--workers", type=whole, help="processes; default: one per core")
    parser.add_argument("--on", metavar="ray", help="run on a Ray cluster: ray, or ray://host:port")
    parser.add_argument(
        "--storage", metavar="URL", help="with --on: a store, for nodes that do not share runs/"
    )
    parser.add_argument("--wandb", action="store_true", help="log to Weights & Biases too")
    parser.add_argument(
        "--accept-drift", action="store_true", help="resume on other versions; marks the result"
    )
    parser.add_argument(
        "--accept-engine", action="store_true", help="run on another MuJoCo than the pinned one"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 if a claim is not reproduced or undecided"
    )


def execute(args: argparse.Namespace) -> int:
    from repro.commands.finish import finish
    from repro.commands.looks import until_decided
    from repro.training.environments.names import is_mujoco

    experiment, seeds, plan = planned(args) if args.plan else typed(args)
    if is_mujoco(experiment.env):
        from repro.training.environments import require_engine

        require_engine(args.accept_engine)
        if args.accept_engine:
            os.environ["REPRO_ACCEPT_ENGINE"] = "1"  # for the workers
    if args.until_decided:
        return until_decided(args, experiment, plan, carry_out)
    done = carry_out(args, experiment, seeds, plan)
    return done if isinstance(done, int) else finish(args, experiment, plan, done)


def carry_out(
    args: argparse.Namespace, experiment: Experiment, seeds: Sequence[int], plan: Plan | None
) -> Path | int:
    """Train what is left of these seeds; the folder of the result, or the status to exit with."""
    from repro import results
    from repro.attempts import Attempt
    from repro.commands.estimate import explored
    from repro.commands.finish import published_level
    from repro.evidence import has_result
    from repro.launch.local import launch
    from repro.launch.progress import Display
    from repro.plans import plan_commit

    if plan and has_result(plan, len(seeds)):
        return plan.folder
    attempt = Attempt(plan, list(seeds)) if plan else None
    with Display(published=published_level(experiment), quiet=args.quiet) as display:
        outcome = launch(
            experiment,
            seeds,
            workers=args.workers,
            device=args.device,
            on=args.on,
            storage=args.storage,
            accept_drift=args.accept_drift,
            wandb=args.wandb,
            on_progress=display.update,
            say=display.say,
        )
    if not outcome.finished:
        if attempt:
            attempt.end("interrupted" if outcome.interrupted else "unfinished", outcome)
        if not args.quiet:
            done = sum(state.done for state in outcome.seeds.values())
            print(f"unfinished: {done} of {len(seeds)} seeds are done; run the same command again")
        return outcome.exit_code
    if plan and attempt:
        commit = plan_commit(plan.folder / "plan.json")
        attempt.end("finished", outcome)
        return results.merge(outcome.folder, plan, commit, len(seeds))
    return explored(outcome, experiment, seeds)


def typed(args: argparse.Namespace) -> tuple[Experiment, list[int], None]:
    """The experiment and the development seeds that the options name."""
    from repro.experiment import parse_overrides, resolve
    from repro.plans import DEVELOPMENT_SEEDS

    if not args.paper:
        raise ReproError("which paper? e.g. repro run ppo-2017 --env HalfCheetah")
    if not args.env:
        raise ReproError(f"--env is missing: repro run {args.paper} --env HalfCheetah")
    seeds = seed_list(args.seeds or DEFAULT_SEEDS)
    if max(seeds) >= DEVELOPMENT_SEEDS:
        raise ReproError(
            f"--seeds {args.seeds}: seed {max(seeds)} is kept for evidence; without a plan use "
            f"seeds 0 to {DEVELOPMENT_SEEDS - 1}"
        )
    experiment = resolve(
        args.paper,
        args.env,
        args.hparams,
        args.ablation,
        parse_overrides(args.overrides),
        args.steps,
        args.evaluate,
    )
    return experiment, seeds, None


def planned(args: argparse.Namespace) -> tuple[Experiment, list[int], Plan]:
    """The experiment and seeds of a committed plan; `--seeds N` takes an earlier look."""
    from repro.plans import (
        check_plan_current,
        plan_commit,
        read_plan,
        require_committed_code,
        shown,
    )

    fixed = {
        "a paper": args.paper,
        "--env": args.env,
        "--hparams": args.hparams,
        "--ablation": args.ablation,
        "--steps": args.steps,
        "--set": args.overrides,
        "--evaluate": args.evaluate,
    }
    given = [name for name, value in fixed.items() if value not in (None, [])]
    if given:
        raise ReproError(f"the plan says what runs; leave out {' and '.join(given)}")
    plan = read_plan(args.plan)
    path = args.plan / "plan.json" if args.plan.is_dir() else args.plan
    if path.resolve() != (plan.folder / "plan.json").resolve():
        raise ReproError(
            f"{path} is a copy; the plan of this experiment belongs in {shown(plan.folder)}"
        )
    plan_commit(path)
    check_plan_current(plan)
    require_committed_code(plan.experiment.paper)
    look = plan.looks[-1]
    if args.seeds:
        if not args.seeds.isdecimal() or int(args.seeds) not in plan.looks:
            looks = " or ".join(map(str, plan.looks))
            raise ReproError(f"--seeds {args.seeds}: this plan looks at {looks} seeds")
        look = int(args.seeds)
    return plan.experiment, plan.seeds[:look], plan
