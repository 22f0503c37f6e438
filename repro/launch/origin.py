"""Where a run's numbers come from: the digest of its code, and the machine and versions.

The code digest covers the implementation's file, the implementations it imports (and those they
import), and every file of `repro/training`: mended code is another run. Cards, pages, tests and
the command line are not in it.
"""

from __future__ import annotations

import ast
import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro import files, paths
from repro.errors import ReproError
from repro.training.environments.names import is_atari, rom, simulator

if TYPE_CHECKING:
    from repro.experiment import Experiment

TRAINING = Path(__file__).resolve().parent.parent / "training"
PACKAGES = ("torch", "numpy", "gymnasium", "mujoco", "ale-py")

# What one worker may use: results are compared bit for bit only with equal numbers of threads.
THREADS = 1


def implementation_file(paper: str) -> Path:
    """`implementations/<id with _>.py`; ReproError where there is none."""
    path = paths.IMPLEMENTATIONS / f"{paper.replace('-', '_')}.py"
    if not path.is_file():
        raise ReproError(f"{paper} has no implementation to run ({path.name} is missing)")
    return path


def implementation_constant(paper: str, name: str, default: Any) -> Any:
    """A module-level constant that an implementation declares, such as `max_stack = 1`.

    Read from the source, so that asking does not import torch.
    """
    for node in _tree(implementation_file(paper)).body:
        if isinstance(node, ast.Assign):
            targets: list[ast.expr] = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        if node.value and any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return ast.literal_eval(node.value)
    return default


def declared(paper: str, hparams: Mapping[str, Any], name: str) -> Any:
    """What the implementation declares under `name` for the kinds that `hparams` have chosen.

    It is a constant such as `processes = {"execution.asynchronous": "num_actors"}`: a field of the
    hyperparameters and one of its kinds. None where there is none, or another kind was chosen.
    """
    table: dict[str, Any] = implementation_constant(paper, name, {})
    for choice, value in table.items():
        field, kind = choice.split(".")
        if hparams[field]["kind"] == kind:
            return value
    return None


def stack_limit(experiment: Experiment) -> int | None:
    """Seeds that one process may train together: `max_stack`, a number or one by kind."""
    limit = implementation_constant(experiment.paper, "max_stack", None)
    if not isinstance(limit, dict):
        return limit
    return declared(experiment.paper, experiment.hparams, "max_stack")


def stacks_at_once(experiment: Experiment, workers: int) -> int:
    """How many stacks run side by side, of which one may take several of the `workers` processes.

    `processes` names the hyperparameter that says how many; one stack runs however few there are.
    """
    field = declared(experiment.paper, experiment.hparams, "processes")
    return workers if field is None else max(1, workers // experiment.hparams[field])


def code_files(paper: str) -> dict[str, Path]:
    """Every file that decides what a run of `paper` computes: name in the clone → path."""
    found: dict[str, Path] = {}
    todo = [implementation_file(paper)]
    while todo:
        path = todo.pop()
        name = f"implementations/{path.name}"
        if name not in found:
            found[name] = path
            todo += [p for m in _imports(_tree(path)) if (p := path.with_name(m + ".py")).is_file()]
    for path in TRAINING.rglob("*.py"):
        found[f"repro/training/{path.relative_to(TRAINING).as_posix()}"] = path
    return dict(sorted(found.items()))


def code_digest(paper: str) -> str:
    """sha256 over the names and contents of `code_files`."""
    return files.digest(code_digests(paper))


def code_digests(paper: str) -> dict[str, str]:
    """File → sha256, for every one of `code_files`."""
    return {name: files.file_digest(path) for name, path in code_files(paper).items()}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), path.name)


def _imports(tree: ast.Module) -> list[str]:
    """Names of modules of `implementations` that a file imports, wherever in it."""
    package, names = "implementations", []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == package:
            dotted = [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 1:
            inner = [node.module] if node.module else [alias.name for alias in node.names]
            dotted = [f"{package}.{name}" for name in inner]
        elif isinstance(node, ast.ImportFrom):
            dotted = [node.module or ""]
        else:
            continue
        names += [d.split(".")[1] for d in dotted if d.startswith(package + ".")]
    return names


def data_digests(paper: str) -> dict[str, str | None]:
    """sha256 of the paper's card and of its hparam file; null where there is none."""
    found = {"card": paths.PAPERS / f"{paper}.yaml", "hparams": paths.HPARAMS / f"{paper}.yaml"}
    return {key: files.file_digest(p) if p.is_file() else None for key, p in found.items()}


def commit() -> dict[str, Any]:
    """The clone's commit and whether tracked files differ from it; nulls outside git."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(paths.ROOT), *arguments],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)results")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else changes != ""}


def machine(device: str = "cpu", env: str = "") -> dict[str, Any]:
    """Versions and hardware on which bits depend; flat, each value a string, a number or null.

    env: a resolved id; of an Atari game the ROM is named, with its MD5 (as ALE lists them).
    """
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "threads": THREADS,
        "device": device,
    }
    for package in PACKAGES:
        facts[package] = _version(package)
    facts["mujoco-engine"] = _engine()
    if is_atari(env):
        path = rom(env)
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        facts["rom"] = f"{path.stem} {digest}"
    if device != "cpu":
        facts["accelerator"] = _accelerator(device)
    return facts


def engine(manifest: Mapping[str, Any], env: str) -> str:
    """What simulated a run's task, with its version: `MuJoCo 3.6.0`; `–` where not recorded."""
    name, key = simulator(env)
    version = manifest.get("machine", {}).get(key)
    return f"{name} {version}" if version else "–"


def drift(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two machines, in words: `torch 2.12.0 is now 2.13.0`."""
    return [
        f"{key} {before.get(key)} is now {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _engine() -> str | None:
    try:
        import mujoco
    except ImportError:
        return None
    return str(mujoco.mj_versionString())


def _accelerator(device: str) -> str | None:
    import torch

    return torch.cuda.get_device_name(device) if torch.cuda.is_available() else None


def _cpu_model() -> str:
    if sys.platform == "linux":
        facts: dict[str, str] = {}
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
        name = facts.get("model name") or facts.get("Model")
        if name:  # clouds give one name to several generations, hence family and model
            numbers = [f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts]
            return f"{name} ({', '.join(numbers)})" if numbers else name
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.strip()
    return platform.processor() or platform.machine()
