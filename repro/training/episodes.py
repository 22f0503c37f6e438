"""Batches of whole episodes of a stack: padded, with a mask; seeds advance unequally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from repro.training.environments import Box
from repro.training.evaluate import Act
from repro.training.rollout import Actor, bounded_by, evaluation_act
from repro.training.run import Run
from repro.training.training_environments import TrainingEnvironments

BLOCK = 64  # steps whose noise is drawn at once


@dataclass(frozen=True)
class Episodes:
    """One episode of every environment: arrays [S, E, T, ...], T the longest one's steps.

    observation: raw, float32 [S, E, T + 1, *shape], the one that the last action led to
    included. mask: bool, the steps that happened; the others hold no episode. terminated,
    truncated: at an episode's last step alone. A seed that rested has no steps at all.

    T is that of the whole stack, so a sum over a seed's batch may round differently in other
    company: where episodes differ in length, seeds agree to float tolerance, not to the bit.
    """

    observation: NDArray[np.float32]
    action: NDArray[Any]
    reward: NDArray[np.float32]
    mask: NDArray[np.bool_]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class EpisodeCollector:
    """Plays one whole episode in every environment of the active seeds at a time.

    An environment whose episode is over rests at the start of its next one, uncounted, until the
    longest episode of the stack ends. Between two batches nothing outlives but environments and
    generators, so there is nothing to keep.
    """

    def __init__(self, run: Run[Any], envs: TrainingEnvironments, clip_actions: bool):
        self.run, self.envs = run, envs
        self.continuous = isinstance(envs.action_space, Box)
        self.bounds = bounded_by(envs.action_space, clip_actions)
        self._noise = run.rng("action")

    def collect(self, actor: Actor) -> Episodes:
        """The next episode of every environment."""
        run, envs = self.run, self.envs
        playing = np.repeat(run.active[:, None], envs.per_seed, axis=1)
        observation: list[NDArray[Any]] = [envs.observation.astype(np.float32)]
        steps: list[tuple[NDArray[Any], ...]] = []
        with torch.inference_mode():
            while playing.any():
                if len(steps) % BLOCK == 0:
                    # A seed whose episodes are over draws no more, as it would alone.
                    drawing = np.logical_or.reduce(playing, axis=1)
                    block = actor.noise(self._noise, BLOCK, envs.per_seed, active=drawing)
                seen = torch.from_numpy(observation[-1]).to(run.device)
                policy = actor.act(seen, None)  # one without a memory
                taken = policy.sample(block[:, len(steps) % BLOCK]).cpu().numpy()
                step = envs.step(self.bounds(taken), playing)
                steps.append(
                    (taken, step.reward.astype(np.float32), playing.copy(),
                     step.terminated.copy(), step.truncated.copy())
                )  # fmt: skip
                observation.append(step.final_observation.astype(np.float32))
                # A seed that diverged was not stepped and plays no longer.
                playing &= ~(step.terminated | step.truncated) & run.active[:, None]
        rows = [observation, *zip(*steps, strict=True)]
        return Episodes(*(np.stack(row, axis=2) for row in rows))

    def actor(self, actor: Actor) -> Act:
        """The policy for evaluation, as `Collector.actor` gives it."""
        return evaluation_act(self.run, actor, lambda raw: raw, self.bounds)
