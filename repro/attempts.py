"""attempts.jsonl: what was planned, started, resumed and finished; append-only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import git
from repro.files import canonical, writing

if TYPE_CHECKING:
    from repro.launch.local import Outcome
    from repro.plans import Plan

SCHEMA_VERSION = 1
NAME = "attempts.jsonl"


def log_attempt(folder: Path, **event: Any) -> None:
    """Append one line: time (UTC), what happened, the commit it happened at."""
    from repro.runs import timestamp

    now = {"schema_version": SCHEMA_VERSION, "time": timestamp(), "commit": git.head()}
    line = canonical(now | event)
    path = folder / NAME
    # A writer killed in the middle leaves half a line; ours begins a new one.
    torn = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with writing(path), open(path, "ab") as file:
        file.write((b"\n" if torn else b"") + line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_attempts(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines, oldest first; half-written ones are passed over."""
    import json

    path = folder / NAME
    content = path.read_bytes() if path.is_file() else b""
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def finished(plan: Plan, seeds: int) -> bool:
    """Whether the log says that the first `seeds` seeds of this plan are done."""
    return any(
        line.get("event") == "finished"
        and line.get("plan") == plan.digest
        and isinstance(line.get("seeds"), int)
        and line["seeds"] >= seeds
        for line in read_attempts(plan.folder)
    )


class Attempt:
    """One command's lines: begun before the first step, ended after the last. Re-judging what is
    done already leaves none, unless a command was killed before it said so.

    The result is written after its `finished`: where there is one, the log is whole.
    """

    def __init__(self, plan: Plan, seeds: list[int]) -> None:
        from repro.launch import origin
        from repro.runs import RunFolder, run_path

        self.plan, self.seeds = plan, seeds
        folder = RunFolder(run_path(plan.experiment))
        states = folder.seeds() if folder.manifest_file.exists() else {}
        trains = not all(seed in states and states[seed].done for seed in seeds)
        self.open = trains or not finished(plan, len(seeds))
        if trains:
            self._log(
                "resumed" if states else "started",
                run=folder.path.name,
                dirty=origin.commit()["dirty"],
            )

    def end(self, event: str, outcome: Outcome) -> None:
        """event: finished, interrupted or unfinished; with how many seeds came to which end."""
        if self.open:
            states = [state.status for state in outcome.seeds.values()]
            self._log(
                event,
                run=outcome.folder.path.name,
                outcome={name: states.count(name) for name in sorted(set(states))},
                failures=[line.replace(str(outcome.folder.path), "…") for line in outcome.failures],
                seconds=round(outcome.seconds, 1),
            )

    def _log(self, event: str, **more: Any) -> None:
        seeds = len(self.seeds)
        log_attempt(self.plan.folder, event=event, plan=self.plan.digest, seeds=seeds, **more)
