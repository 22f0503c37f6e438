"""PPO's iteration against a slow oracle: one seed, plain loops, torch.distributions, torch's Adam.

The oracle takes the rollouts, first parameters and minibatch orders of a real run, and nothing
else of it; after three iterations every parameter must agree.
"""

from __future__ import annotations

import numpy as np
import probes  # noqa: F401 - registers the environments
import pytest
import torch
from torch import distributions as td
from torch.nn.utils import clip_grad_norm_
from torch.optim.adam import adam
from training_tools import CLIP, ITERATION, SURROGATES, make_run, ppo

from implementations import ppo_2017
from repro.training.rng import Streams
from repro.training.rollout import Collector

SEED, ITERATIONS = 3, 3
NORMALISERS = {
    "observation_normalization": {
        "kind": "running", "update": "iteration", "clip": 5.0, "prior_count": 0.01,
        "variance_floor": 0.01, "epsilon": 0.0,
    },
    "reward_normalization": {
        "kind": "return-std", "clip": 10.0, "prior_count": 1e-4, "epsilon": 1e-8,
        "reset": "episode",
    },
}  # fmt: skip
CASES = {
    "clip": {},
    "adaptive-kl": {"surrogate": {"kind": "adaptive-kl", "target": 0.003, "initial_beta": 2.0}},
    "fixed-kl": {"surrogate": {"kind": "fixed-kl", "beta": 3.0}},
    "none": {"surrogate": SURROGATES["none"]},
    "bootstrap": {"time_limit": "bootstrap"},
    "value clip, gradient bound, minibatch advantages": {
        "value_clip": CLIP,
        "max_grad_norm": {"kind": "global-norm", "max": 0.3},
        "advantage_normalization": {"over": "minibatch", "epsilon": 1e-3},
        "value_coefficient": 0.25,
    },
    "entropy, schedules": {
        "entropy_coefficient": 0.1,
        "surrogate": {"kind": "clip", "range": {"kind": "linear", "start": 0.3, "end": 0.0}},
        "schedule_steps": 5 * ITERATION,
    },
    "step size by KL target": {
        "step_size": {"kind": "kl-target", "initial": 0.003, "target": 1e-4}
    },
    "normalisers": NORMALISERS,
}


class Record:
    """What a real run saw: its first parameters, its rollouts, its observations for the update."""

    def __init__(self, hp, env, folder, monkeypatch):
        self.rollouts, self.refreshed = [], []
        collect, refreshed = Collector.collect, Collector.refreshed

        def recorded_collect(collector, actor):
            if not self.rollouts:
                self.first = {n: p.detach().clone() for n, p in actor.named_parameters()}
            self.rollouts.append(collect(collector, actor))
            return self.rollouts[-1]

        def recorded_refreshed(collector, rollout):
            self.refreshed.append(refreshed(collector, rollout).copy())
            return self.refreshed[-1]

        monkeypatch.setattr(Collector, "collect", recorded_collect)
        monkeypatch.setattr(Collector, "refreshed", recorded_refreshed)
        run = make_run(hp, env, folder, seeds=[SEED], steps=ITERATIONS * ITERATION)
        ppo_2017.train(run)
        self.last = {n: p.detach() for n, p in run._kept["model"].named_parameters()}


class Oracle:
    """One seed's PPO, sample by sample where that says more."""

    def __init__(self, hp, first):
        self.hp = hp
        self.p = {n: v[0].clone().requires_grad_() for n, v in first.items()}
        self.moments = [[torch.zeros_like(p) for p in self.p.values()] for _ in range(2)]
        self.counts = [torch.tensor(0.0) for _ in self.p]
        self.order = Streams([SEED], "minibatch")
        self.steps_done = 0
        self.beta = getattr(hp.surrogate, "initial_beta", getattr(hp.surrogate, "beta", None))
        self.step_size = getattr(hp.step_size, "initial", None)

    def network(self, name, x):
        x = torch.as_tensor(x, dtype=torch.float32)
        for layer in (0, 1):
            x = x @ self.p[f"{name}.layers.{layer}.weight"] + self.p[f"{name}.layers.{layer}.bias"]
            x = x if layer else torch.tanh(x)
        return x

    def distribution(self, x):
        if "policy.log_std" not in self.p:
            return td.Categorical(logits=self.network("policy.logits", x))
        mean = self.network("policy.mean", x)
        return td.Independent(td.Normal(mean, self.p["policy.log_std"].exp()), 1)

    def value(self, x):
        return self.network("critic", x)[..., 0]

    def scheduled(self, schedule):
        if hasattr(schedule, "value"):
            return schedule.value
        share = min(self.steps_done / self.hp.schedule_steps, 1.0)
        return schedule.start * (1 - share) + schedule.end * share

    def advantages(self, rollout):
        """Sums of residuals until the episode or the rollout ends, as in eq. 11."""
        hp = self.hp
        bootstrap = hp.time_limit == "bootstrap"
        cuts = {}
        for _, e, t, ended_with in zip(*rollout.cut_at, rollout.cut, strict=True):
            cuts[(int(e), int(t))] = ended_with
        _, envs, horizon = rollout.reward.shape
        advantage = np.zeros((envs, horizon))
        with torch.no_grad():
            value = self.value(rollout.seen[0]).numpy()
            for e in range(envs):
                for t in range(horizon):
                    total = 0.0
                    for k in range(t, horizon):
                        after = value[e, k + 1]
                        if rollout.truncated[0, e, k]:
                            after = self.value(cuts[(e, k)]).item() if bootstrap else 0.0
                        elif rollout.terminated[0, e, k]:
                            after = 0.0
                        residual = rollout.reward[0, e, k] + hp.gamma * after - value[e, k]
                        total += (hp.gamma * hp.gae_lambda) ** (k - t) * residual
                        if rollout.truncated[0, e, k] or rollout.terminated[0, e, k]:
                            break
                    advantage[e, t] = total
        flat = torch.tensor(advantage, dtype=torch.float32).flatten()
        return torch.tensor(value[:, :-1]).flatten(), flat

    def normalized(self, advantage):
        epsilon = self.hp.advantage_normalization.epsilon
        return (advantage - advantage.mean()) / (advantage.std(correction=0) + epsilon)

    def objective(self, ratio, advantage, kl, epsilon):
        kind = type(self.hp.surrogate).__name__
        if kind == "Clip":
            clipped = torch.clamp(ratio, 1 - epsilon, 1 + epsilon)
            return torch.min(ratio * advantage, clipped * advantage).mean()
        if kind == "Off":
            return (ratio * advantage).mean()
        return (ratio * advantage - self.beta * kl).mean()

    def iterate(self, rollout, seen):
        hp = self.hp
        old_value, advantage = self.advantages(rollout)
        target = old_value + advantage
        observation = torch.tensor(seen[0], dtype=torch.float32).flatten(0, 1)
        action = torch.from_numpy(rollout.action[0].copy()).flatten(0, 1)
        with torch.no_grad():
            frozen = Oracle.__new__(Oracle)
            frozen.p = {n: p.detach().clone() for n, p in self.p.items()}
            old_log_prob = frozen.distribution(observation).log_prob(action)
        if hp.advantage_normalization.over == "batch":
            advantage = self.normalized(advantage)
        step_size = self.step_size or self.scheduled(hp.step_size)
        epsilon = self.scheduled(hp.surrogate.range) if hasattr(hp.surrogate, "range") else None
        for _ in range(hp.epochs):
            for i in self.order.permutation(len(action))[0].split(hp.minibatch_size):
                adv = advantage[i]
                if hp.advantage_normalization.over == "minibatch":
                    adv = self.normalized(adv)
                new = self.distribution(observation[i])
                ratio = (new.log_prob(action[i]) - old_log_prob[i]).exp()
                kl = td.kl_divergence(frozen.distribution(observation[i]), new)
                value = self.value(observation[i])
                error = (value - target[i]) ** 2
                if type(hp.value_clip).__name__ == "Clip":
                    limit = self.scheduled(hp.value_clip.range)
                    moved = old_value[i] + (value - old_value[i]).clamp(-limit, limit)
                    error = torch.max(error, (moved - target[i]) ** 2)
                loss = (
                    -self.objective(ratio, adv, kl, epsilon)
                    + hp.value_coefficient * error.mean()
                    - hp.entropy_coefficient * new.entropy().mean()
                )
                for p in self.p.values():
                    p.grad = None
                loss.backward()
                if hasattr(hp.max_grad_norm, "max"):
                    clip_grad_norm_(self.p.values(), hp.max_grad_norm.max)
                self.adam(step_size)
        with torch.no_grad():
            now = self.distribution(observation)
            kl = td.kl_divergence(frozen.distribution(observation), now).mean().item()
        if hasattr(hp.surrogate, "initial_beta"):
            target_kl = hp.surrogate.target
            self.beta *= 0.5 if kl < target_kl / 1.5 else 2 if kl > 1.5 * target_kl else 1
        if self.step_size:
            wanted = hp.step_size.target
            self.step_size *= 1.5 if kl < wanted / 2 else 1 / 1.5 if kl > 2 * wanted else 1
        self.steps_done += len(action)

    def adam(self, step_size):
        parameters, (m, v) = list(self.p.values()), self.moments
        with torch.no_grad():
            adam(
                parameters, [p.grad for p in parameters], m, v, [], self.counts, amsgrad=False,
                beta1=self.hp.adam.beta1, beta2=self.hp.adam.beta2, lr=step_size,
                weight_decay=0.0, eps=self.hp.adam.epsilon, maximize=False, foreach=False,
            )  # fmt: skip


TRIED = [(env, case) for case in CASES for env in ("CartPole", "Pendulum")]
TRIED += [("ProbeTurns-v0", "clip"), ("ProbeTurns-v0", "bootstrap")]  # cut off every three steps


@pytest.mark.parametrize(("env", "case"), TRIED)
def test_three_iterations_against_the_oracle(env, case, tmp_path, monkeypatch):
    hp = ppo(
        **{
            "gamma": 0.9,
            "minibatch_size": 40,  # 104 samples: the last batch is smaller
            "epochs": 3,
            "step_size": {"kind": "constant", "value": 0.01},
            "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-5, "epsilon_hat": False},
        }
        | CASES[case]
    )
    record = Record(hp, env, tmp_path, monkeypatch)
    oracle = Oracle(hp, record.first)
    for rollout, seen in zip(record.rollouts, record.refreshed, strict=True):
        oracle.iterate(rollout, seen)
    assert len(record.rollouts) == ITERATIONS
    if env != "Pendulum":
        assert any((r.terminated | r.truncated).any() for r in record.rollouts)
    for name, found in record.last.items():
        expected = oracle.p[name].detach()
        assert (record.first[name][0] - expected).abs().max() > 4e-4, f"{name} hardly moved"
        torch.testing.assert_close(
            found[0], expected, rtol=1e-4, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}"
        )
