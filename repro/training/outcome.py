"""What a finished stack leaves beside its logs: what became of each seed, and one policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from repro.training.checkpoint import state_of

NAME = "outcome.json"
POLICY = "policy.pt"
EXPORTED = ("model", "policy", "collector")  # of what is kept: networks, normalisers


def export_policy(folder: Path, kept: Mapping[str, Any]) -> None:
    """The first seed's networks and normalisers, in `policy.pt`."""
    exported = {n: _first_seed(state_of(k)) for n, k in kept.items() if n in EXPORTED}
    torch.save(exported, folder / POLICY)


def write(
    folder: Path,
    seeds: Sequence[int],
    steps: Sequence[int],
    diagnoses: Sequence[str | None],
    seconds: Mapping[str, float],
) -> None:
    """`outcome.json`; diagnoses: why a seed diverged, None where it did not. Last: it says done."""
    found = {
        str(seed): {
            "status": "finished" if diagnosis is None else "diverged",
            "steps": done,
            "diagnosis": diagnosis,
        }
        for seed, done, diagnosis in zip(seeds, steps, diagnoses, strict=True)
    }
    content = {
        "schema_version": 1,
        "seeds": found,
        "seconds": seconds["training"],
        "evaluation_seconds": seconds["evaluation"],
        "checkpoint_seconds": seconds["checkpoints"],
    }
    temporary = folder / (NAME + ".part")
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(folder / NAME)


def _first_seed(state: Any) -> Any:
    """The first seed's part of a state: tensors keep the seed axis, with length 1."""
    if isinstance(state, dict):
        return {name: _first_seed(value) for name, value in state.items()}
    return state[:1].clone() if isinstance(state, Tensor) else state
