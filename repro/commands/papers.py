"""the 105 key papers: list, filter, search

examples:
  repro papers
  repro papers --topic "policy gradients" --year 2017
  repro papers clipped surrogate            papers whose card or title has all these words
  repro papers --status reproduced --json
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from repro.commands import text
from repro.errors import ReproError, nearest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="full-text search, all words")
    parser.add_argument("--topic", help="part of a section's name")
    parser.add_argument("--year", type=int, help="year of the first public version")
    parser.add_argument("--kind", help="algorithm, analysis, benchmark, system, theory or survey")
    parser.add_argument("--status", help="reproduced, partly, not reproduced, undecided, …")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def execute(args: argparse.Namespace) -> int:
    from repro.papers_index import entries

    listed = entries()
    chosen = [entry for entry in listed if _wanted(entry, args)]
    if not chosen:
        _explain(args, listed)
    if args.json:
        shown = [{k: v for k, v in entry.items() if k != "text"} for entry in chosen]
        print(json.dumps(shown, indent=1, ensure_ascii=False))
        return 0
    rows, colours = [], []
    for entry in chosen:
        rows.append([str(entry["number"]), entry["id"], entry["status"], entry["title"]])
        colours.append([None, None, text.ANSWER_COLOURS.get(entry["status"], "dim"), None])
    room = text.page_width() - sum(max(len(row[i]) for row in rows) + 2 for i in range(3))
    for row in rows:
        if len(row[3]) > room > 20:
            row[3] = row[3][: room - 1] + "…"
    print(text.table(rows, ["#", "id", "status", "title"], colours))
    if not args.quiet and len(chosen) == len(listed):
        cards = sum(entry["card"] for entry in listed)
        runnable = ", ".join(entry["id"] for entry in listed if entry["implemented"])
        print(f"\n{len(listed)} papers, {cards} with a card; to run: {runnable}")
    return 0


def _wanted(entry: dict[str, Any], args: argparse.Namespace) -> bool:
    if args.topic and args.topic.lower() not in entry["section"].lower():
        return False
    if args.year and args.year != entry["year"]:
        return False
    if args.kind and args.kind.lower() != (entry["kind"] or ""):
        return False
    if args.status and args.status.lower() != entry["status"]:
        return False
    return all(word.lower() in entry["text"] for word in args.words)


def _explain(args: argparse.Namespace, listed: list[dict[str, Any]]) -> None:
    """Say which filter let nothing through, with the nearest value it could have."""
    for option in ("topic", "kind", "status", "year"):
        wanted = getattr(args, option)
        key = "section" if option == "topic" else option
        values = {str(entry[key]) for entry in listed if entry[key]}
        only = argparse.Namespace(topic=None, year=None, kind=None, status=None, words=[])
        setattr(only, option, wanted)
        if wanted and not any(_wanted(entry, only) for entry in listed):
            raise ReproError(f'no paper with --{option} "{wanted}": {nearest(str(wanted), values)}')
    raise ReproError("no paper matches all of that; try fewer words or filters")
