"""A policy and a value function side by side, built as the hyperparameters say."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from repro.training.choices import (
    AnnealedStd,
    Convolutional,
    FullyConnected,
    LearntStd,
    Normc,
    Orthogonal,
)
from repro.training.environments import Box
from repro.training.networks import MLP, ConvTorso
from repro.training.policies import (
    CategoricalPolicy,
    Distribution,
    GaussianPolicy,
    Policy,
    Sampler,
)
from repro.training.rng import Mask, Streams
from repro.training.run import Run
from repro.training.training_environments import TrainingEnvironments


class ActorCritic(nn.Module):
    """π(a|s) and V(s); with images they share a convolutional torso."""

    def __init__(self, torso: nn.Module, policy: Policy, value: nn.Module):
        super().__init__()
        self.torso, self.policy, self.critic = torso, policy, value

    def forward(self, observation: Tensor) -> tuple[Distribution, Tensor]:
        """observation [S, B, *shape] -> distribution over actions, values [S, B]."""
        features = self.torso(observation)
        return self.policy(features), self.critic(features).squeeze(-1)

    def act(self, observation: Tensor) -> Distribution:
        """observation [S, B, *shape] -> distribution over actions [S, B, ...]."""
        return self.policy(self.torso(observation))

    def sampler(self) -> Sampler:
        """`act(observation).sample(noise)` while the parameters stay as they are."""
        torso, sample = self.torso, self.policy.sampler()
        if isinstance(torso, nn.Identity):
            return sample
        return lambda observation, noise: sample(torso(observation), noise)

    def value(self, observation: Tensor) -> Tensor:
        """observation [S, B, *shape] -> values [S, B]."""
        return self.critic(self.torso(observation)).squeeze(-1)

    def noise(self, streams: Streams, *shape: int, active: Mask = None) -> Tensor:
        """What `act(...).sample` needs for actions [S, *shape, ...]."""
        return self.policy.noise(streams, *shape, active=active)


def make_actor_critic(
    run: Run[Any],
    envs: TrainingEnvironments,
    network: FullyConnected | Convolutional,
    initialization: Normc | Orthogonal,
    log_std: LearntStd | AnnealedStd,
) -> ActorCritic:
    """Networks for the environments' observations and actions, on the run's device.

    Generators: purpose "initialization"; the policy's weights are drawn first.
    """
    streams = run.rng("initialization")
    hidden = initialization.initializer("hidden")
    torso: nn.Module
    if isinstance(network, FullyConnected):
        torso, activation = nn.Identity(), network.activation
        sizes = [math.prod(envs.observation_shape), *network.hidden]
    else:
        torso = ConvTorso(
            envs.observation_shape,
            network.channels,
            network.kernels,
            network.strides,
            network.padding,
            network.hidden,
            hidden,
            streams,
        )
        activation = "relu"
        sizes = [network.hidden]
    space = envs.action_space
    outputs = space.shape[0] if isinstance(space, Box) else space.n
    head = MLP([*sizes, outputs], activation, hidden, initialization.initializer("policy"), streams)
    value = MLP([*sizes, 1], activation, hidden, initialization.initializer("value"), streams)
    policy: Policy
    if isinstance(space, Box):
        learnt = isinstance(log_std, LearntStd)
        initial = log_std.initial if isinstance(log_std, LearntStd) else 0.0
        policy = GaussianPolicy(head, outputs, initial, learnt, envs.num_seeds)
    else:
        policy = CategoricalPolicy(head)
    return ActorCritic(torso, policy, value).to(run.device)
