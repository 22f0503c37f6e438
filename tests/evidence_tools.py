"""What the tests of evidence share: a clone of the project, and runs made of written logs."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from repro import paths
from repro.experiment import Experiment
from repro.runs import RunFolder, run_path

PROJECT = Path(__file__).resolve().parent.parent
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")


def make_clone(folder: Path) -> Path:
    """A git clone with the project's cards, sets and implementations, and nothing else."""
    for name in ("papers", "hparams", "implementations"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pyc*"))
    (folder / ".gitignore").write_text("runs/\n.cache/\n__pycache__/\n")
    subprocess.run([*GIT, "init", "-q"], cwd=folder, check=True)
    commit(folder, "cards")
    return folder


def commit(folder: Path, message: str) -> None:
    subprocess.run([*GIT, "add", "-A"], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "-q", "-m", message], cwd=folder, check=True)


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let this process's Repro work in `folder`."""
    for name in ("PAPERS", "HPARAMS", "IMPLEMENTATIONS", "RESULTS", "RUNS"):
        monkeypatch.setattr(paths, name, folder / name.lower())
    monkeypatch.setattr(paths, "ROOT", folder)
    monkeypatch.setattr(paths, "CACHE", folder / ".cache")


class Answer(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def main(*arguments: str, root: Path) -> Answer:
    """`repro ARGUMENTS` in this process, working in `root`: spares importing torch again."""
    from repro.cli import main as run

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        use(patch, root)
        patch.setenv("REPRO_ROOT", str(root))  # for the workers
        patch.chdir(root)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(list(arguments))
    return Answer(status, out.getvalue(), err.getvalue())


def environment(root: Path | None = None, **more: str) -> dict[str, str]:
    """Variables for a process of its own that works in `root`."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("REPRO_")}
    variables |= {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    return variables | ({"REPRO_ROOT": str(root)} if root else {}) | more


def repro(
    *arguments: str, root: Path | None = None, cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """`repro ARGUMENTS` as typed, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "repro", *arguments],
        cwd=cwd or root or PROJECT,
        env=environment(root, **more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def written_run(
    experiment: Experiment,
    seeds: Sequence[int],
    level: float = 1800.0,
    diverged: Sequence[int] = (),
    episode: int = 1000,
    unfinished: Sequence[int] = (),
) -> RunFolder:
    """A run folder as the runner leaves it, its returns rising from -300 to about `level`."""
    folder = RunFolder(run_path(experiment))
    stack = folder.stack_path("one")
    stack.mkdir(parents=True)
    outcome: dict[str, object] = {}
    for seed in seeds:
        noise = random.Random(seed)
        reached = level * noise.gauss(1.0, 0.08)
        lines: list[dict[str, object]] = [{"schema_version": 1, "seed": seed}]
        end = experiment.steps // 2 if seed in diverged else experiment.steps + 448
        for step in range(episode, end + 1, episode):
            progress = 1.0 - math.exp(-4.0 * step / experiment.steps)
            value = -300.0 + (reached + 300.0) * progress + noise.gauss(0.0, 120.0)
            lines.append({"kind": "train", "step": step, "policy_loss": 0.1})
            lines.append({"kind": "episode", "step": step, "return": value, "length": episode})
            period = (experiment.evaluation or {"period": 0})["period"]
            if period and step % period == 0:
                lines.append({"kind": "evaluation", "step": step, "returns": [value, value + 2]})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (stack / f"seed-{seed}.jsonl").write_text(text)
        if seed not in unfinished:
            outcome[str(seed)] = {
                "status": "diverged" if seed in diverged else "finished",
                "steps": end,
                "diagnosis": "value_loss is not finite" if seed in diverged else None,
            }
    (stack / "outcome.json").write_text(
        json.dumps(
            {"schema_version": 1, "seeds": outcome, "seconds": 9.0, "evaluation_seconds": 0.0}
        )
    )
    (stack / "policy.pt").write_bytes(b"tensors")
    manifest = {
        "schema_version": 1,
        "digest": folder.path.name,
        "experiment": {"digest": experiment.digest, "content": msgspec.to_builtins(experiment)},
        "data": {},
        "code": {"digest": "0" * 64, "commit": None, "dirty": None},
        "machine": {"mujoco-engine": "3.6.0", "gymnasium": "1.4.0"},
        "drift": [],
        "started": "2026-01-01T00:00:00Z",
        "seeds": list(seeds),
        "stacks": {"one": list(seeds)},
    }
    folder.manifest_file.write_text(json.dumps(manifest))
    return folder


def shift_returns(folder: RunFolder, seed: int, by: float) -> None:
    """Change a seed's log, as if the run had come out otherwise."""
    log = folder.seeds()[seed].log
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if line.get("kind") == "episode":
            line["return"] += by
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
