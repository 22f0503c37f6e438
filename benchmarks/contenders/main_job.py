"""The default main job as it is typed, a tenth of its length: five seeds on all cores."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import settings
from benchmarks.window import MIB_PER_MAXRSS, cores, read_order, versions

COMMAND = ["run", "ppo-2017", "--env", "HalfCheetah", "--steps", str(settings.MAIN_STEPS)]


def main() -> None:
    """Print the measurement as one line; `seconds` are the slowest worker's, training alone."""
    order = read_order()
    seeds = range(order.seed * order.stack, (order.seed + 1) * order.stack)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "repro", *COMMAND, "--seeds", ",".join(map(str, seeds))],
            env=os.environ | {"REPRO_RUNS": folder},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        elapsed = time.perf_counter() - begin
        outcomes = [json.loads(f.read_text()) for f in Path(folder).rglob("outcome.json")]
    training = max(outcome["seconds"] for outcome in outcomes)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        "steps": order.stack * settings.MAIN_STEPS,
        "seconds": training,
        "busy_seconds": (used.ru_utime + used.ru_stime) / len(outcomes),
        "parts": {"before and after training": elapsed - training},
        "first_iteration_seconds": elapsed - training,
        "peak_mib": used.ru_maxrss * MIB_PER_MAXRSS,
        "cores": cores(),
        "versions": versions(["repro-rl", "torch", "gymnasium", "mujoco", "numpy"]),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
