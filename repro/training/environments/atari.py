"""Atari games through ALE's vector environment, with a state that can be saved.

Imported only where Atari is played (ale-py is GPL-2.0). One vector environment of one game each:
so an environment can rest while others play, which a vector of many cannot.

ALE's vector environment has no state to save. A game is therefore told by a seed and what was done
since: seeding it anew loads the ROM (150 ms), so a seed serves several episodes, until
`LONGEST_LOG` actions are in its log; loading plays them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from ale_py.vector_env import AtariVectorEnv

from repro.errors import ReproError
from repro.training.environments.atari_presets import AtariOptions
from repro.training.environments.stepper import Array

LONGEST_LOG = 5000  # three seconds to play again, of which the seed's 150 ms are 5 %
_NEW_GAME = 255  # in the log, beside actions 0 … 17
_NEVER = 2_000_000_000


class Game:
    """One emulator. After each call: `image` [height, width] uint8, `lives`, `reward` (raw),
    `terminated` (the game is over), `truncated` (cut by max_frames)."""

    def __init__(self, rom: str, options: AtariOptions) -> None:
        self._rows = slice(options.crop_top, options.crop_top + options.height)
        self._vector = AtariVectorEnv(
            rom,
            1,
            num_threads=1,
            max_num_frames_per_episode=options.max_frames or _NEVER,
            repeat_action_probability=options.sticky_actions,
            full_action_space=options.full_action_space,
            autoreset_mode="NextStep",  # we reset between two steps, so that ALE never does
            img_height=options.resize_height,
            img_width=options.width,
            grayscale=True,
            stack_num=1,
            frameskip=options.frame_skip,
            maxpool=options.max_pool,
            noop_max=options.noop_max + 1,  # ALE draws from 0 … noop_max - 1
            episodic_life=False,  # would start a new game at every lost life
            life_loss_info=False,  # would call a lost life the end
            reward_clipping=False,
            use_fire_reset=options.fire_reset,
        )
        self.num_actions = int(self._vector.single_action_space.n)
        self.image: npt.NDArray[np.uint8] = np.zeros((options.height, options.width), np.uint8)
        self.lives, self.reward = 0, 0.0
        self.terminated = self.truncated = False
        self._first_seed: int | None = None
        self._seeds_used = 0
        self._log = bytearray()

    def reset(self, seed: int | None) -> None:
        """A new game. seed: starts the game's own line of seeds; None goes on with it."""
        if seed is not None:
            self._first_seed, self._seeds_used = seed, 0
            self._seed_anew()
        elif len(self._log) >= LONGEST_LOG:
            self._seed_anew()
        else:
            self._new_game()

    def step(self, action: int) -> None:
        """Hold an action for `frame_skip` frames."""
        self._log.append(action)
        image, reward, terminated, truncated, info = self._vector.step(np.array([action]))
        self.reward = float(reward[0])
        self.terminated, self.truncated = bool(terminated[0]), bool(truncated[0])
        self._look(image, info)

    def save(self) -> dict[str, Any]:
        """Plain types and a tensor of bytes."""
        return {
            "first_seed": None if self._first_seed is None else str(self._first_seed),
            "seeds_used": self._seeds_used,
            "log": torch.tensor(list(self._log), dtype=torch.uint8),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Play again what `save` remembered."""
        if state["first_seed"] is None:
            return
        self._first_seed, self._seeds_used = int(state["first_seed"]), state["seeds_used"] - 1
        self._seed_anew()
        for done in state["log"].tolist():
            if done == _NEW_GAME:
                self._new_game()
            else:
                self.step(done)

    def _seed_anew(self) -> None:
        entropy = [self._first_seed or 0, self._seeds_used]
        seed = np.random.SeedSequence(entropy).generate_state(1, np.uint32) >> 1  # a C int
        self._seeds_used += 1
        self._log.clear()
        self._look(*self._vector.reset(seed=seed.astype(np.int64)))

    def _new_game(self) -> None:
        self._log.append(_NEW_GAME)
        self._look(*self._vector.reset())

    def _look(self, image: Array, info: dict[str, Array]) -> None:
        self.image, self.lives = image[0, 0, self._rows], int(info["lives"][0])


class AtariStepper:
    """N games. See `Stepper` for the arrays; observation is uint8 [N, stack, height, width].

    terminal: where options.life_loss_ends, true also at a lost life (fewer than before the step).
    """

    def __init__(self, games: Sequence[Game], options: AtariOptions, env_id: str) -> None:
        self.envs, self._id = games, env_id
        number = len(games)
        shape = (number, options.stack, options.height, options.width)
        self.observation: Array = np.zeros(shape, np.uint8)
        self.reward = np.zeros(number)
        self.terminated = np.zeros(number, np.bool_)
        self.truncated = np.zeros(number, np.bool_)
        lives = options.life_loss_ends
        self.terminal = np.zeros(number, np.bool_) if lives else self.terminated

    def reset(self, rows: Sequence[int], seeds: Sequence[int | None]) -> None:
        """New games in `rows`; what came before them is black."""
        for row, seed in zip(rows, seeds, strict=True):
            self.envs[row].reset(seed)
            self.observation[row] = 0
            self.observation[row, -1] = self.envs[row].image

    def step(self, actions: Array, rows: Sequence[int] | None) -> None:
        """One step in `rows`; `actions` is integers [N]."""
        choices = actions.tolist()
        for row in range(len(self.envs)) if rows is None else rows:
            game, lives = self.envs[row], self.envs[row].lives
            game.step(choices[row])
            self.observation[row, :-1] = self.observation[row, 1:]
            self.observation[row, -1] = game.image
            self.reward[row] = game.reward
            self.terminated[row], self.truncated[row] = game.terminated, game.truncated
            if self.terminal is not self.terminated:
                self.terminal[row] = game.terminated or game.lives < lives

    def refresh(self) -> None:
        """See that the games, played again, stand where they stood when they were saved."""
        for row, game in enumerate(self.envs):
            if not np.array_equal(self.observation[row, -1], game.image):
                raise ReproError(
                    f"{self._id}, played again from its seed, stands elsewhere than when it was "
                    "saved; resume with the ale-py that the run was started with"
                )
