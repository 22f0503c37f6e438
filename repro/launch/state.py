"""How far a launch is: every stack, and the whole plan."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from typing import Any

from repro.launch.stacks import Stack


@dataclass
class StackState:
    """One stack. steps: environment steps done, mean over its seeds (a diverged one has done all).

    status: waiting, running, finished, stopped or failed. mean_return: recent mean over the
    stack's seeds, None before the first episode's end. diverged: seeds that did.
    """

    stack: Stack
    target: int
    steps: int = 0
    status: str = "waiting"
    mean_return: float | None = None
    diverged: tuple[int, ...] = ()
    _first: tuple[float, int] | None = field(default=None, repr=False)
    _last: tuple[float, int] | None = field(default=None, repr=False)

    def update(self, message: dict[str, Any]) -> None:
        """Take in a worker's progress message (the fields of `training.progress.Progress`)."""
        now = time.monotonic()
        self.diverged = tuple(message["diverged"])
        done = [
            self.target if seed in self.diverged else min(steps, self.target)
            for seed, steps in zip(message["seeds"], message["steps"], strict=True)
        ]
        self.steps = sum(done) // len(done)
        returns = [value for value in message["returns"] if value is not None]
        self.mean_return = sum(returns) / len(returns) if returns else None
        if self._first is None:
            self._first = (now, self.steps)
        self._last = (now, self.steps)

    @property
    def rate(self) -> float | None:
        """Environment steps a second of one seed since the worker's first message."""
        if self._first is None or self._last is None or self._last[0] <= self._first[0]:
            return None
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0]) or None

    @property
    def steps_per_second(self) -> float:
        """Environment steps a second of all its seeds, while it runs."""
        return (self.rate or 0.0) * len(self.stack.seeds) if self.status == "running" else 0.0


@dataclass
class PlanState:
    """The whole plan: its stacks, the number of workers, and when this session started."""

    title: str
    stacks: list[StackState]
    workers: int
    started: float = field(default_factory=time.monotonic)

    @property
    def total_steps(self) -> int:
        """Environment steps of all seeds together."""
        return sum(s.target * len(s.stack.seeds) for s in self.stacks)

    @property
    def done_steps(self) -> int:
        return sum(s.steps * len(s.stack.seeds) for s in self.stacks)

    @property
    def elapsed(self) -> float:
        """Seconds since this session started."""
        return time.monotonic() - self.started

    @property
    def steps_per_second(self) -> float:
        return sum(s.steps_per_second for s in self.stacks)

    @property
    def mean_return(self) -> float | None:
        """Mean over the seeds of the running stacks; of all where none runs."""
        running = [s for s in self.stacks if s.status == "running"] or self.stacks
        seen = [(s.mean_return, len(s.stack.seeds)) for s in running if s.mean_return is not None]
        return sum(v * n for v, n in seen) / sum(n for _, n in seen) if seen else None

    @property
    def step(self) -> int:
        """The step at which `mean_return` stands: the mean over the same stacks."""
        running = [s for s in self.stacks if s.status == "running"] or self.stacks
        seeds = sum(len(s.stack.seeds) for s in running)
        return round(sum(s.steps * len(s.stack.seeds) for s in running) / seeds) if seeds else 0

    @property
    def diverged(self) -> list[int]:
        return sorted(seed for s in self.stacks for seed in s.diverged)

    @property
    def time_left(self) -> float | None:
        """Seconds until the last stack ends, with waiting stacks handed to free workers.

        A stack without a rate of its own is taken to be as fast as the others; None before any
        is known, and where nothing runs or waits.
        """
        rates = [s.rate for s in self.stacks if s.rate]
        if not rates or not any(s.status in ("running", "waiting") for s in self.stacks):
            return None
        usual = sum(rates) / len(rates)

        def seconds(state: StackState) -> float:
            return (state.target - state.steps) / (state.rate or usual)

        free = [seconds(s) for s in self.stacks if s.status == "running"]
        free += [0.0] * max(self.workers - len(free), 0)
        heapq.heapify(free)
        for state in self.stacks:
            if state.status == "waiting":
                heapq.heappush(free, heapq.heappop(free) + seconds(state))
        return max(free, default=0.0)
