"""An implementation as highlighted lines whose equation marks are links, and the way back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import DiffLexer, PythonLexer

MARK = re.compile(r"# ([a-z0-9-]+-\d{4}[a-z]?) ([a-z]+)\.([A-Za-z0-9]+)\b")


@dataclass(frozen=True)
class Mark:
    """`# ppo-2017 eq.7` on a line: `paper` ppo-2017, `anchor` eq7, as the card names it."""

    line: int
    paper: str
    anchor: str


def marks(source: str) -> list[Mark]:
    """The equation marks of an implementation, in order."""
    return [
        Mark(number, found[1], found[2] + found[3])
        for number, line in enumerate(source.splitlines(), 1)
        for found in MARK.finditer(line)
    ]


def highlighted(source: str, known: set[str], here: str) -> Markup:
    """Lines of code, each with the anchor `L<number>`; marks of `known` papers are links.

    here: the id of the paper whose page this is; its links stay on the page.
    """
    return Markup("\n".join(_line(*pair, known, here) for pair in enumerate(_lines(source), 1)))


def _lines(source: str) -> list[str]:
    text = highlight(source, PythonLexer(stripnl=False, ensurenl=True), _formatter())
    return text.rstrip("\n").split("\n")


def _line(number: int, text: str, known: set[str], here: str) -> str:
    def link(found: re.Match[str]) -> str:
        paper, anchor = found[1], found[2] + found[3]
        if paper not in known:
            return found[0]
        page = "" if paper == here else f"{paper}.html"
        label = escape(f"{paper}, {found[2]}. {found[3]}, on the card")
        return f'<a class="mark" href="{page}#{anchor}" title="{label}">{found[0]}</a>'

    text = MARK.sub(link, text)  # Pygments leaves `#`, letters, dots and dashes as they are
    return f'<span class="line" id="L{number}" data-n="{number}">{text}</span>'


def diff(text: str) -> Markup:
    """A unified diff, highlighted."""
    return Markup(highlight(text, DiffLexer(), _formatter()))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)


def stylesheet() -> str:
    """Pygments' colours for light and dark."""
    light = HtmlFormatter(style="vs").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    keep = re.compile(r"^\.code \.", re.M)

    def rules(text: str) -> str:
        return "\n".join(line for line in text.splitlines() if keep.match(line))

    return f"{rules(light)}\n@media (prefers-color-scheme: dark) {{\n{rules(dark)}\n}}\n"
