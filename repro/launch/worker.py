"""One worker process: trains one stack. `python -m repro.launch.worker SPEC.json`.

The parent (`repro.launch.local`) starts it in a session of its own with one thread, a pipe on
standard input that ends when the parent dies, and a pipe for progress. Told to stop (SIGTERM,
SIGINT, the parent's death) it writes a checkpoint at the next iteration and exits.

Exit status: 0 trained to the end, 2 a problem in one line, 4 an exception, 5 stopped after a
checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import faulthandler
import importlib
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repro import files, paths
from repro.errors import ReproError
from repro.launch import origin

DONE, PROBLEM, CRASHED, STOPPED = 0, 2, 4, 5
SCHEMA_VERSION = 1

# A message fits a pipe's atomic write, so that a full pipe drops whole messages only.
_LONGEST_MESSAGE = select.PIPE_BUF

# Seconds that an orphan gets for its last checkpoint before it ends itself.
_ORPHAN_SECONDS = 120.0

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def thread_environment() -> dict[str, str]:
    """Variables that keep numerical libraries to one thread; to be set before they load."""
    return dict.fromkeys(_THREAD_VARIABLES, str(origin.THREADS))


class Reporter:
    """JSON lines to the parent over a pipe. Progress is dropped when the parent is slow."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_blocking(descriptor, False)

    def progress(self, progress: Any) -> None:
        """Send a `Progress` (NamedTuple, mapping or struct) at once, or drop it."""
        self._send({"kind": "progress", **_plain(progress)}, patience=0.0)

    def problem(self, text: str) -> None:
        """Send why the worker ends, in one line; waits a few seconds for a slow parent."""
        print(text, file=sys.stderr, flush=True)
        self._send({"kind": "problem", "text": text[:1500]}, patience=5.0)

    def _send(self, message: Mapping[str, Any], patience: float) -> None:
        if self._descriptor is None:
            return
        line = json.dumps(message, default=str).encode() + b"\n"
        if len(line) > _LONGEST_MESSAGE:
            return
        with contextlib.suppress(OSError):
            if patience:
                select.select([], [self._descriptor], [], patience)
            os.write(self._descriptor, line)


def _plain(progress: Any) -> dict[str, Any]:
    if isinstance(progress, Mapping):
        return dict(progress)
    if hasattr(progress, "_asdict"):
        return dict(progress._asdict())
    return dict(vars(progress))


def train(spec: Mapping[str, Any], stop: threading.Event, reporter: Reporter) -> int:
    """Train (or measure) the stack that `spec` describes; returns the exit status."""
    found = origin.code_digest(spec["paper"])
    if found != spec["code"]:
        raise ReproError(
            "the code changed since this command started; run the command again "
            "(mended code starts a new run)"
        )
    import msgspec
    import torch

    from repro.training import arithmetic
    from repro.training.evaluate import Protocol
    from repro.training.measured import measure_stack
    from repro.training.run import Run, Stopped

    arithmetic.settle(origin.THREADS)
    torch.set_num_interop_threads(origin.THREADS)
    if spec["device"].startswith("cuda"):
        if not torch.cuda.is_available():
            raise ReproError(f"--device {spec['device']}: no CUDA device is here; use --device cpu")
        torch.use_deterministic_algorithms(True, warn_only=True)
    module = importlib.import_module(f"implementations.{spec['paper'].replace('-', '_')}")
    folder = Path(spec["folder"])
    files.remove_leftovers(folder)
    measured = getattr(module, "MEASURED", {}).get(spec["hparam_set"])
    if measured is not None:
        hparams = msgspec.convert(spec["hparams"], measured)
        try:
            measure_stack(module.measure, hparams, spec["seeds"], folder, stop)
        except Stopped:
            return STOPPED
        return DONE
    run = Run(
        hparams=msgspec.convert(spec["hparams"], module.HParams),
        env=spec["env"],
        seeds=spec["seeds"],
        steps=spec["steps"],
        folder=folder,
        device=spec["device"],
        evaluation=spec["evaluation"] and msgspec.convert(spec["evaluation"], Protocol),
        report=reporter.progress,
        checkpoint_seconds=spec["checkpoint_seconds"],
    )
    run.stop = stop
    try:
        module.train(run)
    except Stopped:
        return STOPPED
    return DONE


def main(arguments: list[str] | None = None) -> int:
    """Read the spec, train, and say in one line what went wrong where something did."""
    parser = argparse.ArgumentParser(prog="python -m repro.launch.worker")
    parser.add_argument("spec", type=Path)
    parser.add_argument("--progress-descriptor", type=int)
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    faulthandler.enable()
    os.environ.update(thread_environment())
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if options.progress_descriptor is not None:
        threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    sys.path.insert(0, str(paths.ROOT))
    reporter = Reporter(options.progress_descriptor)
    try:
        spec = files.read_json(options.spec, SCHEMA_VERSION)
        return train(spec, stop, reporter)
    except ReproError as error:
        reporter.problem(str(error))
        return PROBLEM
    except BaseException as error:
        reporter.problem(_diagnosis(error, options.spec.parent))
        return CRASHED


def _stop_with_parent(stop: threading.Event) -> None:
    """Wait for the end of standard input, which the parent holds open while it lives."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    stop.set()
    time.sleep(_ORPHAN_SECONDS)
    os._exit(CRASHED)


def _diagnosis(error: BaseException, folder: Path) -> str:
    """One line for an exception; its traceback goes to `traceback.txt` where there is room."""
    traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {error.filename}" if error.filename else ""
        return f"disk full{where}: the last checkpoint is kept; free some space"
    if _no_memory(error):
        return f"out of memory ({_first_line(error)}): the last checkpoint is kept; try --workers 1"
    text = f"{type(error).__name__}: {_first_line(error)}"
    with contextlib.suppress(OSError, ReproError):
        files.write_text(folder / "traceback.txt", "".join(traceback.format_exception(error)))
        text += f" (traceback in {folder / 'traceback.txt'})"
    return text


def _no_memory(error: BaseException) -> bool:
    """Whether memory ran out: of Python and numpy, of a GPU, of torch on the CPU."""
    named = type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in str(error)
    system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return named or system or isinstance(error, MemoryError)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"


if __name__ == "__main__":
    sys.exit(main())
