"""The table of ablations as a page to be committed: every row, every task, and the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repro.commands import text
from repro.commands.ablate_text import HEADER, cells

if TYPE_CHECKING:
    from repro.judge.ablation import Row
    from repro.judge.types import Sample


def page(
    title: str,
    command: str,
    rows: Sequence[Row],
    samples: Mapping[str, Mapping[str, Sample]],
    envs: Sequence[str],
    said: Sequence[str],
    plot: str,
) -> str:
    """Markdown: the rows with their verdicts, what the columns mean (`said`), and ours by task.

    command: what writes the page; plot: the name of the picture beside it.
    """
    from repro.nightly.markdown import row as line
    from repro.nightly.markdown import table

    lines = [f"# {title}", "", f"<!-- `{command}` writes this page and its plot. -->", ""]
    lines += table(HEADER) + [line(cells(row, len(envs))) for row in rows]
    lines += ["", *(one for sentence in said for one in (sentence, ""))]
    if len(envs) > 1:
        lines += ["## Each task", "", "Mean ± standard deviation over seeds (how many).", ""]
        lines += table(["arm", *envs])
        for row in rows:
            found = [samples.get(env, {}).get(row.arm) for env in envs]
            lines.append(line([row.arm, *map(_sample, found)]))
        lines.append("")
    return "\n".join([*lines, f"![{title}]({plot})", ""])


def _sample(found: Sample | None) -> str:
    if found is None:
        return "not run"
    return f"{text.plus_minus(found.mean, found.std)} ({found.n})"
