"""Playing Atari with Deep Reinforcement Learning (Mnih et al. 2013). arXiv:1312.5602.

Card: papers/dqn-2013.yaml; the Nature version of 2015 is a set of it. The trap: periods are printed
in frames, in the agent's steps or in updates, and differ by factors of four; here every one is in
the agent's steps (environment steps).
"""

from __future__ import annotations

import copy
import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from repro.training.choices import Convolutional, FullyConnected, Glorot, Off, Optimizer
from repro.training.deterministic import FanIn
from repro.training.environments import Discrete
from repro.training.environments.atari_presets import AtariPreset
from repro.training.experience import Experience, Mask, Means, Periodic
from repro.training.frames import FrameReplay
from repro.training.hparams import Choice, Count, Fraction, Natural, Positive
from repro.training.hparams import HParams as Strict
from repro.training.networks import MLP, ConvTorso, draw_biases, fan_in, glorot
from repro.training.optim import FlatParameters
from repro.training.replay import Replay
from repro.training.rng import Streams
from repro.training.run import Run
from repro.training.schedules import Constant
from repro.training.training_environments import TrainingEnvironments

max_stack = {"network.conv": 1}  # a convolution fills a core; small networks stack freely


class LearntNetwork(Choice, frozen=True, kw_only=True, tag="none"):
    """The network that is being learnt gives the targets too (2013)."""


class PeriodicCopy(Choice, frozen=True, kw_only=True, tag="periodic"):
    """A copy of it does, renewed every `period` environment steps (Nature)."""

    period: Count  # C


class Squared(Choice, frozen=True, kw_only=True, tag="squared"):
    """Half the squared error: its gradient is the error."""


class Clipped(Choice, frozen=True, kw_only=True, tag="clipped"):
    """Its gradient is the error cut to ± bound (Huber's loss)."""

    bound: Positive


class EpsilonGreedy(Choice, frozen=True, kw_only=True, tag="epsilon-greedy"):
    """ε: start until learning starts, then in a straight line over `steps` environment steps."""

    start: Fraction
    end: Fraction
    steps: Count


class HParams(Strict, frozen=True, kw_only=True):
    gamma: Fraction
    minibatch_size: Count
    replay_capacity: Count  # N
    learning_starts: Natural
    update_period: Count
    target_network: LearntNetwork | PeriodicCopy
    exploration: EpsilonGreedy
    evaluation_epsilon: Fraction
    td_error: Squared | Clipped
    loss_reduction: Literal["sum", "mean"]
    step_size: Constant
    optimizer: Optimizer
    network: FullyConnected | Convolutional
    initialization: FanIn | Glorot
    time_limit: Literal["terminal", "bootstrap"]
    atari: AtariPreset | Off

    def __post_init__(self) -> None:
        if isinstance(self.atari, Off):
            return
        least = self.atari.options().stack + 2  # history, and the two images of a transition
        if self.replay_capacity < least:
            raise ValueError(
                f"replay_capacity: found {self.replay_capacity}, expected at least {least}, "
                "two more than a stack of images"
            )


def epsilon(exploration: EpsilonGreedy, step: int, learning_starts: int) -> float:
    """ε of the action that follows environment step `step` of a seed."""
    left = 1 - max(0, step - learning_starts) / exploration.steps
    return exploration.end + (exploration.start - exploration.end) * max(0.0, left)


def bellman_target(reward: Tensor, terminal: Tensor, next_values: Tensor, gamma: float) -> Tensor:
    """y = r + γ (1 − terminal) max_a next_values; [S, B] from [S, B], [S, B], [S, B, A]."""
    return reward + gamma * (1 - terminal) * next_values.amax(2)


def td_loss(kind: Squared | Clipped, value: Tensor, target: Tensor) -> Tensor:
    """The loss of each transition, [S, B] like its arguments."""
    if isinstance(kind, Clipped):
        return F.huber_loss(value, target, reduction="none", delta=kind.bound)
    return 0.5 * (value - target).square()


def renewal_due(steps: NDArray[np.int64], period: int, update_period: int) -> Mask:
    """Whether a period ended since the update before the one at `steps` (int64 [S]), bool [S].

    The authors' code copies at steps that are multiples of the period, after that step's own
    update; the copy is only looked at by the next one.
    """
    return (steps - 1) // period > (steps - 1 - update_period) // period


class QNetwork(nn.Module):
    """Q(s, ·): one output an action."""

    def __init__(self, torso: ConvTorso | None, head: MLP):
        super().__init__()
        self.torso, self.head = torso, head

    def forward(self, observation: Tensor) -> Tensor:
        """observation [S, B, *shape], of any number type -> values [S, B, A]."""
        if self.torso is None:
            return self.head(observation.float().flatten(2))
        return self.head(self.torso(observation))


def make_q_network(
    run: Run[Any],
    envs: TrainingEnvironments,
    network: FullyConnected | Convolutional,
    initialization: FanIn | Glorot,
) -> QNetwork:
    """For the environments' observations and actions; generators: "initialization"."""
    assert isinstance(envs.action_space, Discrete), "Q-learning chooses among a few actions"
    streams, shape = run.rng("initialization"), envs.observation_shape
    draw = fan_in if isinstance(initialization, FanIn) else glorot
    torso = None
    if isinstance(network, Convolutional):
        torso = ConvTorso(
            shape, network.channels, network.kernels, network.strides, network.padding,
            network.hidden, draw, streams,
        )  # fmt: skip
        sizes, activation = [network.hidden], "relu"
    else:
        sizes, activation = [math.prod(shape), *network.hidden], network.activation
    q = QNetwork(torso, MLP([*sizes, envs.action_space.n], activation, draw, draw, streams))
    if isinstance(initialization, FanIn):
        draw_biases(q, streams)
    return q.to(run.device)


class GreedyExplorer:
    """The action of the highest value, but with probability ε any."""

    def __init__(self, run: Run[HParams], q: QNetwork, envs: TrainingEnvironments):
        assert isinstance(envs.action_space, Discrete)
        self.run, self.q, self.envs, self.actions = run, q, envs, envs.action_space.n
        self.draws = run.rng("action")
        self.evaluation_draws = Streams(run.seeds, "evaluation-action", run.device)

    def epsilon(self) -> Tensor:
        """ε of every seed now, [S]."""
        hp = self.run.hparams
        steps = self.run.steps_done.tolist()
        return torch.tensor([epsilon(hp.exploration, n, hp.learning_starts) for n in steps])

    def act(self, acting: Mask, begins: Mask) -> NDArray[np.int64]:
        """Actions [S, 1]; only seeds that act draw, each from its own generator."""
        del begins
        draws = self.draws.uniform(1, 2, active=acting)
        return self._choose(self.envs.observation, draws, self.epsilon(), acting)

    def greedy(self, observation: NDArray[Any], begins: Mask) -> NDArray[np.int64]:
        """Actions [S, E] with the ε of evaluation.

        Each evaluation draws from generators of its own: a seed's numbers do not depend on how
        long the games of others last.
        """
        self.evaluation_draws.begin(begins, self.run.steps_done)
        draws = self.evaluation_draws.uniform(observation.shape[1], 2)
        chance = torch.full((len(observation),), self.run.hparams.evaluation_epsilon)
        return self._choose(observation, draws, chance, np.ones(len(observation), bool))

    def _choose(
        self, observation: NDArray[Any], draws: Tensor, chance: Tensor, acting: Mask
    ) -> NDArray[np.int64]:
        """Actions [S, E] from draws [S, E, 2]: whether by chance, and which then."""
        random = draws[:, :, 0] < chance.to(draws.device).unsqueeze(1)
        action = (draws[:, :, 1] * self.actions).long()
        if (~random[torch.from_numpy(acting)]).any():
            with torch.no_grad():
                values = self.q(torch.from_numpy(observation).to(self.run.device))
            action = torch.where(random, action, values.argmax(2))
        return action.cpu().numpy()


def make_replay(run: Run[HParams], envs: TrainingEnvironments) -> Replay | FrameReplay:
    """Of single images for Atari, of whole transitions for anything else."""
    hp, folder = run.hparams, run.folder / "replay"
    if isinstance(hp.atari, Off):
        shape = envs.observation_shape
        return Replay(folder, run.seeds, hp.replay_capacity, shape, (), run.device)
    stack, height, width = envs.observation_shape
    return FrameReplay(
        folder, run.seeds, hp.replay_capacity, n_steps=1, gamma=hp.gamma,
        frame_shape=(height, width), stack=stack, device=run.device,
    )  # fmt: skip


def train(run: Run[HParams]) -> None:
    """Algorithm 1: act ε-greedily, store, and learn from a minibatch every few steps."""
    hp, envs = run.hparams, run.make_envs(per_seed=1)
    q = make_q_network(run, envs, hp.network, hp.initialization)
    target_q = q if isinstance(hp.target_network, LearntNetwork) else copy.deepcopy(q)
    parameters = FlatParameters(q)
    frozen = parameters if target_q is q else FlatParameters(target_q)
    optimizer = hp.optimizer.make(parameters)
    explorer = GreedyExplorer(run, q, envs)
    replay = make_replay(run, envs)
    updates = Periodic(period=hp.update_period)
    experience = Experience(run, envs, replay, updates, hp.learning_starts, hp.time_limit)
    draws = run.rng("minibatch")
    run.keep(
        model=q, target_network=target_q, optimizer=optimizer, replay=replay, experience=experience
    )

    for _ in run.iterations():
        means = Means(run)
        for learning in experience.updates(explorer):  # dqn-2013 alg.1
            where = run.where(learning)
            if isinstance(hp.target_network, PeriodicCopy):
                due = renewal_due(run.steps_done, hp.target_network.period, hp.update_period)
                if due.any():
                    renew = torch.from_numpy(due & learning).to(run.device).unsqueeze(1)
                    frozen.data.copy_(torch.where(renew, parameters.data, frozen.data))
            batch = replay.sample(draws, hp.minibatch_size, learning)
            with torch.no_grad():
                next_values = target_q(batch.next_observation)
                target = bellman_target(batch.reward, batch.terminal, next_values, hp.gamma)
            values = q(batch.observation)
            value = values.gather(2, batch.action.long().unsqueeze(2)).squeeze(2)
            loss = td_loss(hp.td_error, value, target)  # dqn-2013 eq.2
            loss = loss.sum(1) if hp.loss_reduction == "sum" else loss.mean(1)
            parameters.backward(loss)  # dqn-2013 eq.3
            optimizer.step(hp.step_size.value, where)
            means.add(
                where, loss=loss, value=value.mean(1), greedy_value=values.amax(2).mean(1),
                target=target.mean(1), grad_norm=parameters.grad_norm(),
                epsilon=explorer.epsilon().to(run.device),
            )  # fmt: skip
        means.log()
