"""Stacked layers against torch's own, initialisers by their properties, seeds apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from repro.training.choices import Convolutional
from repro.training.networks import (
    MLP,
    ConvTorso,
    Linear,
    draw_biases,
    fan_in,
    glorot,
    normc,
    orthogonal,
    padded,
    parameters_per_seed,
)
from repro.training.rng import Streams

SEEDS = [0, 5]


def layers(settings):
    return settings.channels, settings.kernels, settings.strides, settings.padding, settings.hidden


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_normc_columns_have_the_norm(scale):
    weight = normc(scale)(7, 3, Streams(SEEDS, "initialization"))
    assert weight.shape == (2, 7, 3)
    torch.testing.assert_close(weight.norm(dim=1), torch.full((2, 3), scale))


@pytest.mark.parametrize(("inputs", "outputs"), [(7, 3), (3, 7), (4, 4)])
def test_orthogonal_rows_or_columns_are_orthonormal(inputs, outputs):
    weight = orthogonal(2.0)(inputs, outputs, Streams(SEEDS, "initialization"))
    assert weight.shape == (2, inputs, outputs)
    across = weight.transpose(1, 2) @ weight if inputs >= outputs else weight @ weight.mT
    shorter = min(inputs, outputs)
    torch.testing.assert_close(across, 4 * torch.eye(shorter).expand(2, -1, -1), atol=1e-5, rtol=0)


def test_orthogonal_has_no_preferred_sign():
    """QR alone would give a triangular factor with a sign of its own."""
    signs = orthogonal(1.0)(1, 1, Streams(range(200), "initialization")).flatten()
    assert 60 < (signs > 0).sum() < 140


@pytest.mark.parametrize("initializer", [normc(1.0), orthogonal(1.0)])
def test_initial_weights_of_a_seed_do_not_depend_on_the_stack(initializer):
    together = initializer(4, 3, Streams([1, 2, 3], "initialization"))
    alone = initializer(4, 3, Streams([2], "initialization"))
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])


def test_linear_is_torchs_for_every_seed():
    layer = Linear(4, 3, normc(1.0), Streams(SEEDS, "initialization"))
    assert (layer.bias == 0).all()
    nn.init.normal_(layer.bias)
    x = torch.randn(2, 6, 4)
    for seed in range(2):
        theirs = F.linear(x[seed], layer.weight[seed].T, layer.bias[seed, 0])
        torch.testing.assert_close(layer(x)[seed], theirs)


@pytest.mark.parametrize(("activation", "theirs"), [("tanh", nn.Tanh), ("relu", nn.ReLU)])
def test_mlp_is_torchs_for_every_seed(activation, theirs):
    net = MLP([4, 8, 6, 2], activation, normc(1.0), normc(0.5), Streams(SEEDS, "initialization"))
    x = torch.randn(2, 5, 4)
    for seed in range(2):
        layers = []
        for layer in net.layers:
            linear = nn.Linear(*layer.weight.shape[1:])
            linear.weight.data = layer.weight[seed].detach().T
            linear.bias.data = layer.bias[seed, 0].detach()
            layers += [linear, theirs()]
        torch.testing.assert_close(net(x)[seed], nn.Sequential(*layers[:-1])(x[seed]))


def test_mlp_counts_its_parameters_and_draws_its_last_layer_apart():
    net = MLP([17, 64, 64, 6], "tanh", normc(1.0), normc(0.01), Streams(SEEDS, "initialization"))
    assert parameters_per_seed(net) == 17 * 64 + 64 + 64 * 64 + 64 + 64 * 6 + 6
    torch.testing.assert_close(net.layers[-1].weight.norm(dim=1), torch.full((2, 6), 0.01))
    torch.testing.assert_close(net.layers[0].weight.norm(dim=1), torch.ones(2, 64))


def test_conv_torso_is_torchs_for_every_seed():
    settings = Convolutional(
        channels=[3, 4], kernels=[4, 3], strides=[2, 1], padding=[1, 0], hidden=5
    )
    torso = ConvTorso(
        (2, 14, 12), *layers(settings), orthogonal(1.0), Streams(SEEDS, "initialization")
    )
    for bias in torso.biases:
        nn.init.normal_(bias)
    images = torch.randint(256, (2, 3, 2, 14, 12), dtype=torch.uint8)
    found = torso(images)
    assert found.shape == (2, 3, 5)
    for seed in range(2):
        x = images[seed] / 255
        layers_ = zip(torso.weights, torso.biases, (2, 1), (1, 0), strict=True)
        for weight, bias, stride, zeros in layers_:
            x = F.relu(F.conv2d(x, weight[seed].permute(0, 3, 1, 2), bias[seed], stride, zeros))
        last = torso.output
        x = x.permute(0, 2, 3, 1).flatten(1)  # a pixel's channels side by side
        x = F.relu(F.linear(x, last.weight[seed].T, last.bias[seed, 0]))
        torch.testing.assert_close(found[seed], x)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "expected"),
    [(84, 8, 4, (2, 2)), (21, 4, 2, (1, 2)), (11, 3, 1, (1, 1)), (10, 2, 5, (0, 0))],
)
def test_same_padding_keeps_a_strides_share_of_the_pixels(side, kernel, stride, expected):
    """Dopamine's three layers make 21, 11 and 11 of 84 pixels; zeros are few, the odd one last."""
    assert padded(side, kernel, stride, "same") == expected
    assert padded(side, kernel, stride, 3) == (3, 3)
    assert (sum(expected) + side - kernel) // stride + 1 == -(-side // stride)


def test_same_padding_that_is_uneven_puts_the_odd_zero_last():
    """One pixel a filter, kernel 2, stride 1: the right and lower neighbours of the last are 0."""
    streams = Streams([0], "initialization")
    torso = ConvTorso((1, 2, 2), [1], [2], [1], "same", 4, orthogonal(1.0), streams)
    with torch.no_grad():
        torso.weights[0].fill_(255.0)
        torso.output.weight.copy_(torch.eye(4))
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 1, 2, 2)
    assert torso(image).flatten().tolist() == pytest.approx([10.0, 6.0, 7.0, 4.0])


@pytest.mark.parametrize(
    ("draw", "area", "bound"), [(fan_in, 9, 0.05), (glorot, 9, (6 / 850) ** 0.5)]
)
def test_uniform_weights_fill_their_interval(draw, area, bound):
    """400 inputs, 50 outputs; Glorot counts a convolution's outputs at all 9 pixels."""
    weight = draw(400, 50, Streams(SEEDS, "initialization"), area)
    assert 0.98 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_biases_are_drawn_by_the_inputs_of_their_layer():
    streams = Streams(SEEDS, "initialization")
    torso = ConvTorso((2, 8, 8), [400], [3], [3], [0], 300, fan_in, streams)
    before = [w.clone() for w in torso.weights]
    draw_biases(torso, streams)
    assert torch.equal(torso.weights[0], before[0])
    for bias, inputs in ((torso.biases[0], 18), (torso.output.bias, 1600)):
        assert 0.95 * inputs**-0.5 < bias.abs().max() <= inputs**-0.5
        assert not torch.equal(bias[0], bias[1])


def test_conv_filters_are_orthonormal_where_drawn_so():
    settings = Convolutional(channels=[3], kernels=[4], strides=[2], padding=[0], hidden=5)
    torso = ConvTorso(
        (2, 8, 8), *layers(settings), orthogonal(1.0), Streams(SEEDS, "initialization")
    )
    filters = torso.weights[0].detach().flatten(2)
    torch.testing.assert_close(filters @ filters.mT, torch.eye(3).expand(2, -1, -1))


def test_nan_stays_in_its_seed():
    net = MLP([4, 8, 2], "tanh", normc(1.0), normc(1.0), Streams([0, 1, 2], "initialization"))
    x = torch.randn(3, 5, 4)
    clean = net(x)
    with torch.no_grad():
        for p in net.parameters():
            p[1] = float("nan")
    found = net(x)
    assert found[1].isnan().all()
    assert torch.equal(found[[0, 2]], clean[[0, 2]])
