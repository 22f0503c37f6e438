"""A run of one stack: what an implementation's `train(run)` is given.

`train` asks for environments and generators, says once what must survive an interruption
(`keep`), loops over `iterations` and logs. Seeds, files, checkpoints, evaluation, diverged seeds
and resuming are this file's business.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training import checkpoint, outcome
from repro.training.clock import Clock
from repro.training.environments import make
from repro.training.evaluate import Act, Evaluations, Protocol
from repro.training.log import SeedLog
from repro.training.progress import Progress
from repro.training.rng import Streams
from repro.training.schedules import Schedule, at
from repro.training.training_environments import TrainingEnvironments

H = TypeVar("H")

RECENT_EPISODES = 100
FLUSH_SECONDS = 1.0


class Stopped(Exception):
    """The run was asked to stop; its checkpoint is written and the same command resumes it."""


class Run(Generic[H]):
    """One stack's training. See the module's docstring.

    steps_done: environment steps done, int64 [S]. active: bool [S], the seeds that still train:
    neither diverged nor done with their steps; it changes between iterations, and for a seed
    that diverges at once. all_active: whether that is all of them.
    """

    def __init__(
        self,
        hparams: H,
        env: str,
        seeds: Sequence[int],
        steps: int,
        folder: Path,
        device: str = "cpu",
        evaluation: Protocol | None = None,
        report: Callable[[Progress], None] | None = None,
        checkpoint_seconds: float = 60.0,
    ):
        self.hparams, self.env, self.seeds, self.steps = hparams, env, list(seeds), steps
        self.folder, self.device = folder, torch.device(device)
        self.evaluation, self._report = evaluation, report
        self.stop = threading.Event()
        self.active = np.ones(len(self.seeds), dtype=bool)
        self.all_active = True
        self.steps_done = np.zeros(len(self.seeds), dtype=np.int64)
        self._diagnosis: list[str | None] = [None] * len(self.seeds)
        self._streams: dict[str, Streams] = {}
        self._kept: dict[str, Any] = {}
        self._envs: dict[str, TrainingEnvironments] = {}
        self._whose = f"{env} {self.seeds} {hparams!r}"  # no other run's checkpoint is taken
        self._atari = getattr(hparams, "atari", None)
        self._evaluations: Evaluations | None = None
        if evaluation is not None:
            self._evaluations = Evaluations(env, self.seeds, evaluation, self._atari)
        self._iteration = 0
        self._recent: list[deque[float]] = [deque(maxlen=RECENT_EPISODES) for _ in self.seeds]
        self._logs = [SeedLog(folder, seed) for seed in self.seeds]
        self._clock = Clock(checkpoint_seconds)
        self._last_flush = time.monotonic()
        self._begun: tuple[float, int] | None = None

    # What an implementation calls

    def make_envs(self, per_seed: int, purpose: str = "train") -> TrainingEnvironments:
        """Environments to train in, kept over interruptions: observations [S, per_seed, *shape].

        Another purpose means other generators; each is asked for once. How Atari is played stands
        in `hparams.atari`, an `AtariPreset` or `Off`.
        """
        assert purpose not in self._envs, f"environments for {purpose} were made already"
        made = make(self.env, self.seeds, per_seed, purpose, atari=self._atari)
        self._envs[purpose] = envs = TrainingEnvironments(self, made)
        return envs

    def count(self, steps: int | NDArray[np.int64]) -> None:
        """Count environment steps, a number or int64 [S]; `TrainingEnvironments` does so itself."""
        self.steps_done += steps

    def rng(self, purpose: str) -> Streams:
        """The generators of one purpose, one a seed; kept over interruptions."""
        if purpose not in self._streams:
            self._streams[purpose] = Streams(self.seeds, purpose, self.device)
        return self._streams[purpose]

    def keep(self, **objects: Any) -> None:
        """Say what survives an interruption; where a checkpoint lies, it is loaded here.

        objects: anything with state_dict / load_state_dict, or tensors (loaded in place).
        """
        for name, kept in objects.items():
            assert isinstance(kept, Tensor) or hasattr(kept, "state_dict"), f"cannot keep {name}"
        self._kept = objects
        self.folder.mkdir(parents=True, exist_ok=True)
        state, warning = checkpoint.load(self.folder, self._whose)
        if warning:
            self._send_progress(warning)
        if state is None:
            for log in self._logs:
                log.start()
        else:
            self._restore(state)

    def iterations(self) -> Iterator[int]:
        """Count iterations until every seed has done its steps (or diverged)."""
        self._begun = (time.monotonic(), int(self.steps_done.sum()))
        while self.active.any():
            yield self._iteration
            self._iteration += 1
            self._between_iterations()
        self._finish()

    def scheduled(self, schedule: Schedule) -> Tensor:
        """A schedule's value at each seed's own step, float32 [S]."""
        horizon = self.hparams.schedule_steps  # type: ignore[attr-defined]
        values = [at(schedule, float(step), horizon) for step in self.steps_done]
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    @property
    def mask(self) -> Tensor | None:
        """The seeds that still train, bool [S] on the device; None while all do."""
        return None if self.all_active else torch.from_numpy(self.active).to(self.device)

    def where(self, seeds: NDArray[np.bool_]) -> Tensor | None:
        """`seeds` (bool [S]) as a mask on the device, for optimisers; None where it is all."""
        return None if seeds.all() else torch.from_numpy(seeds).to(self.device)

    def full(self, value: float) -> Tensor:
        """`value` for every seed, float32 [S]."""
        return torch.full((len(self.seeds),), float(value), device=self.device)

    def batch(self, array: NDArray[Any]) -> Tensor:
        """[S, E, T, ...] as one batch a seed on the device, float32 [S, E·T, ...]."""
        contiguous = np.ascontiguousarray(array, dtype=np.float32)
        return torch.from_numpy(contiguous).to(self.device).flatten(1, 2)

    def log(self, where: NDArray[np.bool_] | None = None, /, **values: Tensor) -> None:
        """Log one value a seed, each [S], at the seed's current step.

        where: bool [S], the seeds that have something to log. A value that is not finite marks
        its seed as diverged.
        """
        logged = self.active if where is None else self.active & where
        columns = {name: value.detach().cpu().tolist() for name, value in values.items()}
        for i, (log, step) in enumerate(zip(self._logs, self.steps_done.tolist(), strict=True)):
            if logged[i]:  # JSON has no NaN: what is not finite is null
                row = {n: c[i] if math.isfinite(c[i]) else None for n, c in columns.items()}
                log.write({"kind": "train", "step": step} | row)
        for name, column in columns.items():
            self.diverged(logged & ~np.isfinite(column), f"{name} is not finite")

    def measured(self, **values: Tensor) -> None:
        """Record properties of the active seeds, one number a seed, each [S], for the judge.

        Of several values of a name the last one counts; what is not finite is left out.
        """
        columns = {name: value.detach().cpu().tolist() for name, value in values.items()}
        for i in np.flatnonzero(self.active).tolist():
            found = {name: c[i] for name, c in columns.items() if math.isfinite(c[i])}
            self._write(i, "measured", values=found)

    def diverged(self, which: NDArray[np.bool_], diagnosis: str) -> None:
        """Mark active seeds (bool [S]) as diverged: they stop here, the others go on."""
        for i in np.flatnonzero(which & self.active).tolist():
            self._diagnosis[i] = f"{diagnosis} at step {self.steps_done[i]}"
            self.active[i] = False
            self._write(i, "diverged", why=self._diagnosis[i])
        self.all_active = bool(self.active.all())

    def evaluate(self, act: Act, where: NDArray[np.bool_] | None = None) -> None:
        """Evaluate the seeds for which the protocol says so; act must change nothing.

        where: bool [S], the seeds that may be evaluated now; the others when they may.
        """
        if self._evaluations is None:
            return
        due = self.active & self._evaluations.due(self.steps_done)
        if where is not None:
            due &= where
        if not due.any():
            return
        self._check_parameters()  # a policy that is no number cannot be played
        due &= self.active
        with self._clock.spent_on("evaluation"):
            returns, lengths = self._evaluations.play(act, due, self.steps_done)
        for i in np.flatnonzero(due).tolist():
            found = {"returns": returns[i].tolist(), "lengths": lengths[i].tolist()}
            self._write(i, "evaluation", **found)

    # What happens around it

    def record_episode(self, i: int, episode_return: float, length: int) -> None:
        self._recent[i].append(episode_return)
        self._write(i, "episode", **{"return": episode_return, "length": length})

    def _write(self, i: int, kind: str, **values: Any) -> None:
        self._logs[i].write({"kind": kind, "step": int(self.steps_done[i])} | values)

    def _between_iterations(self) -> None:
        self._check_parameters()
        self.active &= self.steps_done < self.steps
        self.all_active = bool(self.active.all())
        if self.stop.is_set():
            self._checkpoint()
            self._send_progress("stopped")
            raise Stopped
        if self._clock.checkpoint_due():
            self._checkpoint()
        if time.monotonic() - self._last_flush >= FLUSH_SECONDS:
            for log in self._logs:
                log.flush()
            self._last_flush = time.monotonic()
            self._send_progress()

    def _check_parameters(self) -> None:
        for kept in self._kept.values():
            if hasattr(kept, "finite"):
                self.diverged(~kept.finite().cpu().numpy(), "parameters are not finite")

    def _checkpoint(self) -> None:
        with self._clock.spent_on("checkpoints"):
            checkpoint.save(self.folder, self._state())
        self._clock.checkpoint_written()

    def _state(self) -> dict[str, Any]:
        return {
            "whose": self._whose,
            "kept": {name: checkpoint.state_of(kept) for name, kept in self._kept.items()},
            "envs": {purpose: envs.state_dict() for purpose, envs in self._envs.items()},
            "steps_done": self.steps_done.tolist(),
            "streams": {purpose: s.state_dict() for purpose, s in self._streams.items()},
            "evaluations": self._evaluations.state_dict() if self._evaluations else None,
            "iteration": self._iteration,
            "checkpoints": self._clock.checkpoints,
            "active": self.active.tolist(),
            "diagnosis": self._diagnosis,
            "recent": [list(recent) for recent in self._recent],
            "log_sizes": [log.flush(sync=True) for log in self._logs],
            "seconds": dict(self._clock.seconds),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        for name, kept in self._kept.items():
            checkpoint.restore(kept, state["kept"][name])
        for purpose, envs in self._envs.items():
            envs.load_state_dict(state["envs"][purpose])
        self.steps_done[:] = state["steps_done"]
        for purpose, streams in state["streams"].items():
            self.rng(purpose).load_state_dict(streams)
        if self._evaluations and state["evaluations"]:
            self._evaluations.load_state_dict(state["evaluations"])
        self._iteration = state["iteration"]
        self._clock.checkpoints, self._clock.seconds = state["checkpoints"], state["seconds"]
        self.active[:] = state["active"]
        self.all_active = bool(self.active.all())
        self._diagnosis = state["diagnosis"]
        for recent, saved in zip(self._recent, state["recent"], strict=True):
            recent.extend(saved)
        for log, size in zip(self._logs, state["log_sizes"], strict=True):
            log.start(size)

    def _finish(self) -> None:
        self._checkpoint()
        outcome.export_policy(self.folder, self._kept)
        steps, seconds = self.steps_done.tolist(), self._clock.seconds
        outcome.write(self.folder, self.seeds, steps, self._diagnosis, seconds)
        self._send_progress("finished")

    def _send_progress(self, message: str | None = None) -> None:
        if self._report is None:
            return
        rate = 0.0
        if self._begun is not None:
            elapsed = time.monotonic() - self._begun[0]
            rate = (int(self.steps_done.sum()) - self._begun[1]) / max(elapsed, 1e-9)
        self._report(
            Progress(
                seeds=self.seeds,
                steps=self.steps_done.tolist(),
                target=self.steps,
                returns=[float(np.mean(r)) if r else None for r in self._recent],
                steps_per_second=rate,
                diverged=[s for i, s in enumerate(self.seeds) if self._diagnosis[i]],
                message=message,
            )
        )
