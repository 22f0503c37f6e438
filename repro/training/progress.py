"""Where a stack stands, for the display."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """What a run reports about once a second; seeds, steps and returns in the order of `seeds`."""

    seeds: list[int]
    steps: list[int]  # environment steps done, per seed
    target: int
    returns: list[float | None]  # mean of the last 100 training episodes, per seed
    steps_per_second: float  # all seeds together, since this process began
    diverged: list[int]
    message: str | None = None
