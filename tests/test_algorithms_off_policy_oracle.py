"""DDPG's and TD3's updates against a slow oracle: one seed, plain layers, torch's Adam.

The oracle takes the minibatches and the first networks of a real run, draws the smoothing noise
anew from its seed, and nothing else; after some updates all four networks must agree.
"""

from __future__ import annotations

import pytest
import torch
from off_policy_tools import settings
from torch.nn import functional as F
from torch.optim.adam import adam
from training_tools import make_run

from repro.training import experience
from repro.training.deterministic import Affine
from repro.training.replay import Replay
from repro.training.rng import Streams

SEED, UPDATES = 3, 5
NETWORKS = {
    "ddpg": ("policy", "critic", "target_policy", "target_critic"),
    "td3": ("policy", "critics", "target_policy", "target_critics"),
}
CASES = {
    "ddpg": {},
    "ddpg, weight decay, the action enters late": {
        "critic_weight_decay": 0.3,
        "critic_network": {
            "kind": "mlp", "hidden": [12, 9], "activation": "tanh", "action_layer": 1,
        },
    },
    "td3": {},
    "td3, noise in the action's own units": {
        "target_noise": {"kind": "gaussian", "std": 0.9, "clip": 1.0, "scaled": False},
    },
    "td3, late policy": {"policy_delay": 3},
    "td3, single": {"target_value": {"kind": "single"}},
    "td3, double-dqn": {"target_value": {"kind": "double-dqn"}},
    "td3, double-q": {"target_value": {"kind": "double-q"}, "target_noise": {"kind": "none"}},
}  # fmt: skip


def weights(module):
    """[(W [K, in, out], b [K, 1, out])] of the first seed, as leaves of their own."""
    layers = [layer for layer in module.network.modules() if isinstance(layer, Affine)]
    return [(layer.weight[0].detach().clone(), layer.bias[0].detach().clone()) for layer in layers]


class Record:
    """A real run's minibatches and the networks before its first update and after its last."""

    def __init__(self, name, hparams, module, folder, monkeypatch):
        run = make_run(hparams, "Pendulum-v1", folder, seeds=[SEED], steps=1)
        self.batches, names = [], NETWORKS[name]
        sample = Replay.sample

        def recorded(replay, streams, batch, where=None):
            if not self.batches:
                self.first = {n: weights(run._kept[n]) for n in names}
            self.batches.append(sample(replay, streams, batch, where))
            return self.batches[-1]

        monkeypatch.setattr(Replay, "sample", recorded)
        monkeypatch.setattr(experience, "TICKS", hparams.learning_starts + UPDATES)
        module.train(run)
        self.last = {n: weights(run._kept[n]) for n in names}


class Oracle:
    """One seed's networks as plain tensors; copies k of a network one after the other."""

    def __init__(self, name, hparams, first):
        self.hp, self.names = hparams, NETWORKS[name]
        self.nets = {
            n: [tuple(t.clone() for t in pair) for pair in net] for n, net in first.items()
        }
        self.moments = {
            n: [[torch.zeros_like(t) for pair in self.nets[n] for t in pair] for _ in range(2)]
            for n in self.names[:2]
        }
        self.counts = {n: [torch.tensor(0.0) for _ in m[0]] for n, m in self.moments.items()}
        self.smoothing = Streams([SEED], "smoothing")

    def forward(self, net, x, activation, late=None, late_layer=None, k=0):
        for i, (weight, bias) in enumerate(net):
            if late is not None and i == late_layer:
                x = torch.cat([x, late], dim=-1)
            x = F.linear(x, weight[k].T, bias[k, 0])
            if i + 1 < len(net):
                x = getattr(torch, activation)(x)
        return x

    def action(self, name, state, k=0):
        """Pendulum's actions lie within ±2."""
        hidden = self.hp.policy_network.activation
        return 2.0 * torch.tanh(self.forward(self.nets[name], state, hidden, k=k))

    def value(self, name, state, action, k=0):
        network = self.hp.critic_network
        return self.forward(
            self.nets[name], state, network.activation, action, network.action_layer, k
        )[:, 0]

    def targets(self, reward, after, terminal):
        """y of each critic, as the paper has it."""
        policy, _, target_policy, target_critic = self.names
        kind = type(getattr(self.hp, "target_value", None)).__name__
        copies = 2 if kind == "DoubleQ" else 1
        learnt = kind in ("DoubleDQN", "DoubleQ")
        actions = [
            self.action(policy if learnt else target_policy, after, k) for k in range(copies)
        ]
        noise = getattr(self.hp, "target_noise", None)
        if hasattr(noise, "std"):
            drawn = self.smoothing.normal(copies, *actions[0].shape)[0]
            scale = 2.0 if noise.scaled else 1.0
            for k, normal in enumerate(drawn):
                moved = actions[k] + scale * (noise.std * normal).clamp(-noise.clip, noise.clip)
                actions[k] = moved.clamp(-2.0, 2.0)
        if kind == "DoubleQ":
            following = [self.value(target_critic, after, actions[k], 1 - k) for k in (0, 1)]
        elif kind == "ClippedDoubleQ":
            both = [self.value(target_critic, after, actions[0], k) for k in (0, 1)]
            following = [torch.minimum(*both)] * 2
        else:
            following = [self.value(target_critic, after, actions[0])]
        return [reward + self.hp.gamma * (1 - terminal) * value for value in following]

    def step(self, name, loss, step_size, decay=0.0):
        tensors = [t for pair in self.nets[name] for t in pair]
        grads = list(torch.autograd.grad(loss, tensors))
        for i in range(0, len(grads), 2):  # weights, not biases
            grads[i] = grads[i] + decay * tensors[i].detach()
        m, v = self.moments[name]
        with torch.no_grad():
            adam(
                tensors, grads, m, v, [], self.counts[name], amsgrad=False,
                beta1=self.hp.adam.beta1, beta2=self.hp.adam.beta2, lr=step_size,
                weight_decay=0.0, eps=self.hp.adam.epsilon, maximize=False, foreach=False,
            )  # fmt: skip

    def update(self, number, batch):
        policy, critic, *_ = self.names
        state, action, reward, after, terminal = (part[0] for part in batch)
        with torch.no_grad():
            wanted = self.targets(reward, after, terminal)
        self.require_grad(critic)
        errors = [
            (self.value(critic, state, action, k) - y).square().mean() for k, y in enumerate(wanted)
        ]
        decay = getattr(self.hp, "critic_weight_decay", 0.0)
        self.step(critic, sum(errors), self.hp.critic_step_size.value, decay)
        if number % getattr(self.hp, "policy_delay", 1):
            return
        self.require_grad(policy)
        copies = len(self.nets[policy][0][0])
        gains = [
            self.value(critic, state, self.action(policy, state, k), k).mean()
            for k in range(copies)
        ]
        self.step(policy, -sum(gains), self.hp.policy_step_size.value)
        for online, target in zip(self.names[:2], self.names[2:], strict=True):
            self.nets[target] = [
                (self.followed(w, w_target), self.followed(b, b_target))
                for (w, b), (w_target, b_target) in zip(
                    self.nets[online], self.nets[target], strict=True
                )
            ]

    def followed(self, online, target):
        return self.hp.tau * online.detach() + (1 - self.hp.tau) * target

    def require_grad(self, name):
        self.nets[name] = [
            (w.detach().requires_grad_(), b.detach().requires_grad_()) for w, b in self.nets[name]
        ]


@pytest.mark.parametrize("case", CASES)
def test_updates_against_the_oracle(case, tmp_path, monkeypatch):
    name = case.partition(",")[0]
    module, hparams = settings(name, random_steps=8, learning_starts=16, **CASES[case])
    record = Record(name, hparams, module, tmp_path, monkeypatch)
    oracle = Oracle(name, hparams, record.first)
    assert len(record.batches) >= UPDATES
    for number, batch in enumerate(record.batches, 1):
        oracle.update(number, batch)
    for network in NETWORKS[name]:
        layers = zip(record.first[network], record.last[network], oracle.nets[network], strict=True)
        for before, found, expected in layers:
            for start, ours, theirs in zip(before, found, expected, strict=True):
                assert (theirs - start).abs().max() > 1e-4, f"{network} hardly moved"
                torch.testing.assert_close(
                    ours, theirs.detach(), rtol=1e-3, atol=2e-5,
                    msg=lambda m, n=network: f"{n}: {m}",
                )  # fmt: skip
