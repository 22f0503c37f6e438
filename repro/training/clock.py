"""Where a run's time goes, and when the next checkpoint is due."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

MAX_CHECKPOINT_SHARE = 0.05  # of the time may go into writing checkpoints


class Clock:
    """Seconds of the wall spent on training, evaluation and checkpoints, since the run's start.

    checkpoint_seconds: between two checkpoints; 0 makes one due at every question. They come more
    rarely where writing them is dear.
    """

    def __init__(self, checkpoint_seconds: float):
        self.seconds = {"training": 0.0, "evaluation": 0.0, "checkpoints": 0.0}
        self.checkpoints = 0  # written so far
        self._wanted = checkpoint_seconds
        self._since = self._last_checkpoint = time.monotonic()

    @contextlib.contextmanager
    def spent_on(self, what: str) -> Iterator[None]:
        """The time within is spent on `what`, all time without on training."""
        began = time.monotonic()
        self.seconds["training"] += began - self._since
        yield
        self._since = time.monotonic()
        self.seconds[what] += self._since - began

    def checkpoint_due(self) -> bool:
        each = self.seconds["checkpoints"] / max(1, self.checkpoints)
        pause = max(self._wanted, each / MAX_CHECKPOINT_SHARE) if self._wanted else 0.0
        return time.monotonic() - self._last_checkpoint >= pause

    def checkpoint_written(self) -> None:
        self.checkpoints += 1
        self._last_checkpoint = time.monotonic()
