"""Live progress of a whole plan: a table in a terminal, plain lines now and then elsewhere.

with Display(published=level_at) as display:
    launch(experiment, seeds, on_progress=display.update, say=display.say)
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from repro.launch.state import PlanState, StackState

if TYPE_CHECKING:
    from rich.table import Table

# Environment step of a seed → the published level, and where it holds and stands in words (`at
# step 45k, Figure 3`; a paper that prints no curve has only its end: `at 1M steps, Figure 3`).
Published = Callable[[int], tuple[float, str] | None]


class Display:
    """Shows a plan's progress on `stream` (standard error), so that results have the output.

    A terminal gets a live table; anything else a line every `interval` seconds (and one at the
    start and at the end). quiet: only `say`'s lines. NO_COLOR is heeded.
    """

    def __init__(
        self,
        published: Published | None = None,
        quiet: bool = False,
        interval: float = 30.0,
        stream: TextIO | None = None,
    ) -> None:
        self._published = published or (lambda step: None)
        self._quiet, self._interval = quiet, interval
        self._stream = stream or sys.stderr
        terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live: Any = None
        self._rich = terminal and not quiet
        self._shown = float("-inf")
        self._plan: PlanState | None = None
        self._last: str | None = None

    def __enter__(self) -> Display:
        if self._rich:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._stream)
            self._live = Live(console=console, refresh_per_second=4, transient=False)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            if self._plan:
                self._live.update(self._table(self._plan), refresh=True)
            self._live.stop()
            self._live = None
        elif self._plan and not self._quiet:
            self._print(summary(self._plan, self._published))

    def update(self, plan: PlanState) -> None:
        """Show the plan's present state; cheap to call often."""
        self._plan = plan
        now = time.monotonic()
        if self._quiet or now - self._shown < (0.25 if self._live else self._interval):
            return
        self._shown = now
        if self._live:
            self._live.update(self._table(plan))
        else:
            self._print(summary(plan, self._published))

    def say(self, line: str) -> None:
        """A line that stays, above the table."""
        if self._live:
            self._live.console.print(line, highlight=False, markup=False)
        else:
            self._print(line)

    def _print(self, line: str) -> None:
        if line != self._last:
            print(line, file=self._stream, flush=True)
        self._last = line

    def _table(self, plan: PlanState) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table(box=None, pad_edge=False, title=plan.title, title_justify="left")
        for heading in ("seeds", "", "steps a seed", "steps/s", "return", "published", ""):
            table.add_column(heading, no_wrap=True, justify="left")
        for state in plan.stacks:
            bar = ProgressBar(total=state.target, completed=state.steps, width=24)
            level = self._published(state.steps)
            table.add_row(
                state.stack.name,
                bar,
                f"{count(state.steps)} of {count(state.target)}",
                f"{state.steps_per_second:,.0f}" if state.steps_per_second else "",
                number(state.mean_return),
                number(level[0]) if level else "",
                status(state),
            )
        table.caption = summary(plan, self._published)
        table.caption_justify = "left"
        return table


def summary(plan: PlanState, published: Published) -> str:
    """The whole plan in one line."""
    done, total = plan.done_steps, plan.total_steps
    parts = [f"{count(done)} of {count(total)} steps ({100 * done / max(total, 1):.0f} %)"]
    if plan.steps_per_second:
        parts.append(f"{plan.steps_per_second:,.0f} steps/s")
    left = plan.time_left
    if done >= total:
        parts.append(f"done in {duration(plan.elapsed)}")
    elif left is not None:
        parts.append(f"{duration(left)} left")
    if plan.mean_return is not None:
        text = f"return {number(plan.mean_return)}"
        level = published(plan.step)
        if level:
            text += f" (published {number(level[0])} {level[1]})"
        parts.append(text)
    if plan.diverged:
        parts.append(f"diverged: seeds {', '.join(map(str, plan.diverged))}")
    return f"{plan.title}: {', '.join(parts)}"


def status(state: StackState) -> str:
    """A stack's state in a word or two; nothing while it simply runs."""
    word = "" if state.status == "running" else state.status
    if state.diverged:
        word += f" ({len(state.diverged)} diverged)"
    return word.strip()


def count(steps: int) -> str:
    """900, 45k, 1.25M: steps in three figures."""
    if steps < 1000:
        return str(steps)
    if steps < 999_500:
        return f"{steps / 1000:.3g}k"
    return f"{steps / 1e6:.3g}M"


def number(value: float | None) -> str:
    """A return, with decimals only where they matter."""
    if value is None:
        return ""
    return (
        f"{value:,.0f}"
        if abs(value) >= 100
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def duration(seconds: float) -> str:
    """45 s, 7 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
