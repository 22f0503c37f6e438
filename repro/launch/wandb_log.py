"""`--wandb`: every seed's log also goes to Weights & Biases, offline where there is no key.

A process of its own (`python -m repro.launch.wandb_log RUN_FOLDER`) reads the seeds' JSON Lines
as they grow, so that nothing it does can hurt the training; local files always come first. What
it sent is remembered in `<run folder>/wandb/sent.json`. A resumed run writes the very lines it
wrote before, so the follower goes on after the last line it sent.
"""

from __future__ import annotations

import contextlib
import json
import netrc
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from repro import files
from repro.errors import ReproError
from repro.launch.process import environment
from repro.runs import RunFolder

PROJECT = "repro"
SCHEMA_VERSION = 1

# Seconds between two looks at the logs, and for the last upload at the end.
_PERIOD, _FAREWELL = 10.0, 120.0


@contextlib.contextmanager
def follow(folder: RunFolder, say: Callable[[str], None]) -> Iterator[None]:
    """Send the run's logs to Weights & Biases while the body runs, and what is left after it."""
    place = folder.path / "wandb"
    with files.writing(place):
        place.mkdir(exist_ok=True)
    with open(place / "follower.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "repro.launch.wandb_log", str(folder.path.resolve())],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=place,
            env=environment(),
            start_new_session=True,
        )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            code = process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code:
            say(f"wandb did not get everything (see {place / 'follower.log'}); local files have it")


class Follower:
    """Sends the new lines of every seed's log, one wandb run a seed."""

    def __init__(self, folder: RunFolder, wandb: Any) -> None:
        self._folder, self._wandb = folder, wandb
        self._runs: dict[int, Any] = {}
        self._state = folder.path / "wandb" / "sent.json"
        self._sent: dict[str, int] = {}
        if self._state.exists():
            self._sent = files.read_json(self._state, SCHEMA_VERSION)["lines"]

    def send(self) -> None:
        """Send every line that was not sent yet."""
        for seed, state in self._folder.seeds().items():
            if state.log.exists():
                self._send_seed(seed, state.log)
        files.write_json(self._state, {"schema_version": SCHEMA_VERSION, "lines": self._sent})

    def finish(self) -> None:
        for run in self._runs.values():
            run.finish()

    def _send_seed(self, seed: int, log: Path) -> None:
        lines = log.read_bytes().split(b"\n")[:-1]
        fresh = lines[self._sent.get(str(seed), 0) :]
        if not fresh:
            return
        run = self._runs.get(seed) or self._start(seed)
        for row in filter(None, map(_row, fresh)):
            run.log(row)
        self._sent[str(seed)] = len(lines)

    def _start(self, seed: int) -> Any:
        manifest = self._folder.manifest()
        content = manifest["experiment"]["content"]
        run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=f"{manifest['digest']}-{seed}",
            name=f"{content['paper']} {content['env']} seed {seed}",
            group=manifest["digest"],
            config={"seed": seed, **content},
            dir=str(self._folder.path),
            resume="allow",
            reinit="create_new",
        )
        run.define_metric("*", step_metric="step")
        self._runs[seed] = run
        return run


def _row(line: bytes) -> dict[str, Any] | None:
    """A log line as flat metrics: {"step": 2048, "episode/return": -312.5}; None for the header."""
    record = json.loads(line)
    kind, step = record.pop("kind", None), record.pop("step", None)
    if kind is None or step is None:
        return None
    row: dict[str, Any] = {"step": step}
    for name, value in record.items():
        if isinstance(value, list) and value:
            row[f"{kind}/mean-{name}"] = sum(value) / len(value)
        elif isinstance(value, (int, float)):
            row[f"{kind}/{name}"] = value
    return row


def mode() -> str:
    """What WANDB_MODE says, else online where a key is at hand, else offline."""
    said = os.environ.get("WANDB_MODE")
    return said or ("online" if _has_key() else "offline")


def _has_key() -> bool:
    """Whether wandb would find a key: in WANDB_API_KEY, or in the netrc file where it puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        known = netrc.netrc(os.environ.get("NETRC") or Path.home() / ".netrc")
    except (OSError, netrc.NetrcParseError):
        return False
    return host in known.hosts


def main(arguments: list[str] | None = None) -> int:
    """Follow until standard input ends (the parent is done or dead), then send the rest."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    os.environ["WANDB_MODE"] = mode()  # wandb reads its variables once, when it is imported
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    follower = Follower(RunFolder(Path(path)), wandb)
    try:
        while not select.select([0], [], [], _PERIOD)[0]:
            with contextlib.suppress(ReproError):  # the manifest of a first start is yet to come
                follower.send()
        follower.send()
    finally:
        follower.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
