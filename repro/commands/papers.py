"""the 105 key papers: list, filter, search

examples:
  repro papers
  repro papers --topic "policy gradients" --year 2015-2017
  repro papers clipped surrogate            papers whose card has all these words, best first
  repro papers --env HalfCheetah --code     those that can be run here, and what came out there
  repro papers --kind survey --sort year
  repro papers --status reproduced --json
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from repro.commands import text
from repro.errors import ReproError, nearest

_DASH = "Status –: no evidence yet."
SORTS = ("number", "id", "title", "year", "section", "kind", "tier", "depth", "status", "claims")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="full-text search, all words")
    parser.add_argument("--topic", help="part of a section's name")
    parser.add_argument("--year", metavar="Y", help="first public version: 2017, 2015-2017, 2018-")
    parser.add_argument("--kind", help="algorithm, analysis, benchmark, system, theory or survey")
    parser.add_argument("--tier", help="what can be run here: quick, full, scaled or none")
    parser.add_argument("--depth", help="how far the card goes: index, claims or full")
    parser.add_argument("--status", help="reproduced, partly, not reproduced, undecided, …")
    parser.add_argument("--env", metavar="E", help="environment, such as HalfCheetah")
    parser.add_argument("--code", action="store_true", help="only papers with an implementation")
    parser.add_argument("--sort", metavar="BY", help=f"{', '.join(SORTS)} or relevance")
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def execute(args: argparse.Namespace) -> int:
    from repro.cli import say
    from repro.index import open_index

    index = open_index()
    listed = index.entries
    tests = _filters(args, listed)
    chosen = [entry for entry in listed if all(test(entry) for test in tests)]
    if args.words:
        ranks = {paper: rank for rank, paper in enumerate(index.search(args.words))}
        chosen = [entry for entry in chosen if entry["id"] in ranks]
    else:
        ranks = {entry["id"]: entry["number"] for entry in listed}
    chosen = _ordered(chosen, ranks, args)
    for problem in index.problems:
        say(f"repro: a card cannot be read: {problem}")
    if args.json:
        hidden = ("bibtex", "summary")
        shown = [{k: v for k, v in entry.items() if k not in hidden} for entry in chosen]
        print(json.dumps(shown, indent=1, ensure_ascii=False))
        return 0
    if not chosen:
        print(_nothing(index.unknown(args.words)))
        return 0
    print(_table(chosen, args.env))
    if not args.quiet:
        print("\n" + text.wrapped(_footer(chosen, len(listed))))
    return 0


def _filters(
    args: argparse.Namespace, listed: list[dict[str, Any]]
) -> list[Callable[[dict[str, Any]], bool]]:
    """One test for each filter that was given, its value checked."""
    from repro.index import STATUSES

    tests: list[Callable[[dict[str, Any]], bool]] = []
    if args.topic is not None:
        topic = args.topic.lower()
        sections = {entry["section"] for entry in listed}
        if not any(topic in section.lower() for section in sections):
            _refuse("topic", args.topic, {part for s in sections for part in s.split(" / ")})
        tests.append(lambda entry: topic in entry["section"].lower())
    if args.year is not None:
        low, high = years(args.year)
        if not any(low <= entry["year"] <= high for entry in listed):
            _refuse("year", args.year, {str(entry["year"]) for entry in listed})
        tests.append(lambda entry: low <= entry["year"] <= high)
    if args.status is not None:
        status = args.status.lower()
        if status not in STATUSES:
            _refuse("status", args.status, STATUSES)
        tests.append(lambda entry: entry["status"] == status)
    for option in ("kind", "tier", "depth"):
        wanted = getattr(args, option)
        if wanted is not None:
            tests.append(_one_of(option, wanted))
    if args.env is not None:
        env = _environment(args.env)
        named = {name for entry in listed for name in entry["environments"]}
        if env not in {name.lower() for name in named}:
            _refuse("env", args.env, named)
        tests.append(lambda entry: env in map(str.lower, entry["environments"]))
    if args.code:
        tests.append(lambda entry: bool(entry["implemented"]))
    return tests


def _one_of(option: str, wanted: str) -> Callable[[dict[str, Any]], bool]:
    from typing import get_args

    from repro.cards import models

    valid = {"kind": models.Kind, "tier": models.Tier, "depth": models.Depth}[option]
    if wanted.lower() not in get_args(valid):
        _refuse(option, wanted, get_args(valid))
    return lambda entry: entry[option] == wanted.lower()


def _refuse(option: str, found: str, valid: Iterable[str]) -> None:
    raise ReproError(f'no paper with --{option} "{found}": {nearest(found, valid)}')


def _environment(name: str) -> str:
    return re.sub(r"-v\d+$", "", name.lower())


def years(given: str) -> tuple[int, int]:
    """`2017` → (2017, 2017); `2015-2017`, `2018-` and `-2009` are ranges, both ends included."""
    found = re.fullmatch(r"(\d{4})|(\d{4})?(?:-|–|\.\.)(\d{4})?", given.strip())
    if not found or not any(found.groups()):
        raise ReproError(
            f'--year: found "{given}"; expected a year or a range, such as 2017, 2015-2017, 2018-'
        )
    if found[1]:
        return int(found[1]), int(found[1])
    low, high = int(found[2] or 0), int(found[3] or 9999)
    if low > high:
        raise ReproError(f"--year {given}: the range runs backwards; write {high}-{low}")
    return low, high


def _ordered(
    chosen: list[dict[str, Any]], ranks: dict[str, int], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from repro.index import STATUSES

    by = args.sort or "relevance"
    if by not in (*SORTS, "relevance"):
        raise ReproError(f'no --sort "{by}": {nearest(by, [*SORTS, "relevance"])}')

    def place(entry: dict[str, Any]) -> tuple[Any, ...]:
        if by == "relevance":
            return (ranks[entry["id"]],)
        if by == "status":
            return (STATUSES.index(entry["status"]), entry["number"])
        value = entry[by]
        return (value is None, value.lower() if isinstance(value, str) else value, entry["number"])

    return sorted(chosen, key=place, reverse=args.reverse)


def _table(chosen: list[dict[str, Any]], env: str | None) -> str:
    """As many columns as the terminal is wide; the last two take what is left."""
    from repro.index import NO_EVIDENCE

    room = text.room()
    wide = room is None or room >= 110
    numbered = room is None or room >= 90
    header = [
        *(["#"] if numbered else []),
        "id",
        *(["kind", "tier", "card", "claims"] if wide else []),
        "code",
        "status",
    ]
    header += [f"on {_spelled(env, chosen)}"] if env else []
    rows, colours = [], []
    for entry in chosen:
        status = "–" if entry["status"] == NO_EVIDENCE else entry["status"]
        extra = [entry["kind"] or "–", entry["tier"] or "–", entry["depth"] or "–"]
        row = [str(entry["number"])] if numbered else []
        row += [entry["id"], *([*extra, str(entry["claims"])] if wide else [])]
        tint: list[str | None] = [None] * len(row)
        row += ["yes" if entry["implemented"] else "–", status]
        tint += [
            None if entry["implemented"] else "dim",
            text.ANSWER_COLOURS.get(status, "dim" if status == "–" else "yellow"),
        ]
        if env:
            row.append(_answers(entry, env))
            tint.append(None if row[-1] != "–" else "dim")
        rows.append([*row, entry["title"]])
        colours.append([*tint, None])
    header.append("title")
    if room is not None:
        # The answers on a task give way first, then the titles; a title keeps eight letters.
        for column, after in ([(-2, 10)] if env else []) + [(-1, 0)]:
            cut = len(header) + column
            widths = [max(text.width_of(r[i]) for r in [header, *rows]) + 2 for i in range(cut)]
            for row in rows:
                row[column] = text.clipped(row[column], max(room - sum(widths) - after, 8))
    return text.table(rows, header, colours)


def _spelled(env: str, chosen: list[dict[str, Any]]) -> str:
    """The environment's name as the cards write it."""
    names = [name for entry in chosen for name in entry["environments"]]
    return next(name for name in names if name.lower() == _environment(env))


def _answers(entry: dict[str, Any], env: str) -> str:
    """`2 reproduced, 1 inconclusive`: the claims that were tested on an environment."""
    for name, answers in entry["answers"].items():
        if name.lower() == _environment(env):
            return ", ".join(f"{count} {answer}" for answer, count in answers.items())
    return "–"


def _footer(chosen: list[dict[str, Any]], total: int) -> str:
    one = "1 paper" if len(chosen) == 1 else f"{len(chosen)} papers"
    if len(chosen) < total:
        return f"{one} of {total}. {_DASH} `repro show {chosen[0]['id']}` opens one."
    deep = {depth: sum(entry["depth"] == depth for entry in chosen) for depth in ("full", "claims")}
    claims = sum(entry["claims"] for entry in chosen)
    runnable = sum(bool(entry["implemented"]) for entry in chosen)
    return (
        f"{one}, {claims} claims; cards: {deep['full']} full, {deep['claims']} with claims, "
        f"{total - sum(deep.values())} index only. Implementations (code): {runnable}. "
        f"{_DASH} `repro show ID` opens one."
    )


def _nothing(unknown: dict[str, str | None]) -> str:
    if not unknown:
        return "no paper has all of that; try fewer words or filters"
    said = [
        f'"{word}"' + (f' (did you mean "{near}"?)' if near else "")
        for word, near in unknown.items()
    ]
    return f"no card has the word {' or '.join(said)}"
