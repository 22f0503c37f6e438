"""The little that Repro asks of git: which commit we are at, and whether a file is committed."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from repro import paths
from repro.errors import ReproError


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


def add(files: Sequence[Path]) -> None:
    """Stage these files or folders. Raises ReproError with git's own words."""
    _must("add", "--", *map(str, files))


def commit(message: str, files: Sequence[Path]) -> bool:
    """Commit these files or folders, and nothing else that is staged; False if nothing changed.

    Raises ReproError with git's own words (no identity, a hook that refused).
    """
    names = [str(file) for file in files]
    add(files)
    if git("diff", "--cached", "--quiet", "HEAD", "--", *names) is not None:
        return False
    _must("commit", "-q", "-m", message, "--", *names)
    return True


def _must(*arguments: str) -> None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=paths.ROOT, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReproError(f"git {arguments[0]}: {error}") from None
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        why = lines[-1] if lines else "no reason given"
        raise ReproError(f"git {arguments[0]} failed: {why}; nothing was committed")


def unpack(commit: str, target: Path) -> None:
    """The tree of a commit as plain files in `target`, which must not be there yet."""
    done = subprocess.run(
        ["git", "archive", commit], cwd=paths.ROOT, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise ReproError(f"commit {commit[:12]} is not in this clone; fetch its whole history")
    target.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tree:
        tree.extractall(target, filter="data")
