"""Episodes of a stack of environments: automatic reset, time limit, returns, exact state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from repro.errors import ReproError
from repro.training.environments.spaces import Box, Discrete
from repro.training.environments.state import state_of
from repro.training.environments.stepper import Stepper

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


class NonFiniteAction(ReproError):
    """An active seed asked for an action that is not a number; `seeds` names those seeds."""

    def __init__(self, env: str, seeds: list[int]) -> None:
        self.seeds = seeds
        super().__init__(
            f"{env}: the action of seed {', '.join(map(str, seeds))} is NaN or infinite, expected "
            "finite numbers; the seed has diverged: mask it out with `active`"
        )


class Step(NamedTuple):
    """What one step led to; S seeds with E environments each.

    The arrays are the environments' own and are overwritten by their next step: copy what is kept.

    observation: [S, E, *shape], to choose the next action from; where an episode ended, the first
        observation of the next one (SAME_STEP autoreset)
    reward: [S, E] float64; in an Atari game whose preset says so cut to ±1
    terminated: [S, E] bool, the task itself ended: nothing follows, its value is zero
    truncated: [S, E] bool, cut off by the time limit while it would have gone on; never true
        together with `terminated` (Gymnasium's TimeLimit sets both when they coincide)
    final_observation: [S, E, *shape], the observation that the action led to; equals
        `observation` where the episode goes on
    episode_return, episode_length: [S, E], of the running episode including this step, so of the
        whole episode where it ended; undiscounted, rewards added one by one in float64, uncut
    terminal: [S, E] bool, what learning takes for the end: `terminated`; and in an Atari game whose
        preset says so a lost life, after which the game and its return go on, but `observation`
        begins anew (older images are black)
    """

    observation: F64
    reward: F64
    terminated: Bool
    truncated: Bool
    final_observation: F64
    episode_return: F64
    episode_length: npt.NDArray[np.int64]
    terminal: Bool


class Environments:
    """S seeds with E environments each, stepped together. Made by `make`.

    id: Gymnasium id; seeds: their numbers; num_seeds S; per_seed E
    observation_shape; action_space: `Box` or `Discrete`
    max_episode_steps: the time limit in steps, or None
    """

    def __init__(
        self,
        stepper: Stepper,
        env_id: str,
        seeds: Sequence[int],
        per_seed: int,
        first_seeds: Sequence[int],
        space: Box | Discrete,
        max_episode_steps: int | None,
        clip_rewards: bool = False,
    ) -> None:
        self.id, self.seeds = env_id, tuple(seeds)
        self.num_seeds, self.per_seed = len(self.seeds), per_seed
        self.action_space, self.max_episode_steps = space, max_episode_steps
        self._stepper, self._clip_rewards = stepper, clip_rewards
        self._lives = stepper.terminal is not stepper.terminated
        self._first_seeds: list[int | None] = list(first_seeds)
        self._number = len(first_seeds)
        self._action_dtype = np.float32 if isinstance(space, Box) else np.int64
        self._limit = max_episode_steps if max_episode_steps is not None else np.iinfo(np.int64).max
        self._return = np.zeros(self._number)
        self._length = np.zeros(self._number, np.int64)
        self._truncated = np.zeros(self._number, np.bool_)
        self._ended = np.zeros(self._number, np.bool_)
        self._any_ended = False
        self._final = np.zeros_like(stepper.observation)
        self._states = [state_of(env, env_id) for env in stepper.envs]
        self.observation_shape: tuple[int, ...] = stepper.observation.shape[1:]
        self._step = Step(
            self._by_seed(stepper.observation),
            self._by_seed(stepper.reward),
            self._by_seed(stepper.terminated),
            self._by_seed(self._truncated),
            self._by_seed(self._final),
            self._by_seed(self._return),
            self._by_seed(self._length),
            self._by_seed(stepper.terminal),
        )

    @property
    def observation(self) -> F64:
        """Where every environment stands: [S, E, *shape], that of the latest reset or step."""
        return self._step.observation

    def reset(self, which: Any = None) -> F64:
        """Start a new episode everywhere, or in `which` alone; returns observations [S, E, *shape].

        which: bool [S] or [S, E]. An environment's first reset seeds its generator, later ones
        go on with it.
        """
        rows = np.arange(self._number) if which is None else np.flatnonzero(self._rows(which))
        self._stepper.reset(rows.tolist(), [self._first_seeds[row] for row in rows])
        for row in rows:
            self._first_seeds[row] = None
        self._return[rows] = 0.0
        self._length[rows] = 0
        self._ended[rows] = False
        self._any_ended = bool(self._ended.any())
        return self._step.observation

    def step(self, actions: Any, active: Any = None) -> Step:
        """One step in every environment of the active seeds.

        actions: [S, E, *action shape]; taken as float32, the type of Gymnasium's action spaces,
            and not clipped (that is the policy's part); integers for `Discrete`
        active: bool [S] or [S, E], or None for all. What is not active stays as it is, its
            generators too; its reward is 0 and it neither terminates nor is truncated.
        Raises NonFiniteAction.
        """
        taken: npt.NDArray[Any] = np.ascontiguousarray(actions, self._action_dtype)
        taken = taken.reshape(self._number, *self.action_space.shape)
        rows: list[int] | None = None
        inactive: Bool | None = None
        if active is not None:
            mask = self._rows(active)
            if not mask.all():
                inactive = ~mask
                rows = np.flatnonzero(~inactive).tolist()
                taken = taken.copy()
                taken[inactive] = 0
        if self._action_dtype is np.float32:
            self._refuse_nan(taken)

        stepper = self._stepper
        if self._any_ended:
            self._return[self._ended] = 0.0
            self._length[self._ended] = 0
        stepper.step(taken, rows)
        if inactive is None:
            self._length += 1
        else:
            stepper.reward[inactive] = 0.0
            stepper.terminated[inactive] = False
            stepper.truncated[inactive] = False
            stepper.terminal[inactive] = False
            self._length[rows] += 1
        self._return += stepper.reward
        if self._clip_rewards:
            np.clip(stepper.reward, -1.0, 1.0, out=stepper.reward)
        self._final[:] = stepper.observation

        self._end(inactive)
        return self._step

    def _end(self, inactive: Bool | None) -> None:
        """Find the episodes that ended, and start the next ones."""
        terminated, truncated = self._stepper.terminated, self._truncated
        np.greater_equal(self._length, self._limit, out=truncated)
        truncated |= self._stepper.truncated
        if inactive is not None:
            truncated[inactive] = False
        np.logical_or(terminated, truncated, out=self._ended)
        self._any_ended = bool(np.count_nonzero(self._ended))  # any() takes five times as long
        if self._lives:
            self._stepper.observation[self._stepper.terminal & ~self._ended, :-1] = 0
        if self._any_ended:
            truncated &= ~terminated
            rows = np.flatnonzero(self._ended).tolist()
            self._stepper.reset(rows, [None] * len(rows))

    def _refuse_nan(self, actions: npt.NDArray[np.float32]) -> None:
        finite = np.isfinite(actions)
        if np.count_nonzero(finite) == finite.size:
            return
        finite = finite.reshape(self.num_seeds, -1)
        bad = [seed for seed, row in zip(self.seeds, finite, strict=True) if not row.all()]
        raise NonFiniteAction(self.id, bad)

    def _rows(self, mask: Any) -> Bool:
        """A mask [S] or [S, E], one entry an environment."""
        mask = np.asarray(mask, np.bool_).reshape(self.num_seeds, -1)
        return np.broadcast_to(mask, (self.num_seeds, self.per_seed)).reshape(-1)

    def _by_seed(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The same memory with axes [S, E, …]."""
        return array.reshape(self.num_seeds, self.per_seed, *array.shape[1:])

    def state_dict(self) -> dict[str, Any]:
        """Everything a later step depends on, to the bit: plain types and tensors only."""
        return {
            "schema_version": 1,
            "id": self.id,
            "seeds": list(self.seeds),
            "per_seed": self.per_seed,
            "seeded": [first is None for first in self._first_seeds],
            "environments": [state.save() for state in self._states],
            "arrays": {
                name: torch.from_numpy(np.array(array)) for name, array in self._arrays().items()
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, of the same environment, seeds and number per seed."""
        for name, expected in (
            ("schema_version", 1),
            ("id", self.id),
            ("seeds", list(self.seeds)),
            ("per_seed", self.per_seed),
        ):
            if state.get(name) != expected:
                raise ReproError(
                    f"saved environments have {name} {state.get(name)}, expected {expected}; "
                    "resume with what the run was started with"
                )
        for own, saved in zip(self._states, state["environments"], strict=True):
            own.load(saved)
        for name, array in self._arrays().items():
            array[...] = state["arrays"][name].numpy()
        for row, seeded in enumerate(state["seeded"]):
            if seeded:
                self._first_seeds[row] = None
        self._any_ended = bool(self._ended.any())
        self._stepper.refresh()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        stepper = self._stepper
        return {
            "observation": stepper.observation,
            "final_observation": self._final,
            "reward": stepper.reward,
            "terminated": stepper.terminated,
            "terminal": stepper.terminal,
            "truncated": self._truncated,
            "episode_return": self._return,
            "episode_length": self._length,
            "ended": self._ended,
        }
