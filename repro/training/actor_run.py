"""What one of several parallel actor-learners is given in place of the run."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.rng import Streams
from repro.training.run import Run
from repro.training.training_environments import TrainingEnvironments

H = TypeVar("H")


class Board:
    """What all processes of a run see: counters and flags in shared memory.

    steps: environment steps, int64 [N, S], each row written by one actor-learner alone, so that
    their sum T is exact. resting: bool [S], seeds that diverged or have done their steps.
    """

    def __init__(self, actors: int, seeds: int):
        self.steps: NDArray[np.int64] = _shared(torch.zeros(actors, seeds, dtype=torch.int64))
        self.resting: NDArray[np.bool_] = _shared(torch.zeros(seeds, dtype=torch.bool))


def _shared(tensor: Tensor) -> NDArray[Any]:
    return tensor.share_memory_().numpy()


class Episode(NamedTuple):
    """A finished training episode: T at its end, place of its seed in the stack."""

    step: int
    seed: int
    episode_return: float
    length: int


class Report(NamedTuple):
    """What an actor-learner did in a round. sums, counts: of each logged value, [S]."""

    episodes: list[Episode]
    sums: dict[str, NDArray[np.float64]]
    counts: dict[str, NDArray[np.int64]]
    diverged: list[tuple[int, str]]


class ActorRun(Run[H]):
    """What one actor-learner is given: a run whose steps count into everyone's T.

    steps_done is T, the steps of all actor-learners (so schedules run over T). What it logs is
    averaged over the round. Environments and generators are its own: those of actor-learner 0 are
    the ones that a run without processes has.
    """

    def __init__(self, run: Run[H], number: int, board: Board):
        super().__init__(run.hparams, run.env, run.seeds, run.steps, run.folder, str(run.device))
        self.number, self.board = number, board
        self._episodes: list[Episode] = []
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._diverged: list[tuple[int, str]] = []

    def make_envs(self, per_seed: int, purpose: str = "train") -> TrainingEnvironments:
        return super().make_envs(per_seed, self._own(purpose))

    def rng(self, purpose: str) -> Streams:
        return super().rng(self._own(purpose))

    def _own(self, purpose: str) -> str:
        return f"{purpose} {self.number}" if self.number else purpose

    def count(self, steps: int | NDArray[np.int64]) -> None:
        self.board.steps[self.number] += steps
        self._count_all()

    def _count_all(self) -> None:
        self.board.steps.sum(axis=0, out=self.steps_done)

    def goes_on(self, until: NDArray[np.int64]) -> bool:
        """Whether some seed still trains in this round, which ends at T = until [S]."""
        self._count_all()
        np.logical_not(self.board.resting, out=self.active)
        self.active &= self.steps_done < self.steps
        self.all_active = bool(self.active.all())
        return bool((self.active & (self.steps_done < until)).any())

    def record_episode(self, i: int, episode_return: float, length: int) -> None:
        self._episodes.append(Episode(int(self.steps_done[i]), i, episode_return, length))

    def log(self, where: NDArray[np.bool_] | None = None, /, **values: Tensor) -> None:
        logged = self.active.copy() if where is None else self.active & where
        for name, value in values.items():
            column = value.detach().cpu().numpy().astype(np.float64)
            finite = np.isfinite(column)
            if name not in self._sums:
                self._sums[name] = np.zeros(len(logged))
                self._counts[name] = np.zeros(len(logged), np.int64)
            self._sums[name] += np.where(logged & finite, column, 0.0)
            self._counts[name] += logged & finite
            self.diverged(logged & ~finite, f"{name} is not finite")

    def diverged(self, which: NDArray[np.bool_], diagnosis: str) -> None:
        for i in np.flatnonzero(which & self.active).tolist():
            self.board.resting[i] = True
            self._diverged.append((i, diagnosis))
            self.active[i] = False
        self.all_active = bool(self.active.all())

    def report(self) -> Report:
        """What happened since the last report."""
        report = Report(self._episodes, self._sums, self._counts, self._diverged)
        self._episodes, self._sums, self._counts, self._diverged = [], {}, {}, []
        return report

    def state_dict(self) -> dict[str, Any]:
        """Environments and generators."""
        return {
            "envs": {purpose: envs.state_dict() for purpose, envs in self._envs.items()},
            "streams": {purpose: s.state_dict() for purpose, s in self._streams.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for purpose, envs in self._envs.items():
            envs.load_state_dict(state["envs"][purpose])
        for purpose, streams in self._streams.items():
            streams.load_state_dict(state["streams"][purpose])
