"""Acting and learning by turns: environment steps into a replay, updates as a paper counts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.frames import FrameReplay
from repro.training.hparams import Choice, Count
from repro.training.replay import Replay
from repro.training.run import Run
from repro.training.training_environments import TrainingEnvironments

TICKS = 100  # of an iteration: between two of them the run logs, stops and writes checkpoints

Mask = NDArray[np.bool_]


class EveryStep(Choice, frozen=True, kw_only=True, tag="every-step"):
    """One update after each environment step."""


class Periodic(Choice, frozen=True, kw_only=True, tag="periodic"):
    """One update after every `period`-th environment step of a seed."""

    period: Count


class AfterEpisode(Choice, frozen=True, kw_only=True, tag="after-episode"):
    """At an episode's end as many updates as it had steps; none before."""


class Explorer(Protocol):
    """What acts. `act` may draw for the seeds that act, and for no other."""

    def act(self, acting: Mask, begins: Mask, /) -> NDArray[Any]:
        """Actions [S, 1, …]; acting, begins: bool [S], who acts, whose episode begins."""

    def greedy(self, observation: NDArray[Any], begins: Mask, /) -> NDArray[Any]:
        """Actions [S, E, …] without noise, for evaluation."""


class Experience:
    """Steps one environment a seed and says when which seed updates.

    A seed acts while it owes no update, so seeds with episodes of their own length fall out of
    step: each tick, some act and some learn. owed: updates each seed still owes, int64 [S].
    number: which update this is, int64 [S]: 1, 2, 3, … through training with `every-step` and
    `periodic`; 0, 1, 2, … from each episode's end with `after-episode` (as TD3's code counts them).
    """

    def __init__(
        self,
        run: Run[Any],
        envs: TrainingEnvironments,
        replay: Replay | FrameReplay,
        updates: EveryStep | Periodic | AfterEpisode,
        learning_starts: int,
        time_limit: Literal["terminal", "bootstrap"],
    ):
        assert envs.per_seed == 1, "one environment a seed"
        self.run, self.envs, self.replay = run, envs, replay
        self.after_episode = isinstance(updates, AfterEpisode)
        self.period = updates.period if isinstance(updates, Periodic) else 1
        self.learning_starts, self.bootstrap = learning_starts, time_limit == "bootstrap"
        self.owed, self.number = np.zeros((2, envs.num_seeds), np.int64)
        self.begins = np.ones(envs.num_seeds, bool)

    def updates(self, explorer: Explorer) -> Iterator[Mask]:
        """Some ticks of acting; yields whenever seeds (bool [S]) are to update once.

        Evaluations fall between a seed's last update and its next step, and before the first step;
        the last one comes as soon as the steps are done.
        """
        run = self.run
        for tick in range(TICKS + 1):
            run.evaluate(explorer.greedy, (self.owed == 0) | (run.steps_done >= run.steps))
            if tick == TICKS:
                return
            acting = run.active & (self.owed == 0)
            if acting.any():
                self._step(explorer, acting)
            learning = run.active & (self.owed > 0)
            if learning.any():
                self.owed -= learning
                self.number += learning
                yield learning

    def _step(self, explorer: Explorer, acting: Mask) -> None:
        observation = self.envs.observation.copy()  # the environments overwrite it
        action = explorer.act(acting, self.begins)
        step = self.envs.step(action, acting)
        acted = acting & self.run.active  # an action that is no number ends its seed
        terminal = step.terminal[:, 0]
        ended = terminal | step.truncated[:, 0]  # an Atari game may go on: its lost lives count
        # Single images say where an episode begins; whole transitions need not.
        begins = {"begins": self.begins} if isinstance(self.replay, FrameReplay) else {}
        after: NDArray[Any] = step.final_observation  # bytes or numbers
        self.replay.add(
            observation, action, step.reward, after,
            terminal if self.bootstrap else ended, where=acted, **begins,
        )  # fmt: skip
        self.begins[acted] = ended[acted]
        learns = acted & (self.run.steps_done > self.learning_starts)
        if self.after_episode:
            learns &= ended
            self.number[learns] = -1
            self.owed[learns] = step.episode_length[learns, 0]
        else:
            self.owed[learns & (self.run.steps_done % self.period == 0)] = 1

    def state_dict(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(a.copy()) for name, a in self._arrays().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, array in self._arrays().items():
            array[...] = state[name].numpy()

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"owed": self.owed, "number": self.number, "begins": self.begins}


class Means:
    """Means per seed over the updates of one iteration, for the log."""

    def __init__(self, run: Run[Any]):
        self.run, self._sums = run, {}
        self._counts: dict[str, Tensor] = {}

    _sums: dict[str, Tensor]

    def add(self, where: Tensor | None, /, **values: Tensor) -> None:
        """values: one a seed, each [S]; where: bool [S], the seeds that have one (None: all)."""
        for name, value in values.items():
            if name not in self._sums:
                self._sums[name], self._counts[name] = self.run.full(0.0), self.run.full(0.0)
            value = value.detach()
            if where is None:
                self._sums[name] += value
                self._counts[name] += 1
            else:
                self._sums[name] += torch.where(where, value, 0.0)
                self._counts[name] += where

    def log(self) -> None:
        """Log what was added for the seeds that updated at all; 0 where a value never came."""
        if not self._sums:
            return
        counts = torch.stack(list(self._counts.values())).amax(0)
        self.run.log(
            (counts > 0).cpu().numpy(),
            **{n: s / self._counts[n].clamp(min=1) for n, s in self._sums.items()},
        )
