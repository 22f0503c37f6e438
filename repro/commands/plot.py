"""draw a result, or an ordinary run, over what the paper published; or several runs in one figure

examples:
  repro plot ppo-2017 --env HalfCheetah                   the result kept in git
  repro plot ppo-2017 --env HalfCheetah --hparams mujoco-ppo2 --out curve.png
  repro plot where-optimum-2018 where-optimum-2018+step-size-small --env HalfCheetah
  repro plot ppo-2017 ppo-2017:mujoco-ppo1 --env HalfCheetah --env Hopper --out both.png

Several runs: a panel a task, seeds thin, and of each run the mean with its 95 % interval. A run of
your own goes by its folder below runs/, as `repro run` names it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands.arguments import whole
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.plotting import Curve

KINDS = (".svg", ".png", ".pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="a paper's id, with :SET and +ABLATION, or a folder"
    )
    parser.add_argument("--env", action="append", metavar="E", help="a task; may be repeated")
    parser.add_argument("--hparams", metavar="SET", help="hparam set; default: the card's")
    parser.add_argument("--ablation", metavar="A", help="a change that the paper itself studies")
    parser.add_argument("--steps", type=whole, help="environment steps a seed")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=".svg, .png or .pdf; default: plot.svg beside a run, runs/plots/ for a result",
    )


def execute(args: argparse.Namespace) -> int:
    if args.out is not None and args.out.suffix not in KINDS:
        raise ReproError(f"--out {args.out}: expected a name ending in .svg, .png or .pdf")
    if len(args.runs) > 1 or len(args.env or []) > 1:
        return several(args)
    return one(args)


def one(args: argparse.Namespace) -> int:
    """A run over the published side of its claims."""
    from repro import evidence, paths
    from repro.cards import load_card
    from repro.plans import read_plan_if_any, shown
    from repro.plotting import plot_folder

    folder = _folder(args)
    experiment = evidence.experiment_of(folder)
    plan = read_plan_if_any(folder)
    card = load_card(experiment.paper)
    found = evidence.evidence_of(folder, experiment, plan)
    verdicts = evidence.own_verdicts(card, experiment, evidence.judge(card, [found]))
    target, place = args.out, folder.resolve()
    if target is None and place.is_relative_to(paths.RESULTS):  # what is committed stays as it is
        target = paths.RUNS / "plots" / f"{'-'.join(place.parts[-3:])}.svg"
    target = plot_folder(folder, experiment, card, verdicts, target)
    print(shown(target))
    return 0


def several(args: argparse.Namespace) -> int:
    """Runs in one figure, by evaluations where all have them, else by training episodes."""
    from repro import paths
    from repro.commands.arms import folder_of
    from repro.evidence import experiment_of, need_returns, read_summary
    from repro.figures import plot_curves
    from repro.plans import shown

    for option in ("hparams", "ablation", "steps"):
        if getattr(args, option):
            raise ReproError(
                f"--{option} is for one run; name several as {args.runs[0]}:SET+ABLATION"
            )
    found = [
        (name, folder_of(name, env, "metrics.json"))
        for env in args.env or [None]
        for name in args.runs
    ]
    seen: set[Path] = set()
    for name, folder in found:
        if folder in seen:
            raise ReproError(f"{name} is a run that stands there already; name every run once")
        seen.add(folder)
    curves = {folder: read_summary(folder)[1] for _, folder in found}
    for folder, files in curves.items():
        need_returns(experiment_of(folder).title, files.values())
    tested = all(files.get("evaluations.csv") for files in curves.values())
    file = "evaluations.csv" if tested else "curves.csv"
    panels: dict[str, dict[str, dict[int, Curve]]] = {}
    for name, folder in found:
        panels.setdefault(experiment_of(folder).env, {})[name] = curves[folder][file]
    label = "return of evaluations" if tested else "return of the training episodes, each 1 %"
    joined = "-".join(name.replace("/", "_") for name in args.runs)
    target = args.out or paths.RUNS / "plots" / f"{joined}.svg"
    print(shown(plot_curves(panels, label, target)))
    return 0


def _folder(args: argparse.Namespace) -> Path:
    """The result named by paper, environment and set, or the folder itself."""
    from repro import paths
    from repro.commands.arms import folder_of, there_are
    from repro.plans import result_folder, shown

    name, env = args.runs[0], args.env[0] if args.env else None
    place = Path(name)
    if (place / "metrics.json").is_file():
        return place
    if (paths.RESULTS / name / "metrics.json").is_file() or ":" in name or "+" in name:
        return folder_of(name, env, "metrics.json")
    if place.is_dir() or "/" in name:
        raise ReproError(f"{name} holds no finished run; `repro run` writes its summary there")
    if not env:
        raise ReproError(f"--env is missing: repro plot {name} --env HalfCheetah")
    from repro.experiment import resolve

    experiment = resolve(name, env, args.hparams, args.ablation, steps=args.steps)
    folder = result_folder(experiment)
    if not (folder / "metrics.json").is_file():
        have = there_are(name, experiment.env)
        raise ReproError(f"no result in {shown(folder)}; {have}; a run goes by its folder")
    return folder
