"""The stored policy played again: what it earns, whether its actions and units are alive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from repro.doctor.history import Replay
from repro.player import Player
from repro.training.deterministic import Affine
from repro.training.environments import Box
from repro.training.networks import Linear

if TYPE_CHECKING:
    from repro.experiment import Experiment

EPISODES = 10
LONGEST = 1000  # steps; a task without a time limit is left there
AT_BOUND = 1e-3  # of half the range


def replay(policy: Path, experiment: Experiment, seed: int) -> Replay:
    """Ten episodes side by side with the policy as it trained (with its noise, where it has any).

    Raises ReproError where the policy cannot be read, or does not fit the code.
    """
    player = Player(policy, experiment, seed, deterministic=False)
    envs = player.make_envs(EPISODES, "doctor")
    observation = envs.reset()
    playing = np.ones((1, EPISODES), dtype=bool)
    begins, returns = playing.copy(), np.zeros((1, EPISODES))
    bound, shares = _at_bound(envs.action_space), []
    with Watching(player.modules) as watching:
        for _ in range(LONGEST):
            action = player.act(observation, begins)
            begins[:] = False
            if bound is not None:
                shares.append(bound(action)[playing].mean())
            step = envs.step(action, playing)
            ended = playing & (step.terminated | step.truncated)
            returns[ended] = step.episode_return[ended]
            playing &= ~ended
            observation = step.observation
            if not playing.any():
                break
    return Replay(
        seed=seed,
        returns=[] if playing.any() else returns[0].tolist(),  # those that end early are worse
        saturated=float(np.mean(shares)) if shares else None,
        dead={name: _still(low, high) for name, (low, high) in watching.ranges.items()},
    )


def _at_bound(space: Any) -> Any:
    """Actions [1, E, …] → bool of the same shape, [1, E, A]: at a bound or beyond it."""
    if not isinstance(space, Box) or not np.isfinite([space.low, space.high]).all():
        return None
    near = AT_BOUND * (space.high - space.low) / 2
    return lambda action: (action <= space.low + near) | (action >= space.high - near)


class Watching(TorchFunctionMode):
    """Least and greatest input of every layer but a network's first: its units' activations.

    Acting looks parameters up once and calls no modules, so a layer is known by the weight of its
    product. names: address of a weight → layer. ranges: layer → ([units], [units]), filled in
    while it is entered.
    """

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        super().__init__()
        self.names = {
            layer.weight.data_ptr(): f"{part}.{name}"
            for part, module in modules.items()
            for name, layer in _hidden(module)
        }
        self.ranges: dict[str, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is torch.baddbmm and args[2].data_ptr() in self.names:
            self._look(self.names[args[2].data_ptr()], args[1].detach().flatten(0, -2))
        return function(*args, **(kwargs or {}))

    def _look(self, name: str, units: Tensor) -> None:
        low, high = units.amin(0), units.amax(0)
        if name in self.ranges:
            before = self.ranges[name]
            low, high = torch.minimum(low, before[0]), torch.maximum(high, before[1])
        self.ranges[name] = low, high


def _hidden(module: nn.Module) -> Iterator[tuple[str, Linear | Affine]]:
    """Layers that are fed by another one, in networks made of a list of layers."""
    for name, inner in module.named_modules():
        if isinstance(inner, nn.ModuleList):
            layers = [layer for layer in inner if isinstance(layer, Linear | Affine)]
            for i, layer in enumerate(layers[1:]):
                yield f"{name}.{i}", layer


def _still(low: Tensor, high: Tensor) -> float:
    """Share of units that move by less than a thousandth of what the layer's widest does."""
    moved = high - low
    widest = float(moved.max())
    return float((moved <= 1e-3 * widest).float().mean()) if widest > 0 else 1.0
