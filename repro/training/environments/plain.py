"""Python values as plain types and tensors, which torch.load(weights_only=True) reads back.

What torch cannot keep as it is (integers beyond 64 bits, tuples in dictionaries' keys, numpy
arrays and scalars, generators) becomes a dictionary {"kind": …}; the types come back exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from repro.errors import ReproError


def encode(value: Any, what: str) -> Any:
    """`value` in plain types; `what` names it in the error if its type is not known."""
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return value
    if kind is int:
        # PCG64's state has 128 bits.
        return value if value.bit_length() < 64 else {"kind": "int", "hex": hex(value)}
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return {
            "kind": "array" if isinstance(value, np.ndarray) else "scalar",
            "dtype": value.dtype.str,
            "shape": list(value.shape),
            "bytes": torch.frombuffer(bytearray(value.tobytes()), dtype=torch.uint8)
            if value.nbytes
            else torch.zeros(0, dtype=torch.uint8),
        }
    if kind in (list, tuple):
        return {"kind": kind.__name__, "items": [encode(item, what) for item in value]}
    if kind is dict:
        items = [[encode(k, what), encode(v, what)] for k, v in value.items()]
        return {"kind": "dict", "items": items}
    if isinstance(value, np.random.Generator):
        return {"kind": "generator", "state": encode(value.bit_generator.state, what)}
    raise ReproError(
        f"{what} is a {kind.__name__}, which cannot be saved exactly, so a run could not be "
        "resumed; expected numbers, arrays, lists or generators: choose another environment"
    )


def decode(value: Any) -> Any:
    """The value that `encode` was given."""
    if not isinstance(value, dict):
        return value
    kind = value["kind"]
    if kind == "int":
        return int(value["hex"], 16)
    if kind in ("array", "scalar"):
        array = np.frombuffer(value["bytes"].numpy().tobytes(), np.dtype(value["dtype"]))
        array = array.reshape(value["shape"]).copy()
        return array if kind == "array" else array[()]
    if kind in ("list", "tuple"):
        items = [decode(item) for item in value["items"]]
        return items if kind == "list" else tuple(items)
    if kind == "dict":
        return {decode(k): decode(v) for k, v in value["items"]}
    state = decode(value["state"])
    bit_generator = getattr(np.random, state["bit_generator"])()
    bit_generator.state = state
    return np.random.Generator(bit_generator)
