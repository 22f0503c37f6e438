"""Continuous control with deep reinforcement learning: DDPG (Lillicrap et al. 2015).

arXiv:1509.02971. Card: papers/ddpg-2015.yaml. The trap: three algorithms go by this name (as
printed, with layer norm and parameter noise, and the simplified one that TD3's authors ran), and
what a time limit does to the target is not in print.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.training.choices import AdamSettings, FullyConnected, Off
from repro.training.deterministic import (
    ActionValue,
    ActionValueNetwork,
    Affine,
    BatchNormalization,
    Bounds,
    DeterministicPolicy,
    FanIn,
    FanInLast,
    Perceptrons,
    flat,
)
from repro.training.experience import AfterEpisode, EveryStep, Experience, Mask, Means
from repro.training.hparams import Choice, Count, Fraction, Natural, NonNegative
from repro.training.hparams import HParams as Strict
from repro.training.optim import FlatParameters
from repro.training.replay import Replay
from repro.training.run import Run
from repro.training.schedules import Constant
from repro.training.training_environments import TrainingEnvironments

max_stack = 1  # matrix products fill a core: two stacked seeds gained a quarter (docs/decisions.md)


class GaussianNoise(Choice, frozen=True, kw_only=True, tag="gaussian"):
    """Independent; scaled: `std` is in units of half the action's range, else of the action."""

    std: NonNegative
    scaled: bool


class OrnsteinUhlenbeck(Choice, frozen=True, kw_only=True, tag="ornstein-uhlenbeck"):
    """x ← x − θ x + σ N(0, 1), from 0 at each episode; scaled as above."""

    theta: NonNegative
    sigma: NonNegative
    scaled: bool


class HParams(Strict, frozen=True, kw_only=True):
    gamma: Fraction
    tau: Fraction  # τ
    minibatch_size: Count  # N
    replay_capacity: Count
    random_steps: Natural
    learning_starts: Natural
    updates: EveryStep | AfterEpisode
    exploration: GaussianNoise | OrnsteinUhlenbeck
    policy_step_size: Constant
    critic_step_size: Constant
    adam: AdamSettings
    critic_weight_decay: NonNegative
    batch_normalization: BatchNormalization | Off
    policy_network: FullyConnected
    critic_network: ActionValueNetwork
    initialization: FanIn | FanInLast
    time_limit: Literal["terminal", "bootstrap"]


def ornstein_uhlenbeck(x: Tensor, normal: Tensor, theta: float, sigma: float) -> Tensor:
    """The next value of the noise, shapes [S, A] throughout."""
    return x - theta * x + sigma * normal


def bellman_target(reward: Tensor, terminal: Tensor, next_value: Tensor, gamma: float) -> Tensor:
    """y = r + γ (1 − terminal) next value; reward, terminal [S, B], next_value [S, K, B]."""
    return reward.unsqueeze(1) + gamma * (1 - terminal).unsqueeze(1) * next_value


def squared_error(value: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch, sum over the critics, [S]; both [S, K, B] (or a 1 for K)."""
    return (value - target).square().mean(2).sum(1)


class Learner:
    """A network, its target network and its optimiser."""

    def __init__(self, network: Any, adam: AdamSettings, weight_decay: float = 0.0):
        self.network, self.target = network, copy.deepcopy(network)
        self.parameters, self.target_parameters = map(FlatParameters, (network, self.target))
        self.optimizer = adam.make(self.parameters)
        self.statistics = list(zip(self.target.buffers(), network.buffers(), strict=True))
        # Of the weights alone: a gradient of `weight_decay` times the weight.
        decayed = {id(m.weight) for m in network.modules() if isinstance(m, Affine)}
        columns = [
            torch.full((p[0].numel(),), weight_decay if id(p) in decayed else 0.0)
            for p in self.parameters.parameters
        ]
        self.decay = torch.cat(columns).to(self.parameters.data.device) if weight_decay else None

    def descend(self, loss: Tensor, step_size: float, where: Tensor | None) -> None:
        """One step on `loss` [S] of the seeds `where`."""
        self.parameters.backward(loss)
        if self.decay is not None:
            self.parameters.grad.addcmul_(self.parameters.data, self.decay)
        self.optimizer.step(step_size, where)

    def track(self, tau: float, where: Tensor | None) -> None:
        """θ' ← τ θ + (1 − τ) θ', running statistics too, of the seeds `where` (bool [S])."""
        pairs = [(self.target_parameters.data, self.parameters.data)]
        pairs += self.statistics
        for target, online in pairs:
            if where is None:
                target.lerp_(online, tau)
            else:
                column = where.view(-1, *[1] * (target.dim() - 1))
                target.copy_(torch.where(column, target.lerp(online, tau), target))


class NoisyExplorer:
    """The policy's action with noise, clipped to the bounds; uniform actions at the start."""

    def __init__(
        self,
        run: Run[Any],
        envs: TrainingEnvironments,
        policy: DeterministicPolicy,
        exploration: GaussianNoise | OrnsteinUhlenbeck,
        random_steps: int,
    ):
        self.run, self.envs, self.policy, self.bounds = run, envs, policy, policy.bounds
        self.exploration, self.random_steps = exploration, random_steps
        self.scale = self.bounds.half if exploration.scaled else torch.ones_like(self.bounds.half)
        self.draws = run.rng("action")
        # What the noise was at the last step, for noise that remembers.
        self.noise = torch.zeros(envs.num_seeds, self.bounds.size, device=run.device)

    def act(self, acting: Mask, begins: Mask) -> NDArray[np.float32]:
        """Actions [S, 1, *shape]; only seeds that act draw, each from its own generator."""
        random = acting & (self.run.steps_done < self.random_steps)
        guided = acting & ~random
        action = None
        if random.any():
            uniform = self.draws.uniform(self.bounds.size, active=random)
            action = self.bounds.low + uniform * (self.bounds.high - self.bounds.low)
        if guided.any():
            normal = self.draws.normal(self.bounds.size, active=guided)
            with torch.no_grad():
                greedy = self.policy(flat(self.envs.observation).to(self.run.device))[:, 0, 0]
                noisy = self.bounds.clip(greedy + self.scale * self._noise(normal, guided, begins))
            chance = torch.from_numpy(random).to(noisy.device)[:, None]
            action = noisy if action is None else torch.where(chance, action, noisy)
        assert action is not None, "nobody acts"
        return self._shaped(action.unsqueeze(1))

    def greedy(self, observation: NDArray[Any], begins: Mask) -> NDArray[np.float32]:
        """Actions [S, E, *shape] without noise."""
        del begins  # the policy has no memory
        with torch.no_grad():
            return self._shaped(self.policy(flat(observation).to(self.run.device))[:, 0])

    def _noise(self, normal: Tensor, guided: Mask, begins: Mask) -> Tensor:
        if isinstance(self.exploration, GaussianNoise):
            return self.exploration.std * normal
        restarts, moves = (torch.from_numpy(m).to(normal.device)[:, None] for m in (begins, guided))
        moved = ornstein_uhlenbeck(
            torch.where(restarts, 0.0, self.noise),
            normal,
            self.exploration.theta,
            self.exploration.sigma,
        )
        self.noise.copy_(torch.where(moves, moved, self.noise))
        return self.noise

    def _shaped(self, action: Tensor) -> NDArray[np.float32]:
        """[S, E, A] as the environments take them."""
        return action.cpu().numpy().reshape(*action.shape[:2], *self.envs.action_space.shape)


def make_networks(
    run: Run[Any],
    envs: TrainingEnvironments,
    policy: FullyConnected,
    critic: ActionValueNetwork,
    initialization: FanIn | FanInLast,
    normalization: BatchNormalization | None,
    policies: int,
    critics: int,
) -> tuple[DeterministicPolicy, ActionValue]:
    """Policies and critics of each seed; generators: "initialization", policies first."""
    streams, bounds = run.rng("initialization"), Bounds(envs.action_space, run.device)
    observed = math.prod(envs.observation_shape)
    mu = Perceptrons(
        observed, policy.hidden, bounds.size, policy.activation,
        policies, initialization, normalization, streams,
    )  # fmt: skip
    q = Perceptrons(
        observed, critic.hidden, 1, critic.activation, critics, initialization, normalization,
        streams, late=bounds.size, late_layer=critic.action_layer,
    )  # fmt: skip
    return DeterministicPolicy(bounds, mu).to(run.device), ActionValue(q).to(run.device)


def train(run: Run[HParams]) -> None:
    """Algorithm 1: act with noise, store, and learn from a minibatch after each step."""
    hp, envs = run.hparams, run.make_envs(per_seed=1)
    normalization = (
        hp.batch_normalization if isinstance(hp.batch_normalization, BatchNormalization) else None
    )
    policy, critic = make_networks(
        run, envs, hp.policy_network, hp.critic_network, hp.initialization, normalization, 1, 1
    )
    actor, valuer = Learner(policy, hp.adam), Learner(critic, hp.adam, hp.critic_weight_decay)
    explorer = NoisyExplorer(run, envs, policy, hp.exploration, hp.random_steps)
    replay = Replay(
        run.folder / "replay", run.seeds, hp.replay_capacity,
        envs.observation_shape, envs.action_space.shape, run.device,
    )  # fmt: skip
    experience = Experience(run, envs, replay, hp.updates, hp.learning_starts, hp.time_limit)
    draws = run.rng("minibatch")
    run.keep(
        policy=policy, critic=critic, target_policy=actor.target, target_critic=valuer.target,
        policy_optimizer=actor.optimizer, critic_optimizer=valuer.optimizer,
        noise=explorer.noise, replay=replay, experience=experience,
    )  # fmt: skip

    for _ in run.iterations():
        means = Means(run)
        for learning in experience.updates(explorer):  # ddpg-2015 alg.1
            where = run.where(learning)
            o, a, reward, after, terminal = replay.sample(draws, hp.minibatch_size, learning)
            with torch.no_grad():
                next_value = valuer.target(after, actor.target(after))
                target = bellman_target(reward, terminal, next_value, hp.gamma)
            value = critic(o, a.unsqueeze(1), batch=True)
            error = squared_error(value, target)
            valuer.descend(error, hp.critic_step_size.value, where)
            critic.absorb(where)

            gain = critic(o, policy(o, batch=True), batch=True).mean(2).sum(1)
            actor.descend(-gain, hp.policy_step_size.value, where)  # ddpg-2015 eq.6
            policy.absorb(where)

            actor.track(hp.tau, where)
            valuer.track(hp.tau, where)
            means.add(
                where, critic_loss=error, value=value.mean(2).mean(1), policy_loss=-gain,
                critic_grad_norm=valuer.parameters.grad_norm(),
                policy_grad_norm=actor.parameters.grad_norm(),
            )  # fmt: skip
        means.log()
