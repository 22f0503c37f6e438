"""The list of papers as `repro papers` shows it, quick to get: kept by the digests of its files."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from repro import paths
from repro.files import digest, file_digest, write_json

SCHEMA_VERSION = 1


def entries() -> list[dict[str, Any]]:
    """One plain mapping a paper, in the list's order.

    number, id, title, year, section, kind (None without a card), card, implemented, status (of
    the evidence), text (lower case, for searching). Read from a cache while no card, verdict or
    implementation has changed.
    """
    sources = [*paths.PAPERS.glob("*.yaml"), *paths.RESULTS.glob("*/verdicts.json")]
    sources += paths.IMPLEMENTATIONS.glob("*.py")
    key = digest({_name(p): file_digest(p) for p in sources} | {"": f"{SCHEMA_VERSION}"})
    cache = paths.CACHE / "papers.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(cache.read_bytes())
        if kept["key"] == key:
            found: list[dict[str, Any]] = kept["papers"]
            return found
    listed = _read()
    with contextlib.suppress(OSError):  # a clone that cannot be written to is only slower
        write_json(cache, {"schema_version": SCHEMA_VERSION, "key": key, "papers": listed})
    return listed


def _name(path: Path) -> str:
    return path.relative_to(paths.ROOT).as_posix()


def _read() -> list[dict[str, Any]]:
    from repro.cards import card_ids, known, load_card
    from repro.experiment import implemented

    with_card, runnable = set(card_ids()), set(implemented())
    listed = []
    for number_id, paper in known().items():
        card = load_card(number_id) if number_id in with_card else None
        words = [number_id, paper.title, paper.section, str(paper.year)]
        if card is not None:
            words += [card.summary, *card.authors, *card.aliases, *card.environments]
            words += [claim.says for claim in card.claims]
        listed.append(
            {
                "number": paper.number,
                "id": number_id,
                "title": paper.title,
                "year": paper.year,
                "section": paper.section,
                "kind": card.kind if card else None,
                "card": card is not None,
                "implemented": number_id in runnable,
                "status": _status(number_id, card is not None),
                "text": " ".join(words).lower(),
            }
        )
    return listed


def _status(paper: str, has_card: bool) -> str:
    stored = paths.RESULTS / paper / "verdicts.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(stored.read_bytes())["status"])
    return "no evidence yet" if has_card else "no card yet"
