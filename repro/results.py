"""Results: from a run's logs to the small text files that are kept in git.

`merge` is the one function that writes `results/<paper>/<env>/<set>[+ablation]/`, whoever ran.
An ordinary run is summarised into its own run folder by the same code and is exploration.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from repro.errors import ReproError, Unfinished
from repro.files import digest, remove_leftovers, write_bytes, write_json, write_text, writing
from repro.plans import Plan

if TYPE_CHECKING:
    from repro.experiment import Experiment
    from repro.judge.metrics import History
    from repro.runs import RunFolder, SeedState

SCHEMA_VERSION = 1
LARGEST_POLICY = 200_000  # bytes


class _Line(msgspec.Struct):
    """A line of a log, as far as a result is made of it."""

    kind: str
    step: int
    value: float = msgspec.field(name="return", default=0.0)
    length: int = 0
    returns: list[float] = []
    values: dict[str, float] = {}


class SeedMetrics(msgspec.Struct):
    """One seed of a metrics.json."""

    seed: int
    status: str
    steps: int
    metrics: dict[str, float]


class Metrics(msgspec.Struct):
    """The shape of a metrics.json; files: curves beside it, with their digests."""

    experiment: str
    steps: int
    files: dict[Literal["curves.csv", "evaluations.csv"], str]
    seeds: list[SeedMetrics]


class Record(NamedTuple):
    """One finished or diverged seed, with what its log says happened within the budget."""

    seed: int
    status: str
    steps: int
    diagnosis: str | None
    history: History


def read_log(state: SeedState, budget: int) -> Record:
    """A seed's record; only what happened within `budget` environment steps."""
    from repro.judge.metrics import Episode, Evaluation, History

    episodes: list[Episode] = []
    evaluations: list[Evaluation] = []
    properties: dict[str, float] = {}
    try:
        with open(state.log, "rb") as lines:
            header = json.loads(next(lines, b"null"))
            if not isinstance(header, dict) or header.get("schema_version") != SCHEMA_VERSION:
                raise ValueError("its first line is not a header of ours")
            for line in lines:
                if b'"train"' in line:  # most lines by far; not parsed
                    continue
                entry = msgspec.json.decode(line, type=_Line)
                if entry.step > budget:
                    continue
                if entry.kind == "episode":
                    episodes.append(Episode(entry.step, entry.value, entry.length))
                elif entry.kind == "evaluation":
                    evaluations.append(Evaluation(entry.step, entry.returns))
                elif entry.kind == "measured":
                    properties |= entry.values
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        why = str(error).splitlines()[0][:120]
        raise ReproError(
            f"{state.log} is not a log that this Repro reads ({why}); run these seeds anew"
        ) from None
    rate = state.steps / state.seconds if state.seconds else None
    return Record(
        seed=state.seed,
        status=state.status,
        steps=min(state.steps, budget),
        diagnosis=state.diagnosis,
        history=History(budget, episodes, evaluations, properties, rate),
    )


def read_records(folder: RunFolder, experiment: Experiment, seeds: Iterable[int]) -> list[Record]:
    """The records of these seeds; `Unfinished` where one is not done."""
    seeds, states = list(seeds), folder.seeds()
    left = [seed for seed in seeds if seed not in states or not states[seed].done]
    if left:
        listed = ", ".join(map(str, left[:5])) + (", …" if len(left) > 5 else "")
        raise Unfinished(
            f"{len(left)} of {len(seeds)} seeds are unfinished ({listed}); "
            "run the same command again"
        )
    return [read_log(states[seed], experiment.steps) for seed in seeds]


def metric_names(experiment: Experiment) -> list[str]:
    """Every return, and what else the card's claims on this environment and set need.

    Returns are kept whoever asks: a claim of another paper may compare with this run.
    """
    from repro.cards import load_card
    from repro.experiment import same_env
    from repro.judge.metrics import RETURNS, metrics_of

    card = load_card(experiment.paper)
    names = {
        name
        for claim in card.claims
        if claim.hparams == experiment.hparam_set
        and (claim.env == "several" or same_env(claim.env, experiment.env))
        for name in metrics_of(claim)
    }
    return sorted(names | set(RETURNS))


def needs_evaluation(metric: str) -> bool:
    """Whether a metric can only be had from evaluation episodes."""
    from repro.judge.metrics import metric as find

    return find(metric).needs == "evaluation"


def summarise(
    experiment: Experiment, records: Sequence[Record], horizon_reached: bool = True
) -> dict[str, str | dict[str, Any]]:
    """The files of a result by name: text, or a JSON value. Depends on the records alone.

    metrics.json holds the digests of the curves beside it, so that a writer killed between two
    files is noticed.
    """
    from repro.judge.metrics import (
        compute_metrics,
        curve_grid,
        evaluation_curve,
        training_curve,
    )

    grid = curve_grid(experiment.steps)
    names = metric_names(experiment)
    files: dict[str, str | dict[str, Any]] = {
        "curves.csv": csv((r.seed, training_curve(r.history, _until(grid, r))) for r in records)
    }
    if experiment.evaluation is not None:
        files["evaluations.csv"] = csv((r.seed, evaluation_curve(r.history)) for r in records)
    files["metrics.json"] = {
        "schema_version": SCHEMA_VERSION,
        "experiment": experiment.digest,
        "steps": experiment.steps,
        "horizon_reached": horizon_reached,
        "files": {name: digest(text) for name, text in files.items()},
        "seeds": [
            {
                "seed": record.seed,
                "status": record.status,
                "steps": record.steps,
                "diagnosis": record.diagnosis,
                "episodes": len(record.history.episodes),
                "metrics": compute_metrics(names, record.history),
            }
            for record in records
        ],
    }
    return files


def _until(grid: Sequence[int], record: Record) -> list[int]:
    """A diverged seed's curve ends where it diverged."""
    return [step for step in grid if record.status != "diverged" or step <= record.steps]


def csv(curves: Iterable[tuple[int, Sequence[tuple[int, float, int]]]]) -> str:
    """`step,seed,return,episodes` lines, seed by seed; floats in full."""
    lines = ["step,seed,return,episodes"]
    lines += [
        f"{step},{seed},{value!r},{episodes}"
        for seed, points in curves
        for step, value, episodes in points
    ]
    return "\n".join(lines) + "\n"


def read_csv(text: str) -> dict[int, list[tuple[int, float, int]]]:
    """The text of `csv` back: seed → its points (step, return, episodes).

    Raises ReproError for lines that `csv` does not write.
    """
    curves: dict[int, list[tuple[int, float, int]]] = {}
    for number, line in enumerate(text.splitlines()[1:], 2):
        try:
            step, seed, value, episodes = line.split(",")
            point = (int(step), float(value), int(episodes))
            if not math.isfinite(point[1]):
                raise ValueError
            curves.setdefault(int(seed), []).append(point)
        except ValueError:
            raise ReproError(
                f"curves, line {number}: found {line[:60]!r}, expected step,seed,return,episodes"
            ) from None
    return curves


def write_files(target: Path, files: dict[str, str | dict[str, Any]]) -> None:
    """Write each file atomically, metrics.json last: it says that the rest is there."""
    target.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    for name in sorted(files, key=lambda name: name == "metrics.json"):
        content = files[name]
        if isinstance(content, str):
            write_text(target / name, content)
        else:
            write_json(target / name, content)


def merge(folder: RunFolder, plan: Plan, commit: str, look: int | None = None) -> Path:
    """Write a planned run's result; returns its folder under `results/`.

    Every planned seed of the look must be done, finished or diverged: none is left out. commit:
    the one that holds the plan. look: how many of the plan's seeds, by default all. Killed at
    any point, it is repaired by calling it again; called twice it writes the same bytes.
    """
    from repro.doctor.read import record

    experiment = plan.experiment
    manifest = folder.manifest()
    if experiment.overrides or manifest["experiment"]["digest"] != plan.experiment_digest:
        raise ReproError(f"{folder.path} is no run of the plan's experiment; nothing is written")
    if look is not None and look not in plan.looks:
        raise ReproError(
            f"the plan looks at {', '.join(map(str, plan.looks))} seeds, not at {look}"
        )
    seeds = plan.seeds[:look]
    records = read_records(folder, experiment, seeds)
    files = summarise(experiment, records, not any(claim.prefix for claim in plan.claims))
    files["manifest.json"] = result_manifest(folder, plan, commit, seeds)
    files["doctor.json"] = record(folder, experiment, seeds)
    if experiment.evaluation is None:
        with writing(plan.folder / "evaluations.csv"):
            (plan.folder / "evaluations.csv").unlink(missing_ok=True)
    copy_policy(folder, seeds[0], plan.folder)
    write_files(plan.folder, files)
    return plan.folder


def result_manifest(
    folder: RunFolder, plan: Plan, commit: str, seeds: Sequence[int]
) -> dict[str, Any]:
    """What ran, on what, after which promise; no machine paths and no names of people."""
    manifest, states = folder.manifest(), folder.seeds()
    used = {states[seed].folder.name for seed in seeds}
    outcomes = [outcome for name in sorted(used) if (outcome := folder.outcome(name))]
    return {
        "schema_version": SCHEMA_VERSION,
        "plan": plan.digest,
        "plan_commit": commit,
        "experiment": plan.experiment_digest,
        "run": manifest["digest"],
        "code": manifest["code"],
        "data": manifest["data"],
        "machine": manifest["machine"],
        "drift": manifest["drift"],
        "started": manifest["started"],
        "seeds": list(seeds),
        "stacks": {name: manifest["stacks"][name] for name in sorted(used)},
        "seconds": {
            "training": sum(o.get("seconds", 0.0) for o in outcomes),
            "evaluation": sum(o.get("evaluation_seconds", 0.0) for o in outcomes),
        },
    }


def copy_policy(folder: RunFolder, seed: int, target: Path) -> None:
    """One trained policy for watching: that of the stack of `seed`, where it is small enough."""
    source = folder.seeds()[seed].folder / "policy.pt"
    if source.is_file() and source.stat().st_size <= LARGEST_POLICY:
        write_bytes(target / "policy.pt", source.read_bytes())
