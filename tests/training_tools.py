"""What the tests of algorithms share: tiny runs in this process, and what they left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import probes
import torch

from implementations import ppo_2017
from repro.training import checkpoint
from repro.training.run import Run

CLIP = {"kind": "clip", "range": {"kind": "constant", "value": 0.2}}
SURROGATES = {
    "clip": CLIP,
    "adaptive-kl": {"kind": "adaptive-kl", "target": 0.01, "initial_beta": 1.0},
    "fixed-kl": {"kind": "fixed-kl", "beta": 1.0},
    "none": {"kind": "none"},
}
ITERATION = 104  # environment steps of a seed
PROBE_SETTINGS: dict[str, Any] = {
    "num_actors": 8,
    "horizon": 13,  # no multiple of an episode's length
    "epochs": 6,
    "minibatch_size": 104,
    "gamma": 0.5,
    "gae_lambda": 0.9,
    "surrogate": CLIP,
    "step_size": {"kind": "linear", "start": 0.02, "end": 0.0},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-5, "epsilon_hat": True},
    "value_coefficient": 1.0,
    "value_clip": {"kind": "none"},
    "entropy_coefficient": 0.0,
    "max_grad_norm": {"kind": "none"},
    "advantage_normalization": {"over": "batch", "epsilon": 1e-8},
    "network": {"kind": "mlp", "hidden": [16], "activation": "tanh"},
    "initialization": {"kind": "normc", "hidden": 1.0, "policy": 0.1, "value": 1.0},
    "log_std": {"kind": "learnt", "initial": -0.5},
    "clip_actions": False,
    "observation_normalization": {"kind": "none"},
    "reward_normalization": {"kind": "none"},
    "time_limit": "terminal",
    "schedule_steps": 2080,
}


def ppo(**changes: Any) -> ppo_2017.HParams:
    """PPO for probes, with changes."""
    return msgspec.convert(PROBE_SETTINGS | changes, ppo_2017.HParams)


def make_run(
    hparams: Any, env: str, folder: Path, seeds=(0, 1), steps=64, kind=Run, **options: Any
) -> Run:
    """A run in this process that writes its only checkpoint at the end."""
    options = {"checkpoint_seconds": 1e9} | options
    return kind(hparams, env, list(seeds), steps, folder, **options)


def trained(hparams: Any, env: str, folder: Path, **options: Any) -> Run:
    """PPO trained to its end."""
    run = make_run(hparams, env, folder, **options)
    ppo_2017.train(run)
    return run


def kept(folder: Path) -> dict[str, Any]:
    """The final checkpoint, without its clocks."""
    state, warning = checkpoint.load(folder)
    assert state is not None
    assert warning is None
    for volatile in ("seconds", "checkpoints"):
        state.pop(volatile)
    return state


def outcome(folder: Path) -> dict[str, Any]:
    """What `outcome.json` says of each seed."""
    return msgspec.json.decode((folder / "outcome.json").read_bytes())["seeds"]


def statuses(folder: Path) -> set[str]:
    return {seed["status"] for seed in outcome(folder).values()}


def lines(folder: Path, seed: int, kind: str) -> list[dict[str, Any]]:
    """Log lines of one kind of a seed."""
    text = (folder / f"seed-{seed}.jsonl").read_text()
    found = [msgspec.json.decode(line) for line in text.replace("NaN", "null").splitlines()]
    return [line for line in found if line.get("kind") == kind]


def value_at(run: Run, *observation: float) -> np.ndarray:
    """V of one observation, one a seed."""
    points = torch.tensor(observation).expand(len(run.seeds), 1, -1)
    with torch.no_grad():
        return run._kept["model"].value(points)[:, 0].numpy()


def policy_at(run: Run, *observation: float) -> Any:
    """The policy's distribution at one observation, [S, 1, ...]."""
    return _act(run, torch.tensor(observation))


def assert_pictures_are_seen(run: Run) -> None:
    """On ProbeImage the policy prefers the right action for either picture."""
    for x, choice in ((1, 1), (-1, 0)):
        policy = _act(run, torch.from_numpy(probes.picture(x)))
        assert (policy.log_probs[:, 0, choice].exp() > 0.9).all()


def _act(run: Run, observation: torch.Tensor) -> Any:
    with torch.no_grad():
        points = observation.expand(len(run.seeds), 1, *observation.shape)
        return run._kept["model"].act(points)
