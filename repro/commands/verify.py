"""re-judge what is stored: every verdict from results and cards alone

examples:
  repro verify                   all papers with results
  repro verify ppo-2017 --json
  repro verify ppo-2017 --why
  repro verify --strict          exit 1 if a claim is not reproduced or undecided
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from repro.commands import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paper", nargs="?", metavar="ID", help="one paper; default: all")
    parser.add_argument("--json", action="store_true", help="the verdicts as JSON")
    parser.add_argument("--why", action="store_true", help="the reasons of every verdict in words")
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 if a claim is not reproduced or undecided"
    )
    parser.add_argument(
        "--uncommitted", action="store_true", help="also results that git does not have yet"
    )


def execute(args: argparse.Namespace) -> int:
    from repro import evidence
    from repro.cards import load_card, resolve_id
    from repro.commands import report

    papers = [resolve_id(args.paper)] if args.paper else evidence.papers_with_results()
    documents, lost = [], False
    for paper in papers:
        card = load_card(paper)
        found = evidence.speaking_to(card, tracked_only=not args.uncommitted)
        verdicts = evidence.judge(card, found)
        document = evidence.verdicts_document(card, verdicts)
        old = evidence.stored_verdicts(paper)
        evidence.write_verdicts(card, document)
        documents.append(document)
        tested = [verdict for verdict in verdicts if verdict.answer != "not tested"]
        lost |= any(verdict.answer not in ("reproduced", "exceeds") for verdict in tested)
        if args.json:
            continue
        status = text.answer(document["status"])
        print(text.wrapped(document["reason"], "  ", f"{text.bold(card.id)} {status}: "))
        print(report.table(tested) if tested else "no claim has evidence yet")
        if args.why:
            print(f"\n{report.reasons(tested)}\n")
        untested = len(verdicts) - len(tested)
        if untested and tested:
            print(text.dim(f"{untested} more claims have no evidence yet"))
        for line in differences(old, document):
            print(line)
        for folder in evidence.result_folders(card.id, not args.uncommitted):
            if warned := report.doctor(folder, _seeds(folder)):
                print(f"doctor: {text.coloured(warned, 'red')}")
        print()
    if args.json:
        print(json.dumps(documents, indent=1, sort_keys=True, ensure_ascii=False))
    elif not papers:
        print("no results yet; `repro plan --help` says how evidence is made")
    return 1 if args.strict and lost else 0


def differences(old: dict[str, Any] | None, new: dict[str, Any]) -> list[str]:
    """What re-judging changed against the stored verdicts.json, one line each."""
    if old is None:
        return ["verdicts.json is new"]
    if old == new:
        return ["as stored in verdicts.json"]
    lines = []
    before = {verdict["claim"]: verdict for verdict in old["verdicts"]}
    after = {verdict["claim"]: verdict for verdict in new["verdicts"]}
    for claim in sorted(before.keys() | after.keys()):
        was, now = before.get(claim), after.get(claim)
        if was == now:
            continue
        if was is None or now is None:
            lines.append(f"changed: {claim} is {'new' if was is None else 'gone'}")
        elif was["answer"] != now["answer"] or was["headline"] != now["headline"]:
            lines.append(f"changed: {claim} was {was['headline']}, is now {now['headline']}")
        else:
            names = [name for name in now if was.get(name) != now[name]]
            lines.append(f"changed: {claim} in {', '.join(names)}")
    return lines or ["changed: the card, but no verdict"]


def _seeds(folder: Path) -> int:
    from repro.files import read_json

    return len(read_json(folder / "metrics.json")["seeds"])
