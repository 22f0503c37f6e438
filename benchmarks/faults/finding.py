"""What a scenario found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Finding:
    """tried: what, in words. times: how often. said: what the user read. lost: what went wrong.

    skipped: why it cannot be tried here; then nothing else counts.
    """

    tried: str
    times: int = 0
    said: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    skipped: str | None = None

    def expect(self, holds: object, what: str) -> None:
        """Note what should have been and was not."""
        if not holds:
            self.lost.append(shown(what))

    def heard(self, text: str, words: str) -> None:
        """Expect one line with these words, and no traceback."""
        lines = [line for line in text.splitlines() if words in line]
        self.expect(lines, f"expected to read “{words}”, found: {text[-300:]}")
        self.expect("Traceback" not in text, f"a traceback was shown: {text[-300:]}")
        self.said += [shown(line) for line in lines[:1] if words not in " ".join(self.said)]


def shown(line: str) -> str:
    """A line without the folders that it ran in."""
    return re.sub(r"/[^\n:;'\"]*/(?=[^/])", "…/", line)
