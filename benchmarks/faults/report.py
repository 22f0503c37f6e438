"""The tables of docs/faults.md: what was tried, how often, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.kills import total
from benchmarks.faults.scenarios import SCENARIOS
from repro import files
from repro.paths import ROOT

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- faults:begin -->", "<!-- faults:end -->"
KILLS = 100  # wanted

Row = dict[str, Any]


def missing(record: Row) -> list[str]:
    """What is left to try, in words."""
    left = [name for name in SCENARIOS if name not in record["scenarios"]]
    kills = total(record["kills"])
    return left + ([f"{KILLS - kills} kills of {KILLS}"] if kills < KILLS else [])


def lost(record: Row) -> list[str]:
    """Whatever went wrong, in words."""
    rows = [(f"{r['subject']} on {r['launcher']}", r) for r in record["kills"]]
    rows += list(record["scenarios"].items())
    return [f"{name}: {line}" for name, row in rows for line in row["lost"]]


def status(record: Row) -> int:
    """0 nothing was lost, 1 something was, 3 something is still to be tried."""
    return 1 if lost(record) else 3 if missing(record) else 0


def outcome(record: Row) -> str:
    """One line."""
    kills, trials = total(record["kills"]), len(record["kills"])
    tried = f"{kills} kills in {trials} runs, {len(record['scenarios'])} other faults"
    wrong, left = lost(record), missing(record)
    rest = f"; still to be tried: {', '.join(left)}" if left else ""
    return f"{tried}: {'; '.join(wrong) if wrong else 'nothing was lost'}{rest}"


def kill_table(rows: Sequence[Row]) -> list[str]:
    """One line an implementation, task and launcher."""
    lines = [
        "| implementation, set | task | launcher | runs | kills | command / worker / everything | "
        "how far (smallest–largest) | lost |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in dict.fromkeys((r["subject"], r["env"], r["launcher"]) for r in rows):
        own = [r for r in rows if (r["subject"], r["env"], r["launcher"]) == case]
        kills = [kill for row in own for kill in row["kills"]]
        who = [k["victim"] for k in kills]
        spread = [k["at"] for k in kills] or [0.0]
        wrong = [line for row in own for line in row["lost"]]
        held = "nothing, to the bit" if own[0]["bits"] else "nothing"
        cells = [
            *case, str(len(own)), str(len(kills)),
            " / ".join(str(who.count(v)) for v in ("the command", "one worker", "everything")),
            f"{min(spread):.0%}–{max(spread):.0%}", "; ".join(wrong) or held,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def scenario_table(rows: dict[str, Row]) -> list[str]:
    """One line a scenario, with what the user reads."""
    lines = ["| fault | tried | times | what is said | lost |", "|---|---|---|---|---|"]
    for name in SCENARIOS:
        if row := rows.get(name):
            figures = "; ".join(f"{what} {value}" for what, value in row["figures"].items())
            said = "<br>".join(line.replace("|", "\\|") for line in row["said"]) or figures or "–"
            held = f"not tried: {row['skipped']}" if row["skipped"] else "nothing"
            cells = [name, row["tried"], row["times"], said, "; ".join(row["lost"]) or held]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def tables(record: Row) -> str:
    commits = sorted({row["commit"][:7] for row in [*record["kills"],
                                                    *record["scenarios"].values()]})  # fmt: skip
    head = f"**{outcome(record)}.** Commits: {', '.join(commits) or 'none yet'}."
    kills = ["### kill -9", "", *kill_table(record["kills"])]
    return "\n".join([head, "", *kills, "", "### Other faults", "",
                      *scenario_table(record["scenarios"])])  # fmt: skip


def write(page: Path, record: Row) -> None:
    """Put the tables between the page's markers."""
    files.fill(page, BEGIN, END, tables(record))
