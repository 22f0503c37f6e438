"""Parts of our PPO under pytest-benchmark: `tox -e benchmarks`. Nothing is asserted about time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import settings
from benchmarks.contenders import ours
from benchmarks.window import Order, Window
from repro.training.environments import make

STACKS = [1, 5, 10]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("stack", STACKS)
def test_training(benchmark, stack: int, tmp_path_factory) -> None:
    """Three iterations of training, with everything a run does."""
    order = Order(stack=stack, iterations=3, evaluate=False, seed=0)

    def fresh() -> tuple[tuple[Order, Path, Window], dict]:
        return (order, tmp_path_factory.mktemp("stack"), Window()), {}

    benchmark.extra_info["environment steps"] = 3 * stack * settings.HORIZON
    benchmark.pedantic(ours.train, setup=fresh, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("stack", STACKS)
def test_environments(benchmark, stack: int) -> None:
    """A hundred steps of a stack of environments."""
    envs = make(settings.ENV, seeds=range(stack), per_seed=1)
    envs.reset()
    box = envs.action_space
    actions = np.random.default_rng(0).uniform(box.low, box.high, (100, stack, 1, *box.shape))
    benchmark.extra_info["environment steps"] = 100 * stack

    def steps() -> None:
        for action in actions:
            envs.step(action)

    benchmark(steps)
