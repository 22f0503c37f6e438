"""A card as a BibTeX entry: the first public version and, where it is known, its venue."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from repro.cards.models import Card

# Short names of cards' venues → what a bibliography prints. Others are printed as they stand.
_CONFERENCES = {
    "AAAI": "AAAI Conference on Artificial Intelligence",
    "AAMAS": "International Conference on Autonomous Agents and Multiagent Systems",
    "CogSci": "Annual Meeting of the Cognitive Science Society",
    "CoRL": "Conference on Robot Learning",
    "ICLR": "International Conference on Learning Representations",
    "ICML": "International Conference on Machine Learning",
    "ICRA": "IEEE International Conference on Robotics and Automation",
    "NIPS": "Advances in Neural Information Processing Systems",
    "NeurIPS": "Advances in Neural Information Processing Systems",
}
_JOURNAL = re.compile(r"(?P<journal>.+?) (?P<volume>\d+)(?:\((?P<number>\d+)\))?")
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
    "\u0328": "k",
}  # fmt: skip
_PLAIN = {
    "\\": r"{\textbackslash}", "{": r"\{", "}": r"\}", "~": r"{\textasciitilde}",
    "^": r"{\textasciicircum}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "ł": r"{\l}", "Ł": r"{\L}", "ø": r"{\o}", "Ø": r"{\O}", "ß": r"{\ss}", "æ": r"{\ae}",
    "ı": r"{\i}", "–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''",
    "²": "$^2$", "³": "$^3$", "\u00a0": "~",
}  # fmt: skip


def bibtex(card: Card) -> str:
    """One BibTeX entry; its key is the card's id.

    The year is the venue's where there is one. A paper that was published under another title
    ("Science 362, 2018 (revised title)") is cited as first posted, its venue in a note.
    """
    kind, fields = _published(card.venue, card.year)
    names = " and ".join(_author(name) for name in card.authors)
    entry = {"title": _title(card.title), "author": names, **fields}
    if not card.authors_complete:
        entry["author"] += " and others"
    if card.arxiv:
        entry |= {"eprint": card.arxiv, "archivePrefix": "arXiv"}
    url = card.url or (f"https://arxiv.org/abs/{card.arxiv}" if card.arxiv else None)
    if url:
        entry["url"] = re.sub(r"[{}\\\s]", "", url)
    return _written(kind, card.id, entry)


def _written(kind: str, key: str, fields: Mapping[str, str]) -> str:
    width = max(map(len, fields))
    lines = [f"  {name:<{width}} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _published(venue: str | None, year: int) -> tuple[str, dict[str, str]]:
    """Entry type and the fields of a venue: `ICML 2018` · `Neural Networks 21(4), 2008` · …"""
    if venue is None:
        return "misc", {"year": str(year)}
    remark = "".join(re.findall(r" \((.*?)\)", venue)[:1])
    place = re.sub(r" \(.*?\)", "", venue)
    if "revised title" in remark or remark.startswith("as "):
        published = f"Published under another title: {escaped(place)}"
        return "misc", {"year": str(year), "note": published}
    found = re.search(r",? \b((?:19|20)\d\d)\b", venue)
    when = found[1] if found else str(year)
    place = re.sub(rf",? {when}$", "", place)
    if place.startswith("PhD thesis, "):
        school = place.removeprefix("PhD thesis, ")
        return "phdthesis", {"school": escaped(school), "year": when}
    if place.startswith("Synthesis Lectures"):
        series, _, publisher = place.partition(", ")
        return "book", {"series": escaped(series), "publisher": escaped(publisher), "year": when}
    journal = _JOURNAL.fullmatch(place)
    if journal or place.startswith("ACM Transactions"):
        parts = journal.groupdict() if journal else {"journal": place}
        fields = {name: escaped(value) for name, value in parts.items() if value}
    else:
        fields = {"booktitle": escaped(_CONFERENCES.get(place, place))}
    fields["year"] = when
    if remark and not journal and not (remark.isalpha() and remark.isupper()):
        fields["note"] = escaped(remark[0].upper() + remark[1:])
    return ("article" if "journal" in fields else "inproceedings"), fields


def _author(name: str) -> str:
    """A name as BibTeX reads it; what is no person's name (a comma, `and` in it) is kept whole."""
    text = escaped(name)
    return f"{{{text}}}" if re.search(r",| and ", name) else text


def _title(title: str) -> str:
    """Escaped, with braces round the words whose capitals BibTeX styles would take away."""
    return " ".join(_protected(word, first=not i) for i, word in enumerate(title.split()))


def _protected(word: str, first: bool) -> str:
    """`Q-Prop:` → `{Q-Prop}:`; a word with a capital only in front of its parts stays as it is."""
    bare = word.strip("()[]“”‘’'\",.:;!?")
    head = bare.split("-")[0]
    inner = any(c.isupper() for part in bare.split("-") for c in part[1:])
    letter = len(head) == 1 and head.isupper() and not (first and bare == "A")
    if inner or letter or any(c.isdigit() for c in bare) or bare in _PROPER:
        before, _, after = word.partition(bare)
        return f"{escaped(before)}{{{escaped(bare)}}}{escaped(after)}"
    return escaped(word)


_PROPER = {"Atari", "Bayesian", "Stein's", "Kronecker-factored", "Chess", "Shogi", "Markov"}


def escaped(text: str) -> str:
    r"""Text as LaTeX reads it: `&` → `\&`, `é` → `{\'e}`; what has no command stays Unicode."""
    out: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        if char in _PLAIN:
            out.append(_PLAIN[char])
            continue
        apart = unicodedata.normalize("NFD", char)
        base, marks = apart[0], apart[1:]
        if marks in _ACCENTS:
            base = "{\\i}" if base == "i" else base
            command = _ACCENTS[marks]
            gap = " " if command.isalpha() and not base.startswith("{") else ""
            out.append(f"{{\\{command}{gap}{base}}}")
        else:
            out.append(char)
    return re.sub(r"\{\\textasciicircum\}(\d)", r"$^\1$", "".join(out))
