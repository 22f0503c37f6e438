"""Optimisers of a stack against torch's, against scalar arithmetic, and seed by seed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop

from repro.training import optim
from repro.training.networks import MLP, normc
from repro.training.optim import SGD, Adam, FlatParameters, RMSProp
from repro.training.rng import Streams

SEEDS, STEPS = 3, 7
SETTINGS = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3}


class TorchAdam:
    """torch.optim.Adam's own step; the class itself takes seconds to import the compiler."""

    def __init__(self, parameter):
        self.state = ([parameter], [torch.zeros_like(parameter)], [torch.zeros_like(parameter)])
        self.count = [torch.tensor(0.0)]

    def step(self, grad, step_size):
        parameter, m, v = self.state
        adam(
            parameter, [grad], m, v, [], self.count, amsgrad=False, beta1=0.9, beta2=0.999,
            lr=step_size, weight_decay=0.0, eps=1e-3, maximize=False, foreach=False,
        )  # fmt: skip


def module(seeds=SEEDS):
    streams = Streams(range(seeds), "initialization")
    return MLP([4, 5, 2], "tanh", normc(1.0), normc(0.1), streams)


def gradients(parameters, draws=STEPS):
    generator = torch.Generator().manual_seed(7)
    return torch.randn(draws, *parameters.data.shape, generator=generator)


@pytest.mark.parametrize("step_size", [1e-2, torch.tensor([1e-1, 1e-2, 1e-3])])
def test_adam_is_torchs_for_every_seed(step_size):
    parameters = FlatParameters(module())
    optimizer = Adam(parameters, **SETTINGS, epsilon_hat=False)
    theirs = [row.clone() for row in parameters.data]
    states = [TorchAdam(p) for p in theirs]
    sizes = torch.as_tensor(step_size).expand(SEEDS).tolist()
    for grad in gradients(parameters):
        parameters.grad.copy_(grad)
        optimizer.step(step_size)
        for state, row, size in zip(states, grad, sizes, strict=True):
            state.step(row, size)
    torch.testing.assert_close(parameters.data, torch.stack(theirs))


@pytest.mark.parametrize("epsilon_hat", [True, False])
def test_adam_against_scalar_arithmetic(epsilon_hat):
    """The Adam paper's Algorithm 1, and the order at the end of its section 2 (ε̂), in Python."""
    layer = nn.Module()
    layer.p = nn.Parameter(torch.tensor([[0.5]]))
    parameters = FlatParameters(layer)
    optimizer = Adam(parameters, **SETTINGS, epsilon_hat=epsilon_hat)
    theta, m, v = 0.5, 0.0, 0.0
    for t, g in enumerate([0.01, -0.02, 0.5, 0.0, 0.03], start=1):
        parameters.grad.fill_(g)
        optimizer.step(0.1)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        first, second = 1 - 0.9**t, 1 - 0.999**t
        if epsilon_hat:
            theta -= 0.1 * math.sqrt(second) / first * m / (math.sqrt(v) + 1e-3)
        else:
            theta -= 0.1 * (m / first) / (math.sqrt(v / second) + 1e-3)
        assert layer.p.item() == pytest.approx(theta, rel=1e-5)


def test_epsilon_hat_matters():
    """Both forms at once would pass a test that cannot tell them apart."""
    ends = []
    for epsilon_hat in (True, False):
        parameters = FlatParameters(module())
        optimizer = Adam(parameters, **SETTINGS, epsilon_hat=epsilon_hat)
        parameters.grad.fill_(1e-2)
        optimizer.step(0.1)
        ends.append(parameters.data.clone())
    assert (ends[0] - ends[1]).abs().max() > 1e-2


@pytest.mark.parametrize("gradient", [0.0, 1.0, float("nan")])
def test_masked_seed_keeps_every_bit(gradient):
    parameters = FlatParameters(module())
    optimizer = Adam(parameters, **SETTINGS, epsilon_hat=True)
    parameters.grad.copy_(gradients(parameters)[0])
    optimizer.step(1e-2)  # moments that are not zero
    before = {name: value.clone() for name, value in optimizer.state_dict().items()}
    data = parameters.data.clone()
    active = torch.tensor([True, False, True])
    parameters.grad.copy_(gradients(parameters)[1])
    parameters.grad[1] = gradient
    optimizer.step(1e-2, active)
    assert torch.equal(parameters.data[1], data[1])
    assert not torch.equal(parameters.data[0], data[0])
    for name, value in optimizer.state_dict().items():
        assert torch.equal(value[1], before[name][1]), name
        assert not torch.equal(value[0], before[name][0]), name
    assert optimizer.t.flatten().tolist() == [2, 1, 2]


def test_masked_step_is_the_plain_step_for_the_others():
    ends = []
    for active in (None, torch.tensor([True, False, True])):
        parameters = FlatParameters(module())
        optimizer = Adam(parameters, **SETTINGS, epsilon_hat=True)
        for grad in gradients(parameters):
            parameters.grad.copy_(grad)
            optimizer.step(torch.tensor([1e-2, 2e-2, 3e-2]), active)
        ends.append(parameters.data.clone())
    assert torch.equal(ends[0][[0, 2]], ends[1][[0, 2]])


def test_sgd_follows_the_gradient_and_heeds_the_mask():
    parameters = FlatParameters(module())
    start = parameters.data.clone()
    parameters.grad.copy_(gradients(parameters)[0])
    parameters.grad[2] = float("nan")
    step_size = torch.tensor([0.5, 0.25, 1.0])
    SGD(parameters).step(step_size, torch.tensor([True, True, False]))
    expected = start - step_size[:, None] * gradients(parameters)[0]
    assert torch.equal(parameters.data[:2], expected[:2])
    assert torch.equal(parameters.data[2], start[2])


def test_gradient_is_not_scaled_by_the_number_of_seeds():
    """A stack of three trained by SGD equals three stacks of one: no mean over seeds."""

    def trained(seeds):
        net = MLP([4, 5, 2], "tanh", normc(1.0), normc(1.0), Streams(seeds, "initialization"))
        parameters = FlatParameters(net)
        x = Streams(seeds, "x").normal(6, 4)
        for _ in range(5):
            parameters.backward((net(x) - 1).square().mean((1, 2)))
            SGD(parameters).step(0.1)
        return parameters.data

    together = trained([0, 1, 2])
    alone = torch.cat([trained([seed]) for seed in (0, 1, 2)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_backward_is_autograds_gradient_of_each_seed():
    net = module()
    parameters = FlatParameters(net)
    x = torch.randn(SEEDS, 6, 4)
    loss = net(x).square().mean((1, 2))
    for seed in range(SEEDS):
        grads = torch.autograd.grad(loss[seed], list(net.parameters()), retain_graph=True)
        own = torch.cat([g[seed].flatten() for g in grads])
        others = [g[[s for s in range(SEEDS) if s != seed]] for g in grads]
        assert all((g == 0).all() for g in others)
        parameters.backward(net(x).square().mean((1, 2)))
        torch.testing.assert_close(parameters.grad[seed], own)


def test_unused_parameter_gets_a_zero_gradient():
    used, unused = module(), module()
    parameters = FlatParameters(used, unused)
    parameters.grad.fill_(9.0)
    parameters.backward(used(torch.ones(SEEDS, 1, 4)).sum((1, 2)))
    half = parameters.grad.shape[1] // 2
    assert (parameters.grad[:, :half] != 0).any()
    assert (parameters.grad[:, half:] == 0).all()


def test_views_stay_tied_after_loading():
    net, parameters = (made := module()), FlatParameters(made)
    other = MLP([4, 5, 2], "tanh", normc(1.0), normc(0.1), Streams([7, 8, 9], "initialization"))
    net.load_state_dict(other.state_dict())
    flat = torch.cat([p.reshape(SEEDS, -1) for p in other.parameters()], dim=1)
    assert torch.equal(parameters.data, flat)
    parameters.data.add_(1.0)
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(p, q + 1.0)


@pytest.mark.parametrize("maximum", [0.5, 1e6])
def test_clip_grad_norm_is_torchs_for_every_seed(maximum):
    net = module()
    parameters = FlatParameters(net)
    parameters.grad.copy_(gradients(parameters)[0])
    parameters.grad[1] *= 1e-3  # below the maximum while the others are above it
    theirs = [nn.Parameter(row.clone()) for row in parameters.data]
    norms = []
    for p, row in zip(theirs, parameters.grad, strict=True):
        p.grad = row.clone()
        norms.append(torch.nn.utils.clip_grad_norm_([p], maximum))
    found = parameters.clip_grad_norm(maximum)
    torch.testing.assert_close(found, torch.stack(norms))
    torch.testing.assert_close(parameters.grad, torch.stack([p.grad for p in theirs]))


def test_nan_gradient_leaves_the_other_seeds_clip_alone():
    parameters = FlatParameters(module())
    parameters.grad.copy_(gradients(parameters)[0])
    clean = parameters.grad.clone()
    parameters.grad[1, 3] = float("nan")
    parameters.clip_grad_norm(0.5)
    expected = clean * (0.5 / clean.norm(dim=1, keepdim=True))
    torch.testing.assert_close(parameters.grad[[0, 2]], expected[[0, 2]])


def test_finite_names_the_seed():
    parameters = FlatParameters(module())
    optimizer = Adam(parameters, **SETTINGS, epsilon_hat=True)
    parameters.data[1, 2] = float("inf")
    assert optimizer.finite().tolist() == [True, False, True]


def test_adam_state_round_trip():
    def fresh():
        parameters = FlatParameters(module())
        return parameters, Adam(parameters, **SETTINGS, epsilon_hat=True)

    parameters, optimizer = fresh()
    grads = gradients(parameters)
    for grad in grads[:3]:
        parameters.grad.copy_(grad)
        optimizer.step(1e-2)
    state = {name: value.clone() for name, value in optimizer.state_dict().items()}
    data = parameters.data.clone()
    resumed_parameters, resumed = fresh()
    resumed_parameters.data.copy_(data)
    resumed.load_state_dict(state)
    for grad in grads[3:]:
        for p, o in ((parameters, optimizer), (resumed_parameters, resumed)):
            p.grad.copy_(grad)
            o.step(1e-2)
    assert torch.equal(parameters.data, resumed_parameters.data)


RMSPROP = {"decay": 0.9, "epsilon": 1e-3, "epsilon_inside": True, "initial_square": 1.0}


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("step_size", [1e-2, torch.tensor([1e-1, 1e-2, 1e-3])])
def test_rmsprop_is_torchs_for_every_seed(step_size, centered):
    """torch.optim.RMSprop's own step: ε outside the root, the mean square starts at 0."""
    parameters = FlatParameters(module())
    optimizer = RMSProp(parameters, 0.9, 1e-3, False, 0.0, centered)
    theirs = [row.clone() for row in parameters.data]
    states = [[torch.zeros_like(row) for _ in range(2)] for row in theirs]
    sizes = torch.as_tensor(step_size).expand(SEEDS).tolist()
    for grad in gradients(parameters):
        parameters.grad.copy_(grad)
        optimizer.step(step_size)
        for parameter, (square, mean), row, size in zip(theirs, states, grad, sizes, strict=True):
            rmsprop(
                [parameter], [row], [square], [mean] if centered else [], [], [torch.tensor(0.0)],
                lr=size, alpha=0.9, eps=1e-3, weight_decay=0.0, momentum=0.0, centered=centered,
                foreach=False,
            )  # fmt: skip
    torch.testing.assert_close(parameters.data, torch.stack(theirs))


@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_against_scalar_arithmetic_in_tensorflows_form(centered):
    """ε inside the root, the mean square starts at 1 (tf.compat.v1.train.RMSPropOptimizer)."""
    layer = nn.Module()
    layer.p = nn.Parameter(torch.tensor([[0.5]]))
    parameters = FlatParameters(layer)
    optimizer = RMSProp(parameters, **RMSPROP, centered=centered)
    theta, square, mean = 0.5, 1.0, 0.0
    for g in [0.01, -0.02, 0.5, 0.0, 0.03]:
        parameters.grad.fill_(g)
        optimizer.step(0.1)
        square, mean = 0.9 * square + 0.1 * g * g, 0.9 * mean + 0.1 * g
        theta -= 0.1 * g / math.sqrt(square - (mean * mean if centered else 0.0) + 1e-3)
        assert layer.p.item() == pytest.approx(theta, rel=1e-5)


@pytest.mark.parametrize("change", [{"epsilon_inside": False}, {"initial_square": 0.0}])
def test_forms_of_rmsprop_differ(change):
    """A gradient as small as ε shows both where ε stands and where the square starts."""
    ends = []
    base = RMSPROP | {"initial_square": 1e-6}
    for settings in (base, base | change):
        parameters = FlatParameters(module())
        optimizer = RMSProp(parameters, **settings, centered=False)
        start = parameters.data.clone()
        parameters.grad.fill_(1e-4)
        optimizer.step(0.1)
        ends.append(parameters.data - start)
    assert (ends[0] / ends[1] - 1).abs().max() > 1e-4


def test_rmsprop_stays_finite_where_the_gradient_never_changes():
    """Centred, the variance of a constant gradient is zero but for rounding."""
    parameters = FlatParameters(module())
    optimizer = RMSProp(parameters, 0.5, 1e-12, True, 0.0, True)
    parameters.grad.fill_(0.3)
    for _ in range(60):
        optimizer.step(1e-9)
    assert parameters.finite().all()


@pytest.mark.parametrize("gradient", [0.0, 1.0, float("nan")])
@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_masked_seed_keeps_every_bit(gradient, centered):
    ends = []
    for active in (torch.tensor([True, False, True]), None):
        parameters = FlatParameters(module())
        optimizer = RMSProp(parameters, **RMSPROP, centered=centered)
        parameters.grad.copy_(gradients(parameters)[0])
        optimizer.step(1e-2)
        before = [parameters.data.clone(), *(v.clone() for v in optimizer.state_dict().values())]
        parameters.grad.copy_(gradients(parameters)[1])
        parameters.grad[1] = gradient
        optimizer.step(1e-2, active)
        after = [parameters.data, *optimizer.state_dict().values()]
        if active is not None:
            assert all(torch.equal(a[1], b[1]) for a, b in zip(after, before, strict=True))
        assert not any(torch.equal(a[0], b[0]) for a, b in zip(after, before, strict=True))
        ends.append(after)
    for masked, plain in zip(*ends, strict=True):
        assert torch.equal(masked[[0, 2]], plain[[0, 2]])


def test_rmsprop_state_continues_to_the_bit():
    def optimizers():
        parameters = FlatParameters(module())
        return parameters, RMSProp(parameters, **RMSPROP, centered=True)

    (whole, plain), (halves, first) = optimizers(), optimizers()
    for i, grad in enumerate(gradients(whole)):
        if i == 3:
            saved = {name: value.clone() for name, value in first.state_dict().items()}
            first = RMSProp(halves, **RMSPROP, centered=True)
            first.load_state_dict(saved)
        for parameters, optimizer in ((whole, plain), (halves, first)):
            parameters.grad.copy_(grad)
            optimizer.step(1e-2)
    assert torch.equal(whole.data, halves.data)


def test_rmsprop_shows_a_gradient_scaled_by_the_number_of_seeds():
    """Unlike Adam: with a large ε, a loss averaged over seeds would train three times slower."""

    def trained(seeds):
        net = MLP([4, 5, 2], "tanh", normc(1.0), normc(1.0), Streams(seeds, "initialization"))
        parameters = FlatParameters(net)
        optimizer = RMSProp(parameters, 0.99, 0.1, True, 0.0, False)
        x = Streams(seeds, "x").normal(6, 4)
        for _ in range(5):
            parameters.backward((net(x) - 1).square().mean((1, 2)))
            optimizer.step(0.1)
        return parameters.data

    together = trained([0, 1, 2])
    alone = torch.cat([trained([seed]) for seed in (0, 1, 2)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("active", [None, torch.tensor([True, False])])
@pytest.mark.parametrize("epsilon_hat", [True, False])
def test_torchs_kernel_for_large_networks_steps_as_adam_does(epsilon_hat, active, monkeypatch):
    """With steps, step sizes and resting seeds of their own."""
    found = []
    for numbers in (1 << 16, 1):
        monkeypatch.setattr(optim, "FUSED", numbers)
        layer = nn.Module()
        layer.weight = nn.Parameter(torch.linspace(-1, 1, 2 * 50).view(2, 50))
        parameters = FlatParameters(layer)
        stepper = Adam(parameters, 0.9, 0.999, 1e-3, epsilon_hat)
        for k in range(4):
            parameters.grad.copy_(torch.sin(parameters.data * 7 + k))
            stepper.step(torch.tensor([0.1, 0.2]), active if k else None)
        found.append([parameters.data, *stepper.state_dict().values()])
    assert found[0][3].flatten().tolist() == [4.0, 4.0 if active is None else 1.0]
    for plain, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-6)
        assert active is None or not torch.equal(fused[0], fused[1])


def test_a_step_in_parts_is_the_step_at_once(monkeypatch):
    """Large networks are updated a part at a time, for the processor's cache."""
    found = []
    for large in (1 << 20, 1):
        monkeypatch.setattr(optim, "LARGE", large)
        monkeypatch.setattr(optim, "PART", 1 << 10)
        layer = nn.Module()
        layer.weight = nn.Parameter(torch.linspace(-1, 1, 2 * 5000).view(2, 5000))
        parameters = FlatParameters(layer)
        stepper = RMSProp(parameters, 0.95, 0.01, True, 0.0, True)
        for k in range(3):
            parameters.grad.copy_(torch.sin(parameters.data * 7 + k))
            stepper.step(torch.tensor([0.1, 0.2]))
        found.append(torch.cat([parameters.data, *list(stepper.state_dict().values())[:2]]))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-7)
