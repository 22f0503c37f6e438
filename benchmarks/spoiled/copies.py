"""Throw-away copies of the committed tree, one a job, each with its fault planted.

A copy lies in `.cache/spoiled/` until its job is recorded, so that an interrupted job goes on
where it was.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.copies import commit_all
from benchmarks.spoiled.faults import Fault, plant
from repro import files, git

# What decides a run's numbers and its verdict. Other files may change between two commands.
DECISIVE = (
    "repro",
    "implementations",
    "papers/ppo-2017.yaml",
    "papers/data/ppo-2017.yaml",
    "hparams/ppo-2017.yaml",
)


def code_of(commit: str) -> str:
    """12 hex digits of everything in a commit that decides a verdict."""
    listed = git.git("ls-tree", "-r", commit, "--", *DECISIVE)
    return files.digest(listed)[:12]


def make_copy(target: Path, commit: str, fault: Fault) -> None:
    """The tree of `commit` with the fault in `target`, in a git of its own, without results.

    Whole or not there: it is made beside `target` and renamed.
    """
    making = target.with_name(target.name + ".part")
    shutil.rmtree(making, ignore_errors=True)
    git.unpack(commit, making)
    shutil.rmtree(making / "results", ignore_errors=True)
    plant(fault, making)
    commit_all(making, f"{commit} with fault {fault.name}")
    making.rename(target)
