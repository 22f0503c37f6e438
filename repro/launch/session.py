"""A session: the loop over worker processes, from the first start to the last end.

Nothing is restarted silently: a worker that dies is said, its seeds stay unfinished, and the same
command resumes them.
"""

from __future__ import annotations

import selectors
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from repro.launch import origin
from repro.launch.cluster import RemoteWorker
from repro.launch.process import Worker
from repro.launch.stacks import Stack
from repro.launch.state import PlanState, StackState
from repro.runs import RunFolder, timestamp

if TYPE_CHECKING:
    from repro.experiment import Experiment

AnyWorker = Worker | RemoteWorker
Start = Callable[[Stack, Path, dict[str, Any], int], AnyWorker]

# Messages of a worker that its end says anyway.
_EXPECTED = {None, "stopped", "finished"}


@dataclass(frozen=True)
class Options:
    """How a session runs; none of it changes a number. See `launch`."""

    workers: int
    device: str = "cpu"
    checkpoint_seconds: float = 60.0
    silence_seconds: float = 1800.0
    stop_after: float | None = None


class Session:
    """Stacks waiting, running and ended; `plan` is their state, `failures` what went wrong."""

    def __init__(
        self,
        folder: RunFolder,
        experiment: Experiment,
        stacks: Sequence[Stack],
        options: Options,
        lock: int,
        say: Callable[[str], None],
        on_progress: Callable[[PlanState], None] | None,
        start: Start = Worker,
    ) -> None:
        """start: what puts a stack's worker somewhere; here, or on a cluster."""
        self.folder, self.experiment, self.options = folder, experiment, options
        self.lock, self.say, self.on_progress = lock, say, on_progress
        self._start_worker = start
        self.code = origin.code_digest(experiment.paper)
        self.queue = [StackState(stack, experiment.steps) for stack in stacks]
        title = f"{experiment.paper} {experiment.env}"
        self.plan = PlanState(title, list(self.queue), min(options.workers, max(len(stacks), 1)))
        self.running: dict[AnyWorker, StackState] = {}
        self.failures: list[str] = []
        self.interrupts = 0
        self._heeded = 0
        self._silent: set[AnyWorker] = set()
        self._started = timestamp()
        self._selector = selectors.DefaultSelector()

    def count_done(self, stacks: Mapping[str, Sequence[int]], seeds: Sequence[int]) -> None:
        """Let stacks of `seeds` that are done count in the plan's progress."""
        waiting = {state.stack.name for state in self.plan.stacks}
        for name, members in stacks.items():
            if name not in waiting and set(members) & set(seeds):
                state = StackState(Stack(tuple(members)), self.experiment.steps)
                self._finish(state)
                self.plan.stacks.append(state)

    def run(self) -> None:
        """Keep the workers busy until all stacks have ended, or the user wants to stop."""
        restore = self._catch_signals()
        try:
            while self.running or (self.queue and not self.interrupts):
                self._heed_time()
                self._heed_interrupts()
                while self.queue and len(self.running) < self.plan.workers and not self.interrupts:
                    self._start(self.queue.pop(0))
                self._selector.select(timeout=0.2)
                for worker in self.running:
                    self._read(worker)
                for worker in [w for w in self.running if w.ended()]:
                    self._end(worker)
                self._report_silence()
                if self.on_progress:
                    self.on_progress(self.plan)
        finally:
            for worker in list(self.running):  # only after an error of our own
                worker.kill()
                worker.wait()
                worker.close()
            self._selector.close()
            restore()
        if self.interrupts and not all(s.status == "finished" for s in self.plan.stacks):
            self.say(
                "interrupted; everything up to the last checkpoint is kept, "
                "and the same command goes on from there"
            )

    def record(self) -> dict[str, Any]:
        """This session, for the manifest."""
        return {
            "started": self._started,
            "seconds": round(self.plan.elapsed, 3),
            "workers": self.plan.workers,
            "stacks": {s.stack.name: s.status for s in self.plan.stacks},
            "failures": self.failures,
        }

    def _start(self, state: StackState) -> None:
        folder = self.folder.stack_path(state.stack.name)
        folder.mkdir(parents=True, exist_ok=True)
        spec = {
            "paper": self.experiment.paper,
            "env": self.experiment.env,
            "hparam_set": self.experiment.hparam_set,
            "hparams": self.experiment.hparams,
            "seeds": list(state.stack.seeds),
            "steps": self.experiment.steps,
            "evaluation": self.experiment.evaluation,
            "device": self.options.device,
            "folder": str(folder.resolve()),
            "code": self.code,
            "checkpoint_seconds": self.options.checkpoint_seconds,
        }
        worker = self._start_worker(state.stack, folder.resolve(), spec, self.lock)
        self.running[worker] = state
        if worker.pipe is not None:
            self._selector.register(worker.pipe, selectors.EVENT_READ)
        state.status = "running"

    def _read(self, worker: AnyWorker) -> None:
        messages, state = worker.read(), self.running[worker]
        for message in messages:
            state.update(message)
            if message["message"] not in _EXPECTED:
                self.say(f"seeds {state.stack.name}: {message['message']}")
        if messages:
            self._silent.discard(worker)

    def _end(self, worker: AnyWorker) -> None:
        """Take leave of a worker that has ended, and say what became of its stack."""
        self._read(worker)
        if worker.pipe is not None:
            self._selector.unregister(worker.pipe)
        worker.close()
        state = self.running.pop(worker)
        self._silent.discard(worker)
        failure = worker.failure()
        if (worker.folder / "outcome.json").exists() and failure is None:
            self._finish(state)
            for seed, found in self.folder.seeds().items():
                if seed in state.diverged:
                    self.say(f"seed {seed} diverged at step {found.steps}: {found.diagnosis}")
        elif failure is None or self.interrupts:
            state.status = "stopped"
        else:
            state.status = "failed"
            line = f"the worker of seeds {state.stack.name} {failure}"
            if worker.problem:
                line = f"the worker of seeds {state.stack.name} stopped: {failure}"
            self.failures.append(line)
            self.say(f"{line}; other seeds are kept, and the same command resumes these")

    def _finish(self, state: StackState) -> None:
        state.status, state.steps = "finished", state.target
        outcome = self.folder.outcome(state.stack.name)
        seeds = outcome["seeds"] if outcome else {}
        state.diverged = tuple(int(k) for k, v in seeds.items() if v["status"] == "diverged")

    def _report_silence(self) -> None:
        for worker, state in self.running.items():
            silent = time.monotonic() - worker.heard
            if silent > self.options.silence_seconds and worker not in self._silent:
                self._silent.add(worker)
                self.say(
                    f"the worker of seeds {state.stack.name} has said nothing for "
                    f"{silent / 60:.0f} minutes; if it hangs, stop it with {worker.stopped_by} "
                    "and run the same command again"
                )

    def _catch_signals(self) -> Callable[[], None]:
        """Count Ctrl-C and SIGTERM instead of dying; returns what restores the old handlers."""
        if threading.current_thread() is not threading.main_thread():
            return lambda: None

        def count(number: int, frame: FrameType | None) -> None:
            self.interrupts += 1

        old = {n: signal.signal(n, count) for n in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in old.items():
                signal.signal(number, handler)

        return restore

    def _heed_time(self) -> None:
        limit = self.options.stop_after
        if limit is not None and self.plan.elapsed >= limit and not self.interrupts:
            self.say(f"its time is over ({limit / 60:.0f} minutes)")
            self.interrupts = 1

    def _heed_interrupts(self) -> None:
        if self.interrupts == self._heeded:
            return
        self._heeded = self.interrupts
        for worker in self.running:
            worker.ask_to_stop() if self.interrupts == 1 else worker.kill()
        if self.running and self.interrupts == 1:
            self.say("stopping after a last checkpoint; Ctrl-C again stops at once")
