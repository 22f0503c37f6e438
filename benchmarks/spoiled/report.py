"""The tables of docs/judge-end-to-end.md, and whether the statement above them holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.spoiled import choose
from benchmarks.spoiled.faults import FAULTS, NONE
from repro import files
from repro.commands.text import number
from repro.paths import ROOT

PAGE = ROOT / "docs" / "judge-end-to-end.md"
BEGIN, END = "<!-- spoiled:begin -->", "<!-- spoiled:end -->"
PASSES = ("reproduced", "exceeds")
FULL_LENGTH = (*PASSES, "not reproduced", "inconclusive")

Row = dict[str, Any]


def holds(row: Row) -> bool | None:
    """Whether a run ended as stated; None where it was too short to be judged."""
    answers = [verdict["answer"] for verdict in row["verdicts"]]
    if not set(answers) & set(FULL_LENGTH):
        return None
    if row["fault"] == NONE.name:
        return "not reproduced" not in answers
    return not set(answers) & set(PASSES)


def missing(record: Row) -> list[str]:
    """What is left to run, in words: faults without a run, and tasks without an unmodified one.

    A fault that no task of the pilot shows is left out.
    """
    ran = {(row["fault"], choose.task_of(row)) for row in record["runs"] if holds(row) is not None}
    done = {fault for fault, _ in ran} | set(choose.unseen(record["pilot"]))
    left = [name for name in FAULTS if name not in done]
    tasks = dict.fromkeys(task for fault, task in ran if fault != NONE.name)
    return left + [f"{NONE.name} on {task}" for task in tasks if (NONE.name, task) not in ran]


def status(record: Row) -> int:
    """0 the statement holds, 1 it is violated, 3 runs are missing."""
    if any(holds(row) is False for row in choose.latest(record["runs"]).values()):
        return 1
    return 3 if missing(record) else 0


def pilot_table(rows: list[Row]) -> str:
    """One line a task and fault: return, drop against unmodified, can the claim be settled."""
    found = choose.latest(rows)
    lines = [
        "| task | claim | fault | steps × seeds | return | drop, in margins | power ceiling "
        "| commit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (fault, task), row in sorted(found.items(), key=lambda item: (str(item[0][1]), item[0][0])):
        none = found.get((NONE.name, task))
        shown = "–"
        if fault != NONE.name and none:
            fallen, error = choose.drop(row, none)
            shown = f"{fallen:.2f} ± {error:.2f}"
        ceiling = row["power_ceiling"]
        cells = [
            task.env, row["claim"], fault, f"{row['steps']:,} × {row['n']}",
            spread(row["mean"], row["std"]), shown,
            "–" if ceiling is None else f"{ceiling:.0%}", row["commit"][:7],
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def run_table(rows: list[Row]) -> str:
    """One line a verdict."""
    lines = [
        "| fault | task | claim | steps × seeds | published | ours | verdict | as stated "
        "| commit, date |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    order = list(FAULTS)
    found = choose.latest(rows)
    for (fault, task), row in sorted(
        found.items(), key=lambda item: (str(item[0][1]), order.index(item[0][0]))
    ):
        stated = {True: "yes", False: "**no**", None: "too short to say"}[holds(row)]
        for verdict in row["verdicts"]:
            ours, theirs = verdict["ours"], verdict["theirs"]
            answer = f"*{verdict['answer']}*"
            if verdict["headline"] != verdict["answer"]:
                answer += f" ({verdict['headline']})"
            cells = [
                fault, task.env, verdict["claim"], f"{row['steps']:,} × {row['n']}",
                "–" if theirs is None else spread(theirs["mean"], theirs["std"]),
                "–" if ours is None else spread(ours["mean"], ours["std"]),
                answer, stated, f"{row['commit'][:7]}, {row['date']}",
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(mean: float, std: float | None) -> str:
    return number(mean) if std is None else f"{number(mean)} ± {number(std)}"


def outcome(record: Row) -> str:
    """The statement's state in one paragraph."""
    found = choose.latest(record["runs"])
    wrong = [f"{fault} on {task}" for (fault, task), row in found.items() if holds(row) is False]
    if wrong:
        return f"**The statement is violated by {', '.join(wrong)}.**"
    if left := missing(record):
        return f"Still to be run: {', '.join(left)}."
    out = choose.unseen(record["pilot"])
    rest = f" Left out, for no task of the pilot shows it: {', '.join(out)}." if out else ""
    return f"The statement holds in every run.{rest}"


def tables(record: Row) -> str:
    """Everything between the markers."""
    parts = ["### The pilot", ""]
    if record["pilot"]:
        chosen = [
            f"{name}: {task or 'no task, for none shows it beyond its margin'}"
            for name, task in choose.tasks(record["pilot"]).items()
        ]
        parts += [pilot_table(record["pilot"]), "", f"Chosen: {'; '.join(chosen)}."]
    else:
        parts += ["Not run yet."]
    parts += ["", "### The runs", ""]
    if record["runs"]:
        parts += [run_table(record["runs"]), ""]
    return "\n".join([*parts, outcome(record)])


def write(page: Path, record: Row) -> None:
    files.fill(page, BEGIN, END, tables(record))
