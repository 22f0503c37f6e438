"""Evaluation beside training: environments, generators and counters of its own.

Training is bit-equal with evaluation on or off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from repro.training.environments import Environments, make
from repro.training.environments.atari_presets import AtariPreset
from repro.training.hparams import Choice

# observations [S, E, *shape], bool [S, E]: an episode begins here -> actions [S, E, *]
Act = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]]


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How a paper evaluates: every `period` environment steps, `episodes` whole episodes.

    deterministic: the policy's mode, not a sample. max_frames: an Atari game is cut after so many
    (0: never; None: as in training).
    """

    period: int
    episodes: int
    deterministic: bool
    max_frames: int | None = None


def play(
    envs: Environments, act: Act, active: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns and lengths [S, E] of one whole episode in each environment, from a fresh reset.

    active: bool [S], the seeds to evaluate; the others (diverged: their actions may be NaN) get
    zeros. An environment rests once its episode is over, so generators never see other seeds.
    """
    observation = envs.reset(active)
    shape = observation.shape[:2]
    returns, lengths = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    playing = np.repeat(active[:, None], shape[1], axis=1)
    begins = playing.copy()
    while playing.any():
        step = envs.step(act(observation, begins), playing)
        begins[:] = False
        ended = playing & (step.terminated | step.truncated)
        returns[ended] = step.episode_return[ended]
        lengths[ended] = step.episode_length[ended]
        playing &= ~ended
        observation = step.observation
    return returns, lengths


class Evaluations:
    """When a run's seeds are evaluated, and the environments that only evaluation uses."""

    def __init__(
        self, env: str, seeds: Sequence[int], protocol: Protocol, atari: Choice | None = None
    ):
        self._env, self._seeds, self._protocol = env, list(seeds), protocol
        self._atari = atari
        if isinstance(atari, AtariPreset):
            self._atari = atari.evaluated(protocol.max_frames)
        self._begun = np.zeros(len(self._seeds), dtype=np.int64)  # periods, per seed
        self._envs: Environments | None = None  # made when the first evaluation is due

    def due(self, steps: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which seeds are to be evaluated, bool [S]; steps: done by each, [S]."""
        return steps >= self._begun * self._protocol.period

    def play(
        self, act: Act, due: NDArray[np.bool_], steps: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Returns and lengths [S, E] of the protocol's episodes, for the seeds `due`."""
        found = play(self._environments(), act, due)
        self._begun[due] = steps[due] // self._protocol.period + 1
        return found

    def _environments(self) -> Environments:
        if self._envs is None:
            self._envs = make(
                self._env, self._seeds, self._protocol.episodes, "evaluation", atari=self._atari
            )
        return self._envs

    def state_dict(self) -> dict[str, Any]:
        return {
            "begun": self._begun.tolist(),
            "envs": None if self._envs is None else self._envs.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._begun[:] = state["begun"]
        if state["envs"] is not None:
            self._environments().load_state_dict(state["envs"])
