"""What must be known of a run before it is set beside another: its budget, networks and machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.cards.protocol import words
from repro.errors import ReproError
from repro.training.environments.names import simulator

if TYPE_CHECKING:
    from repro.experiment import Experiment
    from repro.judge.types import Evidence

PARAMETERS_APART = 1.2  # more than a fifth is no like with like
TIMES_APART = 1.5  # equal work on one kind of machine: beyond this its load is what was measured


@dataclass(frozen=True)
class Contestant:
    """One run on one task, by the name that the user gave it."""

    name: str
    folder: Path
    experiment: Experiment
    evidence: Evidence
    manifest: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, tuple[int, ...]]]

    @property
    def parameters(self) -> int | None:
        """Trainable numbers of one seed, None where the networks are not known."""
        shapes = [shape for parts in self.networks.values() for shape in parts.values()]
        return sum(math.prod(shape) for shape in shapes) if shapes else None

    @property
    def updates(self) -> int | None:
        """Gradient steps of one seed, as the hyperparameters say; None where they do not."""
        hp, steps = self.experiment.hparams, self.experiment.steps
        if {"num_actors", "horizon", "epochs", "minibatch_size"} <= set(hp):
            batch = hp["num_actors"] * hp["horizon"]
            return math.ceil(steps / batch) * hp["epochs"] * math.ceil(batch / hp["minibatch_size"])
        if {"num_actors", "horizon"} <= set(hp):
            return math.ceil(steps / (hp["num_actors"] * hp["horizon"]))
        if "learning_starts" in hp and isinstance(hp.get("updates"), Mapping):
            return max(0, steps - int(hp["learning_starts"]))
        return None

    @property
    def seconds(self) -> float | None:
        """Wall seconds of the workers' training, shared out over their seeds.

        It holds for the load of the machine on that day: a worker that waits for a core counts on.
        """
        spent = self.manifest.get("seconds")
        spent = spent.get("training") if isinstance(spent, Mapping) else spent
        seeds = len(self.manifest.get("seeds") or self.evidence.seeds)
        return float(spent) / seeds if spent and seeds else None

    @property
    def hidden(self) -> str:
        """`policy 64-64, critic 64-64`: hidden layers by network; `–` where not known."""
        found: dict[str, list[int]] = {}
        for network, parts in self.networks.items():
            for name, shape in parts.items():
                if name.endswith("weight") and len(shape) >= 2:
                    inner = name.split(".")[0] if "layers" in name.split(".")[1:] else ""
                    place = inner if inner and inner not in ("network", "layers") else network
                    found.setdefault(place, []).append(shape[-1])
        said = [f"{n} {'-'.join(map(str, widths[:-1]))}" for n, widths in found.items()
                 if len(widths) > 1]  # fmt: skip
        return ", ".join(said) or "–"


def contestant(name: str, env: str | None) -> Contestant:
    """The run that a name means on a task; `ReproError` without one, or without episodes."""
    from repro.commands.arms import folder_of
    from repro.evidence import evidence_of, experiment_of, manifest_of, need_returns
    from repro.plans import read_plan_if_any
    from repro.player import networks

    folder = folder_of(name, env, "metrics.json")
    experiment = experiment_of(folder)
    found = evidence_of(folder, experiment, read_plan_if_any(folder))
    need_returns(experiment.title, (seed.curve or seed.evaluations for seed in found.seeds))
    try:
        built = networks(experiment)
    except ReproError:
        built = {}
    return Contestant(
        name=name,
        folder=folder,
        experiment=experiment,
        evidence=found,
        manifest=manifest_of(folder),
        networks=built,
    )


def fairness(runs: Sequence[Contestant]) -> list[str]:
    """What makes a comparison of these runs, on one task, not one of like with like."""
    warnings = []

    def differ(what: str, values: Mapping[str, object], consequence: str) -> None:
        if len({str(value) for value in values.values()}) > 1:
            said = ", ".join(f"{name} {value}" for name, value in values.items())
            warnings.append(f"{what} differ ({said}): {consequence}")

    differ("steps", {r.name: f"{r.experiment.steps:,}" for r in runs},
           "the longer run had more to learn from")  # fmt: skip
    simulators = [simulator(r.experiment.env)[1] for r in runs]
    for key in dict.fromkeys([*simulators, "gymnasium"]):
        differ(f"versions of {key}", {r.name: r.manifest.get("machine", {}).get(key) for r in runs},
               "the task itself may differ")  # fmt: skip
    differ("numbers of seeds", {r.name: len(r.evidence.seeds) for r in runs},
           "intervals say so, a glance at the spread does not")  # fmt: skip
    protocol = {
        r.name: "evaluated" if r.evidence.evaluation else "training episodes only" for r in runs
    }
    differ("protocols", protocol, "compared by training episodes, which include exploration")
    if all(r.evidence.evaluation for r in runs):
        played = {r.name: words(r.evidence.evaluation) for r in runs if r.evidence.evaluation}
        differ("evaluations", played, "a score by one protocol is none by the other")
    meant = {r.name: r.experiment.hparams.get("time_limit") for r in runs}
    limits = {name: limit for name, limit in meant.items() if limit is not None}
    differ("meanings of the time limit", limits, "their targets differ where it cuts episodes off")
    counts = [r.parameters for r in runs if r.parameters]
    if len(counts) > 1 and max(counts) > PARAMETERS_APART * min(counts):
        said = ", ".join(f"{r.name} {r.parameters:,}" for r in runs if r.parameters)
        warnings.append(f"networks differ in size by more than a fifth ({said})")
    loose = [r.name for r in runs if not r.evidence.planned]
    if loose and len(loose) < len(runs):
        warnings.append(f"exploration beside planned evidence ({', '.join(loose)} not planned)")
    differ("processors", {r.name: r.manifest.get("machine", {}).get("cpu") for r in runs},
           "times do not compare")  # fmt: skip
    return warnings + _times(runs) + _tuning(runs)


def _times(runs: Sequence[Contestant]) -> list[str]:
    """Runs that did the same work on the same kind of machine in times that are far apart."""
    alike: dict[str, dict[str, float]] = {}
    for run in runs:
        cpu, spent = run.manifest.get("machine", {}).get("cpu"), run.seconds
        if cpu and spent and run.updates:
            stacks = sorted(len(seeds) for seeds in run.manifest.get("stacks", {}).values())
            own = run.experiment
            work = (own.env, own.steps, own.evaluation, run.updates, run.networks, cpu, stacks)
            alike.setdefault(repr(work), {})[run.name] = spent / run.updates
    warnings = []
    for times in alike.values():
        factor = max(times.values()) / min(times.values())
        if factor > TIMES_APART:
            said = ", ".join(f"{name} {1000 * each:.3g} ms" for name, each in times.items())
            warnings.append(
                f"wall time an update differs by a factor of {factor:.1f} at equal updates, "
                f"networks and processor ({said}): the load of the machine, more likely than the "
                "settings; these times rank nothing"
            )
    return warnings


def _tuning(runs: Sequence[Contestant]) -> list[str]:
    """Sets that were not made for the task, where others were."""
    from repro.cards import load_sets
    from repro.experiment import same_env

    meant = {}
    for run in runs:
        own = load_sets(run.experiment.paper).get(run.experiment.hparam_set)
        listed = own.environments if own is not None else []
        meant[run.name] = any(same_env(env, run.experiment.env) for env in listed)
    foreign = [name for name, fits in meant.items() if not fits]
    if foreign and len(foreign) < len(runs):
        return [f"settings made for other tasks ({', '.join(foreign)}) beside ones made for this"]
    return []
