"""A2C: returns against hand-computed cases and a slow oracle, losses, tasks with known values."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import probes
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_tools import assert_pictures_are_seen, lines, make_run, policy_at, statuses, value_at

from implementations import a3c_2016
from implementations.a3c_2016 import losses, n_step_returns
from repro.training.policies import Categorical
from repro.training.run import Run

SETTINGS: dict[str, Any] = {
    "atari": {"kind": "none"},
    "execution": {"kind": "synchronous"},
    "num_actors": 8,
    "horizon": 5,  # no multiple of an episode's length
    "gamma": 0.5,
    "step_size": {"kind": "linear", "start": 0.03, "end": 0.0},
    "rmsprop": {
        "decay": 0.9,
        "epsilon": 1e-5,
        "epsilon_inside": True,
        "initial_square": 1.0,
        "centered": False,
    },
    "entropy_coefficient": 0.0,
    "value_coefficient": 0.5,
    "over_steps": "mean",
    "max_grad_norm": {"kind": "none"},
    "network": {"kind": "mlp", "hidden": [16], "activation": "tanh"},
    "memory": {"kind": "none"},
    "initialization": {"kind": "normc", "hidden": 1.0, "policy": 0.1, "value": 1.0},
    "log_std": {"kind": "learnt", "initial": -0.5},
    "clip_actions": False,
    "observation_normalization": {"kind": "none"},
    "reward_normalization": {"kind": "none"},
    "time_limit": "terminal",
    "schedule_steps": 6000,
}
ITERATION, STEPS = 40, 6000


def a2c(**changes):
    return msgspec.convert(SETTINGS | changes, a3c_2016.HParams)


def trained(hparams, env, folder, **options):
    run = make_run(hparams, env, folder, **({"steps": STEPS} | options))
    a3c_2016.train(run)
    return run


def close(found, expected, within=0.1):
    np.testing.assert_allclose(found, np.full(len(found), expected), rtol=0, atol=within)


def row(*values, dtype=np.float32):
    return np.array(values, dtype=dtype)


def test_returns_by_hand():
    """γ = 1/2. Steps 0 and 1 terminate at 1; 2 is cut off; 3 and 4 go on beyond the rollout."""
    found = n_step_returns(
        reward=row(1, 2, 4, 8, 16),
        next_value=row(99, 99, 6, 99, 10),
        terminal=row(0, 1, 0, 0, 0, dtype=bool),
        done=row(0, 1, 1, 0, 0, dtype=bool),
        gamma=0.5,
    )
    assert found.tolist() == [1 + 2 / 2, 2.0, 4 + 6 / 2, 8 + (16 + 10 / 2) / 2, 16 + 10 / 2]
    assert found.dtype == np.float32


def slow_return(t, reward, next_value, terminal, done, gamma):
    """Algorithm S3 forwards: rewards to the episode's or the rollout's end, then the value."""
    total, discount = 0.0, 1.0
    for k in range(t, len(reward)):
        total += discount * reward[k]
        discount *= gamma
        if done[k] or k == len(reward) - 1:
            return total + (0.0 if terminal[k] else discount * next_value[k])
    raise AssertionError


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 9))
def test_returns_against_the_sum_forwards(seed, steps):
    chance = np.random.default_rng(seed)
    reward, value = chance.normal(size=(2, 2, 3, steps)).astype(np.float32)
    done = chance.random((2, 3, steps)) < 0.3
    terminal = done & (chance.random(done.shape) < 0.5)
    found = n_step_returns(reward, value, terminal, done, 0.9)
    for place in np.ndindex(2, 3):
        arrays = [a[place].tolist() for a in (reward, value, terminal, done)]
        expected = [slow_return(t, *arrays, 0.9) for t in range(steps)]
        np.testing.assert_allclose(found[place], expected, rtol=1e-4, atol=1e-5)


def test_losses_by_hand():
    """Probabilities 1/4 and 3/4; advantages 2 and −1; the advantage is no path of the gradient."""
    value = torch.tensor([[1.0, 3.0]], requires_grad=True)
    logits = torch.tensor([[[0.25, 0.75], [0.25, 0.75]]]).log()
    policy = Categorical.from_logits(logits)
    action, target = torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 2.0]])
    policy_loss, value_loss, entropy = losses(policy, action, value, target)
    low, high = np.log(0.25), np.log(0.75)
    assert policy_loss.item() == pytest.approx(-(2 * low - high) / 2)
    assert value_loss.item() == pytest.approx((4 + 1) / 2)
    assert entropy.item() == pytest.approx(-(0.25 * low + 0.75 * high))
    assert not policy_loss.requires_grad
    (slope,) = torch.autograd.grad(value_loss.sum(), value)
    assert slope.tolist() == [[-2.0, 1.0]]


def test_constant_reward_is_the_value(tmp_path):
    run = trained(a2c(), "ProbeConstant-v0", tmp_path)
    assert statuses(tmp_path) == {"finished"}
    close(value_at(run, 0.0), 2.0)


def test_discounting_counts_the_steps(tmp_path):
    run = trained(a2c(), "ProbeDiscount-v0", tmp_path)
    close(value_at(run, 0.0), 0.5)
    close(value_at(run, 1.0), 1.0)


def test_value_depends_on_the_observation(tmp_path):
    run = trained(a2c(), "ProbeObservation-v0", tmp_path)
    close(value_at(run, 1.0), 1.0)
    close(value_at(run, -1.0), -1.0)


def test_better_choice_depends_on_the_observation(tmp_path):
    run = trained(a2c(), "ProbeBoth-v0", tmp_path)
    assert (policy_at(run, 1.0).log_probs[:, 0, 1].exp() > 0.9).all()
    assert (policy_at(run, -1.0).log_probs[:, 0, 0].exp() > 0.9).all()


def test_better_action_depends_on_the_observation(tmp_path):
    run = trained(a2c(), "ProbeBothBox-v0", tmp_path)
    close(policy_at(run, 1.0).mean[:, 0, 0], probes.BEST, within=0.15)
    close(policy_at(run, -1.0).mean[:, 0, 0], -probes.BEST, within=0.15)


def test_pictures_are_seen(tmp_path):
    run = trained(a2c(network=probes.CONV), "ProbeImage-v0", tmp_path, steps=4000)
    assert_pictures_are_seen(run)


@pytest.mark.parametrize(("time_limit", "value"), [("terminal", 1.0), ("bootstrap", 2.0)])
def test_time_limit_ends_the_value_or_not(time_limit, value, tmp_path):
    run = trained(a2c(time_limit=time_limit), "ProbeForever-v0", tmp_path)
    close(value_at(run, 1.0), value)


def test_bootstrap_takes_the_value_of_the_state_cut_off(tmp_path):
    """1 + γ V(−) = V(+) and γ V(+) = V(−): 4/3 and 2/3, whatever the place of the cut."""
    run = trained(a2c(time_limit="bootstrap"), "ProbeTurns-v0", tmp_path)
    close(value_at(run, 1.0), 4 / 3, within=0.07)
    close(value_at(run, -1.0), 2 / 3, within=0.07)


def test_entropy_bonus_keeps_the_choice_open(tmp_path):
    """With β far above the rewards the policy stays even."""
    run = trained(a2c(entropy_coefficient=20.0), "ProbeAction-v0", tmp_path, steps=2000)
    assert (policy_at(run, 0.0).log_probs[:, 0, 1].exp() < 0.7).all()


def test_sum_over_steps_is_the_mean_times_the_horizon(tmp_path):
    norms = {}
    for over_steps in ("mean", "sum"):
        trained(a2c(over_steps=over_steps), "ProbeBoth-v0", tmp_path / over_steps, steps=1)
        norms[over_steps] = lines(tmp_path / over_steps, 0, "train")[0]["grad_norm"]
    assert norms["sum"] == pytest.approx(5 * norms["mean"], rel=1e-5)


def test_gradients_do_not_depend_on_the_number_of_seeds(tmp_path):
    """RMSProp's ε would show it: the same seed alone, in two and in four."""
    finals = []
    for seeds in ([0], [0, 1], [0, 1, 2, 3]):
        hp = a2c(rmsprop=SETTINGS["rmsprop"] | {"epsilon": 0.1})
        run = trained(hp, "ProbeBoth-v0", tmp_path / str(len(seeds)), seeds=seeds, steps=120)
        finals.append(run._kept["optimizer"].parameters.data[0])
    torch.testing.assert_close(finals[0], finals[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(finals[0], finals[2], rtol=1e-4, atol=1e-5)


def test_step_size_falls_with_the_schedule(tmp_path):
    trained(a2c(), "ProbeConstant-v0", tmp_path, steps=3 * ITERATION)
    sizes = [line["step_size"] for line in lines(tmp_path, 0, "train")]
    assert sizes == pytest.approx([0.03 * (1 - k * ITERATION / 6000) for k in range(3)])


FLAT = SETTINGS["rmsprop"] | {"epsilon": 1e6, "initial_square": 0.0}  # steps of g · α / 1000


def moved(folder, **changes):
    """The first update's change of the parameters, by their name and all in one, of two seeds."""
    hp = a2c(rmsprop=FLAT, step_size={"kind": "constant", "value": 1.0}, **changes)
    starts = {}

    class Watched(Run):
        def log(self, *args, **values):
            super().log(*args, **values)
            self.logged = values

        def iterations(self):
            starts.update({n: p.clone() for n, p in self._kept["model"].named_parameters()})
            yield from super().iterations()

    run = trained(hp, "ProbeBoth-v0", folder, steps=1, kind=Watched)
    named = dict(run._kept["model"].named_parameters())
    change = {name: (named[name] - start).detach() for name, start in starts.items()}
    return change, run.logged


def test_gradient_is_clipped_seed_by_seed(tmp_path):
    for bound in (1e-2, 1e3):
        maximum = {"kind": "global-norm", "max": bound}
        change, logged = moved(tmp_path / str(bound), max_grad_norm=maximum)
        whole = torch.cat([c.flatten(1) for c in change.values()], dim=1).norm(dim=1)
        expected = logged["grad_norm"].clamp(max=bound) / 1000
        torch.testing.assert_close(whole, expected, rtol=1e-3, atol=0.0)
        assert (logged["grad_norm"] > 1e-2).all()


def test_value_coefficient_weighs_the_value_alone(tmp_path):
    once, _ = moved(tmp_path / "once", value_coefficient=0.5)
    twice, _ = moved(tmp_path / "twice", value_coefficient=1.0)
    for name, change in once.items():
        expected = 2 * change if name.startswith("critic") else change
        torch.testing.assert_close(twice[name], expected, rtol=1e-2, atol=1e-7)
    assert once["critic.layers.1.weight"].abs().max() > 0
    assert once["policy.logits.layers.1.weight"].abs().max() > 0
