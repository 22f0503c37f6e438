"""BibTeX of one paper, several, or all; its keys are the papers' ids

examples:
  repro cite ppo-2017
  repro cite ppo trpo gae
  repro cite --all > references.bib
"""

from __future__ import annotations

import argparse
import json

from repro.errors import ReproError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("papers", nargs="*", metavar="ID", help="ids or aliases, such as ppo-2017")
    parser.add_argument("--all", action="store_true", help="every paper of the list")
    parser.add_argument("--json", action="store_true", help="machine-readable: id, title, bibtex")


def execute(args: argparse.Namespace) -> int:
    from repro.cli import say
    from repro.index import open_index

    if args.all == bool(args.papers):
        what = "both" if args.all else "neither"
        raise ReproError(f"found {what} ids and --all; name papers (repro cite ppo-2017) or --all")
    index = open_index()
    named = [index.resolve(name) for name in args.papers] or list(index.by_id)
    entries = [index.by_id[name] for name in dict.fromkeys(named)]
    for entry in entries:
        if entry["bibtex"] is None:
            why = entry["problem"] or f"{entry['id']} has no card yet"
            if not args.all:
                raise ReproError(why)
            say(f"repro: left out: {why}")
    found = [entry for entry in entries if entry["bibtex"]]
    if args.json:
        shown = [{key: entry[key] for key in ("id", "title", "bibtex")} for entry in found]
        print(json.dumps(shown, indent=1, ensure_ascii=False))
        return 0
    print("\n\n".join(entry["bibtex"] for entry in found))
    return 0
