"""The exact state of one Gymnasium environment, in plain types and tensors.

What is kept: the environment's own attributes (among them its generator and whatever a classic
control or toy text task calls its state), and for MuJoCo every array of MjData that outlives a
step. `mjSTATE_INTEGRATION` would not do: Reacher, Ant and Humanoid read derived fields that a
step leaves behind. Contacts and constraint rows (MjData's arena) are rebuilt by each step and
not kept.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from repro.errors import ReproError
from repro.training.environments.plain import decode, encode

# Attributes that never change once the environment is made.
_CONSTANT = frozenset({"P", "desc", "initial_state_distrib", "metadata", "spec"})
_CONSTANT_TYPES = ("Space", "EnvSpec", "MjModel", "MjData", "MujocoRenderer")


class State(Protocol):
    """What saves and loads an environment, in plain types and tensors."""

    def save(self) -> dict[str, Any]: ...

    def load(self, state: dict[str, Any]) -> None: ...


def state_of(env: Any, env_id: str) -> State:
    """`env` itself where it can save itself (an Atari game), else its `EnvironmentState`."""
    return env if hasattr(env, "save") else EnvironmentState(env, env_id)


class EnvironmentState:
    """Saves and loads the state of `env` (unwrapped). Raises ReproError if it cannot be saved."""

    def __init__(self, env: Any, env_id: str) -> None:
        self._env, self._id = env, env_id
        data = getattr(env, "data", None)
        self._data = data if type(data).__name__ == "MjData" else None
        self._arrays = [] if self._data is None else _arrays(self._data)
        self._layout = [[name, str(array.dtype), array.size] for name, array in self._arrays]
        self._attributes()  # say at once what cannot be saved, not at the first checkpoint

    def save(self) -> dict[str, Any]:
        """Attributes; and for MuJoCo the layout of MjData, its bytes in one tensor, its time."""
        state: dict[str, Any] = {"attributes": self._attributes()}
        if self._data is not None:
            raw = [array.reshape(-1).view(np.uint8) for _, array in self._arrays]
            state["time"] = float(self._data.time)
            state["layout"] = self._layout
            state["data"] = torch.from_numpy(np.concatenate(raw))
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Set everything that `save` kept, to the bit."""
        for name, value in state["attributes"].items():
            setattr(self._env, name, decode(value))
        if self._data is None:
            return
        if state.get("layout") != self._layout:
            raise ReproError(
                f"the saved physics of {self._id} has another layout than this MuJoCo; "
                "resume with the version that the run was started with"
            )
        raw, start = state["data"].numpy(), 0
        for _, array in self._arrays:
            array.reshape(-1).view(np.uint8)[:] = raw[start : start + array.nbytes]
            start += array.nbytes
        self._data.time = state["time"]

    def _attributes(self) -> dict[str, Any]:
        return {
            name: encode(value, f"{self._id}: attribute {name}")
            for name, value in vars(self._env).items()
            if not _is_constant(name, value)
        }


def _is_constant(name: str, value: Any) -> bool:
    if name in _CONSTANT or name.startswith("_ezpickle_") or callable(value):
        return True
    return any(kind.__name__ in _CONSTANT_TYPES for kind in type(value).__mro__)


def _arrays(data: Any) -> list[tuple[str, npt.NDArray[Any]]]:
    """Views of all arrays in MjData's own buffer: what `mj_copyData` copies besides the arena.

    The buffer starts with `qpos`. Other arrays either lie in the arena, where each step lays
    them out anew, or are counters and timings.
    """
    start = _address(data.qpos)
    found = []
    for name in sorted(set(dir(data))):
        if name.startswith("_"):
            continue
        array = getattr(data, name)
        if not isinstance(array, np.ndarray) or not array.size:
            continue
        if start <= _address(array) < start + data.nbuffer:
            found.append((name, array))
    return found


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
