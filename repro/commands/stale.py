"""what evidence is stale, and the command that renews it

examples:
  repro stale                    every paper with results
  repro stale ppo-2017 --json
  repro stale --write            store how the code behaves today, for all implementations

Run-stale: the code behaves otherwise than when the result was made (a short run of each arm is
compared with what was stored). Judge-stale: the claim or the judge changed, and the stored verdict
is no longer the one given. Stale evidence still counts, marked.
"""

from __future__ import annotations

import argparse
import json

from repro.commands import text

SHOWN = 3  # reasons a stale result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paper", nargs="?", metavar="ID", help="one paper; default: all")
    parser.add_argument("--json", action="store_true", help="what is stale as JSON")
    parser.add_argument(
        "--write",
        action="store_true",
        help="measure anew and write fingerprints/, showing what changed",
    )


def execute(args: argparse.Namespace) -> int:
    from repro import evidence, stale
    from repro.cards import resolve_id

    if args.write:
        return write(args)
    papers = [resolve_id(args.paper)] if args.paper else evidence.papers_with_results()
    runs, verdicts, unknown = [], [], []
    untold: dict[str, str] = {}
    for paper in papers:
        found, not_known, never = stale.run_stale(paper)
        runs += found
        unknown += not_known
        untold |= never
        verdicts += [one] if (one := stale.judge_stale(paper)) else []
    if args.json:
        document = {
            "run_stale": stale.plain(runs),
            "judge_stale": stale.plain(verdicts),
            "not_known": unknown,
            "without_fingerprint": untold,
        }
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return 0
    for title, found in (
        ("run-stale: the code behaves otherwise than when it ran", runs),
        ("judge-stale: the stored verdict is no longer the one given", verdicts),
    ):
        if found:
            print(text.bold(title))
        for one in found:
            print(f"  {one.result}")
            for line in one.why[:SHOWN]:
                print(text.dim(f"    {line}"))
            if len(one.why) > SHOWN:
                print(text.dim(f"    and {len(one.why) - SHOWN} more"))
            print(f"    renew: {one.command}")
    if unknown:
        print(text.bold("not known, for want of a fingerprint; repro stale --write measures it"))
        print("\n".join(f"  {title}" for title in unknown))
    if untold and not args.quiet:
        print(text.dim("no fingerprint can tell of these:"))
        print("\n".join(text.dim(f"  {title}: {why}") for title, why in untold.items()))
    if not (runs or verdicts or unknown):
        print("nothing is stale" if papers else "no results yet, so nothing is stale")
    return 0


def write(args: argparse.Namespace) -> int:
    """Measure, show what changed, store it."""
    from repro import fingerprints, stale
    from repro.cards import resolve_id
    from repro.experiment import implemented
    from repro.plans import shown

    for paper in [resolve_id(args.paper)] if args.paper else implemented():
        file, said = stale.update(paper)
        fingerprints.write(paper, file)
        print(f"{shown(fingerprints.path_of(paper))}: {'changed' if said else 'as before'}")
        for line in said:
            print(f"  {line}")
    return 0
