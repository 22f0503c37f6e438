"""Distributions against torch.distributions; sampling, entropy, KL and policies of a stack."""

from __future__ import annotations

import pytest
import torch
from torch import distributions as td

from repro.training.networks import MLP, normc
from repro.training.policies import Categorical, CategoricalPolicy, Gaussian, GaussianPolicy
from repro.training.rng import Streams

S, B, A = 2, 5, 3


@pytest.fixture
def draws():
    return torch.Generator().manual_seed(0)


def gaussians(draws, rows=1):
    ours = Gaussian(
        torch.randn(S, B, A, generator=draws), 0.5 * torch.randn(S, rows, A, generator=draws)
    )
    return ours, td.Independent(td.Normal(ours.mean, ours.log_std.exp().expand(S, B, A)), 1)


def categoricals(draws):
    logits = 2 * torch.randn(S, B, A, generator=draws)
    return Categorical.from_logits(logits), td.Categorical(logits=logits)


@pytest.mark.parametrize("rows", [1, B])
def test_gaussian_is_torchs(draws, rows):
    (p, p_torch), (q, q_torch) = gaussians(draws, rows), gaussians(draws, rows)
    action = 2 * torch.randn(S, B, A, generator=draws)
    torch.testing.assert_close(p.log_prob(action), p_torch.log_prob(action))
    torch.testing.assert_close(p.entropy().expand(S, B), p_torch.entropy())
    torch.testing.assert_close(p.kl(q), td.kl_divergence(p_torch, q_torch))
    assert torch.equal(p.mode(), p.mean)


def test_gaussian_sample_is_mean_plus_scaled_noise(draws):
    p, _ = gaussians(draws)
    noise = torch.randn(S, B, A, generator=draws)
    torch.testing.assert_close(p.sample(noise), p.mean + p.log_std.exp() * noise)


def test_categorical_is_torchs(draws):
    (p, p_torch), (q, q_torch) = categoricals(draws), categoricals(draws)
    action = torch.randint(A, (S, B), generator=draws)
    torch.testing.assert_close(p.log_prob(action), p_torch.log_prob(action))
    torch.testing.assert_close(p.log_prob(action.float()), p_torch.log_prob(action))
    torch.testing.assert_close(p.entropy(), p_torch.entropy())
    torch.testing.assert_close(p.kl(q), td.kl_divergence(p_torch, q_torch))
    assert torch.equal(p.mode(), p_torch.probs.argmax(-1))


def test_categorical_sample_has_the_distribution(draws):
    p = Categorical.from_logits(torch.tensor([[[0.0, 1.0, -1.0]]]).expand(1, 40_000, 3))
    chosen = p.sample(torch.rand(1, 40_000, generator=draws))
    shares = torch.bincount(chosen.flatten(), minlength=3) / chosen.numel()
    # Five standard errors of the largest share are 0.0125.
    torch.testing.assert_close(shares, p.log_probs[0, 0].exp(), atol=0.0125, rtol=0)


def test_categorical_sample_at_the_edges():
    p = Categorical.from_logits(torch.zeros(1, 1, 4))
    edges = torch.tensor([[0.0, 0.25 - 1e-6, 0.25, 0.5, 0.75, 1 - 2**-24]])
    probs = Categorical(p.log_probs.expand(1, 6, 4))
    assert probs.sample(edges).tolist() == [[0, 0, 1, 2, 3, 3]]


def test_categorical_sample_never_leaves_the_choices():
    """Rounding may leave the last cumulative sum below noise that is nearly one."""
    p = Categorical(torch.tensor([0.5, 0.499]).log().expand(1, 1, 2))
    assert p.sample(torch.tensor([[0.9995]])).item() == 1


@pytest.mark.parametrize("family", [gaussians, categoricals])
def test_replaced_takes_the_statistic_back(draws, family):
    p, _ = family(draws)
    q, _ = family(draws)
    again = p.replaced(p.statistic)
    torch.testing.assert_close(again.kl(p), torch.zeros(S, B), atol=1e-6, rtol=0)
    part = [0, 3]
    if isinstance(q, Gaussian):
        new = Gaussian(q.mean[:, part], q.log_std)
    else:
        new = Categorical(q.log_probs[:, part])
    torch.testing.assert_close(p.replaced(p.statistic[:, part]).kl(new), p.kl(q)[:, part])


def gaussian_policy(learnt=True, log_std=-0.5):
    mean = MLP([4, 8, A], "tanh", normc(1.0), normc(0.1), Streams(range(S), "initialization"))
    return GaussianPolicy(mean, A, log_std, learnt, S)


def test_frozen_distribution_outlives_an_update():
    """The old policy of an update stays as it was when the parameters move in place."""
    policy = gaussian_policy()
    observation = torch.randn(S, B, 4)
    live = policy(observation)
    old = live.frozen()
    assert not old.log_std.requires_grad
    assert not old.mean.requires_grad
    with torch.no_grad():
        for p in policy.parameters():
            p.add_(0.3)
    new = policy(observation)
    assert torch.equal(new.log_std - old.log_std, torch.full((S, 1, A), 0.3))
    expected = td.kl_divergence(
        td.Independent(td.Normal(old.mean, old.log_std.exp()), 1),
        td.Independent(td.Normal(new.mean, new.log_std.exp()), 1),
    )
    torch.testing.assert_close(old.kl(new), expected)


def test_log_std_is_learnt_or_annealed():
    learnt, annealed = gaussian_policy(learnt=True), gaussian_policy(learnt=False)
    assert "log_std" in dict(learnt.named_parameters())
    assert "log_std" not in dict(annealed.named_parameters())
    annealed.set_log_std(torch.tensor([-0.7, -1.6]))
    assert annealed(torch.zeros(S, 1, 4)).log_std[:, 0, 2].tolist() == pytest.approx([-0.7, -1.6])
    assert "log_std" in annealed.state_dict()  # survives an interruption


def test_noise_is_drawn_per_seed_in_the_shape_of_actions():
    streams = Streams([3, 4], "action")
    assert gaussian_policy().noise(streams, 6, 2).shape == (S, 6, 2, A)
    logits = MLP([4, A], "tanh", normc(1.0), normc(1.0), Streams(range(S), "initialization"))
    noise = CategoricalPolicy(logits).noise(streams, 50, 2)
    assert noise.shape == (S, 50, 2)
    assert noise.min() >= 0
    assert noise.max() < 1
