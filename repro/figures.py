"""Pictures of several runs together: ablations beside the paper's, profiles, curves in one plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.plotting import GRID, INK, MUTED, OURS, PUBLISHED, STYLE, mean_band, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from repro.judge.ablation import Row
    from repro.plotting import Curve

# Told apart by people who see colours otherwise, too (Wong 2011), and by their dashes.
COLOURS = ("#1668b8", "#d1550f", "#2f8f5b", "#8a4fae", "#b8860b", "#c2386f", "#3d8f9c", "#5f6b7a")
FLATTENED = 50.0  # an axis is cut where the other runs would fill less than a fiftieth of it
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))


def plot_ablations(
    rows: Sequence[Row],
    title: str,
    alias: Mapping[str, str],
    target: Path,
    returns: Mapping[str, float] | None = None,
) -> Path:
    """One line an arm: ours with its 95 % interval, the paper's figure beside it.

    alias: the name an arm goes by in the paper's table, where ours is another. returns: lines to
    draw across returns of a single task (what it is → return); None where scores are drawn.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 1.3 + 0.36 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(rows):
            if row.published is not None:
                axes.plot(row.published, place, "D", mfc="white", mec=PUBLISHED[0], mew=1.5, ms=6,
                          zorder=3)  # fmt: skip
            middle, ends = _ours(row, returns is not None)
            if middle is None:
                words = "no score" if row.tasks else "not run"
                axes.text(0.02, place, words, color=MUTED, va="center", fontsize=8.5,
                          transform=axes.get_yaxis_transform())  # fmt: skip
                continue
            if ends:
                axes.plot(ends, [place] * 2, color=OURS, lw=2.2, alpha=0.45, solid_capstyle="butt")
            axes.plot(middle, place, "o", color=OURS, ms=6, zorder=3)
        names = [f"{row.arm} ({alias[row.arm]})" if row.arm in alias else row.arm for row in rows]
        tasks = max(row.tasks for row in rows)
        for place, row in enumerate(rows):
            if 0 < row.tasks < tasks:
                names[place] += f", {row.tasks} of {tasks} tasks"
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(False, axis="y")
        axes.plot([], [], "o-", color=OURS, label="ours, 95 % t interval")
        if any(row.published is not None for row in rows):
            axes.plot([], [], "D", mfc="white", mec=PUBLISHED[0], mew=1.5, ls="none",
                      label="published")  # fmt: skip
        if returns is None:
            axes.axvline(0, color=MUTED, lw=0.9, ls=(0, (1, 2)))
            over = f", mean over {tasks} tasks" if tasks > 1 else ""
            axes.set_xlabel(f"score: random policy = 0, best arm = 1{over}")
        else:
            for what, value in returns.items():
                axes.axvline(value, color=MUTED, lw=0.9, ls=(0, (1, 2)), label=what)
            _across_returns(axes, [row.ours.mean for row in rows if row.ours is not None])
        figure.legend(loc="outside lower left", ncols=3)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, weight="bold")
        save(figure, target)
    return target


def _ours(row: Row, returns: bool) -> tuple[float | None, tuple[float, float] | None]:
    """What is drawn of an arm: the middle and the ends of its 95 % interval, where it has them."""
    from repro.judge.statistics import ONE_LOOK_LEVEL, half_width, own_error

    if not returns:
        return row.score, None if row.low is None or row.high is None else (row.low, row.high)
    if row.ours is None:
        return None, None
    middle = row.ours.mean
    if row.ours.std is None:
        return middle, None
    half = float(half_width(*own_error(row.ours.std, row.ours.n), ONE_LOOK_LEVEL))
    return middle, (middle - half, middle + half)


def _across_returns(axes: Axes, means: Sequence[float]) -> None:
    """An axis of returns; logarithmic outside the bulk where an arm lies a hundred times farther
    from zero than the middle one."""
    from statistics import median_low as median

    from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

    sizes = [abs(mean) for mean in means]
    axes.set_xlabel("return")
    if sizes and max(sizes) > 100 * median(sizes) > 0:
        linear = 10.0 ** math.ceil(math.log10(median(sizes)))
        axes.set_xscale("symlog", linthresh=linear)
        axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=linear))
        axes.relim()
        axes.autoscale(axis="x")  # anew: the margins were those of a linear axis
        axes.set_xlabel(f"return (logarithmic beyond ±{linear:,.0f})")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.10g}".replace("-", "−")))


def plot_curves(
    panels: Mapping[str, Mapping[str, Mapping[int, Curve]]], label: str, target: Path
) -> Path:
    """Several runs in one figure, a panel a task: seeds thin, mean and band of each run.

    A panel is cut above runs that would flatten all others; the legend says which and how low.
    panels: task → run → seed → its curve. label: of the vertical axis.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    from repro.plotting import _count

    names = list(dict.fromkeys(name for runs in panels.values() for name in runs))
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    with matplotlib.rc_context(STYLE):
        size = (7.2 if columns == 1 else 4.3 * columns, 3.6 * lines + 0.5 + 0.16 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        notes = dict.fromkeys(names, "")
        for axes, (env, runs) in zip(grid, panels.items(), strict=False):
            limits, below = cut(runs)
            for name, lowest in below.items():
                deep = f"{lowest:,.0f}".replace("-", "−")
                notes[name] += f"; off the axis of {env}, down to {deep}"
            for name, seeds in runs.items():
                place = names.index(name)
                colour = COLOURS[place % len(COLOURS)]
                dash = DASHES[(place // len(COLOURS)) % len(DASHES)]
                for curve in seeds.values():
                    if curve:
                        along, values, *_ = zip(*curve, strict=True)
                        axes.plot(along, values, color=colour, lw=0.5, alpha=0.25)
                band = mean_band(seeds)
                if len(seeds) > 1:
                    axes.fill_between(band.steps, band.low, band.high, color=colour, alpha=0.18,
                                      lw=0)  # fmt: skip
                axes.plot(band.steps, band.mean, color=colour, lw=1.8, ls=dash)
            axes.set_title(env, loc="left", fontsize=9.5, color=INK)
            axes.set_xlim(0, None)
            if limits is not None:
                axes.set_ylim(*limits)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _count(x)))
            axes.yaxis.set_major_formatter(
                FuncFormatter(lambda y, _: f"{y:,.10g}".replace("-", "−"))
            )
            axes.set_xlabel("environment steps a seed")
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        grid[0].set_ylabel(label)
        _legend(figure, names, {n: _seeds(panels, n) for n in names}, notes)
        save(figure, target)
    return target


def cut(
    runs: Mapping[str, Mapping[int, Curve]],
) -> tuple[tuple[float, float] | None, dict[str, float]]:
    """Limits of a panel's returns, None to show all; and the runs left below, with their lowest.

    The fewest of the lowest runs are left out that lie so deep that with any of them the others
    would fill less than a fiftieth of the height. Only below: who rises above the rest is the news.
    """
    values = {
        name: [point[1] for curve in seeds.values() for point in curve]
        for name, seeds in runs.items()
    }
    lows = {name: min(points) for name, points in values.items() if points}
    order = sorted(lows, key=lambda name: lows[name])
    for count in range(1, len(order)):
        rest = [value for name in order[count:] for value in values[name]]
        low, high = min(rest), max(rest)
        if low - lows[order[count - 1]] > FLATTENED * (high - low) > 0:
            margin = 0.05 * (high - low)
            return (low - margin, high + margin), {name: lows[name] for name in order[:count]}
    return None, {}


def plot_profiles(profiles: Mapping[str, Sequence[tuple[float, float]]], label: str, target: Path
                  ) -> Path:  # fmt: skip
    """Performance profiles: share of runs above a normalised score, along that score."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.8 + 0.16 * len(profiles)), layout="constrained")
        axes = figure.subplots()
        for place, points in enumerate(profiles.values()):
            at, share = zip(*points, strict=True)
            dash = DASHES[(place // len(COLOURS)) % len(DASHES)]
            axes.step(at, share, where="post", color=COLOURS[place % len(COLOURS)], lw=1.8, ls=dash)
        axes.axhline(0.5, color=GRID, lw=1.2)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel(label)
        axes.set_ylabel("share of runs above it")
        _legend(figure, list(profiles), {}, {})
        save(figure, target)
    return target


def _seeds(panels: Mapping[str, Mapping[str, Mapping[int, Curve]]], name: str) -> str:
    numbers = sorted({len(runs[name]) for runs in panels.values() if name in runs})
    listed = " or ".join(map(str, numbers))
    return f"{listed} seed{'s' * (numbers != [1])}"


def _legend(
    figure: object, names: Sequence[str], counts: Mapping[str, str], notes: Mapping[str, str]
) -> None:
    """Below the panels: a line a run, and what the thin lines and the band are."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[object] = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], lw=1.8,
               ls=DASHES[(i // len(COLOURS)) % len(DASHES)],
               label=name + (f": {counts[name]}, mean{notes[name]}" if name in counts else ""))
        for i, name in enumerate(names)
    ]  # fmt: skip
    if counts:
        handles.append(Line2D([], [], color=MUTED, lw=0.6, alpha=0.6, label="single seeds"))
        handles.append(Patch(color=MUTED, alpha=0.25, lw=0, label="95 % t interval of the mean"))
    figure.legend(  # type: ignore[attr-defined]
        handles=handles,
        loc="outside lower left",
        ncols=2 if len(handles) > 2 and not any(notes.values()) else 1,
    )
