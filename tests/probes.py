"""Probe environments: tasks so small that values and best actions are known beforehand.

Importing this module registers them with Gymnasium. In order of what they need to work; Box:
there is one with real-valued actions:

ProbeConstant(Box) one step, reward 2                                    value
ProbeDiscount(Box) two steps, reward 1 with the second                   discounting, terminals
ProbeObservation(Box)one step, reward = the observation ±1                 its value for each
ProbeAction(Box)   one step, the reward depends on the action            the policy's gradient
ProbeBoth(Box)     one step, the best action depends on the observation  both networks
ProbeImage         ProbeBoth in pictures                                 convolutions
ProbeForever(Box)  reward 1 a step until the time limit of one step      time limits
ProbeTurns(Box)    two states by turns, limit of three steps             which state was cut off
ProbeMemory(Box)   three steps, the last one's best action is in the first observation   a memory
ProbeBounds        rewards the action's size as the environment got it   clipping of actions
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

BEST = 0.5  # of the real-valued actions
CONV = {  # a network that tells ProbeImage's pictures apart
    "kind": "conv",
    "channels": [16],
    "kernels": [3],
    "strides": [3],
    "padding": [0],
    "hidden": 32,
}
ONE = spaces.Box(-1.0, 1.0, (1,), np.float32)


def _point(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


class OneStep(gymnasium.Env):
    """Episodes of one step: the reward depends on observation and action, as `kind` says."""

    def __init__(self, kind: str, box: bool = False, sees: bool = False) -> None:
        self.kind, self.box, self.sees = kind, box, sees
        self.observation_space = ONE
        self.action_space = ONE if box else spaces.Discrete(2)
        self.x = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.x = float(self.np_random.choice([-1.0, 1.0])) if self.sees else 0.0
        return _point(self.x), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        return _point(self.x), self._reward(action), True, False, {}

    def _reward(self, action: Any) -> float:
        if self.kind == "constant":
            return 2.0
        if self.kind == "observation":
            return self.x
        if self.kind == "size":
            return abs(float(action[0]))
        best = self.x if self.sees else 1.0
        if self.box:
            return -float(np.square(action[0] - BEST * best))
        return 1.0 if (1.0 if action == 1 else -1.0) == best else -1.0


class Image(OneStep):
    """The same in pictures: the left half is white for −1, the right half for 1."""

    def __init__(self) -> None:
        super().__init__("action", sees=True)
        self.observation_space = spaces.Box(0, 255, (1, 6, 6), np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return self._picture(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        return self._picture(), self._reward(action), True, False, {}

    def _picture(self) -> np.ndarray:
        return picture(self.x)


def picture(x: float) -> np.ndarray:
    """What ProbeImage shows for `x`, uint8 [1, 6, 6]."""
    shown = np.zeros((1, 6, 6), np.uint8)
    shown[:, :, slice(3, 6) if x > 0 else slice(0, 3)] = 255
    return shown


class Discount(gymnasium.Env):
    """Observation 0, then 1; the second step is rewarded and the last."""

    def __init__(self, box: bool = False) -> None:
        self.observation_space, self.action_space = ONE, ONE if box else spaces.Discrete(2)
        self.x = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.x = 0.0
        return _point(self.x), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        ended = self.x == 1.0
        self.x = 1.0
        return _point(self.x), float(ended), ended, False, {}


class Forever(gymnasium.Env):
    """Never ends by itself. By turns: reward 1 at observation 1, reward 0 at observation −1."""

    def __init__(self, turns: bool, box: bool = False) -> None:
        self.observation_space, self.action_space = ONE, ONE if box else spaces.Discrete(2)
        self.turns, self.x = turns, 1.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.x = 1.0
        return _point(self.x), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        reward = 1.0 if self.x == 1.0 else 0.0
        if self.turns:
            self.x = -self.x
        return _point(self.x), reward, False, False, {}


class Cue(gymnasium.Env):
    """Shows ±1, then 0 and 0; at the third step the best action is the one that ±1 asked for."""

    LENGTH = 3

    def __init__(self, box: bool = False) -> None:
        self.observation_space, self.action_space = ONE, ONE if box else spaces.Discrete(2)
        self.box, self.x, self.t = box, 0.0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.x, self.t = float(self.np_random.choice([-1.0, 1.0])), 0
        return _point(self.x), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.t += 1
        if self.t < self.LENGTH:
            return _point(0.0), 0.0, False, False, {}
        if self.box:
            return _point(0.0), -float(np.square(action[0] - BEST * self.x)), True, False, {}
        return _point(0.0), 1.0 if (action == 1) == (self.x > 0) else -1.0, True, False, {}


PROBES: dict[str, tuple[type[gymnasium.Env], dict[str, Any], int | None]] = {
    "ProbeConstant-v0": (OneStep, {"kind": "constant"}, None),
    "ProbeDiscount-v0": (Discount, {}, None),
    "ProbeObservation-v0": (OneStep, {"kind": "observation", "sees": True}, None),
    "ProbeAction-v0": (OneStep, {"kind": "action"}, None),
    "ProbeActionBox-v0": (OneStep, {"kind": "action", "box": True}, None),
    "ProbeBoth-v0": (OneStep, {"kind": "action", "sees": True}, None),
    "ProbeBothBox-v0": (OneStep, {"kind": "action", "box": True, "sees": True}, None),
    "ProbeImage-v0": (Image, {}, None),
    "ProbeMemory-v0": (Cue, {}, None),
    "ProbeMemoryBox-v0": (Cue, {"box": True}, None),
    "ProbeBounds-v0": (OneStep, {"kind": "size", "box": True}, None),
    "ProbeForever-v0": (Forever, {"turns": False}, 1),
    "ProbeTurns-v0": (Forever, {"turns": True}, 3),
    "ProbeConstantBox-v0": (OneStep, {"kind": "constant", "box": True}, None),
    "ProbeDiscountBox-v0": (Discount, {"box": True}, None),
    "ProbeObservationBox-v0": (OneStep, {"kind": "observation", "box": True, "sees": True}, None),
    "ProbeForeverBox-v0": (Forever, {"turns": False, "box": True}, 1),
    "ProbeTurnsBox-v0": (Forever, {"turns": True, "box": True}, 3),
}
for _id, (_made, _settings, _limit) in PROBES.items():
    if _id not in gymnasium.registry:
        gymnasium.register(_id, _made, max_episode_steps=_limit, kwargs=_settings)
