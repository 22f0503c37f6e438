"""The measured window of one contender's process, and what the process prints at its end."""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

MIB_PER_MAXRSS = 1 / 1024 if sys.platform != "darwin" else 1 / 1024**2

_STARTED = time.perf_counter()


@dataclass(frozen=True)
class Order:
    """What one process is asked to do."""

    stack: int  # seeds trained together
    iterations: int  # of HORIZON steps a seed
    evaluate: bool
    seed: int


def read_order() -> Order:
    """The order from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stack", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--evaluate", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    order = Order(**vars(parser.parse_args()))
    if order.iterations < 3:
        parser.error("--iterations must be at least 3: the first and the last are not measured")
    return order


@dataclass
class Window:
    """Times at which iterations began.

    Measured is from the beginning of the second (compilers and allocators are warm by then) to
    the beginning of the last one, by the same rule for every contender.
    """

    marks: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)  # the process's own time at each mark
    spent: dict[str, float] = field(default_factory=dict)  # seconds in each watched part so far
    parts: list[dict[str, float]] = field(default_factory=list)  # the same at each mark

    def mark(self) -> None:
        self.marks.append(time.perf_counter())
        self.busy.append(time.process_time())
        self.parts.append(dict(self.spent))

    def watch(self, part: str, owner: Any, *methods: str) -> None:
        """Count the time inside `methods` of an object (or class) as time of `part`."""
        self.spent.setdefault(part, 0.0)
        for name in methods:
            setattr(owner, name, self._timed(part, getattr(owner, name)))

    def _timed(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            begin = time.perf_counter()
            try:
                return method(*arguments, **keywords)
            finally:
                self.spent[part] += time.perf_counter() - begin

        return timed

    @property
    def iterations(self) -> int:
        return len(self.marks) - 2

    @property
    def seconds(self) -> float:
        return self.marks[-1] - self.marks[1]

    def publish(self, steps_per_iteration: int, packages: list[str]) -> None:
        """Print the measurement as one line of JSON.

        steps_per_iteration: environment steps of all seeds together.
        """
        print(
            json.dumps(
                {
                    "steps": self.iterations * steps_per_iteration,
                    "seconds": self.seconds,
                    "busy_seconds": self.busy[-1] - self.busy[1],
                    "parts": {n: self.parts[-1][n] - self.parts[1][n] for n in self.spent},
                    "first_iteration_seconds": self.marks[1] - _STARTED,
                    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MIB_PER_MAXRSS,
                    "cores": cores(),
                    "versions": versions(packages),
                }
            )
        )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions(packages: list[str]) -> dict[str, str]:
    """Of the packages that are installed here; `absent` for the others."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found
