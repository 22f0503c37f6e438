"""A policy and a value function side by side, built as the hyperparameters say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from repro.training.choices import (
    AnnealedStd,
    Convolutional,
    FullyConnected,
    LearntStd,
    Lstm,
    Normc,
    Orthogonal,
    SoftplusVariance,
)
from repro.training.environments import Box
from repro.training.networks import MLP, Activation, ConvTorso
from repro.training.policies import (
    CategoricalPolicy,
    Distribution,
    GaussianPolicy,
    Policy,
    Sampler,
    SoftplusGaussianPolicy,
)
from repro.training.recurrent import LSTM, Memory, Past
from repro.training.rng import Mask, Streams
from repro.training.run import Run
from repro.training.training_environments import TrainingEnvironments


class ActorCritic(nn.Module):
    """π(a|s) and V(s); with images they share a convolutional torso.

    It remembers nothing, so what precedes an observation (past, memory) is of no account.
    """

    def __init__(self, torso: nn.Module, policy: Policy, value: nn.Module):
        super().__init__()
        self.torso, self.policy, self.critic = torso, policy, value

    def forward(self, observation: Tensor, past: Past | None = None) -> tuple[Distribution, Tensor]:
        """observation [S, B, *shape] -> distribution over actions, values [S, B]."""
        features = self.torso(observation)
        return self.policy(features), self.critic(features).squeeze(-1)

    def act(self, observation: Tensor, memory: Memory | None = None) -> Distribution:
        """observation [S, B, *shape] -> distribution over actions [S, B, ...]."""
        return self.policy(self.torso(observation))

    def sampler(self, memory: Memory | None = None) -> Sampler:
        """`act(observation).sample(noise)` while the parameters stay as they are."""
        torso, sample = self.torso, self.policy.sampler()
        if isinstance(torso, nn.Identity):
            return sample
        return lambda observation, noise: sample(torso(observation), noise)

    def value(self, observation: Tensor, past: Past | None = None) -> Tensor:
        """observation [S, B, *shape] -> values [S, B]."""
        return self.critic(self.torso(observation)).squeeze(-1)

    def noise(self, streams: Streams, *shape: int, active: Mask = None) -> Tensor:
        """What `act(...).sample` needs for actions [S, *shape, ...]."""
        return self.policy.noise(streams, *shape, active=active)

    def memory(self, each: int) -> None:
        """None to carry from step to step."""


class RecurrentActorCritic(nn.Module):
    """π(a|h) and V(h) of what was seen since the episode began: LSTM cells before both heads.

    encoders and their cells: one that policy and value share, or the policy's and the value's.
    B = E·T: a batch is T steps of every environment, in order, and comes with its past.
    """

    def __init__(
        self, encoders: Sequence[nn.Module], cells: Sequence[LSTM], policy: Policy, value: nn.Module
    ):
        super().__init__()
        self.encoders, self.cells = nn.ModuleList(encoders), nn.ModuleList(cells)
        self.policy, self.critic = policy, value
        self.seeds, self.state_size = len(cells[0].weight), sum(c.state_size for c in cells)

    def forward(self, observation: Tensor, past: Past) -> tuple[Distribution, Tensor]:
        """observation [S, B, *shape] -> distribution over actions, values [S, B]."""
        features, _ = self._features(observation, past)
        return self.policy(features[0]), self.critic(features[-1]).squeeze(-1)

    def value(self, observation: Tensor, past: Past) -> Tensor:
        """observation [S, B, *shape] -> values [S, B]."""
        return self(observation, past)[1]

    def act(self, observation: Tensor, memory: Memory) -> Distribution:
        """One step, observation [S, E, *shape] -> distribution over actions; memory moves on."""
        features, memory.state = self._features(observation, memory.past())
        return self.policy(features[0])

    def sampler(self, memory: Memory) -> Sampler:
        """`act(observation, memory).sample(noise)`."""
        return lambda observation, noise: self.act(observation, memory).sample(noise)

    def noise(self, streams: Streams, *shape: int, active: Mask = None) -> Tensor:
        """What `act(...).sample` needs for actions [S, *shape, ...]."""
        return self.policy.noise(streams, *shape, active=active)

    def memory(self, each: int) -> Memory:
        """An empty one for `each` environments a seed."""
        device = next(self.parameters()).device
        return Memory(torch.zeros(self.seeds, each, self.state_size, device=device))

    def _features(self, observation: Tensor, past: Past) -> tuple[list[Tensor], Tensor]:
        """Outputs [S, B, H] of each encoder's cells, and the state after the last step."""
        environments = past.state.shape[1]
        steps = observation.shape[1] // environments
        begins = past.begins[:, :, :steps]
        found, after = [], []
        for encoder, cells, state in zip(
            self.encoders, self.cells, past.state.chunk(len(self.cells), dim=-1), strict=True
        ):
            inputs = encoder(observation).unflatten(1, (environments, steps))
            outputs, state = cells(inputs, Past(state, begins))
            found.append(outputs.flatten(1, 2))
            after.append(state)
        return found, torch.cat(after, dim=-1)


def make_actor_critic(
    run: Run[Any],
    envs: TrainingEnvironments,
    network: FullyConnected | Convolutional,
    initialization: Normc | Orthogonal,
    log_std: LearntStd | AnnealedStd | SoftplusVariance,
) -> ActorCritic:
    """Networks for the environments' observations and actions, on the run's device.

    Generators: purpose "initialization"; the policy's weights are drawn first.
    """
    streams = run.rng("initialization")
    torso: nn.Module
    if isinstance(network, FullyConnected):
        torso, activation = nn.Identity(), network.activation
        sizes = [math.prod(envs.observation_shape), *network.hidden]
    else:
        torso, activation = _convolutions(envs, network, initialization, streams), "relu"
        sizes = [network.hidden]
    policy, value = _heads(envs, sizes, activation, initialization, log_std, streams)
    return ActorCritic(torso, policy, value).to(run.device)


def make_recurrent_actor_critic(
    run: Run[Any],
    envs: TrainingEnvironments,
    network: FullyConnected | Convolutional,
    memory: Lstm,
    initialization: Normc | Orthogonal,
    log_std: LearntStd | AnnealedStd | SoftplusVariance,
) -> RecurrentActorCritic:
    """As `make_actor_critic`, with LSTM cells behind the last hidden layer of each network."""
    streams = run.rng("initialization")
    encoders: list[nn.Module]
    if isinstance(network, FullyConnected):
        sizes = [math.prod(envs.observation_shape), *network.hidden]
        hidden = initialization.initializer("hidden")
        encoders = [
            nn.Sequential(
                MLP(sizes, network.activation, hidden, hidden, streams),
                Activation(network.activation),
            )
            for _ in ("policy", "value")
        ]
        width = sizes[-1]
    else:
        encoders = [_convolutions(envs, network, initialization, streams)]
        width = network.hidden
    cells = [memory.make(width, streams) for _ in encoders]
    policy, value = _heads(envs, [memory.cells], "relu", initialization, log_std, streams)
    return RecurrentActorCritic(encoders, cells, policy, value).to(run.device)


def _convolutions(
    envs: TrainingEnvironments,
    network: Convolutional,
    initialization: Normc | Orthogonal,
    streams: Streams,
) -> ConvTorso:
    return ConvTorso(
        envs.observation_shape,
        network.channels,
        network.kernels,
        network.strides,
        network.padding,
        network.hidden,
        initialization.initializer("hidden"),
        streams,
    )


def _heads(
    envs: TrainingEnvironments,
    sizes: Sequence[int],
    activation: str,
    initialization: Normc | Orthogonal,
    log_std: LearntStd | AnnealedStd | SoftplusVariance,
    streams: Streams,
) -> tuple[Policy, MLP]:
    """The policy and the value network, each with layers of these sizes before its output."""
    space, hidden = envs.action_space, initialization.initializer("hidden")
    actions = space.shape[0] if isinstance(space, Box) else space.n
    softplus = isinstance(space, Box) and isinstance(log_std, SoftplusVariance)
    last = initialization.initializer("policy")
    head = MLP([*sizes, actions + softplus], activation, hidden, last, streams)
    value = MLP([*sizes, 1], activation, hidden, initialization.initializer("value"), streams)
    if not isinstance(space, Box):
        return CategoricalPolicy(head), value
    if isinstance(log_std, SoftplusVariance):
        return SoftplusGaussianPolicy(head, actions), value
    learnt = isinstance(log_std, LearntStd)
    initial = log_std.initial if isinstance(log_std, LearntStd) else 0.0
    return GaussianPolicy(head, actions, initial, learnt, envs.num_seeds), value
