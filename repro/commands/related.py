"""which of the papers come near an idea: the first look whether it has been done

examples:
  repro related "reward the agent for states it cannot predict"
  repro related penalise the KL divergence between old and new policy --limit 5
  repro related "goals relabelled after the episode" --json
"""

from __future__ import annotations

import argparse
import json

from repro.commands import text
from repro.errors import ReproError

_SAID = {"names": "name", "gotchas": "pitfalls", "setting": "tasks"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("idea", nargs="+", metavar="WORD", help="the idea, in your own words")
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="papers to show (10)")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def execute(args: argparse.Namespace) -> int:
    from repro.cli import say
    from repro.index import open_index
    from repro.index.find import idea_words

    if args.limit < 1:
        raise ReproError(f"--limit {args.limit}: expected a number of papers from 1")
    idea = " ".join(args.idea)
    words = list(idea_words(idea).values())
    index = open_index()
    found = index.related(idea, args.limit)
    for problem in index.problems:
        say(f"repro: a card cannot be read: {problem}")
    if args.json:
        shown = [
            {
                **{key: one.entry[key] for key in ("id", "title", "year", "status", "implemented")},
                "score": round(one.score, 3),
                "why": one.why,
            }
            for one in found
        ]
        print(json.dumps(shown, indent=1, ensure_ascii=False))
        return 0
    best = found[0].score if found else 1.0
    for one in found:
        head = f"{one.entry['id']} · {one.entry['title']}"
        print(text.bold(text.wrapped(head, "       ", f"{_bar(one.score / best)}  ")))
        why = [f"{_SAID.get(part, part)}: {', '.join(held)}" for part, held in one.why.items()]
        print(text.dim(text.wrapped(" · ".join(why), "       ")))
    if not args.quiet:
        _remark(words, index.unknown(words), bool(found))
    return 0


def _bar(share: float) -> str:
    """Five characters: how near, next to the nearest."""
    full = max(1, round(5 * share))
    return "■" * full + "·" * (5 - full)


def _remark(words: list[str], unknown: dict[str, str | None], found: bool) -> None:
    lost = [word + (f" ({near}?)" if near else "") for word, near in unknown.items()]
    if lost:
        print(("\n" if found else "") + text.wrapped(f"In no card: {', '.join(lost)}."))
    if len(lost) < len(words):
        told = "Ranked by the words they share (bm25) over 105 cards: synonyms are not seen, and a "
        told += "list that ends in 2019 cannot show that an idea is new."
        print(("" if lost else "\n") + text.wrapped(told))
