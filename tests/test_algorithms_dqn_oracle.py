"""DQN's updates against a slow oracle: one seed, plain layers, the authors' loop.

The oracle takes the minibatches and the first network of a real run and nothing else. It counts
steps as NeuralQLearner.lua does: an update where the step is a multiple of its period, then a copy
where it is one of the other's. After some updates network and copy must agree.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_algorithms_dqn import FIRST, settings
from torch.nn import functional as F
from training_tools import lines, make_run

from implementations import dqn_2013
from repro.training import experience
from repro.training.networks import Linear
from repro.training.replay import Replay

SEED, STARTS, STEPS, UPDATE_PERIOD = 3, 40, 84, 2
RMSPROP = FIRST["optimizer"] | {"epsilon": 0.02, "initial_square": 0.1}
CASES = {
    "nature": {"td_error": {"kind": "clipped", "bound": 0.7}, "gamma": 0.9},
    "nature, copies out of step with updates": {
        "target_network": {"kind": "periodic", "period": 9}, "td_error": {"kind": "squared"},
    },
    "first": FIRST | {"gamma": 0.9},
    "first, not centred, outside the root": FIRST
    | {"optimizer": RMSPROP | {"centered": False, "epsilon_inside": False}},
}  # fmt: skip


def weights(network):
    layers = [layer for layer in network.modules() if isinstance(layer, Linear)]
    return [p[0].detach().clone() for layer in layers for p in (layer.weight, layer.bias)]


class Record:
    """A real run's minibatches, the steps after which they came, its network before and after."""

    def __init__(self, hparams, folder, monkeypatch):
        run = make_run(hparams, "CartPole-v1", folder, seeds=[SEED], steps=STEPS)
        self.batches, sample = [], Replay.sample

        def recorded(replay, streams, batch, where=None):
            if not self.batches:
                self.first = weights(run._kept["model"])
            drawn = sample(replay, streams, batch, where)
            self.batches.append((int(run.steps_done[0]), [part[0] for part in drawn]))
            return drawn

        monkeypatch.setattr(Replay, "sample", recorded)
        monkeypatch.setattr(experience, "TICKS", STEPS)
        dqn_2013.train(run)
        self.last, self.copy = (weights(run._kept[n]) for n in ("model", "target_network"))


class Oracle:
    """Q and its copy as plain tensors, [W, b, W, b]; their optimiser written out."""

    def __init__(self, hparams, first):
        self.hp, self.q = hparams, [w.clone().requires_grad_() for w in first]
        self.has_copy = isinstance(hparams.target_network, dqn_2013.PeriodicCopy)
        self.copy = [w.clone() for w in first] if self.has_copy else self.q
        start = getattr(hparams.optimizer, "initial_square", 0.0)
        self.mean = [torch.zeros_like(w) for w in first]
        self.square = [torch.full_like(w, start) for w in first]
        self.updates = 0

    def values(self, net, state):
        hidden = torch.tanh(F.linear(state, net[0].T, net[1].flatten()))
        return F.linear(hidden, net[2].T, net[3].flatten())

    def update(self, batch):
        state, action, reward, after, terminal = batch
        losses = []
        for s, a, r, following, ends in zip(state, action, reward, after, terminal, strict=True):
            target = r
            if not ends:
                target = r + self.hp.gamma * self.values(self.copy, following).detach().max()
            error = (target - self.values(self.q, s)[int(a)]).abs()
            bound = getattr(self.hp.td_error, "bound", np.inf)
            large = error > bound
            losses.append(bound * (error - bound / 2) if large else error.square() / 2)
        self.sizes = torch.stack(losses).detach()
        loss = sum(losses) / (len(losses) if self.hp.loss_reduction == "mean" else 1)
        self.updates += 1
        step = self.adam if self.hp.optimizer.__class__.__name__ == "ChosenAdam" else self.rmsprop
        gradients = torch.autograd.grad(loss, self.q)
        with torch.no_grad():
            for w, g, m, v in zip(self.q, gradients, self.mean, self.square, strict=True):
                w -= self.hp.step_size.value * step(self.hp.optimizer, g, m, v)

    def adam(self, o, g, m, v):
        m.copy_(o.beta1 * m + (1 - o.beta1) * g)
        v.copy_(o.beta2 * v + (1 - o.beta2) * g * g)
        corrected = v / (1 - o.beta2**self.updates)
        return m / (1 - o.beta1**self.updates) / (corrected.sqrt() + o.epsilon)

    def rmsprop(self, o, g, m, v):
        m.copy_(o.decay * m + (1 - o.decay) * g)
        v.copy_(o.decay * v + (1 - o.decay) * g * g)
        variance = v - m * m if o.centered else v
        if o.epsilon_inside:
            return g / (variance + o.epsilon).sqrt()
        return g / (variance.sqrt() + o.epsilon)


@pytest.mark.parametrize("case", CASES)
def test_updates_against_the_oracle(case, tmp_path, monkeypatch):
    hparams = settings(learning_starts=STARTS, update_period=UPDATE_PERIOD, **CASES[case])
    record = Record(hparams, tmp_path, monkeypatch)
    assert [step for step, _ in record.batches] == list(range(STARTS + 2, STEPS + 1, 2))
    oracle, batches, ends = Oracle(hparams, record.first), dict(record.batches), 0
    for step in range(1, STEPS + 1):
        late = oracle.copy  # ours is renewed before the next update
        if step in batches:
            oracle.update(batches[step])
            ends += int(batches[step][-1].sum())
        if oracle.has_copy and step % hparams.target_network.period == 0:
            oracle.copy = [w.detach().clone() for w in oracle.q]
    assert ends, "no transition was terminal"
    for first, ours, theirs in zip(record.first, record.last, oracle.q, strict=True):
        assert (theirs - first).abs().max() > 1e-2, "the network hardly moved"
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-3, atol=2e-5)
    for ours, theirs in zip(record.copy, late, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("period", [1, 4])
def test_exploration_counts_steps(period, tmp_path):
    """From 1 at step 40 to 0.5 at step 140, however many updates there are."""
    hp = settings(learning_starts=STARTS, update_period=period)
    dqn_2013.train(make_run(hp, "ProbeAction-v0", tmp_path, steps=100))
    expected = np.mean([1 - 0.5 * (n - 40) / 100 for n in range(41, 101) if n % period == 0])
    for seed in (0, 1):
        (line,) = lines(tmp_path, seed, "train")
        assert line["epsilon"] == pytest.approx(expected)
