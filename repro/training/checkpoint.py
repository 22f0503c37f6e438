"""Checkpoints: tensors and plain types only, never half-written, the last good one kept."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SCHEMA_VERSION = 1
NAME = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"
DIGEST_BYTES = hashlib.sha256().digest_size


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` so that a kill at any point leaves this checkpoint or the one before.

    Raises OSError when the disk is full; the checkpoints already there stay good.
    """
    buffer = io.BytesIO()
    torch.save({"schema_version": SCHEMA_VERSION, **state}, buffer)
    payload = buffer.getbuffer()
    temporary = folder / (NAME + ".part")
    try:
        with temporary.open("wb") as file:
            file.write(payload)
            file.write(hashlib.sha256(payload).digest())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if (folder / NAME).exists():
        os.replace(folder / NAME, folder / PREVIOUS)
    os.replace(temporary, folder / NAME)
    _sync_folder(folder)


def load(folder: Path, whose: str | None = None) -> tuple[dict[str, Any] | None, str | None]:
    """The newest good checkpoint of `folder` (None where there is none) and a warning, if any.

    A file that is truncated, altered or not ours is passed over for the one before it.
    whose: what its state must carry under this name; None takes any.
    """
    warnings: list[str] = []
    for name in (NAME, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        try:
            return _read(path, whose), "; ".join(warnings) or None
        except Exception as error:  # whatever torch.load makes of a stranger's bytes
            warnings.append(f"{name} is damaged ({error}), the one before it is taken")
    if warnings:
        warnings.append("no good checkpoint is left, training starts anew")
    return None, "; ".join(warnings) or None


def state_of(kept: Any) -> Any:
    """What a checkpoint holds of a kept object: a tensor itself, else its `state_dict`."""
    return kept if isinstance(kept, Tensor) else kept.state_dict()


def restore(kept: Any, state: Any) -> None:
    """Give a kept object back what `state_of` took: in place where it is a tensor."""
    if isinstance(kept, Tensor):
        kept.copy_(state)
    else:
        kept.load_state_dict(state)


def _read(path: Path, whose: str | None) -> dict[str, Any]:
    content = path.read_bytes()
    payload, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("its digest does not match")
    state = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    if state.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"schema_version {state.get('schema_version')}, not {SCHEMA_VERSION}")
    if whose not in (None, state.get("whose")):
        raise ValueError("it is another run's")
    return state


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
