"""Checkpoints that are damaged, or somebody else's."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.faults.finding import Finding
from benchmarks.faults.subjects import PPO, Place
from benchmarks.faults.trial import finish, stop_half_way


class Opens:
    """A pickle that runs code when it is opened carelessly."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def signed(path: Path, value: Any) -> None:
    """A checkpoint file with whatever content, and the right digest at its end."""
    torch.save(value, path)
    content = path.read_bytes()
    path.write_bytes(content + hashlib.sha256(content).digest())


def _truncated(path: Path, mark: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def _flipped(path: Path, mark: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _empty(path: Path, mark: Path) -> None:
    path.write_bytes(b"")


def _code(path: Path, mark: Path) -> None:
    signed(path, {"schema_version": 1, "kept": Opens(mark)})


def _foreign(path: Path, mark: Path) -> None:
    signed(path, {"schema_version": 1, "kept": {"network": torch.zeros(3)}})


DAMAGES: dict[str, Callable[[Path, Path], None]] = {
    "truncated": _truncated,
    "one bit flipped": _flipped,
    "empty": _empty,
    "a pickle that runs code": _code,
    "another program's tensors": _foreign,
}


def damaged_checkpoint(place: Place) -> Finding:
    """The newest checkpoint is damaged, or both are."""
    found = Finding(f"the newest checkpoint: {', '.join(DAMAGES)}; of two kinds, both of them")
    expected = place.undisturbed(PPO)
    began = place.command(PPO, "before damage")
    stack = stop_half_way(began, expected).relative_to(began.root)
    mark = place.folder / "code ran"
    for name, damage in DAMAGES.items():
        for both in (False, True) if damage in (_flipped, _code) else (False,):
            found.times += 1
            command = place.command(PPO, f"damaged {name} {both}")
            shutil.copytree(began.root, command.root)
            damage(command.root / stack / "checkpoint.pt", mark)
            if both:
                damage(command.root / stack / "checkpoint.previous.pt", mark)
            said = finish(found, command, expected)
            found.heard(
                said, "no good checkpoint is left" if both else "the one before it is taken"
            )
            found.expect(not mark.exists(), f"{name}: code in a checkpoint ran")
            shutil.rmtree(command.root)
    shutil.rmtree(began.root)
    return found
