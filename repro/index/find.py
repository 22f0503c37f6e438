"""Looking papers up: by name, by words, by likeness to an idea."""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from repro.errors import ReproError, nearest
from repro.index.entry import WEIGHTS, Entry
from repro.index.store import entries_of, folded, open_database

# Words that say nothing about what a paper is about.
_SAY_NOTHING = """
a an and are as at be been but by can cannot could do does for from had has have how i if in into
is it its may more most no not of on one only or other our should so some such than that the their
them then there these they this those to too use used using very was we were what when where which
while who why will with would you idea paper approach new novel via
"""
STOP_WORDS = frozenset(_SAY_NOTHING.split())
_RANK = f"bm25(words, 0, {', '.join(map(str, WEIGHTS.values()))})"
_IDEA = "{" + " ".join(part for part in WEIGHTS if part != "authors") + "}"


@dataclass(frozen=True)
class Related:
    """A paper that an idea shares words with.

    score: bm25, higher is nearer. why: part of the card → the idea's words that stand there.
    """

    entry: Entry
    score: float
    why: dict[str, list[str]]


class Index:
    """The papers as they are now; entries are plain mappings in the list's order."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.by_id = entries_of(database)

    @property
    def entries(self) -> list[Entry]:
        return list(self.by_id.values())

    @property
    def problems(self) -> list[str]:
        """One line for each card that cannot be read."""
        return [entry["problem"] for entry in self.entries if entry["problem"]]

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Other name, in lower case → id."""
        return {a.lower(): e["id"] for e in self.entries for a in e["aliases"]}

    def resolve(self, name: str) -> str:
        """The id meant by an id, an alias, or an id without its year; else the nearest is named."""
        wanted = name.strip().lower()
        if wanted in self.by_id:
            return wanted
        short = [one for one in self.by_id if one.rpartition("-")[0] == wanted]
        if len(short) == 1:
            return short[0]
        if wanted in self.aliases:
            return self.aliases[wanted]
        hint = nearest(name, [*self.by_id, *self.aliases], see="repro papers")
        raise ReproError(f'no paper "{name}": {hint}')

    def children(self, paper_id: str) -> list[str]:
        """Ids of the papers whose cards say that they build on this one."""
        return [entry["id"] for entry in self.entries if paper_id in entry["builds_on"]]

    def search(self, words: Iterable[str]) -> list[str]:
        """Ids of the papers that have all words (or words that begin so), best first."""
        terms = [f'"{" ".join(tokens(word))}"*' for word in words if tokens(word)]
        if not terms:
            raise ReproError("found no word to search for; expected letters or digits")
        return [paper_id for paper_id, _ in self._matches(" AND ".join(terms))]

    def related(self, idea: str, limit: int = 10) -> list[Related]:
        """The papers that share words with an idea, by bm25 over their cards' text."""
        words = idea_words(idea)  # as searched → as typed
        any_word = " OR ".join(map(_like, words))
        ranked = self._matches(f"{_IDEA} : ({any_word})")[:limit]
        where = {
            (word, part): {paper_id for paper_id, _ in self._matches(f"{part} : ({_like(word)})")}
            for word in words
            for part in WEIGHTS
            if part != "authors"
        }
        found = []
        for paper_id, score in ranked:
            why: dict[str, list[str]] = {}
            for (word, part), holders in where.items():
                if paper_id in holders:
                    why.setdefault(part, []).append(words[word])
            why = {part: why[part] for part in WEIGHTS if part in why}
            found.append(Related(self.by_id[paper_id], score, why))
        return found

    def unknown(self, words: Iterable[str]) -> dict[str, str | None]:
        """Words that stand in no card → the nearest that does, if any is near."""
        lost = [word for word in words if not self._matches(f'"{" ".join(tokens(word))}"*')]
        if not lost:
            return {}
        texts = self._database.execute(f"SELECT {', '.join(WEIGHTS)} FROM words")
        vocabulary = {t for row in texts for text in row for t in tokens(text) if len(t) > 2}
        near = {w: difflib.get_close_matches(folded(w), vocabulary, 1, 0.75) for w in lost}
        return {word: found[0] if found else None for word, found in near.items()}

    def _matches(self, query: str) -> list[tuple[str, float]]:
        rows = self._database.execute(
            f"SELECT id, -{_RANK} AS score FROM words WHERE words MATCH ? ORDER BY score DESC, id",
            (query,),
        )
        return [(str(paper_id), float(score)) for paper_id, score in rows]


def _like(word: str) -> str:
    """A word of an idea as a query: its stem, and what begins alike (penalise, penalty)."""
    return f'"{word}"' + (f' OR "{word[:-3]}"*' if len(word) >= 8 else "")


def open_index() -> Index:
    """The index; reads again the cards that changed since the last call."""
    return Index(open_database())


def tokens(text: str) -> list[str]:
    """The words of a text as the search sees them."""
    return re.findall(r"[^\W_]+", folded(text))


def idea_words(idea: str) -> dict[str, str]:
    """The words of an idea that can tell papers apart: as the search sees them → as typed.

    ReproError without any; at most fifty.
    """
    typed = re.findall(r"[^\W_]+", idea.lower())
    found = {folded(word): word for word in typed if word not in STOP_WORDS}
    if not found:
        raise ReproError(
            f'found no telling word in "{idea.strip()[:60]}"; describe the idea in a few words, '
            'such as "reward for visiting new states"'
        )
    return dict(list(found.items())[:50])
