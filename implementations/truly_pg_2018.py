"""Are Deep Policy Gradient Algorithms Truly Policy Gradient Algorithms? (Ilyas et al. 2018).

arXiv:1811.02553, later "A Closer Look at Deep Policy Gradients". Card: papers/truly-pg-2018.yaml.
`train` is PPO's own, watched: after given iterations a copy of the policy that acted plays in
environments of its own, and what PPO estimated, fitted and promised is held against many samples.
The trap: whatever a look draws or counts must not be the run's; the curve stays PPO's to the bit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from implementations import ppo_2017
from implementations.pg_theorem_1999 import returns_to_go
from repro.training.actor_critic import ActorCritic
from repro.training.environments import make
from repro.training.hparams import Count, Natural
from repro.training.hparams import HParams as Strict
from repro.training.optim import FlatParameters
from repro.training.rng import Streams
from repro.training.rollout import Collector, Rollout, bounded_by
from repro.training.run import Run, Stopped

Array = NDArray[np.float32]

WAITING = {"trpo": "TRPO has no implementation here yet; the set ppo runs"}
UNKNOWN = 2.0  # no cosine
NOTHING = 1e-6  # a gain in the surrogate that is rounding


class Measurement(Strict, frozen=True, kw_only=True):
    iterations: list[Natural]  # after whose update is looked; 0 is the first
    estimates: Count  # gradient estimates of the largest size, each from an environment of its own
    rollouts: list[Count]  # of `horizon` steps, that make one estimate; the largest number last

    def __post_init__(self) -> None:
        if self.estimates < 2:
            raise ValueError("estimates: found 1, expected at least 2: cosines are of pairs")
        if not self.rollouts or any(self.rollouts[-1] % number for number in self.rollouts):
            raise ValueError(f"rollouts: found {self.rollouts}, expected all to divide the last")


class HParams(ppo_2017.HParams, frozen=True, kw_only=True):
    """PPO's, and when and how closely it is looked at."""

    measurement: Measurement


class Sums(NamedTuple):
    """Sums over some samples whose parts are added to give those of more: see `direction`.

    weighted, plain: of advantage × score and of the score, [S, ..., P]; advantage, number [S, ...].
    """

    weighted: Tensor
    plain: Tensor
    advantage: Tensor
    number: Tensor

    def grouped(self, size: int) -> Sums:
        """Neighbours on axis 2 put together, `size` at a time."""
        return Sums(*(x.unflatten(2, (-1, size)).sum(3) for x in self))


def direction(sums: Sums) -> Tensor:
    """The surrogate's gradient where the policies are equal, but for its length, [S, ..., P].

    The deviation by which advantages are divided is a length, so that only their mean matters.
    """
    mean = sums.advantage / sums.number
    return sums.weighted - mean.unsqueeze(-1) * sums.plain  # truly-pg-2018 eq.1


def pairwise_cosine(vectors: Tensor) -> Tensor:
    """Mean cosine over all pairs of K vectors [S, K, P], [S]: |Σ u|² = K + Σ of all pairs."""
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    number = vectors.shape[1]
    return (unit.sum(1).square().sum(-1) - number) / (number * (number - 1))


def relative_error(value: Array, truth: Array, counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean distance over mean size of the truth where `counts`, all [S, E, T]; [S]."""
    axes = (1, 2)
    distance = np.where(counts, np.abs(value - truth), 0.0).sum(axes)
    return distance / np.maximum(np.where(counts, np.abs(truth), 0.0).sum(axes), 1e-12)


def surrogate(ratio: Tensor, advantage: Tensor) -> Tensor:
    """Mean of ratio × advantage standardised over all samples [S, B], [S]."""
    return (ratio * ppo_2017.standardized(advantage, 1e-8)).mean(1)  # truly-pg-2018 eq.14


class Aside:
    """Rollouts of a policy that the run knows nothing of: own environments, generators, counts.

    Statistics of observations and rewards are the collector's, and stand still.
    """

    def __init__(self, run: Run[HParams], collector: Collector, purpose: str):
        self.run, self.collector = run, collector
        self.envs = make(run.env, run.seeds, run.hparams.measurement.estimates, purpose)
        self.envs.reset()
        self.draws = Streams(run.seeds, purpose, run.device)
        self.bounded = bounded_by(self.envs.action_space, run.hparams.clip_actions)

    def seen(self) -> NDArray[Any]:
        return self.collector.normalized(self.envs.observation)

    def scaled(self, reward: NDArray[np.float64]) -> NDArray[np.float64]:
        rewards = self.collector.rewards
        return reward if rewards is None else rewards.scaled(reward)

    def collect(self, model: ActorCritic, steps: int) -> Rollout:
        """As the run's collector does; the observations that time limits cut off are final ones."""
        S, E, shape = self.envs.num_seeds, self.envs.per_seed, self.envs.observation_shape
        seen = np.zeros((S, E, steps + 1, *shape), np.float32)
        reward = np.zeros((S, E, steps), np.float32)
        terminated, truncated = np.zeros((2, S, E, steps), bool)
        noise = model.noise(self.draws, steps, E).unbind(1)
        actions, cut, cut_at = [], [], []
        with torch.inference_mode():
            for t in range(steps):
                seen[:, :, t] = self.seen()
                shown = torch.from_numpy(seen[:, :, t].copy()).to(self.run.device)
                actions.append(model.act(shown).sample(noise[t]).cpu().numpy())
                step = self.envs.step(self.bounded(actions[-1]), self.run.active)
                reward[:, :, t] = self.scaled(step.reward)
                terminated[:, :, t], truncated[:, :, t] = step.terminal, step.truncated
                for s, e in zip(*np.nonzero(step.truncated), strict=True):
                    cut.append(self.collector.normalized(step.final_observation)[s, e])
                    cut_at.append((s, e, t))
        seen[:, :, steps] = self.seen()
        places = np.array(cut_at, dtype=np.int64).reshape(-1, 3)
        return Rollout(
            observation=np.empty(0),  # nobody asks for it
            seen=seen,
            action=np.stack(actions, 2),
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            cut=np.array(cut, np.float32).reshape(-1, *shape),
            cut_at=(places[:, 0], places[:, 1], places[:, 2]),
            device=self.run.device,
        )


class Watched:
    """A run as PPO sees it, with looks at what it does; everything else is the run's own."""

    def __init__(self, run: Run[HParams]):
        self.run = run
        self.updates, self.outside = run.full(0.0), run.full(0.0)
        self.first_cosine = run.full(UNKNOWN)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    def keep(self, **objects: Any) -> None:
        self.model: ActorCritic = objects["model"]
        self.collector: Collector = objects["collector"]
        self.run.keep(
            **objects, updates=self.updates, outside=self.outside, first_cosine=self.first_cosine
        )

    def iterations(self) -> Iterator[int]:
        for number in self.run.iterations():
            due = number in self.run.hparams.measurement.iterations
            acted = copy.deepcopy(self.model) if due else self.model
            yield number
            self.updates += 1
            if due and self.run.active.any():
                self.look(number, acted)

    def log(self, **values: Tensor) -> None:
        self.outside += (values["clip_fraction"] > 0).float()
        self.promised = -values["policy_loss"]  # at the old policy it is 0
        self.run.log(**values)

    def look(self, number: int, acted: ActorCritic) -> None:
        """Hold the policy that acted in an iteration, and its update, against many samples."""
        hp = self.run.hparams
        aside = Aside(self.run, self.collector, f"look {number}")
        parameters = FlatParameters(acted.policy)
        sums: list[Sums] = []
        streams: list[list[Array]] = []
        gains: list[tuple[Tensor, Tensor]] = []
        for _ in range(hp.measurement.rollouts[-1]):
            if self.run.stop.is_set():  # a look takes minutes; the last checkpoint's iteration is
                raise Stopped  # played again, and this look with it
            rollout = aside.collect(acted, hp.horizon)
            value, advantage = ppo_2017.advantages(acted, rollout, hp)
            sums.append(scores(acted, parameters, rollout, advantage))
            gains.append((ratios(acted, self.model, rollout), self.run.batch(advantage)))
            done = rollout.terminated | rollout.truncated
            end = np.zeros_like(value)
            if hp.time_limit == "bootstrap":
                end[rollout.cut_at] = rollout.cut_values(acted.value)
            streams.append([rollout.reward, end, done.astype(np.float32), value, advantage])

        by_rollout = Sums(*(torch.stack(parts, 2) for parts in zip(*sums, strict=True)))
        found = {}
        for size in hp.measurement.rollouts:
            estimates = direction(by_rollout.grouped(size)).flatten(1, 2)
            found[f"gradient-cosine@{size * hp.horizon}"] = pairwise_cosine(estimates)
        smallest = found[f"gradient-cosine@{hp.measurement.rollouts[0] * hp.horizon}"]
        self.first_cosine.copy_(
            torch.where(self.first_cosine == UNKNOWN, smallest, self.first_cosine)
        )
        found["gradient-cosine-lost"] = self.first_cosine - smallest

        reward, end, done, value, advantage = (
            np.concatenate(parts, 2) for parts in zip(*streams, strict=True)
        )
        truth = returns_to_go(reward, end, done > 0, hp.gamma)  # truly-pg-2018 eq.3
        known = np.flip(np.logical_or.accumulate(np.flip(done > 0, 2), 2), 2)
        of_targets = relative_error(value, value + advantage, np.ones_like(known))
        of_returns = relative_error(value, truth, known)
        found["value-error-ratio"] = torch.from_numpy(of_returns / of_targets)

        ratio, advantages = (torch.cat(parts, 1) for parts in zip(*gains, strict=True))
        promised = torch.where(self.promised > NOTHING, self.promised, float("nan"))
        found["surrogate-kept"] = surrogate(ratio, advantages) / promised
        found["bound-violations"] = self.outside / self.updates
        self.run.measured(**found)


def scores(
    model: ActorCritic, parameters: FlatParameters, rollout: Rollout, advantage: Array
) -> Sums:
    """Sums of the score function over each environment's samples, [S, E, P] and [S, E]."""
    weighted, plain = [], []
    for e in range(advantage.shape[1]):
        seen = torch.from_numpy(rollout.seen[:, e, :-1].copy()).to(rollout.device)
        action = torch.from_numpy(rollout.action[:, e].copy()).to(rollout.device)
        weight = torch.from_numpy(advantage[:, e].copy()).to(rollout.device)
        weighted.append(parameters.gradient((model.act(seen).log_prob(action) * weight).sum(1)))
        plain.append(parameters.gradient(model.act(seen).log_prob(action).sum(1)))
    total = torch.from_numpy(advantage.sum(2)).to(rollout.device)
    number = torch.full_like(total, advantage.shape[2])
    return Sums(torch.stack(weighted, 1), torch.stack(plain, 1), total, number)


def ratios(old: ActorCritic, new: ActorCritic, rollout: Rollout) -> Tensor:
    """Probability of each action by the new policy over that by the old one, [S, B]."""
    seen = torch.from_numpy(rollout.seen[:, :, :-1].copy()).to(rollout.device).flatten(1, 2)
    action = torch.from_numpy(rollout.action).to(rollout.device).flatten(1, 2)
    with torch.no_grad():
        return (new.act(seen).log_prob(action) - old.act(seen).log_prob(action)).exp()


def train(run: Run[HParams]) -> None:
    """PPO's training, looked at."""
    watched: Any = Watched(run)
    ppo_2017.train(watched)
