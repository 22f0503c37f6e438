"""One paper as the index keeps it: plain facts to list, and its text to search."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from repro import paths
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.cards.load import Listed
    from repro.cards.models import Card

Entry = dict[str, Any]

NO_EVIDENCE = "no evidence yet"
# The judge's words for a paper's status, then what is said before it has judged.
STATUSES = (
    "reproduced", "partly", "not reproduced", "undecided", "scaled only", "no experiment",
    NO_EVIDENCE,
)  # fmt: skip

# Parts of a card's text and what a word found there weighs: a title says what a paper is about.
WEIGHTS = {
    "title": 10.0,
    "names": 8.0,
    "summary": 5.0,
    "claims": 3.0,
    "method": 3.0,
    "gotchas": 1.5,
    "setting": 1.0,
    "authors": 1.0,
}


def read_entry(paper_id: str, listed: Listed, runnable: bool) -> tuple[Entry, dict[str, str]]:
    """The entry of a paper, and its text by the names of WEIGHTS.

    A card that cannot be read leaves what the list knows, and says why under `problem`.
    """
    from repro.cards import load_card

    entry: Entry = {
        "number": listed.number,
        "id": paper_id,
        "title": listed.title,
        "year": listed.year,
        "section": listed.section,
        "card": (paths.PAPERS / f"{paper_id}.yaml").exists(),
        "implemented": runnable,
        "aliases": [],
        "environments": [],
        "builds_on": [],
        "claims": 0,
        **dict.fromkeys(("kind", "depth", "tier", "arxiv", "bibtex", "problem")),
        **_evidence(paper_id),
    }
    text = dict.fromkeys(WEIGHTS, "") | {"title": listed.title, "names": paper_id}
    text["setting"] = f"{listed.section} {listed.year}"
    if not entry["card"]:
        return entry, text
    try:
        card = load_card(paper_id)
    except ReproError as error:
        return entry | {"problem": str(error)}, text
    from repro.cards.bibtex import bibtex

    entry |= {
        "authors": card.authors,
        "venue": card.venue,
        "arxiv": card.arxiv,
        "kind": card.kind,
        "depth": card.depth,
        "tier": card.tier,
        "aliases": card.aliases,
        "environments": environments(card),
        "builds_on": card.builds_on,
        "claims": len(card.claims),
        "summary": card.summary,
        "bibtex": bibtex(card),
    }
    return entry, text | _text(card)


def environments(card: Card) -> list[str]:
    """Aliases of the environments that a card is about, its claims' included."""
    named = [*card.environments, *(c.env for c in card.claims if c.env != "several")]
    return list(dict.fromkeys(re.sub(r"-v\d+$", "", name) for name in named))


def _evidence(paper_id: str) -> Entry:
    """Status, and environment → answer → number of claims that were tested there."""
    stored = paths.RESULTS / paper_id / "verdicts.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(stored.read_bytes())
        answers: dict[str, Counter[str]] = {}
        for verdict in document["verdicts"]:
            if verdict["answer"] != "not tested":
                env = re.sub(r"-v\d+$", "", verdict["env"])
                answers.setdefault(env, Counter())[verdict["answer"]] += 1
        return {"status": str(document["status"]), "answers": answers}
    return {"status": NO_EVIDENCE, "answers": {}}


def _text(card: Card) -> dict[str, str]:
    tasks = environments(card)
    apart = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", task) for task in tasks]
    parts = {
        "title": [card.title],
        "names": [card.id, *card.aliases],
        "summary": [card.summary],
        "claims": [claim.says for claim in card.claims],
        "method": [
            *card.equations.values(),
            *(ablation.says or name for name, ablation in card.ablations.items()),
        ],
        "gotchas": [
            *(gotcha.says for gotcha in card.gotchas),
            *(f"{d.what} {d.why} {d.effect}" for d in card.deviations),
            *card.notes,
        ],
        "setting": [
            card.section, str(card.year), card.kind, *tasks, *apart, card.experiment or "",
            card.no_experiment or "", card.tuning_budget or "",
        ],
        "authors": [*card.authors, card.venue or "", card.official_code or "", card.arxiv or ""],
    }  # fmt: skip
    return {name: "\n".join(texts) for name, texts in parts.items()}
