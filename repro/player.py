"""A stored policy, ready to act: what `repro watch` shows and what the doctor looks at.

`policy.pt` holds numbers, the implementation knows the networks. So `train` is started on a run
that fills in the stored numbers where it says what it keeps, and that ends where it evaluates for
the first time: whatever can be evaluated can be played, with its normaliser, and nothing about
any algorithm is said here.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch

from repro.errors import ReproError
from repro.experiment import implementation_of
from repro.training import checkpoint
from repro.training.environments import Environments, make
from repro.training.evaluate import Act, Protocol
from repro.training.rollout import Collector
from repro.training.run import Run

if TYPE_CHECKING:
    from repro.experiment import Experiment


class _Loaded(Exception):
    """Everything that `train` keeps was made and filled in."""


class _Ready(Exception):
    """The policy that `train` evaluates is known."""


class _Playing(Run[Any]):
    """A run that trains nothing: it hands out what `train` builds.

    stored: states by name, to be loaded; None to build only.
    """

    stored: Mapping[str, Any] | None = None
    built: Mapping[str, Any]
    act: Act

    def keep(self, **objects: Any) -> None:
        self.built = objects
        if self.stored is None:
            raise _Loaded
        for name in self.stored:
            if name not in objects:
                raise ReproError(f"the stored policy has a part {name} that the code lacks now")
        super().keep(**objects)
        self._load()
        if isinstance(collector := objects.get("collector"), Collector):  # no need to train
            self.act = collector.actor(objects["model"])
            raise _Ready

    def evaluate(self, act: Act, where: Any = None) -> None:
        del where
        self._load()  # what was trained on the way here is undone
        self.act = act
        raise _Ready

    def log(self, where: Any = None, /, **values: Any) -> None:
        del where, values

    def _load(self) -> None:
        for name, state in (self.stored or {}).items():
            checkpoint.restore(self.built[name], copy.deepcopy(state))


class Player:
    """A policy that acts. act: observations [1, E, *shape], bool [1, E] → actions [1, E, …].

    modules: the networks in use, by name. deterministic: the mode, without noise.
    """

    def __init__(
        self, policy: Path, experiment: Experiment, seed: int, deterministic: bool
    ) -> None:
        stored = read_policy(policy)
        with tempfile.TemporaryDirectory() as folder:
            run = _run(experiment, seed, Path(folder), deterministic)
            run.stored = stored
            try:
                implementation_of(experiment.paper).train(run)
            except _Ready:
                pass
            except ReproError:
                raise
            except Exception as error:  # whatever an implementation raises on foreign numbers
                why = f"{type(error).__name__}: {error}".splitlines()[0]
                raise ReproError(
                    f"{policy.name} does not fit the networks of {experiment.title} ({why}); the "
                    "code or the set changed since"
                ) from error
            else:
                raise ReproError(f"{experiment.paper} evaluates no policy, so none can be played")
        self.act = run.act
        self._env, self._seed, self._atari = run.env, seed, getattr(run.hparams, "atari", None)
        self.modules = {
            name: kept for name, kept in run.built.items()
            if name in stored and isinstance(kept, torch.nn.Module)
        }  # fmt: skip

    def make_envs(self, number: int, purpose: str) -> Environments:
        """Fresh environments to play in, as the implementation makes its own: [1, number]."""
        return make(self._env, [self._seed], number, purpose, atari=self._atari)


def networks(experiment: Experiment) -> dict[str, dict[str, tuple[int, ...]]]:
    """Network → parameter → shape, for one seed, of everything an algorithm trains.

    Copies that only follow (their names begin with `target`) are left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = _run(experiment, 0, Path(folder), True)
        try:
            implementation_of(experiment.paper).train(run)
        except _Loaded:
            pass
        else:
            raise ReproError(f"{experiment.paper} keeps no networks to count")
    return {
        name: {
            part: tuple(parameter.shape[1:])
            for part, parameter in kept.named_parameters()
            if parameter.requires_grad
        }
        for name, kept in run.built.items()
        if isinstance(kept, torch.nn.Module) and not name.startswith("target")
    }


def read_policy(path: Path) -> dict[str, Any]:
    """The states in a policy.pt: tensors and plain types only."""
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # what torch raises on bytes that are no tensors varies
        raise ReproError(f"{path.name} cannot be read; run these seeds anew") from error
    if not isinstance(found, dict) or not found:
        raise ReproError(f"{path.name} holds no policy; the implementation exports none")
    if not all(np.isfinite(t.numpy()).all() for t in _tensors(found)):
        raise ReproError(f"{path.name} holds numbers that are none: that seed diverged")
    return found


def _tensors(state: Any) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state] if state.is_floating_point() else []
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    return [tensor for part in inner for tensor in _tensors(part)]


def _run(experiment: Experiment, seed: int, folder: Path, deterministic: bool) -> _Playing:
    module = implementation_of(experiment.paper)
    try:
        hparams = msgspec.convert(experiment.hparams, module.HParams)
    except msgspec.ValidationError as error:
        raise ReproError(
            f"{experiment.title} has hyperparameters of other code than today's ({error}); "
            "its policy is played by the commit in its manifest"
        ) from None
    return _Playing(
        hparams=hparams,
        env=experiment.env,
        seeds=[seed],
        steps=experiment.steps,
        folder=folder,
        evaluation=Protocol(period=experiment.steps + 1, episodes=1, deterministic=deterministic),
        checkpoint_seconds=1e9,
    )
