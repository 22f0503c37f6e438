"""Faults of processes, memory, numbers and the clock; two runs in one folder."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.faults import processes
from benchmarks.faults.finding import Finding
from benchmarks.faults.subjects import PPO, Place, log_bytes
from benchmarks.faults.trial import finish, stop_half_way
from tests.runner_tools import assert_same, trace

ADAM = "repro.launch.worker repro.training.optim:Adam.step"


def two_runs(place: Place) -> Finding:
    """The same command while it runs, and twice at the same moment."""
    found = Finding("the same command started again while it runs, and five at the same moment")
    expected = place.undisturbed(PPO)
    first = place.command(PPO, "two runs")
    with first.started() as process:
        for part in (0.1, 0.5):
            at = part * log_bytes(expected)
            processes.until(lambda a=at: processes.logged(first.root) >= a, 300)
            status, said = place.command(PPO, "two runs").run()
            found.times += 1
            found.expect(status == 2, f"a second command ended with {status}, expected 2")
            found.heard(said, "is being run by process")
        process.communicate(timeout=600)
    finish(found, first, expected)
    race = place.command(PPO, "race")
    started = [race.started() for _ in range(5)]
    running = [each.__enter__() for each in started]
    said = [process.communicate(timeout=600)[1] for process in running]
    statuses = sorted(process.returncode for process in running)
    for each in started:
        each.__exit__(None, None, None)
    found.times += 1
    found.expect(
        set(statuses) <= {0, 2} and 0 in statuses, f"five at once ended {statuses}: {said}"
    )
    finish(found, race, expected)
    for command in (first, race):
        shutil.rmtree(command.root)
    return found


def clock_change(place: Place) -> Finding:
    """The wall clock jumps a year ahead and back while a run trains."""
    found = Finding("the wall clock a year ahead and a year back, by turns every two seconds; "
                    "file times a year ahead between two sessions")  # fmt: skip
    expected = place.undisturbed(PPO)
    shim = place.folder / "clock.so"
    build = ["cc", "-shared", "-fPIC", "-o", str(shim), str(Path(__file__).with_name("clock.c"))]
    if shutil.which("cc") is None or subprocess.run(build, check=False).returncode:
        found.skipped = "no C compiler is here to build the clock with"
        return found
    command = place.command(PPO, "clock")
    command.environment["LD_PRELOAD"] = str(shim)
    stop_half_way(command, expected)
    for path in command.root.rglob("*"):
        status = path.stat()
        os.utime(path, (status.st_atime + 3e7, status.st_mtime + 3e7))
    finish(found, command, expected)
    found.times = 2
    manifest = json.loads(next(command.root.rglob("manifest.json")).read_text())
    years = sorted({session["started"][:4] for session in manifest["sessions"]})
    seconds = [session["seconds"] for session in manifest["sessions"]]
    real = subprocess.run(["date", "+%Y"], capture_output=True, text=True).stdout.strip()
    found.expect(real not in [*years, manifest["started"][:4]], "the clock did not jump")
    found.expect(all(0 < s < 3600 for s in seconds), f"sessions took {seconds} seconds")
    found.figures["longest session, s"] = max(seconds)
    shutil.rmtree(command.root)
    return found


def hanging_worker(place: Place) -> Finding:
    """A worker is stopped (SIGSTOP); it goes on, or is killed as the line says."""
    found = Finding(
        "a worker that stands still (SIGSTOP) in mid-run; then it goes on, or is killed"
    )
    expected = place.undisturbed(PPO)
    for number in (signal.SIGCONT, signal.SIGKILL):
        found.times += 1
        command = place.command(PPO, f"hanging {number.name}", silence_seconds=3.0)
        with command.started() as process:
            quarter = log_bytes(expected) // 4
            processes.until(lambda c=command, q=quarter: processes.logged(c.root) >= q, 300)
            victim = processes.workers(command.root)[0]
            processes.kill(victim, signal.SIGSTOP)
            lines: list[str] = []
            while f"kill -9 {victim}" not in "".join(lines[-1:]):
                line = process.stderr.readline()
                if not line:
                    break
                lines.append(line)
            found.heard("".join(lines), "has said nothing")
            processes.kill(victim, number)
            _, said = process.communicate(timeout=600)
        done = 0 if number == signal.SIGCONT else 3
        found.expect(process.returncode == done, f"{number.name}: ended {process.returncode}")
        if done:
            found.heard(said, "was killed")
        finish(found, command, expected)
        shutil.rmtree(command.root)
    return found


def nan_in_one_seed(place: Place) -> Finding:
    """The parameters of one seed of a stack become NaN; the others must not notice."""
    found = Finding("the parameters of one seed of a stack of three become NaN in an update")
    expected = place.undisturbed(PPO, workers=1)
    for update in (3, 40):
        found.times += 1
        command = place.command(PPO, f"nan {update}", workers=1)
        status, said = command.run(f"{ADAM}:{update} nan")
        found.expect(status == 0, f"ended with {status}: {said[-300:]}")
        found.heard(said, "seed 1 diverged at step")
        for key in ("seed-0.jsonl", "seed-2.jsonl"):
            log = (command.folder / "stacks" / "0-2" / key).read_bytes()
            found.expect(log == expected[f"0-2 {key}"], f"{key} differs from a run without NaN")
        states = trace(command.folder)["0-2 outcome"]
        found.expect(states["1"]["status"] == "diverged", "the seed is not marked as diverged")
        found.lost += others_differ(trace(command.folder), expected)
        shutil.rmtree(command.root)
    return found


def others_differ(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Whether parameters of the seeds 0 and 2 differ in two traces."""
    try:
        for name in ("policy", "critic", "model"):
            kept = [t["0-2 checkpoint"]["kept"].get(name) for t in (one, other)]
            if isinstance(kept[0], dict):
                for key, value in kept[0].items():
                    assert_same(value[[0, 2]], kept[1][key][[0, 2]], f"{name}.{key}")
    except AssertionError as error:
        return [f"parameters of other seeds differ: {error}"]
    return []


def out_of_memory(place: Place) -> Finding:
    """A limit on one worker's address space (RLIMIT_AS) falls to what it has now."""
    found = Finding("one worker may have no more memory (RLIMIT_AS) from a moment in mid-run on")
    expected = place.undisturbed(PPO)
    for part in (0.1, 0.6):
        found.times += 1
        command = place.command(PPO, f"memory {part}")
        # Allocations of this size ask the system, as large ones do anyway.
        with command.started(MALLOC_MMAP_THRESHOLD_="8192") as process:
            at = part * log_bytes(expected)
            processes.until(lambda c=command, a=at: processes.logged(c.root) >= a, 300)
            victim = processes.workers(command.root)[0]
            resource.prlimit(victim, resource.RLIMIT_AS, (1 << 20, 1 << 20))
            _, said = process.communicate(timeout=600)
        found.expect(process.returncode == 3, f"ended with {process.returncode}, expected 3")
        found.heard(said, "other seeds are kept")
        found.heard(said, "out of memory")
        finish(found, command, expected)
        shutil.rmtree(command.root)
    return found
