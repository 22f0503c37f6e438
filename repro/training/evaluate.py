"""Evaluation beside training: environments, generators and counters of its own.

Training is bit-equal with evaluation on or off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from repro.training.environments import Environments

# observations [S, E, *shape], bool [S, E]: an episode begins here -> actions [S, E, *]
Act = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]]


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How a paper evaluates: every `period` environment steps, `episodes` whole episodes."""

    period: int
    episodes: int
    deterministic: bool


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
