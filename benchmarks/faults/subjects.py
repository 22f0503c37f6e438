"""What the faults strike: a small run of every implementation, and what must come of it.

An implementation that is not named here is struck as its `trial` in hparams/<id>.yaml says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.cards.sets import set_file
from repro.errors import ReproError
from repro.experiment import Experiment, implemented, resolve
from repro.runs import RunFolder
from tests.runner_tools import Command, assert_same, trace

REPLAY: dict[str, Any] = {
    "minibatch_size": 16,
    "replay_capacity": 600,  # fewer than the steps: the oldest make room
    "random_steps": 150,
    "learning_starts": 100,
}


@dataclass(frozen=True)
class Subject:
    """An implementation's hparam set on a small task; a few seconds of training a seed.

    repeats: a run gives the same bits again (asynchronous ones do not, and say so).
    """

    paper: str
    hparams: str
    env: str
    steps: int
    overrides: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1)
    repeats: bool = True

    @property
    def name(self) -> str:
        return f"{self.paper} {self.hparams}"

    @property
    def experiment(self) -> Experiment:
        return resolve(
            self.paper, self.env, self.hparams, overrides=self.overrides, steps=self.steps
        )


_PPO = {"num_actors": 2, "horizon": 32, "epochs": 2, "minibatch_size": 32}
PPO = Subject("ppo-2017", "classic", "CartPole", 1280, _PPO, (0, 1, 2))
NAMED = (
    PPO,
    Subject("a3c-2016", "classic", "CartPole", 1280, {"num_actors": 2, "horizon": 32}, (0, 1, 2)),
    Subject("a3c-2016", "classic-asynchronous", "CartPole", 8000, seeds=(0,), repeats=False),
    Subject(
        "pg-theorem-1999", "classic", "CartPole", 1200, {"episodes": 2, "value_updates": 3}, (0, 1)
    ),
    Subject("ddpg-2015", "classic", "InvertedPendulum", 1500, REPLAY),
    Subject("td3-2018", "classic", "Pendulum", 1500, REPLAY),
    Subject(
        "dqn-2013",
        "classic",
        "CartPole",
        1500,
        {"minibatch_size": 16, "replay_capacity": 600, "learning_starts": 100},
    ),
    # PPO's loop with another paper's optimiser, and watched from outside
    Subject(
        "where-optimum-2018",
        "ppo",
        "InvertedPendulum",
        1280,
        _PPO | {"optimizer": {"kind": "sgd", "momentum": 0.9}},
        (0, 1, 2),
    ),
    Subject(
        "truly-pg-2018",
        "ppo",
        "InvertedPendulum",
        1280,
        _PPO | {"measurement": {"iterations": [3, 12], "estimates": 2, "rollouts": [1, 2]}},
    ),
)
LEAST_STEPS, LEAST_ITERATIONS = 1500, 10  # of a run that kills shall find at different places


def subjects(papers: Iterable[str]) -> tuple[Subject, ...]:
    """Those named here, and of the other papers the first task of each one's trial."""
    named = {subject.paper for subject in NAMED}
    return NAMED + tuple(tried(paper) for paper in papers if paper not in named)


def tried(paper: str) -> Subject:
    """The subject that a paper's trial makes; `ReproError` where it has none."""
    trial = set_file(paper)[0].trial
    if trial is None or not trial.tasks:
        raise ReproError(
            f"hparams/{paper}.yaml has no trial with tasks, by which faults would strike it; "
            "give it one, or name a subject in benchmarks/faults/subjects.py"
        )
    hparams, env = next(iter(trial.tasks.items()))
    iterations = max(LEAST_ITERATIONS, -(-LEAST_STEPS // trial.steps))
    return Subject(paper, hparams, env, iterations * trial.steps, trial.changes)


SUBJECTS = subjects(implemented())


class Place:
    """A folder for the runs of a suite; undisturbed ones are kept in it, for comparison.

    root: the clone whose code runs.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root
        self._traces: dict[Path, dict[str, Any]] = {}

    def command(self, subject: Subject, name: str, **options: Any) -> Command:
        """The command of a run under `name`; every iteration ends with a checkpoint."""
        made = Command(
            self.folder / name,
            subject.experiment,
            list(subject.seeds),
            {"REPRO_ROOT": str(self.root), "PYTHONPATH": str(self.root)},
            **{"workers": 2, **options},
        )
        made.arguments[1] = str(self.root / "tests" / "launch_command.py")
        return made

    def undisturbed(self, subject: Subject, **options: Any) -> dict[str, Any]:
        """The trace of a run that nothing happened to."""
        workers = options.get("workers", 2)
        command = self.command(subject, f"undisturbed {subject.name} {workers}", **options)
        if command.root not in self._traces:
            status, said = command.run()
            assert status == 0, f"{subject.name}, undisturbed: {said}"
            self._traces[command.root] = trace(command.folder)
        return self._traces[command.root]


def log_bytes(found: Mapping[str, Any]) -> int:
    """The size of all logs of a trace."""
    return sum(len(value) for name, value in found.items() if name.endswith(".jsonl"))


def same(command: Command, expected: dict[str, Any]) -> list[str]:
    """What differs from an undisturbed run: nothing, to the bit."""
    try:
        assert_same(trace(command.folder), expected)
    except (AssertionError, OSError) as error:
        return [f"the result differs: {str(error).splitlines()[0] if str(error) else error!r}"]
    return []


def whole(command: Command, subject: Subject) -> list[str]:
    """What is missing in a run that does not repeat: steps, or lines of its logs."""
    lost = []
    for seed, state in RunFolder(command.folder).seeds().items():
        if state.status != "finished" or state.steps < subject.steps:
            lost.append(f"seed {seed} is {state.status} at step {state.steps}")
            continue
        rows = [json.loads(line) for line in state.log.read_text().splitlines()]
        steps = [row["step"] for row in rows if row.get("kind") == "train"]
        if steps != sorted(set(steps)) or not steps or steps[-1] != state.steps:
            lost.append(f"the log of seed {seed} has gaps or repeats: steps {steps}")
    return lost
