"""A toy implementation for tests of the runner: random actions, one number learnt per seed.

Tests copy it into a root of their own as `implementations/toy_2000.py`. TOY_TROUBLE makes it
misbehave at one iteration: `raise:3`, `kill:3`, `hang:3`, `full:3`, each only in stacks with
seed 0 (or with the seed named last, `raise:3:5`). TOY_PAUSE: seconds that an iteration waits.
"""

from __future__ import annotations

import errno
import os
import signal
import time

import torch

from repro.training.hparams import HParams as Strict
from repro.training.run import Run


class HParams(Strict, frozen=True, kw_only=True):
    horizon: int
    diverging_seed: int  # -1: none


def train(run: Run[HParams]) -> None:
    hp, envs = run.hparams, run.make_envs(per_seed=1)
    actions, value = run.rng("action"), torch.zeros(len(run.seeds))
    run.keep(value=value)
    for iteration in run.iterations():
        _trouble(run, iteration)
        for action in actions.integers(2, hp.horizon, 1).transpose(0, 1):
            step = envs.step(action.numpy())
            value.copy_(0.9 * value + torch.from_numpy(step.reward[:, 0]).float())
        value[[seed == hp.diverging_seed for seed in run.seeds]] = float("nan")
        run.log(value=value)
        time.sleep(float(os.environ.get("TOY_PAUSE", "0")))


def _trouble(run: Run[HParams], iteration: int) -> None:
    kind, at, seed = (os.environ.get("TOY_TROUBLE", "none:-1") + ":0").split(":")[:3]
    if iteration != int(at) or int(seed) not in run.seeds:
        return
    if kind == "raise":
        raise RuntimeError("planted failure\nwith a second line")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run.folder / "checkpoint.pt"))
    if kind == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
