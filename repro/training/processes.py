"""Parallel actor-learners: processes that act and learn by themselves on shared parameters.

    def learner(its):                     # called in each process, with what it has for the run
        return Learner(its, its.make_envs(per_seed=1), model, optimizer)

    with ActorLearners(run, number, learner, [parameters.data, optimizer.square]) as actors:
        run.keep(model=model, optimizer=optimizer, actors=actors)
        for _ in run.iterations():
            actors.round()
            run.evaluate(act)

Nothing is locked within a round: parameters and optimiser statistics are read and written by all
at once (Hogwild: Niu et al. 2011). Between two rounds every process waits, so that the run logs,
evaluates and writes checkpoints at one moment of all. Which update meets which parameters is the
system's choice, so runs do not repeat bit for bit; nothing else is lost when one is resumed.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.errors import ReproError
from repro.training import arithmetic
from repro.training.actor_run import ActorRun, Board, Report
from repro.training.run import Run

ROUND = 1000  # environment steps of a seed between two pauses
PR_SET_PDEATHSIG = 1  # of Linux's sys/prctl.h


class Learner(Protocol):
    """One actor-learner. state_dict: what is its own beside environments and generators."""

    def update(self) -> None:
        """Act for a while, and update the shared parameters once."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class ActorLearners:
    """The processes of a run's actor-learners, and what a checkpoint keeps of them.

    number: of processes. learner: makes one's learner, in its process, since environments may have
    threads, which no fork carries over. shared: tensors that all of them read and write; anything
    else is each one's own once the processes start. That is with the first round, after `keep` has
    restored everything. They end with the `with` block, or within an update of their parent's
    death, whatever killed it.

    Raises ReproError for a run on another device than the CPU.
    """

    def __init__(
        self,
        run: Run[Any],
        number: int,
        learner: Callable[[ActorRun[Any]], Learner],
        shared: Sequence[Tensor],
    ):
        if run.device.type != "cpu":
            raise ReproError(
                f"--device {run.device}: actor-learners are processes that share the memory of a "
                "CPU; expected --device cpu"
            )
        self.run, self.learner = run, learner
        self.board = Board(number, len(run.seeds))
        for tensor in shared:
            tensor.share_memory_()
        self._states: list[dict[str, Any] | None] = [None] * number
        self._processes: list[BaseProcess] = []
        self._ends: list[Connection] = []

    def __enter__(self) -> ActorLearners:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
        for end in self._ends:
            end.close()
        self._processes, self._ends = [], []

    def round(self) -> None:
        """Let all act and learn for some `ROUND` steps of each seed, and log what they did.

        Raises ReproError when one of them was killed, RuntimeError when one failed.
        """
        if not self._processes:
            self._start()
        run = self.run
        self.board.resting[:] = ~run.active
        reports = self._ask("round", (run.steps_done // ROUND + 1) * ROUND)
        for episode in sorted(e for report in reports for e in report.episodes):
            run.steps_done[episode.seed] = episode.step
            run.record_episode(episode.seed, episode.episode_return, episode.length)
        run.steps_done[:] = self.board.steps.sum(axis=0)
        self._log(reports)
        for i, diagnosis in (found for report in reports for found in report.diverged):
            run.diverged(np.arange(len(run.seeds)) == i, diagnosis)

    def _log(self, reports: Sequence[Report]) -> None:
        """Means over the updates of the round."""
        names = {name: None for report in reports for name in report.sums}
        if not names:
            return
        none = np.zeros(len(self.run.seeds))
        sums = {n: sum((r.sums.get(n, none) for r in reports), none) for n in names}
        counts = {n: sum((r.counts.get(n, none) for r in reports), none) for n in names}
        means = {n: torch.from_numpy(sums[n] / np.maximum(counts[n], 1)) for n in names}
        self.run.log(np.any([count > 0 for count in counts.values()], axis=0), **means)

    def state_dict(self) -> dict[str, Any]:
        """The counters, and of each actor-learner all that is its own. Between rounds only."""
        states = self._ask("state") if self._processes else self._states
        return {"steps": torch.from_numpy(self.board.steps.copy()), "learners": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert not self._processes, "state is loaded before the first round"
        self.board.steps[:] = state["steps"].numpy()
        self._states = state["learners"]

    def _start(self) -> None:
        """Fork: what was made and restored here is there, and shared tensors stay shared."""
        context = get_context("fork")
        for number, state in enumerate(self._states):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(self, number, state, theirs, [*self._ends, ours]),
                name=f"actor-learner {number}",
                daemon=True,
            )
            with warnings.catch_warnings():
                # Python 3.12 warns of forks beside threads; ours wait in a read and hold no lock.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            theirs.close()
            self._processes.append(process)
            self._ends.append(ours)

    def _ask(self, question: str, argument: Any = None) -> list[Any]:
        """Everyone's answer. A process that died meanwhile is noticed: its pipe has ended."""
        for number in range(len(self._ends)):
            with self._alive(number):
                _send(self._ends[number], (question, argument))
        answers = []
        for number, end in enumerate(self._ends):
            with self._alive(number):
                answers.append(_receive(end))
        for number, answer in enumerate(answers):
            if isinstance(answer, Failure):
                raise answer.error(number)
        return answers

    @contextmanager
    def _alive(self, number: int) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError):
            process = self._processes[number]
            process.join()
            raise ReproError(
                f"actor-learner {number} of {len(self._processes)} {_end(process.exitcode or 0)}; "
                "the last checkpoint is kept"
            ) from None


def _end(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed (kill -9, or the system was out of memory)"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


class Failure(NamedTuple):
    """An exception of an actor-learner, on its way to the run."""

    line: str
    details: str
    expected: bool  # a ReproError: the line says all

    def error(self, number: int) -> Exception:
        if self.expected:
            return ReproError(self.line)
        return RuntimeError(f"actor-learner {number}: {self.line}\n{self.details}")


def _serve(
    all_: ActorLearners,
    number: int,
    state: dict[str, Any] | None,
    end: Connection,
    inherited: list[Connection],
) -> None:
    """An actor-learner's process: rounds and questions, until its parent is gone."""
    if sys.platform == "linux":  # killed with the parent, even while stuck in foreign code
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    arithmetic.settle()
    for other in inherited:  # else the parent's end would never close
        other.close()
    with suppress(EOFError, ConnectionError):
        served = None
        while True:
            question, argument = _receive(end)
            try:
                served = served or _Served(all_, number, state)
                answer: Any = served.state() if question == "state" else served.round(argument)
            except Exception as error:
                answer = _failure(error)
            _send(end, answer)


class _Served:
    """An actor-learner in its process."""

    def __init__(self, all_: ActorLearners, number: int, state: dict[str, Any] | None):
        self.run = ActorRun(all_.run, number, all_.board)
        self.learner = all_.learner(self.run)
        if state is not None:
            self.run.load_state_dict(state["run"])
            self.learner.load_state_dict(state["learner"])

    def round(self, until: NDArray[np.int64]) -> Report:
        parent = os.getppid()
        while self.run.goes_on(until) and os.getppid() == parent:
            self.learner.update()
        return self.run.report()

    def state(self) -> dict[str, Any]:
        return {"run": self.run.state_dict(), "learner": self.learner.state_dict()}


def _failure(error: Exception) -> Failure:
    first = (str(error).strip().splitlines() or ["no message"])[0]
    expected = isinstance(error, ReproError)
    line = first if expected else f"{type(error).__name__}: {first}"
    return Failure(line, traceback.format_exc(), expected)


def _send(end: Connection, message: Any) -> None:
    # Not Connection.send, which would pass tensors by descriptors of shared memory.
    end.send_bytes(pickle.dumps(message))


def _receive(end: Connection) -> Any:
    return pickle.loads(end.recv_bytes())
