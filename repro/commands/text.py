"""Text for a terminal or a pipe: aligned tables, wrapping, a little colour, sparklines."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_CODES = {"green": "32", "red": "31", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
ANSWER_COLOURS = {
    "reproduced": "green",
    "reaches": "green",
    "on track": "green",
    "exceeds": "cyan",
    "not reproduced": "red",
    "misses": "red",
    "behind": "red",
}


def coloured(text: str, colour: str | None) -> str:
    """The text in a colour, where standard output is a terminal and NO_COLOR is not set."""
    if colour is None or os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def bold(text: str) -> str:
    return coloured(text, "bold")


def dim(text: str) -> str:
    return coloured(text, "dim")


def answer(text: str) -> str:
    return coloured(text, ANSWER_COLOURS.get(text, "yellow"))


def width_of(text: str) -> int:
    """Columns that a text takes: wide characters count two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def page_width() -> int:
    """Columns to fill: the terminal's, at most 100; 100 where there is none.

    In a pipe (`repro show ppo-2017 | less`) the terminal is the one that errors go to.
    """
    columns = shutil.get_terminal_size((0, 24)).columns
    if not columns:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            columns = os.get_terminal_size(sys.__stderr__.fileno()).columns  # type: ignore[union-attr]
    return min(columns or 100, 100)


def room() -> int | None:
    """Columns of the terminal (or COLUMNS); None in a pipe, where nothing is cut off."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size((100, 24)).columns
    return None


def clipped(text: str, width: int) -> str:
    """The text, or as much of it as fits in `width` columns, an ellipsis at its end."""
    if width_of(text) <= width:
        return text
    kept = text[: max(width - 1, 0)]
    while width_of(kept) > width - 1 and kept:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def table(
    rows: Sequence[Sequence[str]],
    header: Sequence[str],
    colours: Sequence[Sequence[str | None]] | None = None,
    below: Sequence[Sequence[str]] | None = None,
) -> str:
    """Aligned columns, two spaces apart; numbers (as text) to the right.

    below: lines that follow each row as they are.
    """
    if not rows:
        return ""
    widths = [max(width_of(row[i]) for row in [header, *rows]) for i in range(len(header))]
    right = [
        all(_number(row[i]) for row in rows) and any(row[i] not in ("", "–") for row in rows)
        for i in range(len(header))
    ]

    def line(cells: Sequence[str], tint: Sequence[str | None]) -> str:
        padded = []
        for i, cell in enumerate(cells):
            space = " " * (widths[i] - width_of(cell))
            shown = coloured(cell, tint[i])
            padded.append(space + shown if right[i] else shown + space)
        return "  ".join(padded).rstrip()

    tints = colours or [[None] * len(header)] * len(rows)
    lines = [line(header, ["bold"] * len(header))]
    for row, tint, notes in zip(rows, tints, below or [[]] * len(rows), strict=True):
        lines += [line(row, tint), *notes]
    return "\n".join(lines)


def wrapped(text: str, indent: str = "", first: str | None = None) -> str:
    """One paragraph folded to the page's width."""
    return textwrap.fill(
        " ".join(text.split()),
        page_width(),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def paragraph(words: str, indent: str, first: str | None = None) -> list[str]:
    """As `wrapped`, in lines; none for no words."""
    return wrapped(words, indent, first).split("\n") if words.strip() else []


def plain(value: Any) -> str:
    """`clip(range: 0.2)` for a tagged block, numbers as people write them."""
    if isinstance(value, dict):
        if value.get("kind") == "constant" and set(value) == {"kind", "value"}:
            return plain(value["value"])
        inner = ", ".join(f"{k}: {plain(v)}" for k, v in value.items() if k != "kind")
        return f"{value.get('kind', '')}({inner})" if inner else str(value.get("kind", ""))
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def sparkline(values: Sequence[float]) -> str:
    """One character a value: `▁▃▅▇`; empty without values."""
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * (v - low) / span))] for v in values)


def bounds(at_least: float | None, at_most: float | None) -> str:
    """`≥ 400`, `≤ 1e−06`, both, or a dash."""
    parts = [] if at_least is None else [f"≥ {number(at_least)}"]
    parts += [] if at_most is None else [f"≤ {number(at_most)}"]
    return " and ".join(parts) or "–"


def bound_of(kind: str, at_least: float | None, at_most: float | None) -> str:
    """What a check of this kind asks: `≥ 0.95`, of two arms `≥ 200 apart`; – where nothing."""
    asked = bounds(at_least, at_most)
    return f"{asked} apart" if kind == "ordering" and at_least is not None else asked


def number(value: float) -> str:
    """Four significant digits, thousands separated: 1,942 · 0.0312 · −5.01."""
    if value == 0:
        return "0"
    size = abs(value)
    text = f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"
    return text.replace("-", "−")


def ours(verdict: Mapping[str, Any] | None, spread: bool = True) -> str:
    """Our side of a stored verdict: `1,942 ± 210`, mean and standard deviation over seeds; of two
    arms `715 ± 78 against 170`; – without evidence."""
    from repro.judge.metrics import other_arm

    sample = (verdict or {}).get("ours")
    if not verdict or not sample:
        return "–"
    mean, gap = sample["mean"], (verdict.get("interval") or {}).get("difference")
    other = other_arm(verdict["kind"], verdict["metric"], mean, gap)
    first = plus_minus(mean, sample["std"] if spread else None)
    return first if other is None else f"{first} against {number(other)}"


def plus_minus(mean: float, std: float | None) -> str:
    """`1,942 ± 210`: a mean and its standard deviation, where there is one."""
    return number(mean) + ("" if std is None else f" ± {number(std)}")


def _number(text: str) -> bool:
    return text in ("", "–") or text.lstrip("−-+").replace(",", "").replace(".", "").isdigit()
