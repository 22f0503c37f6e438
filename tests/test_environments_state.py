"""Saved and loaded environments go on as if nothing had happened, to the bit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch

from repro.errors import ReproError
from repro.training.environments import Discrete, Environments, make
from repro.training.environments.plain import decode, encode
from repro.training.environments.random_scores import ENVIRONMENTS

ENVS = [*ENVIRONMENTS, "Taxi-v4", "HalfCheetah-v5", "Pusher-v5"]


def _actions(envs: Environments, steps: int, seed: int) -> np.ndarray:
    draw, space = np.random.default_rng(seed), envs.action_space
    shape = (steps, envs.num_seeds, envs.per_seed, *space.shape)
    if isinstance(space, Discrete):
        return draw.integers(space.n, size=shape)
    return draw.uniform(space.low, space.high, shape).astype(np.float32)


def _trace(envs: Environments, actions: np.ndarray) -> list[list[np.ndarray]]:
    return [[np.array(part) for part in envs.step(action)] for action in actions]


def _through_torch(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("env_id", ENVS)
def test_a_fresh_object_goes_on_to_the_bit(env_id: str) -> None:
    envs = make(env_id, [0, 5], 2)
    envs.reset()
    for action in _actions(envs, 300, seed=1):
        envs.step(action)
    saved = _through_torch(envs.state_dict())
    actions = _actions(envs, 300, seed=2)
    expected = _trace(envs, actions)

    fresh = make(env_id, [0, 5], 2)
    fresh.load_state_dict(saved)
    for ours, theirs in zip(_trace(fresh, actions), expected, strict=True):
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            assert ours_part.tobytes() == theirs_part.tobytes()

    envs.load_state_dict(saved)  # a used object takes the state over as well
    for ours_part, theirs_part in zip(_trace(envs, actions)[-1], expected[-1], strict=True):
        assert ours_part.tobytes() == theirs_part.tobytes()


def test_saving_before_the_first_reset_keeps_the_seeds() -> None:
    envs, fresh = make("CartPole", [3], 1), make("CartPole", [3], 1)
    fresh.load_state_dict(_through_torch(envs.state_dict()))
    assert envs.reset().tobytes() == fresh.reset().tobytes()


def test_saving_does_not_disturb() -> None:
    actions = _actions(make("Reacher", [0], 2), 120, seed=4)
    plain, saved = make("Reacher", [0], 2), make("Reacher", [0], 2)
    plain.reset(), saved.reset()
    for action in actions:
        saved.state_dict()
        for a, b in zip(plain.step(action), saved.step(action), strict=True):
            assert a.tobytes() == b.tobytes()


def test_a_state_of_other_environments_is_refused() -> None:
    state = make("CartPole", [0], 1).state_dict()
    with pytest.raises(ReproError, match="id CartPole-v1, expected Acrobot-v1"):
        make("Acrobot", [0], 1).load_state_dict(state)
    with pytest.raises(ReproError, match=r"seeds \[0\], expected \[1\]"):
        make("CartPole", [1], 1).load_state_dict(state)


def test_plain_types_come_back_exactly() -> None:
    generator = np.random.Generator(np.random.MT19937(4))
    value = {
        "big": 2**127 + 1,
        "negative": -(2**70),
        3: (1.5, None, True, "x"),
        (1, 2): [np.float32(0.1), np.int64(7), np.bool_(True)],
        "array": np.arange(6, dtype=np.int16).reshape(2, 3),
        "empty": np.zeros((0, 3)),
        "bytes": np.array([[b"S", b"G"]]),
        "generator": generator,
    }
    back = decode(_through_torch({"v": encode(value, "value")})["v"])
    assert back.pop("generator").random() == generator.random()
    value.pop("generator")
    assert repr(back) == repr(value)
    assert [type(item) for item in back[(1, 2)]] == [np.float32, np.int64, np.bool_]


def test_what_cannot_be_saved_is_named() -> None:
    with pytest.raises(ReproError, match="the world is a set, which cannot be saved"):
        encode({1, 2}, "the world")
