"""The little that Repro asks of git: which commit we are at, and whether a file is committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from repro import paths


def git(*arguments: str, cwd: Path | None = None) -> str | None:
    """Output of a git command without the last newline; None where it fails or git is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or paths.ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def head(cwd: Path | None = None) -> str | None:
    """The commit checked out."""
    return git("rev-parse", "HEAD", cwd=cwd)


def last_commit(path: Path) -> str | None:
    """The commit that last changed a file; None if the file is not committed as it stands now."""
    path = path.resolve()
    if git("ls-files", "--error-unmatch", path.name, cwd=path.parent) is None:
        return None
    if git("diff", "--quiet", "HEAD", "--", path.name, cwd=path.parent) is None:
        return None
    return git("log", "-1", "--format=%H", "--", path.name, cwd=path.parent) or None


def tracked(folder: Path) -> list[Path] | None:
    """The files under a folder that git tracks; None outside a git clone."""
    listed = git("ls-files", "-z", cwd=folder) if folder.is_dir() else None
    return None if listed is None else [folder / name for name in listed.split("\0") if name]
