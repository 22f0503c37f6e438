"""Recurrent layers of a stack, and what they remember between two steps of an environment.

M numbers of state for every environment, [S, E, M], carried from step to step and forgotten where
an episode begins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from repro.training.networks import Initializer
from repro.training.rng import Streams


class Past(NamedTuple):
    """What T steps start from: the state [S, E, M] before them; begins: bool [S, E, T], the steps
    that begin an episode."""

    state: Tensor
    begins: Tensor


class Memory:
    """What a policy remembers while it acts, step by step.

    state: [S, E, M] after the last step; begins: bool [S, E], whether the next observation begins
    an episode, so that nothing of the state is left.
    """

    def __init__(self, state: Tensor):
        self.state = state
        self.begins = torch.ones(state.shape[:2], dtype=torch.bool, device=state.device)

    def past(self) -> Past:
        """What the next step starts from."""
        return Past(self.state, self.begins.unsqueeze(-1))

    def state_dict(self) -> dict[str, Any]:
        return {"state": self.state.clone(), "begins": self.begins.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = state["state"].to(self.state.device)
        self.begins = state["begins"].to(self.begins.device)


class LSTM(nn.Module):
    """One layer of H LSTM cells with forget gates (Gers et al. 2000), no peepholes.

    weight [S, in, 4H], recurrent [S, H, 4H], bias [S, 1, 4H]: input gate, forget gate, cell,
    output gate, as torch.nn.LSTM has them. Biases start at zero, the forget gate's at
    `forget_bias`. State: output and cell, [S, E, 2H].
    """

    def __init__(
        self,
        inputs: int,
        cells: int,
        initializer: Initializer,
        forget_bias: float,
        streams: Streams,
    ):
        super().__init__()
        self.weight = nn.Parameter(initializer(inputs, 4 * cells, streams))
        self.recurrent = nn.Parameter(initializer(cells, 4 * cells, streams))
        bias = self.weight.new_zeros(len(self.weight), 1, 4 * cells)
        bias[:, :, cells : 2 * cells] = forget_bias
        self.bias = nn.Parameter(bias)
        self.state_size = 2 * cells

    def forward(self, x: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        """x [S, E, T, in] -> outputs [S, E, T, H] and the state after them [S, E, 2H].

        Gradients go back to the first of the T steps and no further.
        """
        environments, steps = x.shape[1:3]
        gates = torch.baddbmm(self.bias, x.flatten(1, 2), self.weight)
        output, cell = past.state.detach().chunk(2, dim=-1)
        begins = past.begins.unsqueeze(-1)
        outputs = []
        for t, gate in enumerate(gates.unflatten(1, (environments, steps)).unbind(2)):
            output = torch.where(begins[:, :, t], 0.0, output)
            cell = torch.where(begins[:, :, t], 0.0, cell)
            i, f, g, o = torch.baddbmm(gate, output, self.recurrent).chunk(4, dim=-1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            output = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(output)
        return torch.stack(outputs, dim=2), torch.cat([output, cell], dim=-1)
