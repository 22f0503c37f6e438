"""Write docs/benchmarks.md from the saved measurements: `python -m benchmarks.report`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import settings
from benchmarks.peers import MAIN_JOB, RECORD, SCHEMA_VERSION
from repro.errors import ReproError
from repro.files import read_json, write_bytes
from repro.paths import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
TEXT = ROOT / "benchmarks" / "page.md"
BASE = "Stable-Baselines3"

Row = dict[str, Any]


def rates(row: Row) -> list[float]:
    """Environment steps a second of each round (of `matrix`, operations)."""
    return [r["steps"] / r["seconds"] for r in row["rounds"]]


def spread(values: list[float], digits: int = 0) -> str:
    """`median (smallest to largest)`."""
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def times(row: Row, base: Row) -> float:
    """Median over the rounds of the rate divided by the base's rate in the same round."""
    return median(a / b for a, b in zip(rates(row), rates(base), strict=True))


def ratio(row: Row, base: Row) -> str:
    return f"{times(row, base):.1f}"


def main_minutes(row: Row) -> list[float]:
    """Of the whole main job: the measured training made as long, and the rest of the command."""
    longer = settings.MAIN_FULL_STEPS / settings.MAIN_STEPS
    rest = "before and after training"
    return [(longer * r["seconds"] + r["parts"][rest]) / 60 for r in row["rounds"]]


def peak(row: Row) -> str:
    """The largest resident size of any round, MiB."""
    return f"{max(r['peak_mib'] for r in row['rounds']):,.0f}"


def start(row: Row) -> str:
    """Seconds from a process's first line to its first iteration's end."""
    return f"{median(r['first_iteration_seconds'] for r in row['rounds']):.1f}"


def table(head: str, lines: list[list[str]]) -> str:
    rule = "|".join("---" for _ in head.split("|"))
    return "\n".join(f"| {line} |" for line in [head, rule, *map(" | ".join, lines)])


def of_task(rows: list[Row], task: str, evaluation: bool = False) -> dict[str, Row]:
    """A task's rows by name."""
    return {r["name"]: r for r in rows if (r["task"], r["evaluation"]) == (task, evaluation)}


def ppo_table(rows: list[Row]) -> str:
    """Evaluation off and on side by side."""
    plain, evaluated = of_task(rows, "PPO"), of_task(rows, "PPO", evaluation=True)
    lines = []
    for name, off in plain.items():
        on = evaluated[name]
        cells = [name, str(off["stack"]), spread(rates(off)), ratio(off, plain[BASE])]
        cells += [spread(rates(on)), ratio(on, evaluated[BASE])]
        lines.append([*cells, f"{peak(off)}, {peak(on)}", start(off)])
    head = " | seeds | steps/s | × | with evaluation | × | peak MiB, with evaluation | start, s"
    return table(head, lines)


def matrix_share(rows: list[Row], row: Row, flop: float) -> str:
    """Of the machine's matrix rate, median of median: a table may be measured again alone.

    flop: operations of one of what it counts.
    """
    (machine,) = of_task(rows, "matrix").values()
    return f"{median(rates(row)) * flop / median(rates(machine)):.0%}"


def a2c_table(rows: list[Row]) -> str:
    found, flop = of_task(rows, "A2C"), settings.a2c_flop()
    lines = []
    for name, row in found.items():
        cells = [name, str(row["stack"]), spread(rates(row)), ratio(row, found[BASE])]
        lines.append([*cells, matrix_share(rows, row, flop), peak(row), start(row)])
    return table(" | seeds | steps/s | × | of the matrix rate | peak MiB | start, s", lines)


def td3_table(rows: list[Row]) -> str:
    found, flop = of_task(rows, "TD3"), settings.td3_flop()
    lines = []
    for name, row in found.items():
        cells = [name, spread(rates(row)), ratio(row, found[BASE])]
        lines.append([*cells, matrix_share(rows, row, flop), peak(row), start(row)])
    return table(" | updates/s | × | of the matrix rate | peak MiB | start, s", lines)


def part(row: Row, name: str) -> float:
    """Median share of the measured time that went into a watched part."""
    return median(r["parts"][name] / r["seconds"] for r in row["rounds"])


def dqn_table(rows: list[Row]) -> str:
    """With the share of each part; what is neither emulator nor replay is the network."""
    found, flop = of_task(rows, "DQN"), settings.dqn_flop()
    lines = []
    for name, row in found.items():
        emulator, replay = part(row, "emulator"), part(row, "replay")
        cells = [name, spread(rates(row)), ratio(row, found[BASE]), f"{emulator:.0%}"]
        cells += [f"{1 - emulator - replay:.0%}", f"{replay:.0%}", matrix_share(rows, row, flop)]
        lines.append([*cells, peak(row), start(row)])
    columns = ["steps/s", "×", "emulator", "network", "replay", "of the matrix rate"]
    return table(" | " + " | ".join([*columns, "peak MiB", "start, s"]), lines)


def stepping_table(rows: list[Row]) -> str:
    """One line a contender that only steps the environment."""
    lines = []
    for name, row in of_task(rows, "stepping").items():
        micro = median(1e6 / rate for rate in rates(row))
        lines.append([name, str(row["stack"]), spread(rates(row)), f"{micro:.0f}"])
    return table(" | environments | steps/s | µs a step", lines)


def bars_table(rows: list[Row]) -> str:
    """What was asked for before anything was measured, and what came out."""
    (job,) = of_task(rows, MAIN_JOB).values()
    ppo, td3 = of_task(rows, "PPO"), of_task(rows, "TD3")
    a2c, dqn = of_task(rows, "A2C"), of_task(rows, "DQN")
    one, ten = (ppo[f"Repro, stack of {seeds}"] for seeds in (1, 10))
    minutes, updates = median(main_minutes(job)), median(rates(td3["Repro"]))
    peak = max(r["peak_mib"] for r in ten["rounds"]) / 1024
    bars = [
        ("main job on two cores, minutes", "at most 9", minutes, minutes <= 9),
        ("", "aim 5", minutes, minutes <= 5),
        over("PPO, one seed", one, ppo[BASE], 2.0),
        over("PPO, ten seeds", ten, ppo[BASE], 7.0),
        ("PPO, ten seeds, steps/s", "aim 12,000", median(rates(ten)), median(rates(ten)) >= 12e3),
        ("PPO, ten seeds, peak GiB", "at most 1.5", peak, peak <= 1.5),
        over("A2C, ten seeds", a2c["Repro, stack of 10"], a2c[BASE], 4.0),
        over("TD3", td3["Repro"], td3[BASE], 2.0),
        over("TD3", td3["Repro"], td3["SBX"], 1.0, "SBX"),
        ("TD3, updates/s", "aim 130", updates, updates >= 130),
        over("DQN on Breakout", dqn["Repro"], dqn[BASE], 1.5),
    ]
    lines = [
        [what, bar, f"{got:,.0f}" if got >= 100 else f"{got:.2f}", "yes" if met else "**no**"]
        for what, bar, got, met in bars
    ]
    return table("what | asked for | measured | met", lines)


def over(
    what: str, row: Row, base: Row, bar: float, whose: str = BASE
) -> tuple[str, str, float, bool]:
    """A bar on the rate as a multiple of `whose`."""
    found = times(row, base)
    return what, f"{bar:g} × {whose}", found, found >= bar


def share_of_core(rows: list[Row]) -> str:
    """The least share of the measured time that any process had its core; low: a busy machine."""
    rounds = [r for row in rows if row["task"] != MAIN_JOB for r in row["rounds"]]
    return f"{min(r['busy_seconds'] / r['seconds'] for r in rounds):.0%}"


def measured_when(rows: list[Row]) -> str:
    """Rounds, dates and what else the machine had to do, by table."""
    found: dict[str, list[str]] = {}
    for row in rows:
        when = f"{len(row['rounds'])} rounds, {row['date']}, load {row['load_before']:.1f} before"
        if row["task"] not in found.setdefault(when, []):
            found[when].append(row["task"])
    return "; ".join(f"{', '.join(tasks)}: {when}" for when, tasks in found.items())


def page(record: dict[str, Any]) -> str:
    """The page's text."""
    rows, used = record["rows"], record["settings"]
    versions: dict[str, str] = {}
    for row in rows:
        versions |= row["versions"]
    (matrix,) = of_task(rows, "matrix").values()
    (main,) = of_task(rows, MAIN_JOB).values()
    # The settings stand in the text under their names in benchmarks/settings.py.
    return TEXT.read_text("utf-8").format(
        **used | {n: "-".join(map(str, used[n])) for n in ("HIDDEN", "TD3_HIDDEN")},
        base=BASE,
        measured=measured_when(rows),
        cpu=record["machine"]["cpu"],
        share=share_of_core(rows),
        bars=bars_table(rows),
        main=spread(main_minutes(main), 1),
        ppo=ppo_table(rows),
        a2c=a2c_table(rows),
        td3=td3_table(rows),
        dqn=dqn_table(rows),
        stepping=stepping_table(rows),
        matrix=spread([rate / 1e9 for rate in rates(matrix)]),
        megaflop=settings.td3_flop() / 1e6,
        a2c_megaflop=settings.a2c_flop() / 1e6,
        dqn_megaflop=settings.dqn_flop() / 1e6,
        gymnasium=versions["gymnasium"],
        mujoco=versions["mujoco"],
        versions=", ".join(f"{name} {versions[name]}" for name in sorted(versions)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    if not arguments.record.exists():
        print(
            f"benchmarks: {arguments.record.name} is not there; "
            "measure first with `python -m benchmarks.peers run`",
            file=sys.stderr,
        )
        return ReproError.exit_code
    try:
        record = read_json(arguments.record, SCHEMA_VERSION)
    except ReproError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    write_bytes(arguments.page, page(record).encode())
    print(f"wrote {arguments.page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
