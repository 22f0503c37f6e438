"""Stacks on the nodes of a Ray cluster: `repro run … --on ray`.

Every stack is one actor, which starts the ordinary worker process on its node; a node that is lost
costs what came after the last checkpoint, and its stacks go on elsewhere. Checkpoints and logs lie
in the run's folder, which all nodes must see, or in a store (`--storage`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repro import files, paths
from repro.errors import ReproError
from repro.launch import origin
from repro.launch.lock import hold
from repro.launch.mirror import CHECKPOINT, Mirror
from repro.launch.process import Worker
from repro.launch.stacks import Stack
from repro.runs import timestamp

LOST_IN_A_ROW = 5  # without a step of progress in between; then the stack has failed
ORPHAN_SECONDS = 150.0  # that a lost actor's worker may take to write its checkpoint and end
_TOKEN = "token"  # proves that a node sees the driver's folder
_LEFT_HERE = ["/results", "/docs", "/tests", "/benchmarks", "/runs", "/.git", "/.venv", "/.cache"]


class Host:
    """On a node, for one stack: its folder's lock and its worker process. A Ray actor."""

    def __init__(self) -> None:
        self._held = contextlib.ExitStack()
        self._worker: Worker | None = None
        self._mirror: Mirror | None = None
        self._pushed: float | None = None

    def start(
        self, seeds: tuple[int, ...], spec: dict[str, Any], token: str, storage: str | None
    ) -> dict[str, Any]:
        """Start the worker. Returns `node` and `machine`, or `problem` in one line."""
        os.environ["REPRO_ROOT"] = os.getcwd()  # the driver's clone as Ray brought it here
        folder = Path(spec["folder"])
        try:
            if storage:
                folder = Path(self._held.enter_context(tempfile.TemporaryDirectory("-repro")))
                self._mirror = Mirror(folder, storage)
                self._mirror.pull()
            elif not _same(folder / _TOKEN, token):
                raise ReproError(
                    f"node {socket.gethostname()} does not see {folder}: put runs/ on a file "
                    "system that all nodes share (REPRO_RUNS), or give --storage"
                )
            lock = self._held.enter_context(hold(folder, ORPHAN_SECONDS))
            spec = {**spec, "folder": str(folder)}
            self._worker = Worker(Stack(seeds), folder, spec, lock)
        except ReproError as error:
            return {"problem": str(error)}
        return {
            "node": socket.gethostname(),
            "machine": origin.machine(spec["device"], spec["env"]),
        }

    def look(self, patience: float = 1.0) -> dict[str, Any]:
        """`messages` since the last look, after at most `patience` seconds; `ended`, `failure`."""
        assert self._worker is not None
        until = time.monotonic() + patience
        while not (ended := self._worker.ended()):
            if (messages := self._worker.read()) or time.monotonic() > until:
                break
            time.sleep(0.05)
        if ended:
            messages = self._worker.read()
        self._push(ended)
        failure = self._worker.failure() if ended else None
        return {"messages": messages, "ended": ended, "failure": failure}

    def stop(self) -> None:
        """Ask for a checkpoint and an end."""
        if self._worker:
            self._worker.ask_to_stop()

    def _push(self, ended: bool) -> None:
        """Send the folder to its store after every checkpoint, and at the end."""
        if self._mirror is None:
            return
        checkpoint = self._mirror.folder / CHECKPOINT
        written = checkpoint.stat().st_mtime if checkpoint.exists() else None
        if ended or written != self._pushed:
            self._mirror.push()
            self._pushed = written


class Cluster:
    """A connection to Ray; `start` puts a stack's worker on a node.

    address: `ray` (the cluster this machine belongs to, or RAY_ADDRESS; else one of this machine
    alone) or `ray://host:port`. nodes: stack → what each of its starts reported.
    """

    def __init__(
        self, address: str, device: str, storage: str | None, say: Callable[[str], None]
    ) -> None:
        self.ray = _ray()
        self.device, self.storage, self.say = device, storage, say
        self.nodes: dict[str, list[dict[str, Any]]] = {}
        environment = {"working_dir": str(paths.ROOT), "excludes": _LEFT_HERE}
        options: dict[str, Any] = {"runtime_env": environment, "log_to_driver": False}
        options |= {"logging_level": "error"}
        try:
            if address == "ray":
                self._join_or_begin(options)
            else:
                self.ray.init(address=address, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            line = str(error).strip().splitlines()[0]
            raise ReproError(f"--on {address}: no Ray cluster answers there ({line})") from None

    def _join_or_begin(self, options: dict[str, Any]) -> None:
        try:
            self.ray.init(address="auto", **options)
        except ConnectionError:
            self.say("no Ray cluster is running here: one is started, of this machine alone")
            self.ray.init(address="local", include_dashboard=False, **options)

    def workers(self) -> int:
        """Stacks that fit on the cluster at once: one a core, or one a GPU."""
        kind = "GPU" if self.device.startswith("cuda") else "CPU"
        found = int(self.ray.cluster_resources().get(kind, 0))
        if not found:
            raise ReproError(f"--device {self.device}: the Ray cluster has no {kind}")
        return found

    def start(self, stack: Stack, folder: Path, spec: dict[str, Any], lock: int) -> RemoteWorker:
        """Put a stack on a node, as soon as one is free."""
        del lock  # the driver's own; a node holds the stack's folder
        return RemoteWorker(self, stack, folder, spec)

    def host(self) -> Any:
        gpus = 1 if self.device.startswith("cuda") else 0
        # Two threads, so that `stop` is heard while `look` waits.
        remote = self.ray.remote(num_cpus=1, num_gpus=gpus, max_concurrency=2)(Host)
        return remote.remote()

    def store(self, folder: Path) -> str | None:
        """Where a stack's folder lies in the store: the path that it has under `runs/`."""
        if self.storage is None:
            return None
        return f"{self.storage.rstrip('/')}/{'/'.join(folder.parts[-6:])}"

    def note(self, manifest: dict[str, Any]) -> None:
        """Say in a run's manifest on which machines its stacks ran, and mark it if they differ."""
        starts = [start for found in self.nodes.values() for start in found]
        machines = [start["machine"] for start in starts]
        alike = all(machine == machines[0] for machine in machines)
        if machines and alike and not manifest["sessions"]:
            manifest["machine"] = machines[0]  # the driver's own trained nothing
        changes = sorted({c for m in machines for c in origin.drift(manifest["machine"], m)})
        if changes:
            manifest["drift"].append({"at": timestamp(), "changes": changes})

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.ray.shutdown()


class RemoteWorker:
    """A stack on the cluster as the session sees it: the interface of `process.Worker`."""

    pipe = None  # nothing to wait on: the session asks now and then
    stopped_by = "Ctrl-C twice"

    def __init__(self, cluster: Cluster, stack: Stack, folder: Path, spec: dict[str, Any]) -> None:
        self.stack, self.folder = stack, folder
        self.problem: str | None = None
        self.heard = time.monotonic()
        self._cluster, self._spec = cluster, spec
        self._ended = self._stopping = False
        self._failure: str | None = None
        self._lost, self._steps = 0, -1
        mirror = self._mirror()
        if mirror and not mirror.holds_checkpoint():
            mirror.push()  # what a run without a store left here
        self._begin()

    def _begin(self) -> None:
        token = secrets.token_hex(16)
        if not self._cluster.storage:
            files.write_text(self.folder / _TOKEN, token)
        self._host, self._started = self._cluster.host(), False
        store = self._cluster.store(self.folder)
        self._answer = self._host.start.remote(self.stack.seeds, self._spec, token, store)

    def read(self) -> list[dict[str, Any]]:
        """The progress messages that have arrived."""
        ray = self._cluster.ray
        if self._ended or not ray.wait([self._answer], timeout=0)[0]:
            return []
        try:
            answer = ray.get(self._answer)
        except ray.exceptions.RayActorError as error:
            return self._gone(error)
        except ray.exceptions.RayError as error:
            return self._end(f"stopped: {str(error).strip().splitlines()[-1]}")
        self.heard = time.monotonic()
        if not self._started:
            if "problem" in answer:
                self.problem = answer["problem"]
                return self._end(self.problem)
            self._cluster.nodes.setdefault(self.stack.name, []).append(answer)
            self._started = True
        messages: list[dict[str, Any]] = answer.get("messages", [])
        self._count(messages)
        if answer.get("ended"):
            self._end(answer["failure"])
        else:
            self._answer = self._host.look.remote()
        return messages

    def _count(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            if sum(message["steps"]) > self._steps:
                self._steps, self._lost = sum(message["steps"]), 0

    def _gone(self, error: Exception) -> list[dict[str, Any]]:
        """A node or its actor was lost: go on elsewhere, unless it happens again and again."""
        self._lost += 1
        if self._stopping:
            return self._end(None)
        if self._lost >= LOST_IN_A_ROW:
            return self._end(f"was lost {self._lost} times in a row ({str(error).splitlines()[0]})")
        self._cluster.say(
            f"seeds {self.stack.name}: their node was lost; "
            "they go on elsewhere from their last checkpoint"
        )
        self._begin()
        return []

    def _end(self, failure: str | None) -> list[dict[str, Any]]:
        self._ended, self._failure = True, failure
        with contextlib.suppress(Exception):  # it may be gone already
            self._cluster.ray.kill(self._host)
        (self.folder / _TOKEN).unlink(missing_ok=True)
        if mirror := self._mirror():
            mirror.pull(replay=False)
        return []

    def _mirror(self) -> Mirror | None:
        store = self._cluster.store(self.folder)
        return Mirror(self.folder, store) if store else None

    def ended(self) -> bool:
        return self._ended

    def ask_to_stop(self) -> None:
        """Ask for a checkpoint and an end; one that waits for a node is given up."""
        self._stopping = True
        if self._started:
            self._host.stop.remote()
        else:
            self._end(None)

    def kill(self) -> None:
        """End it at once; its last checkpoint stands."""
        if not self._ended:
            self._end(None)

    def wait(self, seconds: float | None = None) -> bool:
        return self._ended

    def close(self) -> None:
        """Nothing is left to release."""

    def failure(self) -> str | None:
        return self._failure


def _same(path: Path, content: str) -> bool:
    return path.is_file() and path.read_text() == content


def _ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is reported to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "(?s).*"  # its own logs stay out of our output
    try:
        import ray
    except ImportError:
        raise ReproError("--on ray needs Ray: pip install -e '.[ray]' -c constraints.txt") from None
    return ray
