"""Behaviour fingerprints: what is stored is what the code does; rounding is nothing, a bug is."""

from __future__ import annotations

import msgspec
import pytest
import torch

from implementations import ppo_2017
from repro import behaviour, fingerprints, stale
from repro.experiment import implemented
from repro.fingerprints import Fingerprint, alike, differences
from repro.training.optim import Adam

STORED = [(paper, arm) for paper in implemented() for arm in sorted(fingerprints.read(paper).arms)]
RENEW = "; where the change is meant, store it: repro stale --write"


@pytest.mark.parametrize(("paper", "arm"), STORED)
def test_the_code_behaves_as_stored(paper, arm):
    stored = fingerprints.read(paper).arms[arm]
    now = Fingerprint(env=stored.env, values=behaviour.measure(paper, arm, stored.env))
    assert differences(stored, now) == [], RENEW
    updates = [name for name, values in now.values.items() if name.endswith("optimizer")]
    assert any(now.values[name][2] > 0 for name in updates) or not updates, "nothing was learnt"


@pytest.mark.parametrize("paper", implemented())
def test_every_arm_has_a_fingerprint_or_a_reason(paper):
    file = fingerprints.read(paper)
    assert set(file.arms) | set(file.without) >= set(stale.arms_of(paper)), RENEW
    for arm in file.without:
        assert file.without[arm]


def mujoco():
    values = behaviour.measure("ppo-2017", "mujoco", "HalfCheetah-v4")
    return Fingerprint(env="HalfCheetah-v4", values=values)


def test_a_bug_shows_and_rounding_does_not(monkeypatch):
    right = mujoco()
    assert differences(right, mujoco()) == []
    plain = ppo_2017.generalized_advantage

    def rounded(*arguments):
        return plain(*arguments) * (1 + 3e-5)

    def undiscounted(*arguments):
        *others, gamma, gae_lambda = arguments
        return plain(*others, gamma**4, gae_lambda)

    monkeypatch.setattr(ppo_2017, "generalized_advantage", rounded)
    assert differences(right, mujoco()) == []
    monkeypatch.setattr(ppo_2017, "generalized_advantage", undiscounted)
    assert any("optimizer" in change for change in differences(right, mujoco()))


def test_a_run_ends_before_its_third_update(monkeypatch):
    taken = []
    step = Adam.step
    monkeypatch.setattr(Adam, "step", lambda self, *a: taken.append(1) or step(self, *a))
    behaviour.measure("ppo-2017", "mujoco", "HalfCheetah-v4")
    assert len(taken) == behaviour.UPDATES


def test_what_is_alike():
    assert alike([1.0, 0.5], [1.005, 0.505])
    assert not alike([1.0, 0.5], [1.02, 0.5])
    assert not alike([1.0, 0.5], [1.0, 0.55])
    assert alike([0.0, 0.0], [0.0, 1e-12])
    assert not alike([64.0], [65.0])
    assert not alike([1.0, 0.5], [1.0, 0.5, 0.0, 0.0])


def test_differences_in_words():
    one = Fingerprint(env="CartPole-v1", values={"a": [1.0, 0.0], "b": [2.0]})
    other = Fingerprint(env="CartPole-v1", values={"a": [2.0, 0.0], "c": [2.0]})
    assert differences(one, other) == ["a 1/0 is now 2/0", "b is gone", "c is new"]
    moved = msgspec.structs.replace(one, env="Pendulum-v1")
    assert differences(one, moved) == ["environment CartPole-v1 is now Pendulum-v1"]


def test_summaries_tell_order_and_size_apart():
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    size, along = behaviour._summary(x)
    assert size == pytest.approx((14 / 3) ** 0.5, rel=1e-5)
    assert behaviour._summary(x.flip(0))[0] == size
    assert abs(behaviour._summary(x.flip(0))[1] - along) > 0.1


def test_arms_that_have_none_say_why():
    assert "nothing is trained" in stale.measured("pg-theorem-1999", "exact")
    assert stale.exempt("ppo-2017", "mujoco") is None
    assert "not deterministic" in stale.exempt("a3c-2016", "classic-asynchronous")
    assert stale.exempt("a3c-2016", "classic-asynchronous+synchronous") is None
