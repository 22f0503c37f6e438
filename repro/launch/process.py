"""One worker process as its parent sees it: start, read progress, ask to stop, tell its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from repro import files, paths
from repro.launch import worker
from repro.launch.stacks import Stack


def environment() -> dict[str, str]:
    """Variables of a child process: one thread, and this clone first on Python's path."""
    path = os.pathsep.join(filter(None, [str(paths.ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | worker.thread_environment() | {"PYTHONPATH": path}


class Worker:
    """A running worker. `stack` is what it trains, `folder` the stack's folder."""

    def __init__(self, stack: Stack, folder: Path, spec: dict[str, Any], lock: int) -> None:
        """Write the spec and start the process, which inherits the run's `lock` descriptor."""
        self.stack, self.folder = stack, folder
        self.problem: str | None = None
        self.heard = time.monotonic()  # when it last said something
        self._buffer = b""
        files.write_json(folder / "spec.json", {"schema_version": worker.SCHEMA_VERSION, **spec})
        self.pipe, theirs = os.pipe()
        command = [sys.executable, "-m", "repro.launch.worker", str(folder / "spec.json")]
        try:
            with open(folder / "worker.log", "ab") as log:
                self._process = subprocess.Popen(
                    [*command, "--progress-descriptor", str(theirs)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    cwd=folder,  # stray files of the environments' engines stay here
                    env=environment(),
                    pass_fds=(theirs, lock),
                    start_new_session=True,  # Ctrl-C reaches the parent alone
                )
        except BaseException:
            os.close(self.pipe)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(self.pipe, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stopped_by(self) -> str:
        """What ends it when it hangs."""
        return f"`kill -9 {self.pid}`"

    def read(self) -> list[dict[str, Any]]:
        """The progress messages that have arrived; keeps what the worker calls its problem."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.pipe, 1 << 16):
                self._buffer += chunk
        *lines, self._buffer = self._buffer.split(b"\n")
        messages = []
        for line in lines:
            self.heard = time.monotonic()
            message = json.loads(line)
            if message.pop("kind") == "problem":
                self.problem = message["text"]
            else:
                messages.append(message)
        return messages

    def ended(self) -> bool:
        return self._process.poll() is not None

    def ask_to_stop(self) -> None:
        """Ask for a checkpoint and an end."""
        if not self.ended():
            self._process.terminate()

    def kill(self) -> None:
        """End it at once; its last checkpoint stands."""
        if not self.ended():
            self._process.kill()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it has ended within `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Release the pipes of a worker that has ended."""
        os.close(self.pipe)
        if self._process.stdin:
            self._process.stdin.close()

    def failure(self) -> str | None:
        """Why an ended worker did not finish, in one line; None when it did or was stopped."""
        code = self._process.returncode
        if code == worker.STOPPED or (self.folder / "outcome.json").exists():
            return None
        if self.problem:
            return self.problem
        if code == -signal.SIGKILL:
            return "was killed (kill -9, or the system was out of memory)"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}{self._last_words()}"
        if code == worker.DONE:
            return f"ended without an outcome{self._last_words()}"
        return f"ended with exit status {code}{self._last_words()}"

    def _last_words(self) -> str:
        log = self.folder / "worker.log"
        lines = log.read_text(errors="replace").split("\n") if log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), None)
        return f"; its last line: {last[:200]} (see {log})" if last else ""
