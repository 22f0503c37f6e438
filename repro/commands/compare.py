"""runs beside each other: budgets, networks, fairness, and who is better

examples:
  repro compare ppo-2017:mujoco ppo-2017:mujoco-ppo2 --env HalfCheetah
  repro compare ppo-2017 ppo-2017:mujoco-ppo1 --env HalfCheetah --env Hopper
  repro compare pg-theorem-1999 pg-theorem-1999+no-baseline --env CartPole
  repro compare ppo-2017/HalfCheetah-v4/mujoco where-optimum-2018/HalfCheetah-v4/ppo

A name is a paper, with :SET and +ABLATION, a result, or the folder below runs/ of a run of your
own. Compared are the last hundred training episodes of every seed, or the last ten evaluations
where all runs have them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.commands import text
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.contestants import Contestant
    from repro.judge.contest import Overall, Pair

    Numbers = dict[str, dict[str, list[float]]]  # task → run → a number a seed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="two or more; see the examples")
    parser.add_argument("--env", action="append", metavar="E", help="a task; may be repeated")
    parser.add_argument("--out", type=Path, metavar="FILE", help="profiles: .svg, .png or .pdf")
    parser.add_argument("--json", action="store_true", help="everything as JSON")


def execute(args: argparse.Namespace) -> int:
    from repro.contestants import contestant, fairness
    from repro.judge.contest import overall, pairs

    if len(args.runs) < 2:
        raise ReproError(f"one run alone: repro compare {args.runs[0]} OTHER --env HalfCheetah")
    if len(set(args.runs)) < len(args.runs):
        raise ReproError("a run stands there twice; name every run once")
    if args.out is not None and args.out.suffix not in (".svg", ".png", ".pdf"):
        raise ReproError(f"--out {args.out}: expected a name ending in .svg, .png or .pdf")
    tasks: dict[str, list[Contestant]] = {}
    for env in args.env or [None]:
        runs = [contestant(name, env) for name in args.runs]
        if len({run.folder.resolve() for run in runs}) < len(runs):
            raise ReproError("a run stands there twice, by two names; name every run once")
        if len({run.experiment.env for run in runs}) > 1:
            said = ", ".join(f"{run.name} on {run.experiment.env}" for run in runs)
            raise ReproError(f"runs of one task are compared; these are {said}")
        tasks[runs[0].experiment.env] = runs
    scores, metrics = measured(tasks)
    normalised, unscaled = normal(scores)
    unfair = {env: fairness(runs) for env, runs in tasks.items()}
    found, whole = pairs(scores), overall(normalised, args.runs)
    if args.json:
        print(json.dumps(_plain(tasks, scores, unfair, found, whole), indent=1, ensure_ascii=False))
        return 0
    for place, (env, runs) in enumerate(tasks.items()):
        print(text.bold("\n" * bool(place) + f"{env}, by {metrics[env]}"))
        print(text.table(facts(runs, scores[env]), ["", *(run.name for run in runs)]))
        for line in unfair[env]:
            print("\n".join(text.paragraph(line, " " * 10, text.coloured("not fair  ", "yellow"))))
        if not args.quiet:
            for name, budget in tuning(runs).items():
                print("\n".join(text.paragraph(f"{name}: {budget}", " " * 10, "tuning    ")))
    print(text.bold("\nA against B"))
    first = 1 if len(tasks) == 1 else 0  # a single task is named above, and takes no column
    print(text.table([row(pair)[first:] for pair in found], HEADER[first:]))
    if whole:
        print(text.bold(f"\nover {len(normalised)} task{'s' * (len(normalised) != 1)}, random = 0, "
                        "reference = 1"))  # fmt: skip
        print(text.table([total(one) for one in whole], TOTALS))
    if not args.quiet:
        print("\n".join(text.paragraph(NOTE + _unscaled(unscaled), "")))
    if normalised:
        print(f"plot     {draw(normalised, args.runs, args.out)}")
    return 0


HEADER = ["task", "A", "B", "A − B", "95 % interval", "P(A > B)", "p (Holm)"]
TOTALS = ["run", "IQM", "mean (95 % t interval)", "P(better), mean over tasks"]
NOTE = (
    "Intervals of differences are Welch's; P(A > B) is over pairs of seeds, with Newcombe's "
    "interval; p is corrected after Holm over this table. IQM: mean of the middle half of all "
    "seeds; from twenty seeds a task a bootstrap interval stands beside it. Wall minutes are those "
    "of the workers, shared over their seeds: they hold for the load of the machine on that day. "
    "Reference: a good agent's printed score (papers/data/reference-scores.yaml)."
)


def measured(
    tasks: dict[str, list[Contestant]],
) -> tuple[dict[str, dict[str, list[float]]], dict[str, str]]:
    """task → run → a number a seed, and task → what was measured."""
    from repro.ablations import EVALUATION, metric_of
    from repro.judge.scores import load_context

    known = load_context().random
    scores: Numbers = {}
    metrics = {}
    for env, runs in tasks.items():
        metric = metric_of([run.evidence for run in runs])
        words = {EVALUATION: "the last ten evaluations"}
        metrics[env] = words.get(metric, "the last hundred training episodes")
        fill = known[env].mean if env in known else None
        scores[env] = {}
        for run in runs:
            values = [None if seed.status == "diverged" else seed.metrics.get(metric)
                      for seed in run.evidence.seeds]  # fmt: skip
            if fill is None and None in values:
                raise ReproError(
                    f"{run.name}: a seed diverged or ended no episode, and no random score of "
                    f"{env} is known; measure it into papers/data/random-scores.yaml"
                )
            scores[env][run.name] = [fill if v is None else v for v in values]  # type: ignore[misc]
    return scores, metrics


def normal(scores: Numbers) -> tuple[dict[str, Any], list[str]]:
    """The scores with random = 0 and the reference = 1; and the tasks where one is not known."""
    from repro.judge.scores import load_context

    context = load_context()
    found, unscaled = {}, []
    for env, runs in scores.items():
        if env not in context.random or env not in context.reference:
            unscaled.append(env)
            continue
        low, high = context.random[env].mean, context.reference[env].mean
        found[env] = {n: [(v - low) / (high - low) for v in values] for n, values in runs.items()}
    return found, unscaled


def facts(runs: Sequence[Contestant], scores: dict[str, list[float]]) -> list[list[str]]:
    """A line a fact, a column a run."""
    from repro.judge.published import sample_of
    from repro.launch.origin import engine

    def line(name: str, values: list[str]) -> list[str]:
        return [name, *values]

    def count(value: int | None) -> str:
        return "–" if value is None else f"{value:,}"

    def span(values: list[float]) -> str:
        own = sample_of(values)
        return text.plus_minus(own.mean, own.std)

    minutes = [run.seconds for run in runs]
    return [
        line("return ± sd over seeds", [span(scores[run.name]) for run in runs]),
        line("seeds", [str(len(run.evidence.seeds)) for run in runs]),
        line("evidence", ["planned" if run.evidence.planned else "exploration" for run in runs]),
        line("set", [run.experiment.arm for run in runs]),
        line("environment steps a seed", [count(run.experiment.steps) for run in runs]),
        line("gradient steps a seed", [count(run.updates) for run in runs]),
        line("trainable parameters", [count(run.parameters) for run in runs]),
        line("hidden layers", [run.hidden for run in runs]),
        line("wall minutes a seed", ["–" if s is None else text.number(s / 60) for s in minutes]),
        line("engine", [engine(run.manifest, run.experiment.env) for run in runs]),
    ]


def tuning(runs: Sequence[Contestant]) -> dict[str, str]:
    """paper → what it says of its tuning budget."""
    from repro.cards import load_card

    papers = dict.fromkeys(run.experiment.paper for run in runs)
    return {paper: load_card(paper).tuning_budget or "the card says nothing" for paper in papers}


def row(pair: Pair) -> list[str]:
    interval = "–"
    if pair.low is not None and pair.high is not None:
        interval = f"{text.number(pair.low)} to {text.number(pair.high)}"
    p = "–" if pair.p is None else f"{pair.p:.2g}"
    gap = text.number(pair.difference)
    return [pair.task, pair.a, pair.b, gap, interval, _share(pair.improvement), p]


def total(one: Overall) -> list[str]:
    def span(value: float, low: float | None, high: float | None) -> str:
        interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
        return f"{value:.3f}{interval}".replace("-", "−")

    iqm = span(one.iqm, one.iqm_low, one.iqm_high)
    mean = span(one.mean, one.mean_low, one.mean_high)
    better = ", ".join(f"than {name} {_share(value)}" for name, value in one.improvement.items())
    return [one.run, iqm, mean, better]


def draw(normalised: dict[str, Any], names: Sequence[str], out: Path | None) -> str:
    """Performance profiles over the tasks that all runs have."""
    from repro import paths
    from repro.figures import plot_profiles
    from repro.judge.contest import profile, profile_grid
    from repro.plans import shown

    grid = profile_grid(normalised)
    pooled = {n: [v for runs in normalised.values() for v in runs.get(n, [])] for n in names}
    profiles = {n: profile(values, grid) for n, values in pooled.items() if values}
    where = ", ".join(normalised)
    target = out or paths.RUNS / "compare" / ("-".join(n.replace("/", "_") for n in names) + ".svg")
    label = f"score on {where} (random policy = 0, reference = 1)"
    return shown(plot_profiles(profiles, label, target))


def _share(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]"


def _unscaled(tasks: Sequence[str]) -> str:
    if not tasks:
        return ""
    return (
        f" Left out of the last table, for want of a random or reference score: {', '.join(tasks)}."
    )


def _plain(
    tasks: dict[str, list[Contestant]],
    scores: Numbers,
    unfair: dict[str, list[str]],
    found: Sequence[Pair],
    whole: Sequence[Overall],
) -> dict[str, Any]:
    import msgspec

    runs = {
        env: {
            run.name: {
                "folder": run.folder.name,
                "experiment": run.experiment.digest,
                "steps": run.experiment.steps,
                "updates": run.updates,
                "parameters": run.parameters,
                "wall_seconds": run.seconds,
                "scores": scores[env][run.name],
            }
            for run in listed
        }
        for env, listed in tasks.items()
    }
    pairs, totals = msgspec.to_builtins(list(found)), msgspec.to_builtins(list(whole))
    return {"runs": runs, "not_fair": unfair, "pairs": pairs, "overall": totals}
