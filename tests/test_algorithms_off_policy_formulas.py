"""DDPG's and TD3's formulas, and their networks, against hand-computed cases and slow oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from implementations import ddpg_2015, td3_2018
from repro.training.choices import AdamSettings
from repro.training.deterministic import (
    BatchNorm,
    BatchNormalization,
    Bounds,
    DeterministicPolicy,
    FanIn,
    FanInLast,
    Perceptrons,
)
from repro.training.environments import Box
from repro.training.rng import Streams

NORM = BatchNormalization(momentum=0.25, epsilon=1e-5)
ADAM = AdamSettings(beta1=0.9, beta2=0.999, epsilon=1e-8, epsilon_hat=False)


def box(*bounds):
    low, high = np.array(bounds, np.float32).T
    return Box(low, high, (len(bounds),))


def perceptrons(copies=1, seeds=(0, 1), norm=None, late_layer=0, init=None, hidden=(5, 4)):
    return Perceptrons(
        3, hidden, 1, "relu", copies, init or FanIn(), norm, Streams(list(seeds), "initialization"),
        late=2, late_layer=late_layer,
    )  # fmt: skip


def test_target_by_hand():
    """γ = 1/2; the second transition is terminal: its next value does not count."""
    found = ddpg_2015.bellman_target(
        reward=torch.tensor([[1.0, 2.0]]),
        terminal=torch.tensor([[0.0, 1.0]]),
        next_value=torch.tensor([[[8.0, 99.0], [4.0, 99.0]]]),
        gamma=0.5,
    )
    assert found.tolist() == [[[5.0, 2.0], [3.0, 2.0]]]


def test_error_sums_critics_and_averages_the_batch():
    value = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[2.0, 2.0], [2.0, 2.0]]])
    found = ddpg_2015.squared_error(value, torch.tensor([[[0.0, 1.0]], [[2.0, 2.0]]]))
    assert found.tolist() == [(1 + 4) / 2 + (0 + 1) / 2, 0.0]


class Table:
    """Q_k(s, a) = 10 k + a, for critics k = 1, 2."""

    def __call__(self, state, action):
        return torch.tensor([10.0, 20.0]).view(1, 2, 1) + action.expand(-1, 2, -1, -1).squeeze(-1)


@pytest.mark.parametrize(
    ("kind", "actions", "expected"),
    [
        # the smaller of 10 + 3 and 20 + 3
        (td3_2018.ClippedDoubleQ(), [[3.0]], [13.0]),
        # policies answer 3 and 5: y₁ = Q₂(s, π₁) = 23, y₂ = Q₁(s, π₂) = 15
        (td3_2018.DoubleQ(), [[3.0], [5.0]], [23.0, 15.0]),
    ],
)
def test_next_value_by_hand(kind, actions, expected):
    action = torch.tensor(actions).view(1, len(actions), 1, 1)
    assert td3_2018.next_value(kind, Table(), None, action)[0, :, 0].tolist() == expected


def test_one_critic_values_for_itself():
    critic = ddpg_2015.ActionValue(perceptrons())
    state, action = torch.randn(2, 6, 3), torch.randn(2, 1, 6, 2)
    for kind in (td3_2018.SingleQ(), td3_2018.DoubleDQN()):
        found = td3_2018.next_value(kind, critic, state, action)
        assert torch.equal(found, critic(state, action))


@pytest.mark.parametrize("scaled", [False, True])
def test_smoothing_clips_the_noise_and_then_the_action(scaled):
    """Bounds ±2, σ̃ = 0.2, c = 0.5; scaled: both count twice."""
    noise = td3_2018.Smoothing(std=0.2, clip=0.5, scaled=scaled)
    normal = torch.tensor([[0.0, 1.0, -1.0, 10.0, -10.0, 10.0]]).T
    action = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 1.9]]).T
    found = td3_2018.smoothed(action, normal, noise, Bounds(box((-2, 2))))
    unit = 2.0 if scaled else 1.0
    expected = [0.0, 0.2 * unit, -0.2 * unit, 0.5 * unit, -0.5 * unit, 2.0]
    assert found[:, 0].tolist() == pytest.approx(expected)


def test_ornstein_uhlenbeck_by_hand_and_in_the_long_run():
    one = ddpg_2015.ornstein_uhlenbeck(torch.tensor([[2.0]]), torch.tensor([[1.0]]), 0.25, 0.5)
    assert one.tolist() == [[2.0]]  # 2 − 0.5 + 0.5
    x, values = torch.zeros(2000, 1), []
    for normal in Streams([0], "noise").normal(60, 2000, 1)[0]:
        x = ddpg_2015.ornstein_uhlenbeck(x, normal, 0.15, 0.2)
        values.append(x)
    stationary = 0.2 / math.sqrt(1 - 0.85**2)
    assert float(x.std()) == pytest.approx(stationary, rel=0.08)
    correlation = float((values[-1] * values[-2]).mean() / values[-2].square().mean())
    assert correlation == pytest.approx(0.85, abs=0.05)


def learner(norm=None):
    return ddpg_2015.Learner(ddpg_2015.ActionValue(perceptrons(norm=norm)), ADAM)


@pytest.mark.parametrize("where", [None, [True, True], [True, False]])
def test_target_network_follows_per_seed(where):
    found = learner(NORM)
    for tensor in [found.parameters.data, *found.network.buffers()]:
        tensor.normal_(generator=torch.Generator().manual_seed(0))
    before = found.target_parameters.data.clone()
    found.track(0.25, None if where is None else torch.tensor(where))
    moved = 0.25 * found.parameters.data + 0.75 * before
    for s in (0, 1):
        expected = moved[s] if where is None or where[s] else before[s]
        torch.testing.assert_close(found.target_parameters.data[s], expected)
    running, target = found.network.network.norms[0].mean, found.target.network.norms[0].mean
    torch.testing.assert_close(target[0], 0.25 * running[0])
    assert bool(target[1].any()) == (where is None or where[1])


def test_target_network_starts_equal_and_is_a_copy():
    found = learner()
    assert torch.equal(found.target_parameters.data, found.parameters.data)
    found.parameters.data.add_(1.0)
    assert not torch.equal(found.target_parameters.data, found.parameters.data)
    assert torch.equal(found.network.network.layers[0].bias.flatten(1)[0],
                       found.parameters.data[0, 25:30])  # fmt: skip


def test_weight_decay_adds_to_the_gradient_of_weights_alone():
    critic = ddpg_2015.ActionValue(perceptrons(norm=NORM, late_layer=1))
    found = ddpg_2015.Learner(critic, ADAM, weight_decay=0.5)
    value = critic(torch.randn(2, 4, 3), torch.randn(2, 1, 4, 2), batch=True)
    found.descend(0.0 * value.sum((1, 2)), 0.0, None)
    named = found.parameters.named(critic, found.parameters.grad)
    values = dict(critic.named_parameters())
    assert {n.split(".")[-1] for n in named} == {"weight", "bias", "scale", "shift"}
    for name, gradient in named.items():
        decayed = 0.5 * values[name] if name.endswith("weight") else torch.zeros_like(values[name])
        torch.testing.assert_close(gradient, decayed.detach())


@pytest.mark.parametrize("late_layer", [0, 1, 2])
@pytest.mark.parametrize("copies", [1, 2])
def test_networks_against_plain_layers(late_layer, copies):
    """Every seed and copy by itself, layer for layer; the action enters where it should."""
    net = perceptrons(copies, late_layer=late_layer)
    x, late = torch.randn(2, 7, 3), torch.randn(2, 1, 7, 2)
    found = net(x, late)
    assert found.shape == (2, copies, 7, 1)
    for s in range(2):
        for k in range(copies):
            h = x[s]
            for i, layer in enumerate(net.layers):
                if i == late_layer:
                    h = torch.cat([h, late[s, 0]], dim=-1)
                h = F.linear(h, layer.weight[s, k].T, layer.bias[s, k, 0])
                h = torch.relu(h) if i < 2 else h
            torch.testing.assert_close(found[s, k], h, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net(x, late, copies=1), found[:, :1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("init", "last"), [(FanIn(), 0.1), (FanInLast(last=3e-3), 3e-3)])
def test_weights_and_biases_fill_their_interval(init, last):
    net = perceptrons(copies=2, init=init, hidden=(400, 100), seeds=(0,))
    for layer, bound in zip(net.layers, [1 / math.sqrt(5), 1 / 20, last], strict=True):
        for values in (layer.weight, layer.bias):
            assert values.abs().max() <= bound
        assert layer.weight.abs().max() > 0.8 * bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert layer.bias.any()
        assert not torch.equal(layer.weight[:, 0], layer.weight[:, 1])  # twins differ


def test_batch_normalisation_is_pytorchs():
    norm, x = BatchNorm(3, 1, 2, NORM), torch.randn(2, 16, 3) * 3 + 1
    with torch.no_grad():
        norm.scale.normal_(), norm.shift.normal_()
    peers = [torch.nn.BatchNorm1d(3, eps=1e-5, momentum=0.25) for _ in range(2)]
    for s, peer in enumerate(peers):
        peer.weight.data, peer.bias.data = norm.scale.data[s, 0, 0], norm.shift.data[s, 0, 0]
    found = norm(x, batch=True)
    for s, peer in enumerate(peers):
        torch.testing.assert_close(found[s], peer(x[s]), rtol=1e-4, atol=1e-5)
    norm.absorb(torch.tensor([True, False]))
    torch.testing.assert_close(norm.mean[0, 0, 0], peers[0].running_mean)
    # PyTorch's running variance is the unbiased one, ours the batch's own.
    expected = 0.75 + 0.25 * x[0].var(0, correction=0)
    torch.testing.assert_close(norm.variance[0, 0, 0], expected)
    assert not norm.mean[1].any()
    resting = norm(x, batch=False)[1]
    plain = x[1] / math.sqrt(1 + 1e-5) * norm.scale[1, 0] + norm.shift[1, 0]
    torch.testing.assert_close(resting, plain)


def test_a_forward_pass_leaves_the_running_statistics_alone():
    net = perceptrons(norm=NORM, late_layer=1)
    x, late = torch.randn(2, 7, 3) + 5, torch.randn(2, 1, 7, 2)
    before = net(x, late).detach()
    net(x, late, batch=True)
    assert torch.equal(net(x, late), before)
    net.absorb(None)
    assert not torch.equal(net(x, late), before)


@pytest.mark.parametrize(("late_layer", "expected"), [(0, [3]), (1, [3, 5]), (2, [3, 5, 4])])
def test_layers_before_the_action_are_normalised(late_layer, expected):
    net = perceptrons(norm=NORM, late_layer=late_layer)
    assert [norm.mean.shape[-1] for norm in net.norms] == expected


def test_policy_spreads_over_bounds_that_are_not_symmetric():
    streams = Streams([0], "initialization")
    net = Perceptrons(1, [4], 2, "relu", 1, FanIn(), None, streams)
    policy = DeterministicPolicy(Bounds(box((-2, 2), (0, 10))), net)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
        net.layers[-1].bias.copy_(torch.tensor([100.0, 0.0]))
    assert policy(torch.zeros(1, 1, 1)).flatten().tolist() == [2.0, 5.0]
    net.layers[-1].bias.data.copy_(torch.tensor([-100.0, -100.0]))
    assert policy(torch.zeros(1, 1, 1)).flatten().tolist() == [-2.0, 0.0]


def test_policy_gradient_stops_at_the_critic():
    """∇θ Q(s, μ(s)): the policy's step leaves the critic's parameters and gradient alone."""
    critic = learner()
    net = Perceptrons(3, [4], 2, "relu", 1, FanIn(), None, Streams([0, 1], "initialization"))
    policy = DeterministicPolicy(Bounds(box((-1, 1), (-1, 1))), net)
    actor = ddpg_2015.Learner(policy, ADAM)
    state, before = torch.randn(2, 8, 3), critic.parameters.data.clone()
    value = critic.network(state, policy(state)).mean(2).sum(1)
    actor.descend(-value, 1e-3, torch.tensor([True, False]))
    assert torch.equal(critic.parameters.data, before)
    assert not critic.parameters.grad.any()
    after = critic.network(state, policy(state)).mean(2).sum(1)
    assert after[0] > value[0]
    assert torch.equal(after[1], value[1])
