"""Uniform replay of images: every image once, stacks put together when they are drawn.

The authors' codes differ in what a stack holds before an episode's first image. Nature's
(google-deepmind/dqn, dqn/TransitionTable.lua) and Dopamine's have black images there; so does
this one. They also differ at a cut: Dopamine never draws a transition that a time limit cut off,
Nature's has no time limit. Here the image that was cut off is kept, so it can be bootstrapped from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.rng import Streams
from repro.training.rows import Rows

SEGMENT_ROWS = 1 << 13  # of 7 KB: 58 MB a file
_START, _GOES_ON, _TERMINAL = 0, 1, 2  # kinds of rows


class FrameTransitions(NamedTuple):
    """A batch, each [S, B, …]: the actions led from observation to next_observation.

    observation, next_observation: uint8 [S, B, stack, *frame], newest last
    action: int64, the first of them
    reward: float32, of `steps` steps, discounted
    terminal: float32, 1 where nothing is worth anything afterwards, else 0
    steps: float32, how many steps lie between: n, fewer at an episode's end; what follows is
        worth γ^steps of itself
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminal: Tensor
    steps: Tensor


class FrameReplay:
    """The last `capacity` images of each seed; transitions are drawn uniformly from them.

    A row is an image and what led to it: action, reward, whether it is the end; an episode's first
    image has a row of its own, to which nothing led. So with n steps every transition can be drawn
    as soon as its last image is in, and a million images take 7.06 GB.

    Never drawn: the first `stack` rows of a ring that has gone round (only history), and the newest
    n - 1. size: rows from which is drawn, int64 [S].

    n_steps, gamma: rewards in a transition, and their discount
    """

    def __init__(
        self,
        folder: Path,
        seeds: list[int],
        capacity: int,
        n_steps: int,
        gamma: float,
        frame_shape: tuple[int, ...] = (84, 84),
        stack: int = 4,
        device: torch.device | str = "cpu",
        segment_rows: int = SEGMENT_ROWS,
    ):
        assert capacity > stack + n_steps, "a ring that has gone round must have something to draw"
        self.n_steps, self.gamma, self.stack = n_steps, gamma, stack
        self.device, self._frame_shape = torch.device(device), frame_shape
        row = [("frame", "u1", frame_shape), ("action", "u1"), ("kind", "u1"), ("reward", "<f4")]
        self._row = np.dtype(row)
        self._rows = Rows(folder, seeds, capacity, self._row, segment_rows)

    @property
    def size(self) -> NDArray[np.int64]:
        return np.maximum(self._rows.added - self.n_steps + 1 - self._lowest, 0)

    @property
    def _lowest(self) -> NDArray[np.int64]:
        """The first row that can be drawn, [S]; row 0 is a start."""
        oldest = self._rows.oldest
        return np.where(oldest == 0, 1, oldest + self.stack)

    def add(
        self,
        observation: NDArray[np.uint8],
        action: NDArray[Any],
        reward: NDArray[Any],
        next_observation: NDArray[np.uint8],
        terminal: NDArray[np.bool_],
        begins: NDArray[np.bool_],
        where: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one transition a seed, arrays [S, …]; where: bool [S], of those seeds alone.

        observation, next_observation: uint8 stacks, of which the newest image alone is kept
        begins: bool [S], `observation` is an episode's first: the one after an end, a cut, or a
            lost life that counts as an end
        """
        chosen = np.flatnonzero(where) if where is not None else np.arange(len(self.size))
        first = chosen[begins.reshape(-1)[chosen]]
        if len(first):
            self._add(first, observation, np.full(len(first), _START))
        ends = terminal.reshape(-1)[chosen]
        kind = np.where(ends, _TERMINAL, _GOES_ON)
        self._add(chosen, next_observation, kind, action.reshape(-1), reward.reshape(-1))

    def _add(
        self,
        seeds: NDArray[np.int64],
        stacks: NDArray[np.uint8],
        kind: NDArray[np.int64],
        action: NDArray[Any] | None = None,
        reward: NDArray[Any] | None = None,
    ) -> None:
        rows = np.zeros(len(seeds), self._row)
        stacks = stacks.reshape(len(self.size), self.stack, *self._frame_shape)
        rows["frame"], rows["kind"] = stacks[seeds, -1], kind
        if action is not None and reward is not None:
            rows["action"], rows["reward"] = action[seeds], reward[seeds]
        self._rows.add(seeds, rows)

    def sample(
        self, streams: Streams, batch: int, where: NDArray[np.bool_] | None = None
    ) -> FrameTransitions:
        """`batch` transitions of each seed; where: bool [S], seeds that draw (others: any rows)."""
        row = self._draw(streams, batch, where)
        window = row[..., None] + np.arange(self.n_steps)  # [S, B, n]
        kind = self._rows.at(window, "kind")
        kind[..., 0] = _GOES_ON
        within = np.logical_and.accumulate(kind != _START, axis=-1)
        steps = within.sum(axis=-1)
        last = row + steps - 1
        discounted = self._rows.at(window, "reward") * self.gamma ** np.arange(self.n_steps)
        return FrameTransitions(
            self._to(self._stacks(row - 1)),
            self._to(self._rows.at(row, "action").astype(np.int64)),
            self._to((discounted * within).sum(axis=-1).astype(np.float32)),
            self._to(self._stacks(last)),
            self._to((self._rows.at(last, "kind") == _TERMINAL).astype(np.float32)),
            self._to(steps.astype(np.float32)),
        )

    def _draw(
        self, streams: Streams, batch: int, where: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Numbers of rows that an action led to, [S, batch]; where a start is drawn, once more."""
        high, lowest = self.size.tolist(), self._lowest[:, None]
        row = lowest + streams.integers(high, batch, active=where).cpu().numpy()
        while True:
            start = self._rows.at(row, "kind") == _START
            if where is not None:
                start &= where[:, None]
            if not start.any():
                return row
            again = streams.integers(high, batch, active=start.any(axis=1)).cpu().numpy()
            row = np.where(start, lowest + again, row)

    def _stacks(self, newest: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Stacks whose newest images are in rows `newest` [S, B]; black before a start."""
        rows = newest[..., None] + np.arange(1 - self.stack, 1)
        goes_on = self._rows.at(rows[..., 1:], "kind") != _START
        older = np.logical_and.accumulate(goes_on[..., ::-1], axis=-1)[..., ::-1]
        frames = self._rows.at(rows, "frame")
        frames[:, :, :-1][~older] = 0
        return frames

    def _to(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def state_dict(self) -> dict[str, Tensor]:
        return self._rows.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._rows.load_state_dict(state)
