"""Fixed-length rollouts of a stack: T steps in every environment of every seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.choices import Off, ReturnStd, RewardFactor, RunningObservation
from repro.training.environments import Box, Discrete
from repro.training.evaluate import Act
from repro.training.policies import Distribution, Sampler
from repro.training.recurrent import Memory, Past
from repro.training.rng import Mask, Streams
from repro.training.run import Run
from repro.training.training_environments import TrainingEnvironments


class Actor(Protocol):
    """What a collector steps with: a policy, the noise that its samples need, and what it
    remembers of `each` environments a seed, None where that is nothing."""

    def act(self, observation: Tensor, memory: Any, /) -> Distribution: ...
    def sampler(self, memory: Any, /) -> Sampler: ...
    def noise(self, streams: Streams, /, *shape: int, active: Mask = None) -> Tensor: ...
    def memory(self, each: int, /) -> Memory | None: ...


def bounded_by(space: Box | Discrete, clip: bool) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What brings actions [S, E, ...] into the space's bounds; nothing does unless `clip`."""
    if not clip or not isinstance(space, Box):
        return lambda action: action
    low, high = space.low, space.high
    return lambda action: np.minimum(np.maximum(action, low), high)


def evaluation_act(
    run: Run[Any],
    actor: Actor,
    see: Callable[[NDArray[Any]], NDArray[Any]],
    bounded: Callable[[NDArray[Any]], NDArray[Any]],
) -> Act:
    """The policy for `run.evaluate`: the mode, or a sample, as the protocol says.

    see: raw observations -> what the policy sees; bounded: its actions -> the environment's.
    """
    deterministic = run.evaluation is None or run.evaluation.deterministic
    draws = Streams(run.seeds, "evaluation", run.device)
    remembered: dict[int, Memory | None] = {}  # by the number of environments

    def act(observation: NDArray[Any], begins: NDArray[np.bool_]) -> NDArray[Any]:
        each = begins.shape[1]
        memory = remembered[each] = remembered.get(each) or actor.memory(each)
        if memory is not None:
            memory.begins = torch.from_numpy(begins.copy()).to(run.device)
        seen = torch.from_numpy(see(observation).astype(np.float32))
        with torch.inference_mode():
            chosen = actor.act(seen.to(run.device), memory)
            if deterministic:
                return bounded(chosen.mode().cpu().numpy())
            draws.begin(begins, run.steps_done)
            noise = actor.noise(draws, observation.shape[1])
            return bounded(chosen.sample(noise).cpu().numpy())

    return act


# observations [S, B, *shape], what precedes them -> values [S, B]
Value = Callable[[Tensor, Any], Tensor]


@dataclass(frozen=True)
class Rollout:
    """What was seen and done: arrays [S, E, T, ...], time behind seed and environment.

    observation: raw, float64 [S, E, T, *shape]; seen: as the policy saw them, and what it will see
    next, float32 [S, E, T + 1, *shape]. reward: normalised where that was chosen. truncated: cut
    off by the time limit, `terminated` not. cut: the observations those episodes ended with, as
    the policy would have seen them, [K, *shape], at the places `cut_at` (indices s, e, t).
    past: of a policy that remembers, what the T + 1 observations start from; cut_state: its state
    [K, M] before those of `cut`. None where it remembers nothing.
    """

    observation: NDArray[np.float64]
    seen: NDArray[np.float32]
    action: NDArray[Any]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    cut: NDArray[np.float32]
    cut_at: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    device: torch.device
    past: Past | None = None
    cut_state: Tensor | None = None

    def values(self, value: Value) -> NDArray[np.float32]:
        """The value function [S, B, *shape] -> [S, B] at everything seen, [S, E, T + 1]."""
        shape = self.seen.shape[:3]
        seen = torch.from_numpy(np.ascontiguousarray(self.seen)).to(self.device)
        with torch.inference_mode():
            return value(seen.flatten(1, 2), self.past).reshape(shape).cpu().numpy()

    def cut_values(self, value: Value) -> NDArray[np.float32]:
        """The value function at the observations that a time limit cut off, [K]."""
        seed = self.cut_at[0]
        if not len(seed):
            return np.zeros(0, dtype=np.float32)
        # Padded to [S, most cuts of a seed, *shape]: seeds are cut off unequally often.
        place = np.array([(seed[:k] == seed[k]).sum() for k in range(len(seed))])
        padded = np.zeros((len(self.seen), place.max() + 1, *self.cut.shape[1:]), np.float32)
        padded[seed, place] = self.cut
        past = None
        if self.cut_state is not None:
            state = self.cut_state.new_zeros(*padded.shape[:2], self.cut_state.shape[1])
            state[seed, place] = self.cut_state
            past = Past(state, torch.zeros_like(state[:, :, :1], dtype=torch.bool))
        with torch.inference_mode():
            values = value(torch.from_numpy(padded).to(self.device), past).cpu().numpy()
        return values[seed, place]


class Collector:
    """Steps the environments with a policy, T steps at a time, and normalises what they give."""

    def __init__(
        self,
        run: Run[Any],
        envs: TrainingEnvironments,
        horizon: int,
        clip_actions: bool,
        observations: RunningObservation | Off,
        rewards: ReturnStd | RewardFactor | Off,
        gamma: float,
        until_end: bool = False,
        memory: Memory | None = None,
    ):
        S, E, shape = envs.num_seeds, envs.per_seed, envs.observation_shape
        assert not until_end or S * E == 1, "one environment: episodes end at their own times"
        self.run, self.envs, self.horizon, self.until_end = run, envs, horizon, until_end
        self.memory = memory
        self.observations = self.rewards = None
        self.update_every_step = False
        if isinstance(observations, RunningObservation):
            self.observations = observations.make(S, shape)
            self.update_every_step = observations.update == "step"
        if not isinstance(rewards, Off):
            self.rewards = rewards.make(S, E, gamma)
        self.continuous = isinstance(envs.action_space, Box)
        self._bounded = bounded_by(envs.action_space, clip_actions)
        self._noise = run.rng("action")
        self._seen = self._see(envs.observation)

    def collect(self, actor: Actor) -> Rollout:
        """The next T steps of every environment; with `until_end` to an episode's end at most."""
        envs, T = self.envs, self.horizon
        S, E, shape = envs.num_seeds, envs.per_seed, envs.observation_shape
        # [T, S, E, ...] while collecting: a step writes one contiguous block.
        observation = np.empty((T, S, E, *shape), dtype=envs.observation.dtype)
        # Images stay bytes; vectors, and whatever was normalised, become float32.
        image = envs.observation.dtype == np.uint8 and self.observations is None
        seen = np.empty((T + 1, S, E, *shape), dtype=np.uint8 if image else np.float32)
        reward = np.empty((T, S, E), dtype=np.float32)
        terminated, truncated = np.empty((2, T, S, E), dtype=bool)
        cut: list[NDArray[np.float64]] = []
        cut_at: list[tuple[int, int, int]] = []
        cut_state: list[Tensor] = []
        memory = self.memory
        before = None if memory is None else memory.state_dict()
        noise = actor.noise(self._noise, T, E).moveaxis(1, 0).contiguous()
        action = torch.empty(noise.shape, dtype=torch.float32 if self.continuous else torch.int64)
        actions = action.numpy()
        # Rows are cut out at once: indexing a tensor costs as much as a layer on so small a batch.
        inputs = torch.from_numpy(seen[:T])
        rows = zip(inputs.unbind(), noise.unbind(), action.unbind(), strict=True)
        with torch.inference_mode():
            sample = actor.sampler(memory)
            for t, (shown, draws, taken) in enumerate(rows):
                observation[t], seen[t] = envs.observation, self._seen
                taken.copy_(sample(shown.to(self.run.device), draws))
                step = envs.step(self._bounded(actions[t]))
                terminated[t], truncated[t] = step.terminal, step.truncated  # lives may count
                reward[t] = self._scaled(step)
                if np.count_nonzero(step.truncated):
                    final = self.normalized(step.final_observation)
                    for s, e in zip(*np.nonzero(truncated[t]), strict=True):
                        cut.append(final[s, e].copy())  # the environments overwrite it
                        cut_at.append((s, e, t))
                        if memory is not None:
                            cut_state.append(memory.state[s, e])
                self._seen = self._see(step.observation)
                if memory is not None:
                    memory.begins = self._ended(terminated[t], truncated[t])
                if self.until_end and (terminated[t] | truncated[t]).any():
                    T = t + 1
                    break
        seen[T] = self._seen
        past = None
        if before is not None:
            ended = self._ended(terminated[:T], truncated[:T])
            begins = torch.cat([before["begins"].unsqueeze(0), ended])
            past = Past(before["state"], begins.moveaxis(0, 2))
        indices = np.array(cut_at, dtype=np.int64).reshape(-1, 3)
        return Rollout(
            observation=np.moveaxis(observation[:T], 0, 2),
            seen=np.moveaxis(seen[: T + 1], 0, 2),
            action=np.moveaxis(actions[:T], 0, 2),
            reward=np.moveaxis(reward[:T], 0, 2),
            terminated=np.moveaxis(terminated[:T], 0, 2),
            truncated=np.moveaxis(truncated[:T], 0, 2),
            cut=np.array(cut, dtype=np.float32).reshape(-1, *shape),
            cut_at=(indices[:, 0], indices[:, 1], indices[:, 2]),
            device=self.run.device,
            past=past,
            cut_state=torch.stack(cut_state) if cut_state else None,
        )

    def refreshed(self, rollout: Rollout) -> NDArray[np.float32] | NDArray[np.float64]:
        """The rollout's observations as the policy sees them from now on, [S, E, T, *shape].

        With update "iteration" the rollout enters the statistics here; else they are as seen.
        """
        if self.observations is None or self.update_every_step:
            return rollout.seen[:, :, :-1]
        S, E, T = rollout.observation.shape[:3]
        flat = rollout.observation.reshape(S, E * T, *self.envs.observation_shape)
        self.observations.update(flat, self._active)
        self._seen = self.normalized(self.envs.observation)
        return self.observations(flat).reshape(rollout.observation.shape)

    def actor(self, actor: Actor) -> Act:
        """The policy for evaluation: raw observations [S, E, *shape] -> actions [S, E, ...].

        The normaliser is frozen.
        """
        return evaluation_act(self.run, actor, self.normalized, self._bounded)

    def _ended(self, *ends: NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(np.logical_or(*ends)).to(self.run.device)

    @property
    def _active(self) -> NDArray[np.bool_] | None:
        return None if self.run.all_active else self.run.active

    def _see(self, observation: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.observations is not None and self.update_every_step:
            self.observations.update(observation, self._active)
        return self.normalized(observation)

    def normalized(self, observation: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the policy sees of raw observations; the statistics stay as they are."""
        return observation if self.observations is None else self.observations(observation)

    def _scaled(self, step: Any) -> NDArray[np.float64]:
        if self.rewards is None:
            return step.reward
        return self.rewards(step.reward, step.terminated | step.truncated, self._active)

    def state_dict(self) -> dict[str, Any]:
        normalizers = {name: n.state_dict() for name, n in self._normalizers().items()}
        remembered = {} if self.memory is None else {"memory": self.memory.state_dict()}
        return {"seen": torch.from_numpy(np.array(self._seen)), **remembered, **normalizers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._seen = state["seen"].numpy()
        if self.memory is not None:
            self.memory.load_state_dict(state["memory"])
        for name, normalizer in self._normalizers().items():
            normalizer.load_state_dict(state[name])

    def _normalizers(self) -> dict[str, Any]:
        both = {"observations": self.observations, "rewards": self.rewards}
        return {name: n for name, n in both.items() if n is not None}
