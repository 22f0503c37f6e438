"""Measure every contender on one core, side by side in one run; the main job on all cores first.

    python -m benchmarks.peers install     # the peers' own virtual environment, .cache/peers
    python -m benchmarks.peers run         # about half an hour; writes benchmarks/peers.json
    python -m benchmarks.report            # docs/benchmarks.md from it

Rounds interleave the contenders, so that a machine that slows down slows all of them; compare
within one file only. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import settings
from benchmarks.window import cores
from repro.errors import ReproError
from repro.files import read_json, write_json
from repro.launch.origin import machine
from repro.paths import CACHE, ROOT

MAIN_JOB = "main job"
FOLDER = CACHE / "peers"
PYTHON = FOLDER / "bin" / "python"
REQUIREMENTS = ROOT / "benchmarks" / "peers.txt"
RECORD = ROOT / "benchmarks" / "peers.json"
SCHEMA_VERSION = 4


@dataclass(frozen=True)
class Contender:
    """A row of the table: a module of benchmarks.contenders and how it is asked to run."""

    task: str  # the table it stands in, a part of its name in the record
    name: str
    module: str
    stack: int = 1
    peer: bool = False  # runs in the peers' environment
    evaluate: bool = False
    iterations: int = 5
    every_core: bool = False

    def command(self, seed: int, iterations: int) -> list[str]:
        python = str(PYTHON) if self.peer else sys.executable
        command = [python, "-m", f"benchmarks.contenders.{self.module}"]
        command += ["--stack", str(self.stack), "--seed", str(seed)]
        command += ["--iterations", str(iterations)]
        return [*command, "--evaluate"] if self.evaluate else command


def contenders() -> list[Contender]:
    """All of them, in the order of a round."""
    main = Contender(MAIN_JOB, "Repro", "main_job", stack=settings.MAIN_SEEDS, every_core=True)
    ppo = [
        Contender("PPO", "Repro, stack of 1", "ours", stack=1),
        Contender("PPO", "Repro, stack of 3", "ours", stack=3),
        Contender("PPO", "Repro, stack of 5", "ours", stack=5),
        Contender("PPO", "Repro, stack of 10", "ours", stack=10),
        Contender("PPO", "Stable-Baselines3", "sb3", peer=True),
        Contender("PPO", "SBX", "sbx", peer=True),
    ]
    # Four iterations hold exactly one evaluation between the second's beginning and the last's.
    evaluated = [replace(c, evaluate=True, iterations=4) for c in ppo]
    a2c = [
        Contender("A2C", "Repro, stack of 1", "ours_a2c", stack=1),
        Contender("A2C", "Repro, stack of 10", "ours_a2c", stack=10),
        Contender("A2C", "Stable-Baselines3", "sb3_a2c", peer=True),
    ]
    td3 = [
        Contender("TD3", "Repro", "ours_td3"),
        Contender("TD3", "Stable-Baselines3", "sb3_td3", peer=True),
        Contender("TD3", "SBX", "sbx_td3", peer=True),
    ]
    dqn = [
        Contender("DQN", "Repro", "ours_dqn"),
        Contender("DQN", "Stable-Baselines3", "sb3_dqn", peer=True),
    ]
    alone = [
        Contender(
            "stepping", "Repro's environments, stack of 10", "environments", 10, iterations=7
        ),
        Contender("stepping", "Gymnasium's environment", "gymnasium_only", iterations=7),
        Contender("stepping", "the physics (`mj_step`)", "physics", iterations=7),
        Contender("matrix", "float32 product", "matrix", iterations=7),
    ]
    return [main, *ppo, *evaluated, *a2c, *td3, *dqn, *alone]


def tasks() -> list[str]:
    """The tables, in their order."""
    return list(dict.fromkeys(c.task for c in contenders()))


def install() -> None:
    """Create the peers' virtual environment."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    subprocess.run([str(PYTHON), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)], check=True)


def measure(contender: Contender, seed: int, iterations: int, core: int) -> dict[str, Any]:
    """Run one contender once, in a process bound to one core, and return what it printed."""
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    environment = os.environ | one_thread | {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}

    def bind() -> None:
        if hasattr(os, "sched_setaffinity") and not contender.every_core:
            os.sched_setaffinity(0, {core})

    done = subprocess.run(
        contender.command(seed, iterations),
        cwd=ROOT,
        env=environment,
        preexec_fn=bind,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ReproError(f"{contender.name} failed:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def used_settings() -> dict[str, Any]:
    """Of benchmarks/settings.py, by name."""
    return {name: getattr(settings, name) for name in dir(settings) if name.isupper()}


def other_rows(record: Path, measured: Collection[str]) -> list[dict[str, Any]]:
    """The record's rows of tasks that are not measured now; refused where they no longer fit."""
    if set(measured) == set(tasks()) or not record.exists():
        return []
    found = read_json(record, SCHEMA_VERSION)
    if (found["settings"], found["machine"]["cpu"]) != (used_settings(), machine()["cpu"]):
        raise ReproError(
            f"{record.name} is of other settings or another machine: measure all tasks, or write "
            "elsewhere with --record"
        )
    return [row for row in found["rows"] if row["task"] not in measured]


def run(rounds: int, iterations: int | None, core: int, record: Path, only: list[str]) -> None:
    """Measure the contenders of some tasks `rounds` times each; the record's others are kept."""
    measured = only or tasks()
    kept = other_rows(record, measured)
    about = {"date": datetime.date.today().isoformat(), "load_before": os.getloadavg()[0]}
    chosen = [c for c in contenders() if c.task in measured]
    rows = [
        {
            "task": c.task,
            "name": c.name,
            "stack": c.stack,
            "evaluation": c.evaluate,
            "rounds": [],
            **about,
        }
        for c in chosen
    ]
    turns = [(seed, *pair) for seed in range(rounds) for pair in zip(chosen, rows, strict=True)]
    turns.sort(key=lambda turn: not turn[1].every_core)
    for seed, contender, row in turns:
        result = measure(contender, seed, iterations or contender.iterations, core)
        row["versions"] = result.pop("versions")
        row["rounds"].append(result)
        rate = result["steps"] / result["seconds"]
        what = " with evaluation" if contender.evaluate else ""
        name = f"{contender.task}, {contender.name}{what}"
        print(f"round {seed + 1}/{rounds}  {name}: {rate:,.0f} a second")
        sys.stdout.flush()
    order = tasks()
    write_json(
        record,
        {
            "schema_version": SCHEMA_VERSION,
            "machine": machine(),
            "settings": used_settings(),
            "rows": sorted([*kept, *rows], key=lambda row: order.index(row["task"])),
        },
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["install", "run"])
    parser.add_argument("--rounds", type=int, default=5, help="median over this many (5)")
    parser.add_argument("--iterations", type=int, help="for a trial; the record keeps defaults")
    parser.add_argument("--core", type=int, default=cores() - 1, help="the core to bind to")
    parser.add_argument(
        "--task", action="append", choices=tasks(), default=[],
        help="of this table; may be repeated. The record keeps its others",
    )  # fmt: skip
    parser.add_argument("--record", type=Path, default=RECORD, help="where to write (a trial)")
    arguments = parser.parse_args()
    try:
        if arguments.what == "install":
            install()
        else:
            run(
                arguments.rounds,
                arguments.iterations,
                arguments.core,
                arguments.record,
                arguments.task,
            )
    except ReproError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
