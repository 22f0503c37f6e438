"""Atari the slow way: frame by frame on ALE's plain interface, and Gymnasium's own wrappers."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from repro.training.environments.atari_presets import AtariOptions


class Seen(NamedTuple):
    """One step: image [height, width] uint8, raw reward, ends, lives."""

    image: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    lives: int


def weights(size: int, target: int) -> np.ndarray:
    """How much of each of `size` pixels lies in each of `target`, [target, size]; rows sum to 1."""
    edges = np.arange(target + 1) * size / target
    pixel = np.arange(size)
    low, high = edges[:-1, None], edges[1:, None]
    return (np.minimum(high, pixel + 1) - np.maximum(low, pixel)).clip(min=0) * target / size


def by_area(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resized by exact averages over areas, in float64, rounded to even."""
    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.rint(rows @ image.astype(np.float64) @ columns.T).astype(np.uint8)


class Frames:
    """One game, a frame at a time. no_ops: how many are pressed at each game's start."""

    def __init__(self, rom: str, options: AtariOptions, seed: int) -> None:
        import ale_py

        self.options = options
        self.ale = ale_py.ALEInterface()
        self.ale.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale.setFloat("repeat_action_probability", options.sticky_actions)
        self.ale.setInt("random_seed", seed)
        self.ale.loadROM(ale_py.roms.get_rom_path(rom))
        full = options.full_action_space
        self.actions = self.ale.getLegalActionSet() if full else self.ale.getMinimalActionSet()

    def reset(self, no_ops: int) -> Seen:
        self.ale.reset_game()
        for _ in range(no_ops):
            self.ale.act(0)
        self.frames = 0
        self.newest = self.ale.getScreenGrayscale()
        self.pooled = self.newest
        return Seen(self._image(), 0.0, False, False, self.ale.lives())

    def step(self, action: int) -> Seen:
        reward, limit = 0.0, self.options.max_frames or np.inf
        for frame in range(self.options.frame_skip):
            reward += self.ale.act(self.actions[action])
            self.frames += 1
            over, cut = self.ale.game_over(), self.frames >= limit
            if over or cut:
                break  # as ALE and Gymnasium do: the screen of an end is not looked at
            if frame == self.options.frame_skip - 2:
                before = self.ale.getScreenGrayscale()
                if self.options.max_pool:
                    self.pooled = np.maximum(self.pooled, before)
            if frame == self.options.frame_skip - 1:
                self.pooled = self.ale.getScreenGrayscale()
                if self.options.max_pool:
                    self.pooled = np.maximum(self.pooled, before)
        return Seen(self._image(), reward, over, cut and not over, self.ale.lives())

    def _image(self) -> np.ndarray:
        o = self.options
        return by_area(self.pooled, o.resize_height, o.width)[o.crop_top : o.crop_top + o.height]


class Wrapped:
    """The same through Gymnasium's `AtariPreprocessing`; where OpenCV is missing, its resizing is
    replaced by the exact one."""

    def __init__(self, rom: str, options: AtariOptions, seed: int) -> None:
        if "cv2" not in sys.modules:
            try:
                import cv2  # noqa: F401
            except ImportError:
                resize = lambda image, size, interpolation: by_area(image, size[1], size[0])  # noqa: E731
                sys.modules["cv2"] = SimpleNamespace(resize=resize, INTER_AREA=3)  # type: ignore[assignment]
        from ale_py.env import AtariEnv
        from gymnasium.wrappers import AtariPreprocessing

        bare = AtariEnv(
            rom,
            frameskip=1,
            repeat_action_probability=options.sticky_actions,
            full_action_space=options.full_action_space,
            max_num_frames_per_episode=options.max_frames or None,
        )
        bare.ale.setInt("random_seed", seed)
        bare.load_game()
        self.bare = bare
        self.env = AtariPreprocessing(bare, noop_max=30, frame_skip=options.frame_skip)

    def reset(self, no_ops: int) -> Seen:
        self.bare._np_random = SimpleNamespace(integers=lambda low, high: no_ops)
        image, _ = self.env.reset()
        return Seen(image, 0.0, False, False, self.bare.ale.lives())

    def step(self, action: int) -> Seen:
        image, reward, terminated, truncated, info = self.env.step(action)
        return Seen(image, reward, terminated, truncated, info["lives"])


def uses_opencv() -> bool:
    """Whether `Wrapped` resizes with OpenCV itself."""
    module: Any = sys.modules.get("cv2")
    return module is not None and hasattr(module, "__version__")
