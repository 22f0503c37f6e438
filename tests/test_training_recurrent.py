"""Recurrent layers against torch's own, memories from step to step, and policies that need one."""

from __future__ import annotations

import itertools

import numpy as np
import probes  # noqa: F401 - registers the environments
import pytest
import torch
from test_algorithms_a2c import a2c
from torch import nn
from training_tools import kept, lines, make_run, statuses

from implementations import a3c_2016
from repro.training.evaluate import Protocol
from repro.training.networks import MLP, normc, orthogonal
from repro.training.policies import SoftplusGaussianPolicy
from repro.training.recurrent import LSTM, Memory, Past
from repro.training.rng import Streams
from repro.training.rollout import Collector

S, E, T, IN, H = 2, 3, 5, 4, 6
CELLS = {"kind": "lstm", "cells": 8, "gain": 1.0, "forget_bias": 1.0}
CONV = {
    "kind": "conv", "channels": [4], "kernels": [3], "strides": [3], "padding": [0], "hidden": 7,
}  # fmt: skip


@pytest.fixture
def layer():
    return LSTM(IN, H, orthogonal(1.0), 1.0, Streams([0, 5], "initialization"))


@pytest.fixture
def draws():
    return torch.Generator().manual_seed(0)


def torchs(layer: LSTM, seed: int) -> nn.LSTM:
    """torch's LSTM with one seed's weights."""
    theirs = nn.LSTM(IN, H, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(layer.weight[seed].T)
        theirs.weight_hh_l0.copy_(layer.recurrent[seed].T)
        theirs.bias_ih_l0.copy_(layer.bias[seed, 0])
        theirs.bias_hh_l0.zero_()
    return theirs


def never(steps: int = T) -> torch.Tensor:
    return torch.zeros(S, E, steps, dtype=torch.bool)


def test_lstm_is_torchs_for_every_seed(layer, draws):
    x = torch.randn(S, E, T, IN, generator=draws)
    state = torch.randn(S, E, 2 * H, generator=draws)
    outputs, after = layer(x, Past(state, never()))
    weigh = torch.randn(S, E, T, H, generator=draws)
    (outputs * weigh).sum().backward()
    for seed in range(S):
        theirs = torchs(layer, seed)
        h, c = (part.unsqueeze(0).contiguous() for part in state[seed].chunk(2, dim=-1))
        expected, (last, cell) = theirs(x[seed], (h, c))
        torch.testing.assert_close(outputs[seed], expected)
        torch.testing.assert_close(after[seed], torch.cat([last[0], cell[0]], dim=-1))
        (expected * weigh[seed]).sum().backward()
        torch.testing.assert_close(layer.weight.grad[seed], theirs.weight_ih_l0.grad.T)
        torch.testing.assert_close(layer.recurrent.grad[seed], theirs.weight_hh_l0.grad.T)
        torch.testing.assert_close(layer.bias.grad[seed, 0], theirs.bias_ih_l0.grad)


def test_lstm_starts_as_told(layer):
    """The forget gate is the second of four, as in torch."""
    assert (layer.bias[:, 0, H : 2 * H] == 1).all()
    assert layer.bias.sum() == S * H
    across = layer.recurrent @ layer.recurrent.mT
    torch.testing.assert_close(across, torch.eye(H).expand(S, -1, -1), atol=1e-5, rtol=0)


def test_nothing_is_left_where_an_episode_begins(layer, draws):
    """Not even NaN of the episode before; other environments and seeds remember."""
    x = torch.randn(S, E, T, IN, generator=draws)
    state = torch.randn(S, E, 2 * H, generator=draws)
    state[1, 2] = float("nan")
    begins = never()
    begins[1, 2, 0] = begins[0, 1, 2] = True
    outputs, after = layer(x, Past(state, begins))
    fresh, fresh_after = layer(x[:, :, 2:], Past(torch.zeros_like(state), never(T - 2)))
    torch.testing.assert_close(outputs[0, 1, 2:], fresh[0, 1])
    torch.testing.assert_close(after[0, 1], fresh_after[0, 1])
    whole, _ = layer(x, Past(torch.zeros_like(state), never()))
    torch.testing.assert_close(outputs[1, 2], whole[1, 2])
    same, _ = layer(x, Past(torch.nan_to_num(state), never()))
    torch.testing.assert_close(outputs[0, 0], same[0, 0])
    torch.testing.assert_close(outputs[0, 1, :2], same[0, 1, :2])


def test_gradients_end_where_the_steps_begin(layer, draws):
    state = torch.randn(S, E, 2 * H, generator=draws).requires_grad_()
    outputs, _ = layer(torch.randn(S, E, T, IN, generator=draws), Past(state, never()))
    outputs.sum().backward()
    assert state.grad is None


def made(tmp_path, env="ProbeMemory-v0", seeds=(0, 1), **changes):
    """A run, its environments and its networks with a memory."""
    run = make_run(a2c(memory=CELLS, num_actors=E, **changes), env, tmp_path, seeds=seeds)
    envs = run.make_envs(E)
    return run, envs, a3c_2016.make_networks(run, envs)


def shuffled(model, draws):
    """Weights far from their start, so that heads say something of what lies before them."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draws))


@pytest.mark.parametrize(("env", "changes"), [("ProbeMemoryBox-v0", {}),
                                              ("ProbeImage-v0", {"network": CONV})])  # fmt: skip
def test_acting_step_by_step_is_the_whole_sequence(env, changes, tmp_path, draws):
    """What is learnt from is what acted, with episodes that begin in between."""
    _, envs, model = made(tmp_path, env, **changes)
    shuffled(model, draws)
    seen = torch.randn(S, E, T, *envs.observation_shape, generator=draws)
    if "network" in changes:
        seen = 255 * seen.abs().clamp(max=1)
    begins = torch.rand(S, E, T, generator=draws) < 0.3
    begins[:, :, 0] = True
    memory = model.memory(E)
    start = Past(memory.state.clone(), begins)
    with torch.no_grad():
        policy, value = model(seen.flatten(1, 2), start)
        for t in range(T):
            memory.begins = begins[:, :, t]
            past = memory.past()
            now = model.value(seen[:, :, t], past)
            step = model.act(seen[:, :, t], memory)
            torch.testing.assert_close(
                step.statistic, policy.statistic.unflatten(1, (E, T))[:, :, t]
            )
            torch.testing.assert_close(now, value.unflatten(1, (E, T))[:, :, t])
    assert not torch.allclose(memory.state, start.state)


def test_networks_are_two_or_share_all_but_their_heads(tmp_path):
    """Policy and value with vectors have cells of their own; with images the cells are one."""
    for env, changes, shared in (
        ("ProbeMemory-v0", {}, 0),
        ("ProbeImage-v0", {"network": CONV}, 2 + 2 + 3),
    ):
        _, envs, model = made(tmp_path / env, env, **changes)
        seen = torch.from_numpy(envs.observation).float()
        past = model.memory(E).past()
        policy, value = model(seen, past)
        named = dict(model.named_parameters())
        reached = []
        for output in (policy.statistic.sum(), value.sum()):
            found = torch.autograd.grad(
                output, list(named.values()), allow_unused=True, retain_graph=True
            )
            reached.append({n for n, g in zip(named, found, strict=True) if g is not None})
        assert reached[0] | reached[1] == set(named)
        assert len(reached[0] & reached[1]) == shared, env


def test_a_seed_does_not_see_the_others(tmp_path, draws):
    _, _, model = made(tmp_path)
    shuffled(model, draws)
    seen = torch.randn(S, E * T, 1, generator=draws)
    past = Past(torch.zeros(S, E, model.state_size), never())
    with torch.no_grad():
        before = model(seen, past)
        for parameter in model.parameters():
            parameter[1] = float("nan")
        after = model(seen, past)
    assert torch.equal(before[0].statistic[0], after[0].statistic[0])
    assert torch.equal(before[1][0], after[1][0])
    assert after[1][1].isnan().all()


# Rollouts: what they start from, and values where a time limit cut an episode off.


def collector(run, envs, model, horizon):
    off = run.hparams.observation_normalization
    memory = model.memory(E)
    return Collector(run, envs, horizon, False, off, off, 0.9, memory=memory)


def test_a_rollout_knows_what_it_started_from(tmp_path, draws):
    """Episodes of three steps, rollouts of two: begun anew within one, and between two."""
    run, envs, model = made(tmp_path)
    shuffled(model, draws)
    found = collector(run, envs, model, horizon=2)
    rollouts = [found.collect(model) for _ in range(4)]
    begins = [rollout.past.begins for rollout in rollouts]
    assert [b[0, 0].int().tolist() for b in begins] == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert all((b == b[:1, :1]).all() for b in begins)
    assert (rollouts[0].past.state == 0).all()
    for before, after in itertools.pairwise(rollouts):
        with torch.no_grad():
            _, state = model._features(run.batch(before.seen[:, :, :-1]), before.past)
        torch.testing.assert_close(after.past.state, state)
    whole = np.concatenate([rollout.seen[:, :, :-1] for rollout in rollouts], axis=2)
    past = Past(rollouts[0].past.state, torch.cat([b[:, :, :-1] for b in begins], dim=2))
    with torch.no_grad():
        expected = model.value(run.batch(whole), past).unflatten(1, (E, -1))
    values = [rollout.values(model.value)[:, :, :-1] for rollout in rollouts]
    np.testing.assert_allclose(np.concatenate(values, axis=2), expected, rtol=1e-4, atol=1e-5)


def test_value_of_what_a_time_limit_cut_off_remembers(tmp_path, draws):
    """Not of the state after the cut, which begins an episode."""
    run, envs, model = made(tmp_path, "ProbeTurns-v0")
    shuffled(model, draws)
    rollout = collector(run, envs, model, horizon=4).collect(model)
    seeds, places, times = rollout.cut_at
    assert times.tolist() == [2] * (S * E)
    seen = np.concatenate([rollout.seen[:, :, :3], rollout.cut.reshape(S, E, 1, 1)], axis=2)
    on = rollout.past.begins.index_fill(2, torch.tensor([3]), False)
    with torch.no_grad():
        whole = model.value(run.batch(seen), Past(rollout.past.state, on))
    expected = whole.unflatten(1, (E, -1))[:, :, 3]
    found = rollout.cut_values(model.value)
    np.testing.assert_allclose(found, expected[seeds, places], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found, rollout.values(model.value)[seeds, places, 3])


def test_the_memory_survives_an_interruption(tmp_path):
    """In the middle of an episode; that resumed runs equal others is in the invariants."""
    run = make_run(a2c(memory=CELLS, num_actors=E, horizon=2), "ProbeMemory-v0", tmp_path, steps=1)
    a3c_2016.train(run)
    state = kept(tmp_path)["kept"]["collector"]["memory"]
    memory = run._kept["collector"].memory
    assert torch.equal(state["state"], memory.state)
    assert state["begins"].tolist() == [[False] * E] * S
    assert (state["state"] != 0).any()
    other = Memory(torch.zeros_like(memory.state))
    other.load_state_dict(state)
    assert torch.equal(other.past().state, memory.past().state)
    assert torch.equal(other.past().begins, memory.past().begins)


def test_evaluation_remembers_an_episode_and_no_longer(tmp_path, draws):
    """The same observations twice, and once more without being told that an episode begins."""
    run, envs, model = made(tmp_path, "ProbeMemoryBox-v0")
    shuffled(model, draws)
    act = collector(run, envs, model, horizon=2).actor(model)
    seen = np.random.default_rng(0).normal(size=(T, S, 2, 1))
    begins = np.zeros((T, S, 2), dtype=bool)

    def played():
        return np.stack([act(*step) for step in zip(seen, begins, strict=True)])

    begins[0] = True
    first = played()
    begins[3, 1, 0] = True
    second = played()
    begins[:] = False
    third = played()
    rest = np.ones((T, S, 2), dtype=bool)
    rest[3:, 1, 0] = False
    assert np.array_equal(first[rest], second[rest])
    assert not np.isclose(first[3:, 1, 0], second[3:, 1, 0]).any()
    assert not np.isclose(first[0], third[0]).any()


# A task that only a memory solves.


def score(folder, memory, steps=3200):
    """Mean return of the last evaluation, one a seed."""
    protocol = Protocol(period=steps, episodes=40, deterministic=True)
    hp = a2c(memory=memory, gamma=0.9, schedule_steps=steps)
    a3c_2016.train(make_run(hp, "ProbeMemory-v0", folder, steps=steps, evaluation=protocol))
    assert statuses(folder) == {"finished"}
    return [np.mean(lines(folder, seed, "evaluation")[-1]["returns"]) for seed in (0, 1)]


def test_what_was_seen_before_decides(tmp_path):
    """Return 1 where the first observation is remembered at the third step, 0 by chance."""
    assert min(score(tmp_path / "lstm", CELLS)) > 0.9
    assert max(score(tmp_path / "none", {"kind": "none"})) < 0.5


# The Gaussian whose variance is an output of the network.


def test_softplus_is_the_variance_of_all_actions(draws):
    actions = 3
    network = MLP([IN, actions + 1], "tanh", normc(1.0), normc(1.0), Streams([0, 1], "init"))
    policy = SoftplusGaussianPolicy(network, actions)
    seen = torch.randn(S, E, IN, generator=draws)
    with torch.no_grad():
        found, outputs = policy(seen), network(seen)
        variance = torch.log1p(outputs[..., -1:].exp())
        torch.testing.assert_close(found.log_std.exp().square(), variance.expand(S, E, actions))
        assert torch.equal(found.mean, outputs[..., :-1])
        theirs = torch.distributions.Normal(found.mean, variance.sqrt())
        action = torch.randn(S, E, actions, generator=draws)
        torch.testing.assert_close(found.log_prob(action), theirs.log_prob(action).sum(-1))
        torch.testing.assert_close(found.entropy(), theirs.entropy().expand(S, E, actions).sum(-1))
        noise = policy.noise(Streams([0, 1], "action"), E)
        torch.testing.assert_close(policy.sampler()(seen, noise), found.sample(noise))
