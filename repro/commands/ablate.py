"""a paper's own ablations beside its standard set: run them, and which rows can be told apart

examples:
  repro ablate ppo-2017 --env HalfCheetah                    every row, five seeds each (hours)
  repro ablate ppo-2017 --env CartPole --only no-clip,clip-0.3 --steps 20000 --seeds 3
  repro ablate ppo-2017 --env Hopper --show                  what is there, and what the rest costs
  repro ablate ppo-2017                                      the paper's whole table, all tasks
  repro ablate ppo-2017 --out results/ppo-2017/ablations.md  the same as a page, with its plot
  repro ablate ppo-2017 --plan --seeds 10                    promise it: a plan.json for every row

With --env the rows that are missing are run (Ctrl-C, and the same command goes on): the standard
set's steps, and the seeds of --seeds, the same ones for each. Planned results are taken as they
are, with the seeds of their plan, however many; the table says which seeds each row has. --plan
promises as many for every row. Without --env nothing runs: the table is made of what is there.
Core-hours are wall-clock hours times the cores in use, as earlier runs of the paper took them.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands import text
from repro.commands.ablate_page import page
from repro.commands.ablate_text import HEADER, cells, costs, notes
from repro.commands.arguments import counts, seed_list, whole
from repro.commands.plan import print_commit
from repro.errors import ReproError
from repro.files import write_bytes

if TYPE_CHECKING:
    from repro.ablations import Arm
    from repro.cards.models import Card
    from repro.judge.ablation import Row, Samples

DEFAULT_SEEDS, PLANNED_SEEDS = "5", 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paper", metavar="ID", help="a paper's id, such as ppo-2017")
    parser.add_argument("--env", metavar="E", help="one task; default: the paper's table")
    parser.add_argument("--hparams", metavar="SET", help="hparam set; default: the card's")
    parser.add_argument("--only", metavar="A,B", help="these ablations; default: all")
    parser.add_argument("--steps", type=whole, help="environment steps a seed")
    parser.add_argument("--evaluate", action="store_true", help="with evaluation episodes")
    parser.add_argument("--seeds", metavar="N|LIST", help="as in repro run; default: 5 (plans: 10)")
    parser.add_argument("--looks", type=counts, metavar="N,N", help="with --plan: planned looks")
    parser.add_argument("--because", metavar="WHY", help="with --plan: why plans are replaced")
    parser.add_argument("--show", action="store_true", help="run nothing, show what is there")
    parser.add_argument("--plan", action="store_true", help="write a plan for every row")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1; default: cpu")
    parser.add_argument("--workers", type=whole, help="processes; default: one per core")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=".svg, .png or .pdf; .md: a page and its plot"
    )
    parser.add_argument("--json", action="store_true", help="the rows as JSON")
    parser.set_defaults(accept_drift=False, wandb=False, on=None, storage=None)  # of repro run


def execute(args: argparse.Namespace) -> int:
    from repro.ablations import arms_of, table_environments
    from repro.cards import load_card
    from repro.experiment import environment_id

    if args.out is not None and args.out.suffix not in (".svg", ".png", ".pdf", ".md"):
        raise ReproError(f"--out {args.out}: expected a name ending in .svg, .png, .pdf or .md")
    if args.plan and (args.show or args.json or args.out):
        raise ReproError("--plan writes plans and shows no table: no --show, --json or --out")
    if (args.looks or args.because) and not args.plan:
        raise ReproError("--looks and --because belong to plans; add --plan")
    card = load_card(args.paper)
    envs = [environment_id(args.env)] if args.env else table_environments(card)
    only = [name.strip() for name in args.only.split(",")] if args.only else []
    arms = {env: arms_of(card, env, args.hparams, only, args.steps, args.evaluate) for env in envs}
    if args.plan:
        return plan(args, arms)
    if args.env and not args.show:
        status = run_missing(args, arms[envs[0]])
        if status:
            return status
    return show(args, card, arms)


def plan(args: argparse.Namespace, arms: dict[str, list[Arm]]) -> int:
    """A plan for every row that has none; those that have one are left as they are."""
    from repro.commands.estimate import core_hours, cost
    from repro.plans import make_plan, read_plan_if_any, result_folder, shown, write_plan

    number = args.seeds or (str(args.looks[-1]) if args.looks else str(PLANNED_SEEDS))
    if not number.isdecimal():
        raise ReproError(f"--seeds {number}: a plan takes a number of seeds; they derive from it")
    written, promised = [], []
    for rows in arms.values():
        for arm in rows:
            folder = result_folder(arm.experiment)
            if read_plan_if_any(folder) is not None and not args.because:
                if not args.quiet:
                    print(f"planned already: {shown(folder)}")
                continue
            made = make_plan(arm.experiment, int(number), args.looks, because=args.because)
            written.append(write_plan(made))
            promised.append(arm.experiment)
    for path in written:
        print(shown(path))
    if written and not args.quiet:
        took = cost(core_hours(promised, int(number)))
        print(f"{len(written)} plan{'s' * (len(written) != 1)}, {took}; next:")
        print_commit(promised[0].paper, written, "results", "Plan the ablations")
        print(f"  repro run --plan {shown(written[0])}   (and so on for each)")
    return 0


def run_missing(args: argparse.Namespace, arms: Sequence[Arm]) -> int:
    """Run what is missing, arm by arm, with the machinery of `repro run`; 0 when all is there."""
    from repro.ablations import evidence_for, kind_of
    from repro.commands.estimate import core_hours, cost
    from repro.commands.run import carry_out as train
    from repro.training.environments import require_engine
    from repro.training.environments.names import is_mujoco

    seeds = seed_list(args.seeds or DEFAULT_SEEDS)
    there = {arm.name: evidence_for(arm.experiment, seeds) for arm in arms}
    missing = [arm for arm in arms if there[arm.name] is None]
    if missing and is_mujoco(arms[0].experiment.env):
        require_engine()
    if missing and not args.quiet:
        took = cost(core_hours([arm.experiment for arm in missing], len(seeds)))
        steps = arms[0].experiment.steps
        todo = f"{len(missing)} of {len(arms)} rows to run"
        which = kind_of(seeds, planned=False)
        print(f"{todo} × {len(seeds)} seeds ({which}) × {steps:,} steps, {took}")
        for name, found in there.items():
            if found is not None and found[1].planned:
                print(f"taken as it is: {name} ({len(found[1].seeds)} planned seeds)")
    for arm in missing:
        done = train(args, arm.experiment, seeds, None)
        if isinstance(done, int):
            return done
    return 0


def show(args: argparse.Namespace, card: Card, arms: dict[str, list[Arm]]) -> int:
    """The table and its plot."""
    from repro.ablations import STANDARD, printed_of
    from repro.judge.ablation import table
    from repro.plans import shown

    seeds = len(seed_list(args.seeds or DEFAULT_SEEDS))
    samples, random, kinds, marks = gathered(arms)
    first = next(iter(arms.values()))
    env = next(iter(arms)) if len(arms) == 1 else None
    names = [arm.name for arm in first]
    printed = printed_of(card, first, env)
    rows = table(samples, random, names, printed.figures, printed.worse, printed.better, kinds)
    if args.json:
        import msgspec

        plain = msgspec.to_builtins(rows)
        for row in plain:
            row["by_task"] = {
                task: msgspec.to_builtins(there[row["arm"]])
                for task, there in samples.items()
                if row["arm"] in there
            }
        print(json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False))
        return 0
    where = env or f"{len(arms)} tasks"
    title = f"{card.id} · {where} · {first[0].experiment.hparam_set} · ablations"
    print(text.bold(title))
    print(text.table([cells(row, len(arms)) for row in rows], HEADER))
    lines = notes(rows, first, printed, env, samples, random)
    marks = [*marks, *(f"left out: {why}" for why in first[0].unfit)]
    if not args.quiet:
        print("\n".join(text.paragraph(" ".join(lines), "")))
        for mark in marks:
            print(text.dim(mark))
        print("\n".join(costs(arms, samples, seeds, options_of(args))))
    if not any(row.tasks for row in rows):
        if not args.quiet:
            print(f"nothing of it was run at these steps; {STANDARD} is the standard set")
        return 0
    paged = args.out if args.out and args.out.suffix == ".md" else None
    out = paged.with_suffix(".svg") if paged else args.out
    drawn = picture(out, rows, first, env, title, random, printed.scores)
    print(f"plot     {shown(drawn)}")
    if paged:
        task = ["--env", env, "--show"] if env else []
        typed = ["repro", "ablate", card.id, *task, *options_of(args), "--out", shown(paged)]
        said = [*lines, *(f"{mark[0].upper()}{mark[1:]}." for mark in marks)]
        document = page(title, shlex.join(typed), rows, samples, list(arms), said, drawn.name)
        write_bytes(paged, document.encode())
        print(f"page     {shown(paged)}")
    return 0


def options_of(args: argparse.Namespace) -> list[str]:
    """What was typed and decides which rows there are, and with which seeds."""
    named = ("hparams", "only", "steps", "seeds")
    given = [(name, value) for name in named if (value := getattr(args, name)) is not None]
    options = [word for name, value in given for word in (f"--{name}", str(value))]
    return [*options, "--evaluate"] if args.evaluate else options


def picture(
    out: Path | None,
    rows: Sequence[Row],
    arms: Sequence[Arm],
    env: str | None,
    title: str,
    random: dict[str, float],
    scores: bool,
) -> Path:
    """The table as a plot: returns of a single task, or scores where the paper prints those."""
    import msgspec

    from repro import paths
    from repro.figures import plot_ablations

    experiment = arms[0].experiment
    place = paths.RUNS / experiment.paper / (env.replace("/", "-") if env else "")
    target = out or place / f"ablations-{experiment.hparam_set}.svg"
    alias = {arm.name: arm.same[0] for arm in arms if arm.same}
    if env is None or (scores and any(row.score is not None for row in rows)):
        return plot_ablations(rows, title, alias, target)
    if scores:
        rows = [msgspec.structs.replace(row, published=None) for row in rows]
    returns = {"random policy": random[env]} if env in random else {}
    return plot_ablations(rows, title, alias, target, returns)


def gathered(
    arms: dict[str, list[Arm]],
) -> tuple[Samples, dict[str, float], dict[str, str], list[str]]:
    """task → arm → seeds of what is there; the random scores; which seeds each arm has; and what
    must be said about it."""
    from repro.ablations import evidence_for, kind_of, metric_of, sample, steps_run
    from repro.judge.metrics import METRICS
    from repro.judge.scores import load_context

    known = load_context().random
    samples: dict[str, dict[str, object]] = {}
    random, marks = {}, []
    measured: dict[str, list[str]] = {}
    which: dict[str, set[str]] = {}
    other: dict[int, set[str]] = {}
    for env, rows in arms.items():
        found = {arm.name: there for arm in rows if (there := evidence_for(arm.experiment))}
        for arm in rows:
            if arm.name not in found and (steps := steps_run(arm.experiment)):
                other.setdefault(steps, set()).add(env)
        if not found:
            continue
        if env in known:
            random[env] = known[env].mean
        metric = metric_of([evidence for _, evidence in found.values()])
        measured.setdefault(metric, []).append(env)
        for name, (_, evidence) in found.items():
            seeds = [seed.seed for seed in evidence.seeds]
            which.setdefault(name, set()).add(kind_of(seeds, evidence.planned))
        samples[env] = {n: sample(e, metric, random.get(env)) for n, (_, e) in found.items()}
        loose = [name for name, (_, evidence) in found.items() if not evidence.planned]
        if loose:
            marks.append(f"exploration, not planned ({env}): {', '.join(loose)}")
    for metric, envs in measured.items():
        where = f" ({', '.join(envs)})" if len(measured) > 1 else ""
        marks.append(f"ours{where}: {METRICS[metric].says}")
    marks += [
        f"results of {steps:,} steps are not in this table ({', '.join(sorted(envs))}); "
        f"--steps {steps} shows them"
        for steps, envs in sorted(other.items())
    ]
    kinds = {name: " or ".join(sorted(found)) for name, found in which.items()}
    return samples, random, kinds, marks  # type: ignore[return-value]
