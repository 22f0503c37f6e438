"""What the doctor found on the committed results, as the table of docs/doctor.md.

`python -m repro.doctor.page` writes it anew from the doctor.json of every result.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from repro import evidence, files, paths
from repro.doctor.findings import Finding, listed, read_document

PAGE = paths.ROOT / "docs" / "doctor.md"
BEGIN, END = "<!-- found -->", "<!-- /found -->"


def table() -> str:
    """A row for each result: what warns, what is noted, and how many rules could not look."""
    lines = ["| result | warns | notes | not looked at |", "|---|---|---|---|"]
    for paper in evidence.papers_with_results():
        for folder in evidence.result_folders(paper):
            seeds = len(evidence.manifest_of(folder)["seeds"])
            name = folder.relative_to(paths.RESULTS).as_posix()
            lines.append(row(name, read_document(folder) or [], seeds))
    return "\n".join(lines)


def row(name: str, found: Sequence[Finding], seeds: int) -> str:
    """One result's row."""
    blind = sum(finding.answer == "not looked at" for finding in found)
    said = " | ".join(_said(found, answer, seeds) for answer in ("warns", "note"))
    return f"| {name} | {said} | {blind} of {len(found)} rules |"


def stored(page: Path = PAGE) -> str:
    """The table as the page has it."""
    return files.parted(page.read_text(encoding="utf-8"), BEGIN, END, page.name)[1].strip()


def _said(found: Sequence[Finding], answer: str, seeds: int) -> str:
    """`kl-spikes`: largest 3.4 nats (seed 3); a dash where there is nothing."""
    parts = []
    for finding in (one for one in found if one.answer == answer):
        who = listed(finding.seeds, seeds)
        parts.append(f"`{finding.rule}`: {finding.figure}" + (f" ({who})" if who else ""))
    return "<br>".join(parts) or "–"


if __name__ == "__main__":
    files.fill(PAGE, BEGIN, END, table())
