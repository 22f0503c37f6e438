"""What many scenarios do: stop a run in its middle, and let the same command finish it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.faults import processes
from benchmarks.faults.finding import Finding
from benchmarks.faults.subjects import log_bytes, same
from tests.runner_tools import Command


def finish(finding: Finding, command: Command, expected: dict[str, Any], **variables: str) -> str:
    """The same command again: expect it to end as if nothing had happened. What it said."""
    status, said = command.run(**variables)
    finding.expect(status == 0, f"the same command ended with {status}: {said[-300:]}")
    if status == 0:
        finding.lost += same(command, expected)
    finding.expect("Traceback" not in said, "a traceback was shown")
    finding.expect(processes.all_gone(command.root), "processes are left")
    return said


def stop_half_way(command: Command, expected: dict[str, Any]) -> Path:
    """Kill everything of a run in its middle; the folder of its first stack."""
    with command.started():
        half = log_bytes(expected) // 2
        processes.until(lambda: processes.logged(command.root) >= half, 300)
        for pid in processes.of(command.root):
            processes.kill(pid)
    processes.all_gone(command.root)
    return min(command.root.glob("*/*/*/*/stacks/*"))
