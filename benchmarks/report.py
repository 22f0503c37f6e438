"""Write docs/benchmarks.md from the saved measurements: `python -m benchmarks.report`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import RECORD
from repro.errors import ReproError
from repro.files import read_json, write_bytes
from repro.paths import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
TEXT = ROOT / "benchmarks" / "page.md"
BASE = "Stable-Baselines3"


def rates(row: dict[str, Any]) -> list[float]:
    """Environment steps a second of each round."""
    return [r["steps"] / r["seconds"] for r in row["rounds"]]


def spread(values: list[float], digits: int = 0) -> str:
    """`median (smallest to largest)`."""
    low, middle, high = min(values), median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def ratio(row: dict[str, Any], base: dict[str, Any]) -> str:
    """Median over the rounds of the rate divided by the base's rate in the same round."""
    return f"{median(a / b for a, b in zip(rates(row), rates(base), strict=True)):.1f}"


def training_table(rows: list[dict[str, Any]]) -> str:
    """One line a contender that trains, evaluation off and on side by side."""
    plain = {r["name"]: r for r in rows if not r["evaluation"]}
    evaluated = {r["name"]: r for r in rows if r["evaluation"]}
    lines = [
        "| | seeds | steps/s | × | with evaluation | × | peak MiB, with evaluation | start, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, on in evaluated.items():
        off = plain[name]
        memory = [f"{max(r['peak_mib'] for r in row['rounds']):,.0f}" for row in (off, on)]
        start = median(r["first_iteration_seconds"] for r in off["rounds"])
        cells = [
            name,
            str(off["stack"]),
            spread(rates(off)),
            ratio(off, plain[BASE]),
            spread(rates(on)),
            ratio(on, evaluated[BASE]),
            ", ".join(memory),
            f"{start:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def stepping_table(rows: list[dict[str, Any]]) -> str:
    """One line a contender that only steps the environment."""
    trained = {r["name"] for r in rows if r["evaluation"]}
    lines = ["| | environments | steps/s | µs a step |", "|---|---|---|---|"]
    for row in rows:
        if row["name"] not in trained:
            micro = median(1e6 / rate for rate in rates(row))
            lines.append(f"| {row['name']} | {row['stack']} | {spread(rates(row))} | {micro:.0f} |")
    return "\n".join(lines)


def share_of_core(rows: list[dict[str, Any]]) -> str:
    """The least share of the measured time that any process had its core; low: a busy machine."""
    return f"{min(r['busy_seconds'] / r['seconds'] for row in rows for r in row['rounds']):.0%}"


def page(record: dict[str, Any]) -> str:
    """The page's text."""
    rows, used, machine = record["rows"], record["settings"], record["machine"]
    versions: dict[str, str] = {}
    for row in rows:
        versions |= row["versions"]
    return TEXT.read_text("utf-8").format(
        base=BASE,
        rounds=len(rows[0]["rounds"]),
        date=record["date"],
        cpu=machine["cpu"],
        share=share_of_core(rows),
        env=used["ENV"],
        training=training_table(rows),
        stepping=stepping_table(rows),
        episodes=used["EVALUATION_EPISODES"],
        period=used["EVALUATION_PERIOD"],
        horizon=used["HORIZON"],
        epochs=used["EPOCHS"],
        minibatch=used["MINIBATCH"],
        updates=used["UPDATES_PER_ITERATION"],
        hidden="-".join(str(width) for width in used["HIDDEN"]),
        step_size=used["STEP_SIZE"],
        epsilon=used["ADAM_EPSILON"],
        max_grad_norm=used["MAX_GRAD_NORM"],
        clip=used["CLIP_RANGE"],
        gamma=used["GAMMA"],
        gae_lambda=used["GAE_LAMBDA"],
        clip_norm=used["NORMALIZATION_CLIP"],
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
    write_bytes(arguments.page, page(read_json(arguments.record)).encode())
    print(f"wrote {arguments.page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
