"""What the tests of the runner share: experiments, a launching process, comparison of runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from repro.experiment import Experiment
from repro.training import checkpoint

TESTS = Path(__file__).resolve().parent


def toy_experiment(steps: int = 600, **hparams: Any) -> Experiment:
    """The toy implementation on CartPole; iterations of 20 steps."""
    return Experiment(
        paper="toy-2000",
        env="CartPole-v1",
        hparam_set="plain",
        ablation=None,
        overrides={},
        steps=steps,
        hparams={"horizon": 20, "diverging_seed": -1} | hparams,
        evaluation=None,
    )


def toy_root(folder: Path) -> Path:
    """A root with the toy implementation, for REPRO_ROOT."""
    implementations = folder / "implementations"
    implementations.mkdir(parents=True)
    (implementations / "__init__.py").touch()
    shutil.copy(TESTS / "toy_algorithm.py", implementations / "toy_2000.py")
    return folder


class Command:
    """One `repro run`, as a process: the same `root`, experiment and seeds resume each other."""

    def __init__(
        self,
        root: Path,
        experiment: Experiment,
        seeds: list[int],
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.root, self.environment = root, environment or {}
        content = {name: getattr(experiment, name) for name in experiment.__struct_fields__}
        request = {
            "experiment": content,
            "seeds": seeds,
            "root": str(root),
            "options": {"workers": 1, "checkpoint_seconds": 0.0} | options,
        }
        self.arguments = [sys.executable, str(TESTS / "launch_command.py"), json.dumps(request)]

    @contextlib.contextmanager
    def started(self, fault: str | None = None, **variables: str) -> Iterator[subprocess.Popen]:
        """The running process; it is gone, with its workers, when the body ends."""
        path = [str(TESTS / "faults")] if fault else []
        path += filter(None, [variables.get("PYTHONPATH"), os.environ.get("PYTHONPATH")])
        environment = os.environ | self.environment | variables
        environment["PYTHONPATH"] = os.pathsep.join(path)
        environment |= {"REPRO_TEST_FAULT": fault or ""}
        process = subprocess.Popen(
            self.arguments,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def run(self, fault: str | None = None, **variables: str) -> tuple[int, str]:
        """Exit status and what was said, of a run to its end."""
        with self.started(fault, **variables) as process:
            output, said = process.communicate(timeout=300)
        self.folder = Path(output.strip() or self.root)
        return process.returncode, said


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of `condition`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("what the test waits for never came")


def worker_pids(parent: int) -> list[int]:
    """Processes that `parent` started as workers."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            command = stat.with_name("cmdline").read_bytes()
            if int(fields[1]) == parent and b"repro.launch.worker" in command:
                found.append(int(stat.parent.name))
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0] == "Z"
    return True


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def trace(folder: Path) -> dict[str, Any]:
    """Everything of a run that must not depend on interruptions: outcomes, logs, final state."""
    found: dict[str, Any] = {}
    for stack in sorted((folder / "stacks").iterdir()):
        found[f"{stack.name} outcome"] = json.loads((stack / "outcome.json").read_text())["seeds"]
        for log in sorted(stack.glob("seed-*.jsonl")):
            found[f"{stack.name} {log.name}"] = log.read_bytes()
        state, warning = checkpoint.load(stack)
        assert state is not None
        assert warning is None
        for volatile in ("seconds", "checkpoints"):
            state.pop(volatile)
        found[f"{stack.name} checkpoint"] = state
        found[f"{stack.name} policy"] = torch.load(stack / "policy.pt", weights_only=True)
    return found


def assert_same(one: Any, other: Any, where: str = "run") -> None:
    """Bit-for-bit equality of nested plain values and tensors."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}, {key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{index}]")
    elif isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), where
        assert bits(one) == bits(other), where
    elif isinstance(one, float):
        assert one.hex() == other.hex(), where
    else:
        assert one == other, where


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().cpu().numpy().tobytes()
