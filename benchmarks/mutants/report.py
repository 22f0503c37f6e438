"""The tables of docs/mutants.md: the share caught, who survived, which test caught which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.mutants import record
from benchmarks.mutants.catalogue import Mutant
from repro import files
from repro.paths import ROOT

PAGE = ROOT / "docs" / "mutants.md"
BEGIN, END = "<!-- mutants:begin -->", "<!-- mutants:end -->"
WANTED = 0.95  # of the catalogue, caught by the fast tests

Rows = Mapping[str, record.Row]


def judged(mutants: Mapping[str, Mutant], rows: Rows) -> dict[str, str | None]:
    """Name → the test that caught it (None: survived) of those with a row of their own edit."""
    found = {name: record.current(dict(rows), mutant) for name, mutant in mutants.items()}
    return {name: row["caught_by"] for name, row in found.items() if row}


def share(mutants: Mapping[str, Mutant], rows: Rows) -> float:
    """Caught, of those that were hunted."""
    found = judged(mutants, rows)
    return sum(test is not None for test in found.values()) / max(len(found), 1)


def status(mutants: Mapping[str, Mutant], rows: Rows) -> int:
    """0 enough are caught, 1 too few, 3 some were not hunted yet."""
    if len(judged(mutants, rows)) < len(mutants):
        return 3
    return 0 if share(mutants, rows) >= WANTED else 1


def outcome(mutants: Mapping[str, Mutant], rows: Rows) -> str:
    """One line: `103 of 109 mutants are caught (94.5 %)`."""
    found = judged(mutants, rows)
    caught = sum(test is not None for test in found.values())
    left = len(mutants) - len(found)
    rest = f"; {left} of the catalogue were not hunted yet" if left else ""
    return f"{caught} of {len(found)} mutants are caught ({100 * share(mutants, rows):.1f} %){rest}"


def age(mutants: Mapping[str, Mutant], rows: Rows, commit: str) -> str:
    """One line: how many rows were hunted in another file, or with another test, than today's."""
    found = judged(mutants, rows)
    files = sum(record.file_changed(rows[name], mutants[name], commit) for name in found)
    tests = sum(record.catcher_changed(rows[name], commit) for name in found)
    return (
        f"Of these {len(found)} rows {files} are older than the file that is mutated and {tests} "
        f"than the file of the test that caught them, as both stand in {commit[:7]}"
    )


def tables(mutants: Mapping[str, Mutant], rows: Rows, commit: str) -> str:
    found = judged(mutants, rows)
    commits = sorted({rows[name]["commit"][:7] for name in found})
    lines = [f"**{outcome(mutants, rows)}**, at {', '.join(commits)}.", ""]
    lines += [f"{age(mutants, rows, commit)}.", "", "### Survivors", ""]
    survivors = [mutants[name] for name, test in found.items() if test is None]
    if survivors:
        lines += ["| mutant | file | what it is |", "|---|---|---|"]
        lines += [f"| {m.name} | `{m.edit.file}` | {m.fault.about} |" for m in survivors]
    else:
        lines.append("None.")
    lines += ["", "### Caught", "", "| mutant | what it is | seen in public | caught by |",
              "|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {m.name} | {m.fault.about} | {', '.join(map(link, m.seen)) or '–'} | {short(test)} |"
        for m, test in ((mutants[name], test) for name, test in found.items())
        if test is not None
    ]
    return "\n".join(lines)


def link(place: str) -> str:
    """`owner/name#12` or `arXiv:1712.00378` as a link."""
    if place.startswith("arXiv:"):
        return f"[{place}](https://arxiv.org/abs/{place.removeprefix('arXiv:')})"
    repository, _, number = place.partition("#")
    return f"[{place}](https://github.com/{repository}/issues/{number})"


def short(test: str) -> str:
    """`test_algorithms_ppo: test_three_iterations…`: file and function, without parameters."""
    file, _, function = test.partition("::")
    return f"`{Path(file).stem}`: `{function.partition('[')[0]}`" if function else f"`{test}`"


def write(page: Path, mutants: Mapping[str, Mutant], rows: Rows, commit: str) -> None:
    """Put the tables between the page's markers; `commit`: that of today's files."""
    files.fill(page, BEGIN, END, tables(mutants, rows, commit))
