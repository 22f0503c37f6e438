"""A rehearsal: whole nights, end to end, in a clone of their own that can be thrown away.

Three nights of a few thousand steps: the first begins what was never run, the second adds seeds at
the plan's second look, the third compares fresh seeds with the result. It is the code of a real
night; only cards, steps and budget are few.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from repro import paths
from repro.cards import ancestors, load_card
from repro.cards.arms import rivals
from repro.errors import ReproError

COPIED = ("papers/data", "papers/topics.yaml", "implementations", "fingerprints", "docs/judge.md")
PAPER = "ppo-2017"
NIGHTS = ("2026-01-05", "2026-01-06", "2026-01-07")
OPTIONS = ("--budget", "10m", "--rehearse", "2048", "--only", "Reacher-v4 · mujoco-ppo2")
_GIT = ("git", "-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.org")


def smoke(out: Path | None, say: Callable[[str], None] | None = None) -> int:
    """Run three nights, build the index; the exit status of the first command that failed, or 0.

    out: a new or empty folder for the clone; by default a temporary one, removed afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="repro-night-") as temporary:
        clone = scratch(out or Path(temporary))
        for date in NIGHTS:
            status = run(clone, "nightly", "--date", date, *OPTIONS, say=say)
            if status:
                return status
        return run(clone, "site", "build", "--out", str(clone / "site"), say=say)


def scratch(folder: Path) -> Path:
    """A git clone with a few of this clone's cards, all its code, and no results."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ReproError(f"{folder} is not empty; --out takes a new or empty folder")
    names = dict.fromkeys([PAPER, *ancestors(PAPER), *rivals(load_card(PAPER))])
    cards = [f"{kind}/{card}.yaml" for kind in ("papers", "hparams") for card in names]
    for name in filter(lambda name: (paths.ROOT / name).exists(), (*COPIED, *cards)):
        source, target = paths.ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    (folder / ".gitignore").write_text("runs/\n.cache/\nsite/\n__pycache__/\n")
    for command in (
        ["init", "-q"],
        ["config", "user.name", "rehearsal"],
        ["config", "user.email", "rehearsal@example.org"],
        ["add", "-A"],
        ["commit", "-q", "-m", "Cards and code"],
    ):
        done = subprocess.run([*_GIT, *command], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise ReproError(f"git {command[0]} failed in {folder}: {done.stderr.strip()[:200]}")
    return folder


def run(clone: Path, *arguments: str, say: Callable[[str], None] | None) -> int:
    """`repro ARGUMENTS` in a process of its own that works in the clone."""
    if say:
        say(f"$ repro {' '.join(_quoted(arguments))}")
    return subprocess.run(
        [sys.executable, "-m", "repro", *arguments],
        cwd=clone,
        env=environment(clone),
        stdout=None if say else subprocess.DEVNULL,
        check=False,
    ).returncode


def environment(clone: Path) -> dict[str, str]:
    """Variables of a process that works in the clone with this installation's code."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("REPRO_")}
    code = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH")]))
    return variables | {"REPRO_ROOT": str(clone), "PYTHONPATH": path}


def _quoted(arguments: Sequence[str]) -> list[str]:
    return [f'"{a}"' if " " in a else a for a in arguments]
