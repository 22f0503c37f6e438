"""A run of one stack: what an implementation's `train(run)` is given.

`train` asks for environments and generators, says once what must survive an interruption
(`keep`), loops over `iterations` and logs. Seeds, files, checkpoints, evaluation, diverged seeds
and resuming are this file's business.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training import checkpoint, evaluate
from repro.training.environments import Environments, NonFiniteAction, Step, make
from repro.training.log import SeedLog
from repro.training.rng import Streams
from repro.training.schedules import Schedule, at

H = TypeVar("H")

OUTCOME = "outcome.json"
RECENT_EPISODES = 100
FLUSH_SECONDS = 1.0
EXPORTED = ("model", "policy", "collector")  # of what is kept: networks, normalisers
MAX_CHECKPOINT_SHARE = 0.05  # of the time may go into writing checkpoints


class Stopped(Exception):
    """The run was asked to stop; its checkpoint is written and the same command resumes it."""


@dataclass(frozen=True)
class Progress:
    """Where a stack stands, for the display."""

    seeds: list[int]
    steps: list[int]  # environment steps done, per seed
    target: int
    returns: list[float | None]  # mean of the last 100 training episodes, per seed
    steps_per_second: float  # all seeds together, since this process began
    diverged: list[int]
    message: str | None = None


class TrainingEnvironments:
    """The environments of a stack, with episodes logged and steps counted per seed."""

    def __init__(self, run: Run[Any], envs: Environments):
        self._run, self._envs = run, envs
        self.num_seeds, self.per_seed = envs.num_seeds, envs.per_seed
        self.observation_shape, self.action_space = envs.observation_shape, envs.action_space
        self.observation: NDArray[Any] = envs.reset()

    def step(self, actions: NDArray[Any], active: NDArray[np.bool_] | None = None) -> Step:
        """Step every environment of the active seeds; `observation` is then the next one.

        active: bool [S] or [S, E], of those the ones to step; the others stay as they are and do
        not count. A seed whose action is not finite has diverged; the others go on.
        """
        try:
            step = self._envs.step(actions, self._stepped(active))
        except NonFiniteAction as error:  # nothing was stepped yet
            self._run.diverged(np.isin(self._run.seeds, error.seeds), "action is not finite")
            step = self._envs.step(actions, self._stepped(active))
        stepped = self._stepped(active)
        if stepped is None or stepped.ndim == 1:
            self._run.count(self.per_seed if stepped is None else self.per_seed * stepped)
        else:
            self._run.count(stepped.sum(axis=1))
        self.observation = step.observation
        # count_nonzero takes a fifth of any()'s time, and this runs at every step.
        if np.count_nonzero(step.terminated) or np.count_nonzero(step.truncated):
            for s, e in zip(*np.nonzero(step.terminated | step.truncated), strict=True):
                self._run.record_episode(
                    int(s), float(step.episode_return[s, e]), int(step.episode_length[s, e])
                )
        return step

    def reset(self, which: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """Fresh episodes everywhere or in `which` (bool [S] or [S, E]); observations [S, E, ...].

        An episode given up is not logged.
        """
        self.observation = self._envs.reset(which)
        return self.observation

    def _stepped(self, active: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if self._run.all_active:
            return active
        run = self._run.active
        return run if active is None else active & (run if active.ndim == 1 else run[:, None])

    def state_dict(self) -> dict[str, Any]:
        return self._envs.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._envs.load_state_dict(state)
        self.observation = self._envs.observation


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
        evaluation: evaluate.Protocol | None = None,
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
        self._evaluation_envs: Environments | None = None
        self._evaluations = np.zeros(len(self.seeds), dtype=np.int64)
        self._iteration = self._checkpoints = 0
        self._recent: list[deque[float]] = [deque(maxlen=RECENT_EPISODES) for _ in self.seeds]
        self._logs = [SeedLog(folder, seed) for seed in self.seeds]
        self._seconds = {"training": 0.0, "evaluation": 0.0, "checkpoints": 0.0}
        self._checkpoint_seconds = checkpoint_seconds
        self._clock = self._last_checkpoint = self._last_flush = time.monotonic()
        self._begun: tuple[float, int] | None = None

    # What an implementation calls

    def make_envs(self, per_seed: int, purpose: str = "train") -> TrainingEnvironments:
        """Environments to train in, kept over interruptions: observations [S, per_seed, *shape].

        Another purpose means other generators; each is asked for once.
        """
        assert purpose not in self._envs, f"environments for {purpose} were made already"
        envs = TrainingEnvironments(self, make(self.env, self.seeds, per_seed, purpose))
        self._envs[purpose] = envs
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
        state, warning = checkpoint.load(self.folder)
        if warning:
            self._say(warning)
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

    def diverged(self, which: NDArray[np.bool_], diagnosis: str) -> None:
        """Mark active seeds (bool [S]) as diverged: they stop here, the others go on."""
        for i in np.flatnonzero(which & self.active):
            self._diagnosis[i] = f"{diagnosis} at step {self.steps_done[i]}"
            self.active[i] = False
            self._logs[i].write(
                {"kind": "diverged", "step": int(self.steps_done[i]), "why": self._diagnosis[i]}
            )
        self.all_active = bool(self.active.all())

    def evaluate(self, act: evaluate.Act, where: NDArray[np.bool_] | None = None) -> None:
        """Evaluate the seeds for which the protocol says so; act must change nothing.

        where: bool [S], the seeds that may be evaluated now; the others when they may.
        """
        protocol = self.evaluation
        if protocol is None:
            return
        due = self.active & (self.steps_done >= self._evaluations * protocol.period)
        if where is not None:
            due &= where
        if not due.any():
            return
        self._check_parameters()  # a policy that is no number cannot be played
        due &= self.active
        began = time.monotonic()
        if self._evaluation_envs is None:
            self._evaluation_envs = make(self.env, self.seeds, protocol.episodes, "evaluation")
        returns, lengths = evaluate.play(self._evaluation_envs, act, due)
        for i, log in enumerate(self._logs):
            if due[i]:
                log.write(
                    {
                        "kind": "evaluation",
                        "step": int(self.steps_done[i]),
                        "returns": returns[i].tolist(),
                        "lengths": lengths[i].tolist(),
                    }
                )
        self._evaluations[due] = self.steps_done[due] // protocol.period + 1
        self._seconds["evaluation"] += time.monotonic() - began
        self._clock += time.monotonic() - began

    # What happens around it

    def record_episode(self, i: int, episode_return: float, length: int) -> None:
        self._recent[i].append(episode_return)
        self._logs[i].write(
            {
                "kind": "episode",
                "step": int(self.steps_done[i]),
                "return": episode_return,
                "length": length,
            }
        )

    def _between_iterations(self) -> None:
        self._check_parameters()
        self.active &= self.steps_done < self.steps
        self.all_active = bool(self.active.all())
        now = time.monotonic()
        if self.stop.is_set():
            self._checkpoint()
            self._send_progress("stopped")
            raise Stopped
        if now - self._last_checkpoint >= self._pause():
            self._checkpoint()
        if now - self._last_flush >= FLUSH_SECONDS:
            for log in self._logs:
                log.flush()
            self._last_flush = now
            self._send_progress()

    def _check_parameters(self) -> None:
        for kept in self._kept.values():
            if hasattr(kept, "finite"):
                self.diverged(~kept.finite().cpu().numpy(), "parameters are not finite")

    def _pause(self) -> float:
        """Seconds between checkpoints; asked for 0, every iteration writes one."""
        each = self._seconds["checkpoints"] / max(1, self._checkpoints)
        wanted = self._checkpoint_seconds
        return max(wanted, each / MAX_CHECKPOINT_SHARE) if wanted else 0.0

    def _checkpoint(self) -> None:
        began = time.monotonic()
        self._tick(began)
        state = {
            "kept": {name: _state(kept) for name, kept in self._kept.items()},
            "envs": {purpose: envs.state_dict() for purpose, envs in self._envs.items()},
            "steps_done": self.steps_done.tolist(),
            "streams": {purpose: s.state_dict() for purpose, s in self._streams.items()},
            "evaluation_envs": self._evaluation_envs.state_dict() if self._evaluation_envs else {},
            "evaluations": self._evaluations.tolist(),
            "iteration": self._iteration,
            "checkpoints": self._checkpoints,
            "active": self.active.tolist(),
            "diagnosis": self._diagnosis,
            "recent": [list(recent) for recent in self._recent],
            "log_sizes": [log.flush(sync=True) for log in self._logs],
            "seconds": dict(self._seconds),
        }
        checkpoint.save(self.folder, state)
        self._checkpoints += 1
        self._last_checkpoint = self._clock = time.monotonic()
        self._seconds["checkpoints"] += self._last_checkpoint - began

    def _restore(self, state: dict[str, Any]) -> None:
        for name, kept in self._kept.items():
            _restore(kept, state["kept"][name])
        for purpose, envs in self._envs.items():
            envs.load_state_dict(state["envs"][purpose])
        self.steps_done[:] = state["steps_done"]
        for purpose, streams in state["streams"].items():
            self.rng(purpose).load_state_dict(streams)
        if state["evaluation_envs"]:
            assert self.evaluation is not None
            self._evaluation_envs = make(
                self.env, self.seeds, self.evaluation.episodes, "evaluation"
            )
            self._evaluation_envs.load_state_dict(state["evaluation_envs"])
        self._evaluations[:] = state["evaluations"]
        self._iteration = state["iteration"]
        self._checkpoints = state["checkpoints"]
        self.active[:] = state["active"]
        self.all_active = bool(self.active.all())
        self._diagnosis, self._seconds = state["diagnosis"], state["seconds"]
        for recent, saved in zip(self._recent, state["recent"], strict=True):
            recent.extend(saved)
        for log, size in zip(self._logs, state["log_sizes"], strict=True):
            log.start(size)

    def _finish(self) -> None:
        self._checkpoint()
        torch.save(
            {name: _first_seed(_state(self._kept[name])) for name in self._exported()},
            self.folder / "policy.pt",
        )
        outcome = {
            "schema_version": 1,
            "seeds": {
                str(seed): {
                    "status": "finished" if self._diagnosis[i] is None else "diverged",
                    "steps": int(self.steps_done[i]),
                    "diagnosis": self._diagnosis[i],
                }
                for i, seed in enumerate(self.seeds)
            },
            "seconds": self._seconds["training"],
            "evaluation_seconds": self._seconds["evaluation"],
            "checkpoint_seconds": self._seconds["checkpoints"],
        }
        temporary = self.folder / (OUTCOME + ".part")
        temporary.write_text(json.dumps(outcome, indent=1))
        temporary.replace(self.folder / OUTCOME)
        self._send_progress("finished")

    def _exported(self) -> list[str]:
        return [name for name in self._kept if name in EXPORTED]

    def _tick(self, now: float) -> None:
        self._seconds["training"] += now - self._clock
        self._clock = now

    def _say(self, message: str) -> None:
        self._send_progress(message)

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


def _state(kept: Any) -> Any:
    return kept if isinstance(kept, Tensor) else kept.state_dict()


def _restore(kept: Any, state: Any) -> None:
    if isinstance(kept, Tensor):
        kept.copy_(state)
    else:
        kept.load_state_dict(state)


def _first_seed(state: Any) -> Any:
    """The first seed's part of a state: tensors lose the seed axis (as one of length 1)."""
    if isinstance(state, dict):
        return {name: _first_seed(value) for name, value in state.items()}
    return state[:1].clone() if isinstance(state, Tensor) else state
