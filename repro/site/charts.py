"""A result's curves: the committed picture made light, and the data of the interactive chart.

The chart's data is a script, not JSON, because a page opened from `file://` may load the one but
not fetch the other. Plotly's script is copied from its package and loaded only on a click.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from repro.evidence import read_summary
from repro.plotting import INK, MUTED, mean_band, short
from repro.site.library import Paper, Result

_DARK = {
    "fill: #ffffff": "fill:#14181d",
    f"fill: {INK}": "fill:#e3e8ee",
    f"fill: {MUTED}": "fill:#a3aebb",
    f"stroke: {MUTED}": "stroke:#8b97a5",
    "stroke: #e6e9ed": "stroke:#2b323b",
    "stroke: #1668b8": "stroke:#5aa9f5",
    "fill: #1668b8": "fill:#5aa9f5",
    "stroke: #d1550f": "stroke:#f08a4b",
    "fill: #d1550f": "fill:#f08a4b",
}


def picture(svg: str) -> str:
    """plot.svg with coordinates to a tenth of a point, no metadata, and colours for the dark."""
    text = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    text = re.sub(r'(?<= d=")[ML\d\s.z-]*(?=")', lambda found: _relative(found[0]), text)
    text = re.sub(r"(?<=[\s\"ML,(-])(\d+\.\d{2,})(?=[\s\"),])", _rounded, text)
    text = re.sub(r">\s+<", "><", text)
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    rules = "".join(f'[style*="{old}"]{{{new}!important}}' for old, new in _DARK.items())
    style = f"<style>@media(prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda found: found[1] + style, text, count=1)


def _relative(path: str) -> str:
    """Absolute lines (`M 1.23 4.5 L 6 7 z`) as steps from point to point: half as long.

    Points are rounded to tenths first, and steps are taken between the rounded, so none drifts.
    """
    drawn, last, at, start = "", "", (0, 0), (0, 0)
    for command, x, y in re.findall(r"(z|[ML](?=\s))(?:(?<!z)\s+(\S+)\s+(\S+))?", path):
        if command == "z":
            drawn, at = drawn + "z", start
        else:
            point = round(float(x) * 10), round(float(y) * 10)
            steps = " ".join(_tenths(new - old) for new, old in zip(point, at, strict=True))
            drawn += (" " if command == last else command.lower()) + steps
            at, start = point, point if command == "M" else start
        last = command
    return drawn.replace(" -", "-")


def _tenths(count: int) -> str:
    """As SVG writes numbers: 12 is 1.2, −3 is -.3, 40 is 4."""
    whole, tenth = divmod(abs(count), 10)
    digits = f"{whole or ''}{f'.{tenth}' if tenth else ''}" or "0"
    return f"-{digits}" if count < 0 else digits


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[1]):.1f}".removesuffix(".0")


def chart_script(paper: Paper, result: Result) -> str:
    """`reproChart({...})`: our seeds, their mean and band, and the published curves and levels."""
    _, curves = read_summary(result.folder)
    training = {
        seed: [(step, value) for step, value, *_ in rows]
        for seed, rows in curves["curves.csv"].items()
    }
    band = mean_band(training)
    data: dict[str, Any] = {
        "id": result.slug,
        "title": result.experiment.title,
        "steps": result.experiment.steps,
        "seeds": {
            str(seed): {"x": [s for s, _ in rows], "y": [_short(v) for _, v in rows]}
            for seed, rows in training.items()
        },
        "mean": {
            "x": band.steps,
            "y": [_short(v) for v in band.mean],
            "low": [_short(v) for v in band.low],
            "high": [_short(v) for v in band.high],
        },
        "published": _published(paper, result),
    }
    return f"reproChart({script_json(data)});\n"


def _published(paper: Paper, result: Result) -> list[dict[str, Any]]:
    """Curves first; a level only where no curve of its source is drawn."""
    from repro.experiment import claims_of
    from repro.judge.published import band_kind
    from repro.judge.scores import load_context

    e = result.experiment
    assert paper.card is not None
    drawn: list[dict[str, Any]] = []
    claims = claims_of(paper.card, e.env, e.hparam_set, e.ablation)
    claims = [c for c in claims if c.published and "training" in c.metric]
    for claim in sorted(claims, key=lambda c: not (c.published and c.published.curve)):
        figure, name = claim.published, short(claim.source)
        if figure is None or any(entry["name"] == name for entry in drawn):
            continue
        if figure.curve:
            curve = load_context([figure.curve]).curves[figure.curve]
            entry: dict[str, Any] = {"name": name, "x": curve.step, "y": curve.mean}
            if curve.band is not None:
                entry["band"] = band_kind(figure)
                pairs = list(zip(curve.mean, curve.band, strict=True))
                entry["low"] = [_short(m - b) for m, b in pairs]
                entry["high"] = [_short(m + b) for m, b in pairs]
            drawn.append(entry)
        elif figure.mean is not None:
            drawn.append({"name": name, "level": figure.mean})
    return drawn


def script_json(value: Any) -> str:
    """JSON that may stand in a script: no `<`, no line separators of JavaScript."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def plotly_script() -> Path:
    """Plotly's own script inside its installed package."""
    import importlib.util

    found = importlib.util.find_spec("plotly")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "package_data" / "plotly.min.js"


def _short(value: float) -> float:
    """Five significant digits: what a screen can show."""
    return float(f"{value:.5g}")
