"""Run an experiment's seeds in worker processes, on this machine or on a cluster.

    outcome = launch(experiment, seeds, on_progress=display.update, say=display.say)

The same call resumes what is unfinished and leaves alone what is done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import ReproError
from repro.launch import origin
from repro.launch.cluster import Cluster
from repro.launch.process import Worker
from repro.launch.session import Options, Session
from repro.launch.stacks import check_seeds, remaining
from repro.launch.state import PlanState
from repro.launch.wandb_log import follow
from repro.runs import RunFolder, SeedState, run_path

if TYPE_CHECKING:
    from repro.experiment import Experiment

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


@dataclass(frozen=True)
class Outcome:
    """What a launch left behind.

    seeds: state of every seed asked for. failures: one line for each worker that died.
    interrupted: stopped by Ctrl-C or SIGTERM. drifted: parts ran on differing machines.
    """

    folder: RunFolder
    seeds: dict[int, SeedState]
    failures: tuple[str, ...]
    interrupted: bool
    drifted: bool
    seconds: float

    @property
    def finished(self) -> bool:
        """Whether every seed is finished or has diverged."""
        return all(state.done for state in self.seeds.values())

    @property
    def exit_code(self) -> int:
        """0 done, 3 unfinished, 130 interrupted."""
        return 0 if self.finished else 130 if self.interrupted else 3


def launch(
    experiment: Experiment,
    seeds: Sequence[int],
    *,
    workers: int | None = None,
    device: str = "cpu",
    on: str | None = None,
    storage: str | None = None,
    root: Path | None = None,
    accept_drift: bool = False,
    checkpoint_seconds: float = 60.0,
    silence_seconds: float = 1800.0,
    stop_after: float | None = None,
    wandb: bool = False,
    on_progress: Callable[[PlanState], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Outcome:
    """Train `seeds` of `experiment`, or what is left of them; returns when workers have ended.

    workers: processes side by side, by default one per core (one for a GPU). on: `ray` or
    `ray://host:port`, a cluster instead of this machine. storage: URL of a store for checkpoints
    and logs, where the cluster's nodes do not share `runs/`. root: instead of `runs/`.
    checkpoint_seconds: between checkpoints (0: at every iteration). silence_seconds: a worker that
    says nothing for so long is reported, and left running. stop_after: seconds until all stop as
    at Ctrl-C. wandb: log to Weights & Biases too, offline without a key. on_progress: called with
    the plan's state, which is updated in place. say: called with each line the user should read.

    Raises ReproError for wrong arguments, a run that is locked, or a machine that drifted.
    Workers that die, diverge or fill the disk do not raise: see `Outcome`.
    """
    say = say or (lambda line: None)
    check_seeds(seeds)
    if not _DEVICE.fullmatch(device):
        raise ReproError(f'--device {device}: expected "cpu", "cuda" or "cuda:0"')
    if storage and not on:
        raise ReproError("--storage is for a cluster's nodes: give --on ray too")
    cluster = Cluster(on, device, storage, say) if on else None
    folder = RunFolder(run_path(experiment, root))
    with cluster or nullcontext(), folder.lock(say=say) as lock:
        if workers is None:
            workers = cluster.workers() if cluster else default_workers(device)
        manifest = folder.open(experiment, seeds, device, accept_drift, say)
        if manifest.get("not_deterministic"):
            say(f"these runs do not repeat bit for bit: {manifest['not_deterministic']}")
        workers = origin.stacks_at_once(experiment, workers)
        limit = origin.stack_limit(experiment)
        done = [seed for seed, state in folder.seeds().items() if state.done]
        begun = folder.unfinished(manifest["stacks"], seeds)
        stacks = remaining(seeds, begun, done, workers, limit)
        folder.settle(manifest, stacks)
        options = Options(workers, device, checkpoint_seconds, silence_seconds, stop_after)
        start = cluster.start if cluster else Worker
        session = Session(folder, experiment, stacks, options, lock, say, on_progress, start)
        session.count_done(manifest["stacks"], seeds)
        if stacks:
            with follow(folder, say) if wandb else nullcontext():
                session.run()
            if cluster:
                cluster.note(manifest)
            folder.close(manifest, session.record())
    states = folder.seeds()
    return Outcome(
        folder=folder,
        seeds={seed: states[seed] for seed in seeds},
        failures=tuple(session.failures),
        interrupted=session.interrupts > 0,
        drifted=bool(manifest["drift"]),
        seconds=session.plan.elapsed,
    )


def default_workers(device: str) -> int:
    """One worker a core that this process may use; one for a GPU."""
    if device != "cpu":
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
