"""train and judge: one experiment, many seeds; the same command resumes or re-judges

examples:
  repro run ppo-2017 --env HalfCheetah                       five seeds, the published steps
  repro run ppo-2017 --env HalfCheetah --seeds 10 --hparams mujoco-ppo2
  repro run ppo-2017 --env HalfCheetah --ablation no-clip
  repro run ppo-2017 --env CartPole --steps 50000 --set gamma=0.95 --set surrogate.range.value=0.1
  repro run --plan results/ppo-2017/HalfCheetah-v4/mujoco/plan.json

Without --plan a run is exploration: seeds 0 to 99, everything in runs/. Evidence is
`repro plan`, commit, `repro run --plan FILE`, commit.
Exit status: 0 done, whatever was found; 1 with --strict, a claim not reproduced or undecided;
2 wrong input; 3 unfinished; 4 internal error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands.arguments import add_experiment, seed_list, whole
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.experiment import Experiment
    from repro.launch.local import Outcome
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
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="another value of a hyperparameter; may be repeated",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1; default: cpu")
    parser.add_argument("--workers", type=whole, help="processes; default: one per core")
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
    from repro.launch.local import launch
    from repro.launch.progress import Display
    from repro.training.environments import require_engine

    experiment, seeds, plan = planned(args) if args.plan else typed(args)
    if not args.quiet:
        kind = "evidence" if plan else "exploration"
        print(
            f"{experiment.title}: {len(seeds)} seeds × {experiment.steps:,} steps ({kind})",
            flush=True,
        )
    if experiment.env.endswith("-v4"):
        require_engine(args.accept_engine)
        if args.accept_engine:
            os.environ["REPRO_ACCEPT_ENGINE"] = "1"  # for the workers
    attempt = Attempt(plan, seeds) if plan else None
    with Display(published=published_level(experiment), quiet=args.quiet) as display:
        outcome = launch(
            experiment,
            seeds,
            workers=args.workers,
            device=args.device,
            accept_drift=args.accept_drift,
            wandb=args.wandb,
            on_progress=display.update,
            say=display.say,
        )
    if not outcome.finished:
        if attempt:
            attempt.end(outcome, "interrupted" if outcome.interrupted else "unfinished")
        if not args.quiet:
            done = sum(state.done for state in outcome.seeds.values())
            print(f"unfinished: {done} of {len(seeds)} seeds are done; run the same command again")
        return outcome.exit_code
    return report(args, experiment, seeds, plan, outcome, attempt)


def typed(args: argparse.Namespace) -> tuple[Experiment, list[int], None]:
    """The experiment and the development seeds that the options name."""
    from repro.experiment import parse_overrides, resolve
    from repro.plans import DEVELOPMENT_SEEDS

    if not args.paper:
        raise ReproError("which paper? e.g. repro run ppo-2017 --env HalfCheetah")
    if not args.env:
        raise ReproError(f"--env is missing: repro run {args.paper} --env HalfCheetah")
    experiment = resolve(
        args.paper,
        args.env,
        args.hparams,
        args.ablation,
        parse_overrides(args.overrides),
        args.steps,
        args.evaluate,
    )
    seeds = seed_list(args.seeds or DEFAULT_SEEDS)
    if max(seeds) >= DEVELOPMENT_SEEDS:
        raise ReproError(
            f"--seeds {args.seeds}: seed {max(seeds)} is kept for evidence; without a plan use "
            f"seeds 0 to {DEVELOPMENT_SEEDS - 1}"
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
    given = [name for name, value in fixed.items() if value]
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


class Attempt:
    """Lines of attempts.jsonl for one command; re-judging what is done leaves none."""

    def __init__(self, plan: Plan, seeds: list[int]) -> None:
        from repro.launch import origin
        from repro.plans import log_attempt
        from repro.runs import RunFolder, run_path

        self.plan, self.seeds = plan, seeds
        folder = RunFolder(run_path(plan.experiment))
        states = folder.seeds() if folder.manifest_file.exists() else {}
        self.fresh = not all(seed in states and states[seed].done for seed in seeds)
        if self.fresh:
            log_attempt(
                plan.folder,
                event="resumed" if states else "started",
                plan=plan.digest,
                run=folder.path.name,
                seeds=len(seeds),
                dirty=origin.commit()["dirty"],
            )

    def end(self, outcome: Outcome, word: str) -> None:
        from repro.plans import log_attempt

        if self.fresh:
            states = [state.status for state in outcome.seeds.values()]
            log_attempt(
                self.plan.folder,
                event=word,
                plan=self.plan.digest,
                run=outcome.folder.path.name,
                seeds=len(self.seeds),
                outcome={name: states.count(name) for name in sorted(set(states))},
                failures=list(outcome.failures),
                seconds=round(outcome.seconds, 1),
            )


def published_level(experiment: Experiment) -> Callable[[int], tuple[float, str] | None]:
    """Step → the published learning curve there and where it is from; None without one."""
    from repro.cards import load_card
    from repro.experiment import claims_of
    from repro.judge.scores import load_context

    card = load_card(experiment.paper)
    claims = claims_of(card, experiment.env, experiment.hparam_set, experiment.ablation)
    for claim in claims:
        if claim.published and claim.published.curve and "training" in claim.metric:
            curve = load_context([claim.published.curve]).curves[claim.published.curve]
            source = claim.published.source or claim.source
            return lambda step: _interpolated(curve.step, curve.mean, step, source)
    return lambda step: None


def _interpolated(
    steps: Sequence[float], means: Sequence[float], step: int, source: str
) -> tuple[float, str] | None:
    if not steps[0] <= step <= steps[-1]:
        return None
    right = next(i for i, at in enumerate(steps) if at >= step)
    left = max(right - 1, 0)
    share = (step - steps[left]) / (steps[right] - steps[left]) if right > left else 0.0
    return means[left] + share * (means[right] - means[left]), source


def report(
    args: argparse.Namespace,
    experiment: Experiment,
    seeds: list[int],
    plan: Plan | None,
    outcome: Outcome,
    attempt: Attempt | None,
) -> int:
    """Write the result, judge it, and print what a person wants to know."""
    from repro import evidence, results
    from repro.cards import load_card
    from repro.commands import report as words
    from repro.plans import plan_commit, shown
    from repro.plotting import plot_folder

    card = load_card(experiment.paper)
    if plan and attempt:
        folder = results.merge(
            outcome.folder, plan, plan_commit(plan.folder / "plan.json"), len(seeds)
        )
        attempt.end(outcome, "finished")
        found = evidence.evidence_of(folder, experiment, plan)
        others = [e for e in evidence.committed(card.id, False) if e != found]
    else:
        folder = outcome.folder.path
        records = results.read_records(outcome.folder, experiment, seeds)
        found, others = evidence.explored(folder, experiment, records), []
    verdicts = evidence.judge(card, [found, *others])
    if plan:
        evidence.write_verdicts(card, evidence.verdicts_document(card, verdicts))
    mine = evidence.own_verdicts(card, experiment, verdicts)
    plot = plot_folder(folder, experiment, card, mine)
    print()
    if mine:
        print(words.table(mine))
        if not args.quiet:
            print()
            print(words.reasons(mine))
    else:
        print(words.unjudged(card, experiment, found))
    print()
    print(f"plot     {shown(plot)}")
    print(f"results  {shown(folder)}")
    if not args.quiet:
        print(next_step(experiment, plan, folder))
    lost = any(v.answer != "reproduced" and v.answer != "exceeds" for v in mine)
    return 1 if args.strict and (lost or not mine) else 0


def next_step(experiment: Experiment, plan: Plan | None, folder: Path) -> str:
    """What to do next, as a command."""
    from repro.plans import shown

    if plan:
        return f"next     git add {shown(folder)} && git commit -m 'Evidence: {experiment.title}'"
    if experiment.overrides:
        return "next     the same without --set compares with the paper's own values"
    options = f" --ablation {experiment.ablation}" if experiment.ablation else ""
    return (
        f"next     evidence that counts: repro plan {experiment.paper} --env {experiment.env} "
        f"--hparams {experiment.hparam_set}{options} --seeds 10"
    )
