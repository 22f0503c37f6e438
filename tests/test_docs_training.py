"""The implementation that docs/training.md shows is run, so that the page cannot fall behind."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path

import msgspec
import pytest

from implementations import gae_2015
from repro import paths
from repro.training import actor_critic, choices, hparams, optim, rollout, schedules
from repro.training.run import Run

PAGE = Path(paths.ROOT, "docs", "training.md")
VALUES = {
    "num_actors": 4,
    "horizon": 32,
    "gamma": 0.99,
    "gae_lambda": 0.9,
    "step_size": {"kind": "constant", "value": 3e-3},
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-5, "epsilon_hat": True},
    "network": {"kind": "mlp", "hidden": [32], "activation": "tanh"},
    "initialization": {"kind": "orthogonal", "hidden": 1.4, "policy": 0.01, "value": 1.0},
    "log_std": {"kind": "learnt", "initial": 0.0},
    "schedule_steps": 20_000,
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The page's first block of Python as a module (msgspec looks types up there)."""
    module = types.ModuleType("shown")
    for source in (actor_critic, choices, hparams, optim, rollout, schedules, gae_2015):
        vars(module).update({n: v for n, v in vars(source).items() if not n.startswith("__")})
    vars(module).update(Run=Run, Strict=hparams.HParams)
    monkeypatch.setitem(sys.modules, "shown", module)
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert block is not None
    exec("from __future__ import annotations\n" + block[1], vars(module))
    return module


def returns(log: Path) -> list[float]:
    records = map(json.loads, log.read_text().splitlines())
    return [r["return"] for r in records if r.get("kind") == "episode"]


def test_the_shown_implementation_learns_cartpole(shown: types.ModuleType, tmp_path: Path) -> None:
    hp = msgspec.convert(VALUES, shown.HParams)
    shown.train(Run(hp, "CartPole", [0, 1], 16_000, tmp_path))
    for seed in (0, 1):
        history = returns(tmp_path / f"seed-{seed}.jsonl")
        assert sum(history[-20:]) > 1.5 * sum(history[:20])
