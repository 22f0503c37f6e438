"""The end-to-end check as typed, on a tiny budget: interrupted, resumed, recorded, skipped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.copies import commit_of, environment
from benchmarks.spoiled import copies
from benchmarks.spoiled.faults import FAULTS, fault_named
from benchmarks.spoiled.jobs import Job, Task
from repro.errors import ReproError

ROOT = Path(__file__).resolve().parent.parent
STEPS, SEEDS = 20480, 2


def head() -> str:
    try:
        return commit_of("HEAD")
    except ReproError:
        pytest.skip("faults are planted in commits, and this is no git clone")


@pytest.mark.parametrize("name", FAULTS)
def test_a_copy_is_the_commit_with_the_fault_and_without_results(name: str, tmp_path: Path) -> None:
    fault, target = fault_named(name), tmp_path / "copy"
    copies.make_copy(target, head(), fault)
    assert (target / "papers" / "ppo-2017.yaml").is_file()
    assert not (target / "results").exists()
    for edit in fault.edits:
        assert edit.new in (target / edit.file).read_text()
    status = ["git", "status", "--porcelain"]
    clean = subprocess.run(status, cwd=target, capture_output=True, text=True, check=True)
    assert clean.stdout == ""  # else no plan could be carried out in it
    assert environment(target)["REPRO_ROOT"] == str(target)


def test_a_stale_fault_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fault: object, root: Path) -> None:
        raise ReproError("found 0 times")

    commit = head()
    monkeypatch.setattr(copies, "plant", refuse)
    with pytest.raises(ReproError, match="found 0 times"):
        copies.make_copy(tmp_path / "copy", commit, fault_named("done-mask"))
    assert not (tmp_path / "copy").exists()


def test_the_code_digest_follows_the_code() -> None:
    commit = head()
    assert copies.code_of(commit) == copies.code_of(commit)
    assert len(copies.code_of(commit)) == 12
    job = Job(FAULTS["none"], Task("Swimmer-v4", "mujoco"), 1, 2, True, commit, "c0de")
    other = Job(FAULTS["none"], Task("Swimmer-v4", "mujoco"), 1, 2, False, commit, "c0de")
    assert job.copy != other.copy  # a pilot's copy is not the run's


@pytest.mark.slow
def test_a_run_interrupted_goes_on_and_is_recorded_once(tmp_path: Path) -> None:
    path, commit = tmp_path / "record.json", head()
    command = [
        *(sys.executable, "-m", "benchmarks.spoiled", "run", "--fault", "halved-returns"),
        *("--task", "InvertedPendulum:mujoco", "--steps", str(STEPS), "--seeds", str(SEEDS)),
        *("--workers", "1", "--commit", commit, "--record", str(path)),
    ]
    fault, task = fault_named("halved-returns"), Task.parse("InvertedPendulum:mujoco")
    job = Job(fault, task, STEPS, SEEDS, True, commit, copies.code_of(commit))
    first = subprocess.Popen(command, cwd=ROOT)
    while first.poll() is None and not list(job.copy.glob("runs/*/*/*/*/stacks/*/seed-*.jsonl")):
        time.sleep(0.2)
    first.send_signal(signal.SIGINT)
    assert first.wait() == 3
    assert job.copy.exists()
    assert not path.exists()

    assert subprocess.run(command, cwd=ROOT).returncode == 0
    (row,) = json.loads(path.read_text())["runs"]
    assert (row["fault"], row["commit"], row["steps"]) == ("halved-returns", commit, STEPS)
    assert len(row["seeds"]) == SEEDS
    (verdict,) = row["verdicts"]
    assert verdict["claim"] == "inverted-pendulum-figure-3"
    assert verdict["answer"] in ("behind", "undecided")  # short of the horizon
    assert not job.copy.exists()

    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "recorded already" in again.stdout
    assert len(json.loads(path.read_text())["runs"]) == 1
