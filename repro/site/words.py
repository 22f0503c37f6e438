"""Figures, values and answers as a page prints them."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from repro.cards.arms import PAPER
from repro.cards.models import Claim
from repro.commands.text import bounds, number
from repro.judge.published import band_kind

# Answer or status → class of its badge; the word itself always stands beside the colour.
TONES = {
    "reproduced": "good",
    "reaches": "good",
    "on track": "good",
    "exceeds": "good",
    "not reproduced": "bad",
    "misses": "bad",
    "behind": "bad",
    "partly": "mixed",
    "scaled only": "mixed",
    "inconclusive": "open",
    "undecided": "open",
}
_THREAD = re.compile(r"([\w.-]+/[\w.-]+)#(\d+)")


def tone(word: str) -> str:
    return TONES.get(word, "none")


def published(claim: Claim) -> str:
    """The published side in short: `1,668.58 ± 222.3`, `a curve`, or what the check asks."""
    figure = claim.published
    if figure is not None and figure.mean is not None:
        text = exact(figure.mean)
        text += "" if figure.std is None else f" ± {number(figure.std)}"
        return text if figure.rival is None else f"{text} against {exact(figure.rival)}"
    if figure is not None and figure.curve:
        return "a curve"
    check: Any = claim.check
    match type(check).__name__:
        case "Ordering":
            by = "" if check.at_least is None else f" by at least {number(check.at_least)}"
            return f"{_arm(check.better, claim)} better than {_arm(check.than, claim)}{by}"
        case "NotWorse":
            return f"{_arm(check.arm, claim)} not worse than {_arm(check.than, claim)}"
        case "Property":
            return f"{check.measure} {bounds(check.at_least, check.at_most)}"
        case "TimeTo":
            return f"{number(check.threshold)} within so many {check.unit}"
    return "no figure"


def _arm(name: str, claim: Claim) -> str:
    """An arm for a reader: the claim's own set by its name, not as `paper`."""
    return claim.hparams if name == PAPER else name


def published_note(claim: Claim) -> str:
    """Seeds, how the figure was got, and whether it may decide a verdict."""
    figure = claim.published
    if figure is None:
        return ""
    seeds = f"{figure.seeds} seeds" if figure.seeds else "number of seeds not said"
    parts = [seeds if figure.std is None else f"± {band_kind(figure)}", figure.how]
    if figure.confidence != "verified":
        parts.append(figure.confidence)
    return ", ".join(parts)


def ours_note(verdict: dict[str, Any] | None) -> str:
    sample = verdict.get("ours") if verdict else None
    if not verdict or not sample:
        return ""
    diverged = sum(seed["status"] == "diverged" for seed in verdict["seeds"])
    text = f"{sample['n']} seed{'s' * (sample['n'] != 1)} on {verdict['env']}"
    return f"{text}, {diverged} diverged" if diverged else text


def exact(value: float) -> str:
    """A published figure keeps its digits: 1668.58 → 1,668.58."""
    return f"{value:,.10g}".replace("-", "−")


def value(item: Any) -> str:
    """A hyperparameter: `clip(range: 0.2)`, `0.0003`, `64, 64`, `yes`."""
    if isinstance(item, dict):
        if item.get("kind") == "constant" and set(item) == {"kind", "value"}:
            return value(item["value"])
        inside = ", ".join(f"{k}: {value(v)}" for k, v in item.items() if k != "kind")
        kind = str(item.get("kind", ""))
        return f"{kind}({inside})" if kind and inside else kind or inside
    if isinstance(item, list):
        return "[" + ", ".join(value(entry) for entry in item) + "]"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int) or (isinstance(item, float) and item.is_integer() and item >= 1000):
        return f"{int(item):,}".replace("-", "−")
    return f"{item:g}".replace("-", "−") if isinstance(item, float) else str(item)


def threads(text: str) -> Markup:
    """Text with `owner/name#number` as links to the thread."""
    return Markup(
        _THREAD.sub(
            r'<a href="https://github.com/\1/issues/\2" rel="noreferrer">\1#\2</a>',
            str(escape(text)),
        )
    )
