"""The table of ablations in words: its cells, what the columns mean, and what the rest costs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.commands import text

if TYPE_CHECKING:
    from repro.ablations import Arm, Printed
    from repro.judge.ablation import Difference, Row, Samples

HEADER = ["arm", "published", "ours", "seeds", "score", "standard − arm", "ordering", "row below"]


def cells(row: Row, tasks: int) -> list[str]:
    """A row of the table. tasks: how many were asked for."""
    ours = "not run"
    if row.ours is not None and tasks == 1:
        ours = text.plus_minus(row.ours.mean, row.ours.std)
    elif row.tasks:
        ours = f"{row.tasks} of {tasks} tasks"
    score = "–" if row.score is None else f"{row.score:.2f}".replace("-", "−")
    score += "" if row.error is None else f" ± {row.error:.2f}"
    below = {None: "–", True: "apart", False: "not separable"}[row.separable]
    p = "" if row.below_p is None else f" (p {row.below_p:.2g})"
    order = row.ordering or "–"
    if row.ordering_p is not None and row.ordering != "not stated":
        order += f" (p {row.ordering_p:.2g})"
    published = "–" if row.published is None else text.number(row.published)
    return [
        row.arm,
        published,
        ours,
        f"{row.seeds} ({row.kind})" if row.kind else str(row.seeds or "–"),
        score,
        _gap(row.difference, row.tasks),
        order,
        below + p,
    ]


def _gap(apart: Difference | None, tasks: int) -> str:
    """A difference with its interval: two decimals of a gain, four digits of returns; and over how
    many tasks, where it is not all that the arm has run on."""
    if apart is None:
        return "–"

    def signed(value: float) -> str:
        if apart.unit == "return":
            return ("+" if value > 0 else "") + text.number(value)
        return f"{value:+.2f}".replace("-", "−")

    over = f" ({apart.tasks} of {tasks} tasks)" if apart.tasks < tasks else ""
    return f"{signed(apart.value)} [{signed(apart.low)}, {signed(apart.high)}]{over}"


def notes(
    rows: Sequence[Row],
    arms: Sequence[Arm],
    printed: Printed,
    env: str | None,
    samples: Samples,
    random: dict[str, float],
) -> list[str]:
    """What the columns mean, in sentences, and why some are empty."""
    from repro.ablations import STANDARD
    from repro.judge.ablation import unscored
    from repro.judge.metrics import METRICS

    unit = "returns" if len(samples) == 1 else "that unit"
    lines = [
        "ours: mean and standard deviation over seeds; score: random = 0, best arm = 1 (mean "
        f"over tasks), with its standard error, too small where arms are close; standard − arm in "
        f"{unit}, 95 % interval; p by Welch's test, corrected after Holm within its column, 0.05 "
        "decides."
    ]
    if env in random:
        lines.append(f"The random policy's return is {text.number(random[env])}.")
    missing: dict[str, list[str]] = {}
    for task, why in unscored(samples, random).items():
        missing.setdefault(why, []).append(task)
    lines += [f"No score on {', '.join(tasks)}: {why}." for why, tasks in missing.items()]
    if samples and not any(STANDARD in there for there in samples.values()):
        lines.append(f"No ordering: {STANDARD}, the standard set, was not run at these steps.")
    if same := [name for arm in arms for name in arm.same]:
        lines.append(f"{', '.join(same)} is the standard set itself (paper).")
    if env and printed.scores and printed.figures:
        lines.append("The paper prints one score over all its tasks; it is set beside this one.")
    if len({(row.seeds, row.kind) for row in rows if row.tasks}) > 1:
        lines.append("Rows differ in their seeds; the test takes each as a sample of its own.")
    if printed.metric:
        after = f" after {printed.steps:,} steps" if printed.steps else ""
        lines.append(f"published: {METRICS[printed.metric].says}{after}.")
    return lines


def costs(
    arms: dict[str, list[Arm]], samples: Samples, seeds: int, options: Sequence[str]
) -> list[str]:
    """What was not run, with the command that runs it and its cost. options: as they were typed."""
    from repro.commands.estimate import core_hours, cost

    lines = []
    for env, rows in arms.items():
        left = [arm for arm in rows if arm.name not in samples.get(env, {})]
        if not left:
            continue
        took = cost(core_hours([arm.experiment for arm in left], seeds))
        command = shlex.join(["repro", "ablate", left[0].experiment.paper, "--env", env, *options])
        number = f"{len(left)} row{'s' * (len(left) != 1)}"
        lines.append(f"not run: {number} on {env}; {command} ({seeds} seeds: {took})")
    return lines
