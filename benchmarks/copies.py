"""Copies of a commit, in which faults are planted: what every suite of faults needs of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from repro import git
from repro.errors import ReproError

_AUTHOR = ("-c", "user.name=spoiled", "-c", "user.email=spoiled@example.org")


def commit_of(revision: str) -> str:
    """The commit that a revision names; ReproError outside git or where there is none."""
    commit = git.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not commit:
        raise ReproError(f'no commit "{revision}" in this clone; faults are planted in commits')
    return commit


def commit_all(root: Path, message: str) -> None:
    """Commit whatever is new in a copy; evidence runs on committed code and plans only."""
    commands = [["add", "-A"], [*_AUTHOR, "commit", "-q", "--no-gpg-sign", "-m", message]]
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
