"""From a run's folder, or a result kept in git, to the histories that the rules look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from repro import paths
from repro.doctor.findings import document, examine
from repro.doctor.history import NOTHING, Actions, Replay, RunHistory, SeedHistory, Series
from repro.errors import ReproError
from repro.plans import read_plan_if_any, shown
from repro.runs import RunFolder, SeedState

if TYPE_CHECKING:
    from repro.experiment import Experiment


def read_history(folder: Path, replay: bool = True) -> RunHistory:
    """The histories of a run folder, or of a result.

    A result has no logs; they are read from `runs/` where its run is still there, and else only
    the rules about returns and about the stored policy can look. replay: play that policy again.
    """
    from repro.evidence import experiment_of, manifest_of

    folder = folder.resolve()
    if not (folder / "manifest.json").is_file():
        raise ReproError(
            f"{shown(folder)} holds no run and no result (manifest.json is missing); "
            "name a folder of runs/ or results/, or a paper with --env"
        )
    experiment = experiment_of(folder)
    if (folder / "stacks").is_dir():
        return history_of(RunFolder(folder), experiment, None, replay)
    plan, manifest = read_plan_if_any(folder), manifest_of(folder)
    place = paths.RUNS / experiment.paper / experiment.env.replace("/", "-") / experiment.arm
    run = RunFolder(place / str(manifest.get("run")))
    if run.manifest_file.is_file():
        return history_of(run, experiment, manifest["seeds"], replay)
    seeds = _summarised(folder)
    missing = {"log": "the log stays in runs/ of the machine that ran it, and is not here"}
    found = None
    if replay and plan is not None:
        first = manifest["seeds"][0]
        stack = next((m for m in manifest["stacks"].values() if first in m), [first])
        found, missing["replay"] = _replayed(folder / "policy.pt", experiment, stack[0])
    return _history(experiment, seeds, found, missing)


def history_of(
    run: RunFolder, experiment: Experiment, seeds: list[int] | None = None, replay: bool = True
) -> RunHistory:
    """The histories of these seeds of a run (of all that are done), from its logs."""
    states = run.seeds()
    chosen = [s for s in states.values() if s.done and (seeds is None or s.seed in seeds)]
    if not chosen:
        raise ReproError(
            f"{shown(run.path)} has no finished seed yet; the command that began it goes on"
        )
    missing, found = {}, None
    if replay:
        first = chosen[0] if seeds is None else states[seeds[0]]
        members = run.manifest()["stacks"].get(first.folder.name, [first.seed])
        found, missing["replay"] = _replayed(first.folder / "policy.pt", experiment, members[0])
    return _history(experiment, [read_seed(s, experiment.steps) for s in chosen], found, missing)


def record(
    run: RunFolder, experiment: Experiment, seeds: Sequence[int], replay: bool = True
) -> dict[str, Any]:
    """doctor.json of a run's seeds; the same for the same logs and policy."""
    return document(experiment.digest, examine(history_of(run, experiment, list(seeds), replay)))


def read_seed(state: SeedState, budget: int) -> SeedHistory:
    """One seed's whole log, up to `budget` environment steps."""
    logged: dict[str, tuple[list[int], list[float]]] = {}
    episodes: tuple[list[int], list[float]] = [], []
    evaluations: tuple[list[int], list[float]] = [], []
    lengths = []
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with open(state.log, "rb") as lines:
        for line in lines:
            entry = decode(line)
            step = entry.get("step", 0)
            if step > budget + _longest_iteration(entry):
                continue
            if entry.get("kind") == "episode" and step <= budget:
                episodes[0].append(step)
                episodes[1].append(entry["return"])
                lengths.append(entry["length"])
            elif entry.get("kind") == "evaluation" and entry["returns"]:
                evaluations[0].append(step)
                evaluations[1].append(sum(entry["returns"]) / len(entry["returns"]))
            elif entry.get("kind") == "train":
                for name, value in entry.items():
                    if name not in ("kind", "step") and value is not None:
                        steps, values = logged.setdefault(name, ([], []))
                        steps.append(step)
                        values.append(value)
    return SeedHistory(
        seed=state.seed,
        status=state.status,
        diagnosis=state.diagnosis,
        logged={name: Series(*pair) for name, pair in logged.items()},
        episodes=Series(*episodes),
        lengths=lengths,
        evaluations=Series(*evaluations),
    )


def _longest_iteration(entry: dict[str, Any]) -> int:
    """A run ends with the iteration that completes its steps; that one's line still counts."""
    return 0 if entry.get("kind") == "episode" else 1_000_000


def _summarised(folder: Path) -> list[SeedHistory]:
    """The seeds of a result: each point of a curve stands for as many episodes as it averages."""
    from repro.evidence import read_summary

    metrics, curves = read_summary(folder)
    seeds = []
    for entry in metrics["seeds"]:
        points = curves["curves.csv"].get(entry["seed"], [])
        tests = curves.get("evaluations.csv", {}).get(entry["seed"], [])
        steps = [step for step, _, number in points for _ in range(number)]
        values = [value for _, value, number in points for _ in range(number)]
        seeds.append(
            SeedHistory(
                seed=entry["seed"],
                status=entry["status"],
                diagnosis=entry["diagnosis"],
                episodes=Series(steps, values),
                evaluations=Series([p[0] for p in tests], [p[1] for p in tests])
                if tests
                else NOTHING,
            )
        )
    return seeds


def _history(
    experiment: Experiment,
    seeds: list[SeedHistory],
    replay: Replay | None,
    missing: dict[str, str],
) -> RunHistory:
    from repro.judge.scores import load_context

    context = load_context()
    random = context.random.get(experiment.env)
    reference = context.reference.get(experiment.env)
    return RunHistory(
        title=experiment.title,
        steps=experiment.steps,
        hparams=experiment.hparams,
        seeds=seeds,
        full_steps=_full_steps(experiment),
        random=None if random is None else random.mean,
        random_std=0.0 if random is None else random.std,
        reference=None if reference is None else reference.mean,
        actions=_actions(experiment.env),
        replay=replay,
        missing={part: why for part, why in missing.items() if why},
    )


def _full_steps(experiment: Experiment) -> int | None:
    from repro.cards import load_card
    from repro.experiment import default_steps

    try:
        card = load_card(experiment.paper)
        return default_steps(card, experiment.env, experiment.hparam_set, experiment.hparams)
    except ReproError:
        return None


def _actions(env: str) -> Actions | None:
    """The environment's action space; None where it cannot be made here."""
    from repro.training.environments import Discrete, make

    try:
        space = make(env, [0], 1).action_space
    except ReproError:
        return None
    if isinstance(space, Discrete):
        return Actions(choices=space.n)
    return Actions(half_ranges=((space.high - space.low) / 2).reshape(-1).tolist())


def _replayed(policy: Path, experiment: Experiment, seed: int) -> tuple[Replay | None, str]:
    """The stored policy played again, or why it was not."""
    from repro.doctor.replay import replay

    if not policy.is_file():
        return None, "no policy is stored"
    try:
        return replay(policy, experiment, seed), ""
    except ReproError as error:
        return None, str(error)
