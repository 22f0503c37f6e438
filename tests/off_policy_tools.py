"""Settings of DDPG and TD3 for tasks whose values and best actions are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from training_tools import make_run

from implementations import ddpg_2015, td3_2018
from repro.training.run import Run

STEPS = 400
SHARED: dict[str, Any] = {
    "gamma": 0.5,
    "tau": 0.1,
    "minibatch_size": 32,
    "replay_capacity": 1000,
    "random_steps": 200,
    "learning_starts": 32,
    "updates": {"kind": "every-step"},
    "exploration": {"kind": "gaussian", "std": 0.3, "scaled": True},
    "policy_step_size": {"kind": "constant", "value": 0.005},
    "critic_step_size": {"kind": "constant", "value": 0.01},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "epsilon_hat": False},
    "policy_network": {"kind": "mlp", "hidden": [16], "activation": "relu"},
    "critic_network": {"kind": "mlp", "hidden": [32], "activation": "relu", "action_layer": 0},
    "initialization": {"kind": "fan-in"},
    "time_limit": "bootstrap",
}
DDPG = SHARED | {"critic_weight_decay": 0.0, "batch_normalization": {"kind": "none"}}
TD3 = SHARED | {
    "policy_delay": 2,
    "target_value": {"kind": "clipped-double-q"},
    "target_noise": {"kind": "gaussian", "std": 0.1, "clip": 0.2, "scaled": True},
}
NORMALISED = {"batch_normalization": {"kind": "inputs", "momentum": 0.05, "epsilon": 1e-5}}
# Every branch of both: name -> (implementation, changes)
VARIANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ddpg": (ddpg_2015, {}),
    "ddpg-normalised": (
        ddpg_2015,
        NORMALISED
        | {
            "critic_network": {
                "kind": "mlp", "hidden": [32, 32], "activation": "relu", "action_layer": 1,
            },
            "updates": {"kind": "after-episode"},
            "initialization": {"kind": "fan-in-last", "last": 3e-3},
            "exploration": {
                "kind": "ornstein-uhlenbeck", "theta": 0.15, "sigma": 0.2, "scaled": True,
            },
        },
    ),
    "td3": (td3_2018, {}),
    "td3-single": (
        td3_2018,
        {"target_value": {"kind": "single"}, "updates": {"kind": "after-episode"}},
    ),
    "td3-double-dqn": (td3_2018, {"target_value": {"kind": "double-dqn"}}),
    "td3-double-q": (
        td3_2018, {"target_value": {"kind": "double-q"}, "target_noise": {"kind": "none"}},
    ),
}  # fmt: skip


def settings(variant: str, **changes: Any) -> tuple[Any, Any]:
    """The module and its hyperparameters."""
    module, own = VARIANTS[variant]
    base = DDPG if module is ddpg_2015 else TD3
    return module, msgspec.convert(base | own | changes, module.HParams)


def trained(variant: str, env: str, folder: Path, steps: int = STEPS, **changes: Any) -> Run:
    """Trained to its end on one of tests/probes.py."""
    module, hparams = settings(variant, **changes)
    run = make_run(hparams, env, folder, steps=steps)
    module.train(run)
    return run


def action_at(run: Run, *observation: float) -> np.ndarray:
    """The policy's action there, [S] (of the first policy, first component)."""
    with torch.no_grad():
        return run._kept["policy"](_points(run, observation))[:, 0, 0, 0].numpy()


def value_at(run: Run, observation: list[float], action: float | None = None) -> np.ndarray:
    """Q there, [S], of the first critic; by default of the policy's own action."""
    at = _points(run, observation)
    critic = run._kept.get("critic") or run._kept["critics"]
    with torch.no_grad():
        chosen = run._kept["policy"](at)
        taken = chosen if action is None else torch.full_like(chosen, action)
        return critic(at, taken)[:, 0, 0].numpy()


def _points(run: Run, observation: Any) -> torch.Tensor:
    return torch.tensor(observation).expand(len(run.seeds), 1, -1)
