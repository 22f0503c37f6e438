"""Throw-away copies of the committed tree, one a job, each with its fault planted.

A copy lies in `.cache/spoiled/` until its job is recorded, so that an interrupted job goes on
where it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.spoiled.faults import Fault, plant
from repro import files, git
from repro.errors import ReproError

# What decides a run's numbers and its verdict. Other files may change between two commands.
DECISIVE = (
    "repro",
    "implementations",
    "papers/ppo-2017.yaml",
    "papers/data/ppo-2017.yaml",
    "hparams/ppo-2017.yaml",
)
AUTHOR = ("-c", "user.name=spoiled", "-c", "user.email=spoiled@example.org")


def commit_of(revision: str) -> str:
    """The commit that a revision names; ReproError outside git or where there is none."""
    commit = git.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise ReproError(f'no commit "{revision}" in this clone; faults are planted in commits')
    return commit


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


def commit_all(root: Path, message: str) -> None:
    """Commit whatever is new in a copy; evidence runs on committed code and plans only."""
    commands = [["add", "-A"], [*AUTHOR, "commit", "-q", "--no-gpg-sign", "-m", message]]
    if not (root / ".git").exists():
        commands.insert(0, ["-c", "init.defaultBranch=main", "init", "-q"])
    for command in commands:
        subprocess.run(["git", *command], cwd=root, env=environment(root), check=True)


def environment(root: Path) -> dict[str, str]:
    """Variables under which every process is that of the copy."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "REPRO_"))}
    return inherited | {
        "REPRO_ROOT": str(root),
        "REPRO_RUNS": str(root / "runs"),
        "PYTHONPATH": str(root),
    }
