"""A mutant against the tests of its file, in a copy of a commit; never in the working tree."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import copies
from benchmarks.mutants.catalogue import EVERY, TESTS, Mutant
from benchmarks.spoiled.faults import plant
from repro import git, paths
from repro.errors import ReproError

SECONDS = 900.0  # far more than the tests of a file take: what is slower hangs
TIMEOUT = "timeout"
# Imported once and inherited by every fork: a short test run is mostly importing these.
HEAVY = ("torch", "gymnasium", "mujoco", "scipy.special", "hypothesis", "pytest")
OWN = ("repro", "implementations", "benchmarks", "tests")


@dataclass(frozen=True)
class Outcome:
    """caught_by: the first test that failed, "timeout" for a mutant that hangs, None: survived."""

    caught_by: str | None
    seconds: float


class Watch:
    """A pytest plugin: which test failed first; of the files about all implementations, which run.

    papers: those whose cases are run; empty for all.
    """

    def __init__(self, papers: Sequence[str]) -> None:
        self.papers, self.failed = papers, None

    failed: str | None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [
            item
            for item in items
            if not self.papers
            or not item.nodeid.startswith(EVERY)
            or any(paper in item.nodeid for paper in self.papers)
        ]

    def pytest_collectreport(self, report: Any) -> None:
        self.pytest_runtest_logreport(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid


@dataclass(frozen=True)
class Copy:
    """A commit's files in `.cache/mutants/`; one mutant at a time is planted in it."""

    commit: str

    @property
    def root(self) -> Path:
        return paths.CACHE / "mutants" / self.commit[:12]

    def make(self) -> None:
        """Unpack the commit, or put back what an interrupted hunt left mutated."""
        if not self.root.exists():
            shutil.rmtree(self.root.parent, ignore_errors=True)  # of other commits
            git.unpack(self.commit, self.root)
        self.restore(TESTS)

    def restore(self, files: Iterable[str]) -> None:
        for name in files:
            text = git.git("show", f"{self.commit}:{name}")
            if text is None:
                raise ReproError(f"{name} is not in commit {self.commit[:12]}; commit it first")
            (self.root / name).write_text(text + "\n", encoding="utf-8")

    def hunt(self, mutant: Mutant) -> Outcome:
        """Plant the error, run the tests until the first failure, take the error out again."""
        plant(mutant.fault, self.root)
        began = time.monotonic()
        try:
            failed = self.first_failure(mutant.tests.files, mutant.tests.papers)
        finally:
            self.restore([mutant.edit.file])
        return Outcome(failed, round(time.monotonic() - began, 1))

    def unsound(self, catchers: Iterable[str]) -> str | None:
        """The first of these tests that fails without any mutant too: it catches everything."""
        tests = sorted(set(catchers) - {TIMEOUT})
        return self.first_failure(tests) if tests else None

    def first_failure(self, tests: Sequence[str], papers: Sequence[str] = ()) -> str | None:
        """The first of these fast tests that fails, None where all pass, "timeout"."""
        for module in HEAVY:
            importlib.import_module(module)
        context = multiprocessing.get_context("fork")
        answer, ours = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(self.root, tests, papers, ours))
        process.start()
        ours.close()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            return TIMEOUT
        found: str | None
        status, found = answer.recv() if answer.poll() else (process.exitcode, None)
        if status != 0 and found is None:
            raise ReproError(f"pytest ended with {status} in {self.root}: {' '.join(tests)}")
        return found


def _run(root: Path, tests: Sequence[str], papers: Sequence[str], answer: Any) -> None:
    """In a fork: become a process of the copy, run the tests, send (status, first failure)."""
    import pytest

    for name in [name for name in sys.modules if name.split(".")[0] in OWN]:
        del sys.modules[name]
    os.environ.clear()
    os.environ.update(copies.environment(root) | {"OMP_NUM_THREADS": "1"})
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True  # an edit within the same second would go unnoticed
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    status, watch = 0, Watch(papers)
    for test in tests:  # one after the other: the first file's failure spares collecting the rest
        found = int(pytest.main(["-x", "-q", "--rootdir", str(root), test], plugins=[watch]))
        status = 0 if found == pytest.ExitCode.NO_TESTS_COLLECTED else found
        if status:
            break
    answer.send((status, watch.failed))
