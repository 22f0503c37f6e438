"""The picture of a result: our seeds, their mean and its band, over what the paper published.

matplotlib is imported when a picture is drawn. SVG keeps text as text and depends on nothing but
its data: no date, fixed ids.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from repro.files import write_bytes
from repro.launch.origin import engine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from repro.cards.models import Card, Claim
    from repro.experiment import Experiment
    from repro.judge.types import Verdict

Curve = Sequence[tuple[int, float]]

INK, MUTED, GRID = "#1c2733", "#5f6b7a", "#e6e9ed"
OURS = "#1668b8"
PUBLISHED = ("#d1550f", "#8a4fae", "#2f8f5b")
STYLE = {
    "svg.hashsalt": "repro",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "path.simplify": False,
}


class Band(NamedTuple):
    """Mean over seeds and the 95 % interval of that mean, along steps."""

    steps: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


def mean_band(curves: Mapping[int, Curve]) -> Band:
    """Mean of the seeds that have a point at a step, with Student's t interval of that mean.

    Steps that only some seeds have reached yet (no episode has ended) are left out at the start;
    seeds that diverged leave the mean where their curves end.
    """
    from scipy.special import stdtrit

    points: dict[int, list[float]] = {}
    for curve in curves.values():
        for step, value, *_ in curve:
            points.setdefault(step, []).append(value)
    begun = max((curve[0][0] for curve in curves.values() if curve), default=0)
    band = Band([], [], [], [])
    for step in sorted(step for step in points if step >= begun):
        values = points[step]
        n, mean = len(values), sum(values) / len(values)
        half = 0.0
        if n > 1:
            spread = (sum((v - mean) ** 2 for v in values) / (n - 1)) ** 0.5
            half = float(stdtrit(n - 1, 0.975)) * spread / n**0.5
        band.steps.append(step)
        band.mean.append(mean)
        band.low.append(mean - half)
        band.high.append(mean + half)
    return band


def plot_folder(
    folder: Path,
    experiment: Experiment,
    card: Card,
    verdicts: Sequence[Verdict] = (),
    target: Path | None = None,
) -> Path:
    """Draw the summary in `folder` (a result's or a run's) into plot.svg, or into `target`.

    verdicts: of this experiment's claims; they bring the published side and its margin.
    target: a .svg, .png or .pdf file.
    """
    from repro.evidence import manifest_of, need_returns, read_summary

    metrics, curves = read_summary(folder)
    manifest = manifest_of(folder)
    target = target or folder / "plot.svg"
    need_returns(experiment.title, curves.values())
    panels = [("curves.csv", "training", "return of the training episodes, each 1 %")]
    if curves.get("evaluations.csv"):
        episodes = (experiment.evaluation or {}).get("episodes", "")
        panels.append(
            ("evaluations.csv", "evaluation", f"return, mean of {episodes} evaluation episodes")
        )
    claims = {claim.id: claim for claim in card.claims}
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2 if len(panels) == 1 else 11.5, 4.2), layout="constrained")
        for axes, (name, needs, label) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            shown = [v for v in verdicts if needs in claims[v.claim].metric]
            draw(axes, curves[name], experiment.steps, [(claims[v.claim], v) for v in shown])
            axes.set_ylabel(label)
        figure.suptitle(
            title(experiment, metrics, manifest), x=0.01, ha="left", fontsize=10.5, weight="bold"
        )
        save(figure, target)
    return target


def title(experiment: Experiment, metrics: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Experiment, set, seeds, engine."""
    seeds = metrics["seeds"]
    diverged = sum(seed["status"] == "diverged" for seed in seeds)
    count = f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"
    if diverged:
        count += f" ({diverged} diverged)"
    return " · ".join([experiment.title, count, engine(manifest, experiment.env)])


def draw(
    axes: Axes,
    curves: Mapping[int, Curve],
    steps: int,
    published: Sequence[tuple[Claim, Verdict]] = (),
) -> None:
    """One panel: the published side below, our seeds thin, their mean and band on top."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    drawn = _without_repeats(published)
    for (claim, verdict), colour in zip(drawn, itertools.cycle(PUBLISHED), strict=False):
        _draw_published(axes, claim, verdict, colour)
    for seed in sorted(curves):
        if curves[seed]:
            along, values, *_ = zip(*curves[seed], strict=True)
            axes.plot(along, values, color=OURS, lw=0.7, alpha=0.35)
    band = mean_band(curves)
    many = len(curves) > 1
    if many:
        axes.fill_between(band.steps, band.low, band.high, color=OURS, alpha=0.22, lw=0)
    words = f"ours: {len(curves)} seeds, mean, 95 % interval" if many else "ours: 1 seed"
    axes.plot(band.steps, band.mean, color=OURS, lw=2.0, label=words)
    random = next((v.random for _, v in published if v.random is not None), None)
    if random is not None:
        axes.axhline(random, color=MUTED, lw=0.9, ls=(0, (1, 2)), label="random policy")
    axes.set_xlim(0, steps)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _count(x)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}".replace("-", "−")))
    axes.set_xlabel("environment steps a seed")
    axes.tick_params(length=3)
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.15), ncols=2, handlelength=1.8)


def _without_repeats(
    published: Sequence[tuple[Claim, Verdict]],
) -> list[tuple[Claim, Verdict]]:
    """A level is left out where the curve that it is the end of is drawn."""
    curves = {short(claim.source) for claim, _ in published if _curve(claim)}
    return [pair for pair in published if _curve(pair[0]) or short(pair[0].source) not in curves]


def _curve(claim: Claim) -> str | None:
    return claim.published.curve if claim.published else None


def _draw_published(axes: Axes, claim: Claim, verdict: Verdict, colour: str) -> None:
    """A published curve with its band, or a level with its tolerance."""
    from repro.judge.published import band_kind
    from repro.judge.scores import load_context

    source = short(claim.source)
    name = _curve(claim)
    if name is not None:
        curve = load_context([name]).curves[name]
        words = f"published: {source}"
        if curve.band is not None and claim.published:
            words += f"\nband: {band_kind(claim.published)}"
        axes.plot(curve.step, curve.mean, color=colour, lw=1.6, label=words)
        if curve.band is not None:
            low = [m - b for m, b in zip(curve.mean, curve.band, strict=True)]
            high = [m + b for m, b in zip(curve.mean, curve.band, strict=True)]
            axes.fill_between(curve.step, low, high, color=colour, alpha=0.15, lw=0)
    elif verdict.theirs is not None:
        level = verdict.theirs.mean
        label = f"published: {_number(level)}, {source}"
        if verdict.margin:
            label += f"\nband: the margin, ± {_number(verdict.margin)}"
        axes.axhline(level, color=colour, lw=1.4, ls=(0, (5, 2)), label=label)
        if verdict.margin:
            axes.axhspan(
                level - verdict.margin, level + verdict.margin, color=colour, alpha=0.09, lw=0
            )


def save(figure: Any, target: Path) -> None:
    """Write the figure atomically; the format is the file's ending."""
    buffer = io.BytesIO()
    kind = target.suffix.lstrip(".") or "svg"
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(buffer, format=kind, dpi=160, metadata=metadata)
    write_bytes(target, buffer.getvalue())


def short(source: str) -> str:
    """A source up to its page: `Figure 3`, `openai/baselines@ea25b9e`."""
    first = source.split(",")[0]
    return first if len(first) <= 40 else first[:39].rstrip() + "…"


def _number(value: float) -> str:
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def _count(steps: float) -> str:
    """250k, 1M: a tick of the step axis."""
    if steps >= 1e6:
        return f"{steps / 1e6:g}M"
    return f"{steps / 1e3:g}k" if steps >= 1000 else f"{steps:g}"
