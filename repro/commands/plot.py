"""draw a result, or an ordinary run, over what the paper published

examples:
  repro plot ppo-2017 --env HalfCheetah                   the result kept in git
  repro plot ppo-2017 --env HalfCheetah --hparams mujoco-ppo2 --out curve.png
  repro plot runs/ppo-2017/CartPole-v1/classic/1f0c9a2b3d4e
"""

from __future__ import annotations

import argparse
from pathlib import Path

from repro.commands.arguments import add_experiment
from repro.errors import ReproError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=".svg, .png or .pdf; default: plot.svg beside it"
    )


def execute(args: argparse.Namespace) -> int:
    from repro import evidence
    from repro.cards import load_card
    from repro.plans import read_plan_if_any, shown
    from repro.plotting import plot_folder

    if args.out is not None and args.out.suffix not in (".svg", ".png", ".pdf"):
        raise ReproError(f"--out {args.out}: expected a name ending in .svg, .png or .pdf")
    folder = _folder(args)
    experiment = evidence.experiment_of(folder)
    plan = read_plan_if_any(folder)
    card = load_card(experiment.paper)
    found = evidence.evidence_of(folder, experiment, plan)
    verdicts = evidence.own_verdicts(card, experiment, evidence.judge(card, [found]))
    target = plot_folder(folder, experiment, card, verdicts, args.out)
    print(shown(target))
    return 0


def _folder(args: argparse.Namespace) -> Path:
    """The result named by paper, environment and set, or the folder itself."""
    from repro import paths
    from repro.plans import result_folder, shown

    place = Path(args.paper)
    if (place / "metrics.json").is_file():
        return place
    if place.is_dir() or "/" in args.paper:
        raise ReproError(
            f"{args.paper} holds no finished run; `repro run` writes its summary there"
        )
    if not args.env:
        raise ReproError(f"--env is missing: repro plot {args.paper} --env HalfCheetah")
    from repro.experiment import resolve

    experiment = resolve(args.paper, args.env, args.hparams, args.ablation, steps=args.steps)
    folder = result_folder(experiment)
    if not (folder / "metrics.json").is_file():
        kept = [shown(path.parent) for path in sorted(paths.RESULTS.glob("*/*/*/metrics.json"))]
        have = f"; results: {', '.join(kept)}" if kept else ""
        raise ReproError(
            f"no result in {shown(folder)}{have}; an ordinary run's plot is in its runs/ folder"
        )
    return folder
