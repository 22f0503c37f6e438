"""One job: a fault on a task, through `repro plan` and `repro run`, in a copy of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.copies import commit_all, environment
from benchmarks.spoiled import copies
from benchmarks.spoiled.faults import Fault
from repro import files, git, paths
from repro.errors import ReproError, Unfinished
from repro.experiment import environment_id

PAPER = "ppo-2017"


@dataclass(frozen=True)
class Task:
    """An environment and a hparam set: `InvertedPendulum:mujoco`."""

    env: str  # resolved, such as InvertedPendulum-v4
    hparams: str

    @classmethod
    def parse(cls, text: str) -> Task:
        env, colon, hparams = text.partition(":")
        if not colon or not hparams:
            raise ReproError(f"--task {text}: expected ENV:SET, such as InvertedPendulum:mujoco")
        return cls(environment_id(env), hparams)

    def __str__(self) -> str:
        return f"{self.env}:{self.hparams}"


@dataclass(frozen=True)
class Job:
    """seeds: how many; planned: evidence seeds by a plan, else development seeds from 0."""

    fault: Fault
    task: Task
    steps: int
    seeds: int
    planned: bool
    commit: str
    code: str

    @property
    def key(self) -> dict[str, Any]:
        """What makes two jobs the same one."""
        return {
            "fault": self.fault.name,
            "env": self.task.env,
            "hparams": self.task.hparams,
            "steps": self.steps,
            "n": self.seeds,
            "code": self.code,
        }

    @property
    def copy(self) -> Path:
        name = files.digest(self.key | {"planned": self.planned})[:12]
        return paths.CACHE / "spoiled" / name

    def run(self, workers: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Carry the job out, or what is left of it: metrics.json and, if planned, verdicts.json.

        Raises Unfinished where the command was interrupted; the same call goes on.
        """
        if not self.copy.exists():
            copies.make_copy(self.copy, self.commit, self.fault)
        what = [PAPER, "--env", self.task.env, "--hparams", self.task.hparams]
        what += ["--steps", str(self.steps), "--seeds", str(self.seeds)]
        if self.planned:
            self._repro("run", "--plan", str(self._plan(what)), "--workers", str(workers))
            metrics = self._only("results/*/*/*/metrics.json")
            verdicts = self._only("results/*/verdicts.json")
        else:
            self._repro("run", *what, "--workers", str(workers))
            metrics, verdicts = self._only("runs/*/*/*/*/metrics.json"), None
        self._require_spoiled()
        return metrics, verdicts

    def manifest(self) -> dict[str, Any]:
        """The run's own manifest, which says what code ran and how long it took."""
        found: dict[str, Any] = self._only("runs/*/*/*/*/manifest.json")
        return found

    def throw_away(self) -> None:
        shutil.rmtree(self.copy)

    def _plan(self, what: Sequence[str]) -> Path:
        """The committed plan, relative to the copy."""
        if not list(self.copy.glob("results/*/*/*/plan.json")):
            self._repro("plan", *what, "--quiet")
        (plan,) = self.copy.glob("results/*/*/*/plan.json")
        if git.last_commit(plan) is None:
            commit_all(self.copy, "Plan")
        return plan.relative_to(self.copy)

    def _repro(self, *arguments: str) -> None:
        """`repro ARGUMENTS` in the copy; what it prints is shown."""
        process = subprocess.Popen(
            [sys.executable, "-m", "repro", *arguments],
            cwd=self.copy,
            env=environment(self.copy),
            start_new_session=True,  # signals are passed on below, once
        )

        def pass_on(number: int, frame: object) -> None:
            process.send_signal(number)

        numbers = (signal.SIGINT, signal.SIGTERM)
        old = {number: signal.signal(number, pass_on) for number in numbers}
        try:
            status = process.wait()
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
        if status in (3, 130):
            raise Unfinished(f"{self.fault.name} on {self.task} is unfinished; the same command "
                             "goes on from there")  # fmt: skip
        if status:
            raise ReproError(
                f"{self.fault.name} on {self.task}: `repro {arguments[0]}` ended with exit status "
                f"{status} (see above); its copy is {self.copy}"
            )

    def _only(self, pattern: str) -> Any:
        found = list(self.copy.glob(pattern))
        if len(found) != 1:
            raise ReproError(
                f"{self.copy}: {len(found)} files {pattern}, expected one; remove the copy"
            )
        return files.read_json(found[0], 1)

    def _require_spoiled(self) -> None:
        """That the files which ran are those of the copy, with the fault in them."""
        ran = self.manifest()["code"]["files"]
        for edit in self.fault.edits:
            path = self.copy / edit.file
            planted = edit.new in path.read_text(encoding="utf-8")
            if not planted or ran.get(edit.file) != files.file_digest(path):
                raise ReproError(f"{edit.file} of {self.copy} is not what ran; nothing recorded")
