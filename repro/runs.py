"""Run folders: `runs/<paper>/<env>/<set>[+ablation]/<digest>/`.

    manifest.json   what runs: experiment, code, machine, stacks, sessions
    lock            held by the process that runs it
    stacks/<name>/  one per stack: spec.json, checkpoint.pt, seed-<k>.jsonl, outcome.json, policy.pt

The digest is the experiment's together with the code's: an override, another length or mended
code is another folder, and nothing is ever mixed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from repro import files, paths
from repro.errors import ReproError
from repro.launch import origin
from repro.launch.lock import hold
from repro.launch.stacks import Stack

if TYPE_CHECKING:
    from repro.experiment import Experiment

SCHEMA_VERSION = 1


# A stack's name is a folder's.
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][\w-]*$", max_length=100)]


class _Manifest(msgspec.Struct):
    """What reading relies on in a manifest."""

    stacks: dict[_Name, list[int]]


class _End(msgspec.Struct):
    status: str
    steps: int
    diagnosis: str | None = None


class _Outcome(msgspec.Struct):
    """What reading relies on in an outcome."""

    seeds: dict[str, _End]
    seconds: float = 0.0
    evaluation_seconds: float = 0.0


def _check(value: Any, kind: type, path: Path) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        words = " ".join(str(error).split())
        raise ReproError(f"{path}: not a file of ours ({words}); remove the run's folder") from None


@dataclass(frozen=True)
class SeedState:
    """How far a seed is. status: finished, diverged or unfinished; steps: environment steps.

    folder: its stack's, with `seed-<k>.jsonl`; steps, diagnosis and the seconds that its stack
    trained for are known once it is done.
    """

    seed: int
    status: str
    steps: int
    diagnosis: str | None
    folder: Path
    seconds: float | None = None

    @property
    def done(self) -> bool:
        return self.status != "unfinished"

    @property
    def log(self) -> Path:
        return self.folder / f"seed-{self.seed}.jsonl"


def run_digest(experiment: Experiment) -> str:
    """12 hex digits of the experiment's digest together with its code's."""
    code = origin.code_digest(experiment.paper)
    return files.digest({"experiment": experiment.digest, "code": code})[:12]


def run_folders(root: Path | None = None) -> list[Path]:
    """Every folder below `runs/` (or `root`) that has a run's manifest."""
    root = paths.RUNS if root is None else root
    return sorted(file.parent for file in root.glob("*/*/*/*/manifest.json"))


def run_path(experiment: Experiment, root: Path | None = None) -> Path:
    """The experiment's run folder, under `runs/` or `root`; nothing is created."""
    arm = experiment.hparam_set + (f"+{experiment.ablation}" if experiment.ablation else "")
    root = paths.RUNS if root is None else root
    env = experiment.env.replace("/", "-")
    return root / experiment.paper / env / arm / run_digest(experiment)


@dataclass(frozen=True)
class RunFolder:
    """One run folder. Reading needs no lock; writing is done by the process that holds it."""

    path: Path

    @property
    def manifest_file(self) -> Path:
        return self.path / "manifest.json"

    def manifest(self) -> dict[str, Any]:
        """The manifest; ReproError where there is none, or a foreign one."""
        manifest: dict[str, Any] = files.read_json(self.manifest_file, SCHEMA_VERSION)
        _check(manifest, _Manifest, self.manifest_file)
        return manifest

    def stack_path(self, name: str) -> Path:
        return self.path / "stacks" / name

    def seeds(self) -> dict[int, SeedState]:
        """State of every seed that any command asked for, by number."""
        states: dict[int, SeedState] = {}
        for name, members in self.manifest()["stacks"].items():
            folder = self.stack_path(name)
            outcome = self.outcome(name) or {"seeds": {}}
            took = outcome.get("seconds")
            for seed in members:
                found = outcome["seeds"].get(str(seed))
                states[seed] = (
                    SeedState(seed, "unfinished", 0, None, folder)
                    if found is None
                    else SeedState(
                        seed, found["status"], found["steps"], found.get("diagnosis"), folder, took
                    )
                )
        return dict(sorted(states.items()))

    def outcome(self, stack: str) -> dict[str, Any] | None:
        """A stack's `outcome.json`; None while it is unfinished."""
        path = self.stack_path(stack) / "outcome.json"
        outcome: dict[str, Any] | None = None
        if path.exists():
            outcome = files.read_json(path, SCHEMA_VERSION)
            _check(outcome, _Outcome, path)
        return outcome

    def begun(self, stack: str) -> bool:
        """Whether an unfinished stack has a checkpoint to go on from."""
        folder = self.stack_path(stack)
        return not (folder / "outcome.json").exists() and any(folder.glob("checkpoint*.pt"))

    def unfinished(
        self, stacks: Mapping[str, Sequence[int]], seeds: Sequence[int]
    ) -> dict[str, Sequence[int]]:
        """The stacks that go on as they are: those begun, and once one has a checkpoint all others.

        A seed has the same bits in the same stack alone, so a division into stacks is kept that a
        part of the run has used already. Others with seeds not asked for now are left out.
        """
        begun = [name for name in stacks if self.begun(name)]
        done = [name for name in stacks if self.outcome(name) is not None]
        waiting = [n for n in stacks if n not in begun + done and set(stacks[n]) <= set(seeds)]
        return {name: stacks[name] for name in begun + (waiting if begun or done else [])}

    def lock(
        self, patience: float = 60.0, say: Callable[[str], None] | None = None
    ) -> AbstractContextManager[int]:
        """Hold the run for this process; see `repro.launch.lock.hold`."""
        return hold(self.path, patience, say)

    def open(
        self,
        experiment: Experiment,
        seeds: Sequence[int],
        device: str,
        accept_drift: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        """Create or resume the manifest, with the lock held; returns it.

        Raises ReproError where the run began on another machine, other versions or another
        device (unless `accept_drift`, which marks the manifest) and is not done.
        """
        now = origin.machine(device, experiment.env)
        if not self.manifest_file.exists():
            manifest = self._fresh(experiment, now)
        else:
            manifest = self.manifest()
            states = self.seeds()
            left = [s for s in seeds if s not in states or not states[s].done]
            used = any(s.done for s in states.values()) or any(map(self.begun, manifest["stacks"]))
            changes = origin.drift(manifest["machine"], now)
            if changes and not used:
                manifest["machine"] = now
            elif changes and left:
                if not accept_drift:
                    raise ReproError(
                        f"this run began elsewhere: {'; '.join(changes)}. Going on would not give "
                        "the bits of an uninterrupted run: restore that, or go on with "
                        "--accept-drift, which marks the result"
                    )
                manifest["drift"].append({"at": timestamp(), "changes": changes})
                manifest["machine"] = now
                if say:
                    say(f"going on although {'; '.join(changes)}; the result is marked")
        manifest["seeds"] = sorted(set(manifest["seeds"]) | set(seeds))
        files.write_json(self.manifest_file, manifest)
        return manifest

    def _fresh(self, experiment: Experiment, machine: dict[str, Any]) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "digest": self.path.name,
            "experiment": {
                "digest": experiment.digest,
                "content": msgspec.to_builtins(experiment),
            },
            "not_deterministic": origin.declared(
                experiment.paper, experiment.hparams, "not_deterministic"
            ),
            "data": origin.data_digests(experiment.paper),
            "code": {
                "digest": origin.code_digest(experiment.paper),
                "files": origin.code_digests(experiment.paper),
                **origin.commit(),
            },
            "machine": machine,
            "seeds": [],
            "stacks": self._found(),
            "started": timestamp(),
            "finished": None,
            "seconds": 0.0,
            "sessions": [],
            "drift": [],
        }

    def _found(self) -> dict[str, list[int]]:
        """Stacks that lie in the folder although the manifest was lost, by their specs."""
        specs = self.path.glob("stacks/*/spec.json")
        return {p.parent.name: files.read_json(p, SCHEMA_VERSION)["seeds"] for p in specs}

    def settle(self, manifest: dict[str, Any], stacks: Sequence[Stack]) -> None:
        """Record the stacks to train now; ones that left no checkpoint behind are forgotten."""
        kept = {
            name: members
            for name, members in manifest["stacks"].items()
            if self.begun(name) or self.outcome(name) is not None
        }
        manifest["stacks"] = kept | {stack.name: list(stack.seeds) for stack in stacks}
        files.write_json(self.manifest_file, manifest)
        if self.stack_path("").is_dir():
            for folder in self.stack_path("").iterdir():
                known = folder.name in manifest["stacks"]
                if not known and not any(folder.glob("checkpoint*.pt")):
                    shutil.rmtree(folder)

    def close(self, manifest: dict[str, Any], session: dict[str, Any]) -> None:
        """Record a session's end, and the run's when no seed is left.

        `seconds` is the time of all finished stacks together, in seconds of a worker.
        """
        outcomes = [self.outcome(name) for name in manifest["stacks"]]
        manifest["sessions"].append(session)
        manifest["seconds"] = sum(float(o.get("seconds", 0.0)) for o in outcomes if o)
        states = self.seeds()
        done = all(seed in states and states[seed].done for seed in manifest["seeds"])
        manifest["finished"] = timestamp() if done else None
        files.write_json(self.manifest_file, manifest)
        for name in manifest["stacks"]:
            if self.outcome(name) is not None:  # done: nobody goes on from its replay
                for rows in self.stack_path(name).rglob("*.rows"):
                    rows.unlink(missing_ok=True)


def timestamp() -> str:
    """Now, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
