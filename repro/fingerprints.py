"""Behaviour fingerprints: a few stored values of a run of at most two updates, for each arm.

`fingerprints/<paper>.json` says how each set (and each ablation with results) behaves today, held
to the code by a test, and how the code behaved that each committed result was made with. A
result is *run-stale* where the two differ by more than rounding. `repro stale --write` rewrites
the file; `repro.behaviour` measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from repro import paths
from repro.errors import ReproError
from repro.files import read_json, write_json

SCHEMA_VERSION = 1
# Of a root mean square, and of a projection relative to it. For PPO on InvertedPendulum advantages
# that are off by 1e-6 move these values by as much; γ twice moves them by 0.06, a missing done
# mask by 0.6, a wrong sign by 1.3.
TOLERANCE = 0.01
NOTHING = 1e-9  # a value below this is zero but for rounding

Values = dict[str, list[float]]


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an arm trains on one environment.

    values: of each kept object's numbers, root mean square and a projection, before the first
    update and of the change until after the last; `steps`: environment steps done by then.
    """

    env: str
    values: Values


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """arms: today's, by set[+ablation]. without: arms that have none, and why. results: by the
    code digest (12 digits) of results, how the arms behaved then."""

    schema_version: int
    arms: dict[str, Fingerprint]
    without: dict[str, str]
    results: dict[str, dict[str, Fingerprint]]


def path_of(paper: str) -> Path:
    return paths.ROOT / "fingerprints" / f"{paper}.json"


def read(paper: str) -> File:
    """The paper's stored fingerprints; empty where there are none yet."""
    path = path_of(paper)
    if not path.is_file():
        return File(schema_version=SCHEMA_VERSION, arms={}, without={}, results={})
    try:
        return msgspec.convert(read_json(path, SCHEMA_VERSION), File)
    except msgspec.ValidationError as error:
        raise ReproError(f"{path}: {error}; write it with `repro stale --write`") from None


def write(paper: str, file: File) -> None:
    write_json(path_of(paper), msgspec.to_builtins(file))


def differences(then: Fingerprint, now: Fingerprint) -> list[str]:
    """What behaves otherwise, in words; empty where all is the same but for rounding."""
    if then.env != now.env:
        return [f"environment {then.env} is now {now.env}"]
    found = []
    for name in sorted(then.values.keys() | now.values.keys()):
        old, new = then.values.get(name), now.values.get(name)
        if old is None or new is None:
            found.append(f"{name} is {'new' if old is None else 'gone'}")
        elif not alike(old, new):
            found.append(f"{name} {_shown(old)} is now {_shown(new)}")
    return found


def alike(old: Sequence[float], new: Sequence[float]) -> bool:
    """Pairs (root mean square, projection) within the tolerance; single numbers are exact."""
    if len(old) != len(new) or len(old) == 1:
        return list(old) == list(new)
    pairs = zip(old[::2], old[1::2], new[::2], new[1::2], strict=True)
    return all(
        max(abs(size - other), abs(along - across)) <= TOLERANCE * max(size, other) + NOTHING
        for size, along, other, across in pairs
    )


def _shown(values: Sequence[float]) -> str:
    return "/".join(f"{value:.4g}" for value in values)


def result_code(folder: Path) -> str:
    """The digest (12 digits) of the code that a committed result was made with."""
    manifest = read_json(folder / "manifest.json", SCHEMA_VERSION)
    return str(manifest["code"]["digest"])[:12]


def since(folder: Path, now: Mapping[str, Fingerprint] | None = None) -> list[str] | None:
    """What the arm of a result in `results/<paper>/<env>/<arm>` does otherwise since its run.

    Empty: nothing; None: not known, for want of a fingerprint then or now. now: today's
    fingerprints by arm, by default the stored ones.
    """
    paper, arm = folder.parts[-3], folder.name
    stored = read(paper)
    then = stored.results.get(result_code(folder), {}).get(arm)
    today = (stored.arms if now is None else now).get(arm)
    return None if then is None or today is None else differences(then, today)
