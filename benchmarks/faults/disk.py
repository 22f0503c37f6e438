"""Disks that are full or refuse writing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import copies
from benchmarks.faults import processes
from benchmarks.faults.finding import Finding
from benchmarks.faults.mounts import IN_MEMORY, READ_ONLY, mounted
from benchmarks.faults.subjects import PPO, Place, log_bytes, same
from benchmarks.faults.trial import finish, stop_half_way

BIG = 1 << 16


def full_disk(place: Place) -> Finding:
    """A file system in memory runs full while a run is on it."""
    found = Finding("a disk (tmpfs) that is full to the last byte in mid-run; then space is freed")
    expected = place.undisturbed(PPO)
    with mounted(place.folder / "full disk", IN_MEMORY) as mount:
        if mount is None:
            found.skipped = "no file system can be mounted here"
            return found
        for part in (0.2, 0.7):
            found.times += 1
            command = place.command(PPO, f"full disk/{part}")
            command.arguments[:0] = mount.prefix
            root, ballast = mount.seen / str(part), mount.seen / "ballast"
            at = part * log_bytes(expected)
            with command.started() as process:
                processes.until(lambda r=root, a=at: processes.logged(r) >= a, 300)
                fill(ballast)
                _, said = process.communicate(timeout=300)
            found.expect(process.returncode == 3, f"ended with {process.returncode} when full")
            found.heard(said, "disk full")
            status, said = command.run()
            found.expect(status == 3, f"ended with {status} when started on a full disk")
            ballast.unlink()
            status, said = command.run()
            found.expect(status == 0, f"ended with {status} when space was freed: {said[-300:]}")
            (command.folder,) = root.glob("*/*/*/*")
            found.lost += same(command, expected)
            shutil.rmtree(root)
    return found


def fill(path: Path) -> None:
    """Write until nothing more fits, down to single bytes."""
    with path.open("wb", buffering=0) as file:
        size = BIG
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def unwritable(place: Place) -> Finding:
    """`runs/` is read-only, at first and between two sessions."""
    found = Finding("`runs/` read-only at the start, and again after a kill in mid-run")
    expected = place.undisturbed(PPO)
    command = place.command(PPO, "unwritable")
    with mounted(command.root, READ_ONLY) as mount:
        if mount is None:
            found.skipped = "no file system can be mounted here"
            return found
        inside = place.command(PPO, "unwritable")
        inside.arguments[:0] = mount.prefix
        for _ in range(2):
            found.times += 1
            status, said = inside.run()
            found.expect(status == 2, f"read-only: ended with {status}, expected 2")
            found.heard(said, "cannot write")
            found.expect(said.count("\n") == 1, f"more than one line was said: {said[-300:]}")
            stop_half_way(command, expected)
    finish(found, command, expected)
    shutil.rmtree(command.root)
    return found


def unwritable_results(place: Place) -> Finding:
    """A planned run in a clone that is read-only, with `runs/` elsewhere."""
    found = Finding(
        "a planned run while `results/` is read-only: at the start, and with all seeds done"
    )
    clone, runs = place.folder / "clone", place.folder / "runs of a plan"
    left_out = shutil.ignore_patterns("results", "runs", "tests", "docs", ".*", "__pycache__")
    shutil.copytree(place.root, clone, ignore=left_out)
    (clone / ".gitignore").write_text("__pycache__/\n.cache/\n")
    own = {"REPRO_ROOT": str(clone), "REPRO_RUNS": str(runs), "PYTHONPATH": str(clone)}

    def repro(*arguments: str, prefix: Sequence[str] = ()) -> tuple[int, str]:
        command = [*prefix, sys.executable, "-m", "repro", *arguments]
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
        return done.returncode, done.stderr

    what = ["ppo-2017", "--env", "CartPole", "--hparams", "classic", "--steps", "2000"]
    copies.commit_all(clone, "clone")
    status, said = repro("plan", *what, "--seeds", "2", "--quiet")
    found.expect(status == 0, f"the plan ended with {status}: {said[-300:]}")
    copies.commit_all(clone, "plan")
    (plan,) = clone.glob("results/*/*/*/plan.json")
    planned = ["run", "--plan", str(plan)]
    trained: dict[Path, bytes] = {}
    for _ in range(2):  # before anything is trained, and when only a result is left to write
        with mounted(clone, READ_ONLY) as mount:
            if mount is None:
                found.skipped = "no file system can be mounted here"
                return found
            found.times += 1
            status, said = repro(*planned, prefix=mount.prefix)
        found.expect(status == 2, f"read-only: ended with {status}, expected 2: {said[-300:]}")
        found.heard(said, "cannot write")
        status, said = repro(*planned)
        found.expect(status == 0, f"writable again: ended with {status}: {said[-300:]}")
        kept = all(path.read_bytes() == content for path, content in trained.items())
        found.expect(kept, "finished seeds were trained again")
        trained = {path: path.read_bytes() for path in runs.rglob("outcome.json")}
        found.expect(trained, "nothing was trained")
        found.expect((plan.parent / "metrics.json").exists(), "the result was not written")
        (plan.parent / "metrics.json").unlink(missing_ok=True)
    shutil.rmtree(clone)
    shutil.rmtree(runs)
    return found
