"""What every implementation keeps, found by itself in implementations/.

A new implementation says how it is tried in its hparams file, under `trial`; a test says so.
"""

from __future__ import annotations

import hashlib
import importlib
import operator
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from algorithm_cases import (
    BY_DISTRIBUTION,
    NETWORKS,
    NOT_YET,
    PARAMETERS,
    SMOKE,
    TICKS,
    TIME_LIMIT,
    TINY,
    TRAINED,
    UNEVEN,
    bootstraps,
    tiny,
)
from runner_tools import assert_same
from training_tools import kept, lines, make_run, outcome

from repro.cards import load_card, load_sets
from repro.experiment import implemented
from repro.launch.origin import implementation_constant
from repro.training import experience
from repro.training.evaluate import Protocol
from repro.training.run import Run, Stopped

CASES = [(paper, name, env) for paper, pairs in TRAINED.items() for name, env in pairs]
cases = pytest.mark.parametrize(("paper", "hparams", "env"), CASES)
ITERATIONS = 3


def finish(paper, run: Run) -> Run:
    importlib.import_module(f"implementations.{paper.replace('-', '_')}").train(run)
    return run


def train(paper, hparams, env, folder, *, iterations=ITERATIONS, kind=Run, seeds=(0, 1), **options):
    """Train for some iterations; everything that is left: logs, final state."""
    settings, env_id = tiny(paper, hparams, env)
    steps = iterations * TINY[paper][1]
    finish(paper, make_run(settings, env_id, folder, seeds, steps, kind=kind, **options))
    return left(folder, seeds)


def left(folder, seeds):
    logs = {seed: (folder / f"seed-{seed}.jsonl").read_text() for seed in seeds}
    return {"logs": logs, "state": kept(folder), "outcome": outcome(folder)}


def digest(found: Any) -> str:
    """sha256 over nested plain values and tensors, every bit of them."""
    if isinstance(found, torch.Tensor):
        content = (
            f"{found.dtype}{tuple(found.shape)}".encode() + found.contiguous().numpy().tobytes()
        )
    elif isinstance(found, dict):
        content = "".join(f"{k}:{digest(v)}," for k, v in found.items()).encode()
    elif isinstance(found, list | tuple):
        content = ",".join(digest(v) for v in found).encode()
    else:
        content = repr(found).encode()
    return hashlib.sha256(content).hexdigest()


def networks(found: Any) -> dict[str, torch.Tensor]:
    """Every parameter that was kept, by its dotted name."""
    kept_ones = found["state"]["kept"]
    return {
        f"{net}.{name}": value for net in NETWORKS for name, value in kept_ones.get(net, {}).items()
    }


def of_seed(found: Any, index: int, seeds: int) -> Any:
    """One seed's part of what a stack kept: rows of tensors whose first axis is the seeds'."""
    if isinstance(found, dict):
        return {name: of_seed(value, index, seeds) for name, value in found.items()}
    if isinstance(found, torch.Tensor):
        return found[index] if found.ndim and len(found) == seeds else found
    return found


def assert_seed_equal(one, other, index, seeds, seed):
    """Seed `index` of two stacks of the same size: log and everything kept, bit for bit."""
    assert one["logs"][seed] == other["logs"][seed]
    for name in ("kept",):
        assert_same(
            of_seed(one["state"][name], index, seeds), of_seed(other["state"][name], index, seeds)
        )


@pytest.fixture(autouse=True)
def short_iterations(monkeypatch):
    monkeypatch.setattr(experience, "TICKS", TICKS)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What an undisturbed run leaves; made once a case."""
    found = {}

    def make(*case):
        if case not in found:
            found[case] = train(*case, tmp_path_factory.mktemp("plain"))
        return found[case]

    return make


def test_every_implementation_is_tested():
    for table in (TINY, TRAINED, SMOKE, NOT_YET, PARAMETERS):
        assert set(table) == set(implemented())
    assert set(TIME_LIMIT) == {paper for paper in implemented() if bootstraps(paper)}
    for paper in implemented():
        by_distribution = BY_DISTRIBUTION.get(paper, set())
        assert set(SMOKE[paper]) | NOT_YET[paper] | by_distribution == set(load_sets(paper))


@pytest.mark.parametrize("paper", implemented())
def test_what_is_tried_by_distribution_is_declared(paper):
    """With its reason, by the implementation; any other set must repeat bit for bit."""
    reasons = implementation_constant(paper, "not_deterministic", {})
    assert all(reasons.values())
    declared = {
        name
        for name, values in load_sets(paper).items()
        for field, kind in (choice.split(".") for choice in reasons)
        if values.values()[field]["kind"] == kind
    }
    assert declared == BY_DISTRIBUTION.get(paper, set())


@cases
def test_same_seed_same_digest(paper, hparams, env, plain, tmp_path):
    again = train(paper, hparams, env, tmp_path)
    assert digest(again) == digest(plain(paper, hparams, env))
    trains = lines(tmp_path, 0, "train")
    assert len(trains) == ITERATIONS or (paper, hparams) in UNEVEN
    assert trains[0] != trains[1]


class StopsAt(Run):
    """Asked to stop in the middle of an iteration, as a signal would."""

    at = 1

    def log(self, *args, **values):
        super().log(*args, **values)
        if self._iteration == self.at:
            self.stop.set()


@cases
@pytest.mark.parametrize("at", [0, 1, ITERATIONS - 1])
def test_stopped_and_resumed_equals_uninterrupted(paper, hparams, env, at, plain, tmp_path):
    with pytest.raises(Stopped):
        train(paper, hparams, env, tmp_path, kind=type("StopsHere", (StopsAt,), {"at": at}))
    assert not (tmp_path / "outcome.json").exists()
    resumed = train(paper, hparams, env, tmp_path)
    expected = plain(paper, hparams, env)
    assert resumed["logs"] == expected["logs"]
    assert_same(resumed, expected)


@cases
def test_seed_alone_is_the_seed_in_a_stack(paper, hparams, env, plain, tmp_path):
    """To float tolerance and over a few updates: products of another shape round differently."""
    alone = train(paper, hparams, env, tmp_path, seeds=[1])
    together = plain(paper, hparams, env)
    mine, ours = networks(alone), networks(together)
    assert mine
    for name in mine:
        torch.testing.assert_close(
            mine[name][0], ours[name][1], rtol=1e-2, atol=2e-3, msg=lambda m, n=name: f"{n}: {m}"
        )
    first, same = (
        msgspec.json.decode(found["logs"][1].splitlines()[-1]) for found in (alone, together)
    )
    assert first["step"] == same["step"]
    assert first["value"] == pytest.approx(same["value"], rel=1e-2, abs=1e-3)


@cases
def test_another_seed_changes_nothing(paper, hparams, env, plain, tmp_path):
    other = train(paper, hparams, env, tmp_path, seeds=[0, 7])
    assert_seed_equal(other, plain(paper, hparams, env), 0, 2, 0)


class Poisons(Run):
    """Seed 1's parameters become NaN after the first iteration."""

    def _between_iterations(self):
        if self._iteration == 1:
            for thing in self._kept.values():
                if hasattr(thing, "parameters") and hasattr(thing.parameters, "data"):
                    thing.parameters.data[1] = float("nan")
        super()._between_iterations()


class PoisonsWithin(Run):
    """Seed 1's parameters become NaN in the middle of the second iteration, after its rollout."""

    def batch(self, array):
        self._poison()
        return super().batch(array)

    def where(self, seeds):
        self._poison()
        return super().where(seeds)

    def _poison(self):
        if self._iteration == 1:
            for name in self._kept:
                if "optimizer" in name:
                    self._kept[name].parameters.data[1] = float("nan")


@cases
@pytest.mark.parametrize("kind", [Poisons, PoisonsWithin])
def test_diverging_seed_leaves_the_others_alone(kind, paper, hparams, env, plain, tmp_path):
    protocol = Protocol(period=1, episodes=1, deterministic=True) if env == "Reacher" else None
    found = train(paper, hparams, env, tmp_path, kind=kind, evaluation=protocol)
    expected = plain(paper, hparams, env)
    found["logs"][0] = "".join(
        line for line in found["logs"][0].splitlines(True) if '"evaluation"' not in line
    )
    assert_seed_equal(found, expected, 0, 2, 0)
    assert found["outcome"]["0"]["status"] == "finished"
    assert found["outcome"]["1"]["status"] == "diverged"
    assert "not finite" in found["outcome"]["1"]["diagnosis"]
    assert found["outcome"]["1"]["steps"] < found["outcome"]["0"]["steps"]
    assert len(lines(tmp_path, 1, "diverged")) == 1


@cases
@pytest.mark.parametrize("deterministic", [True, False])
def test_evaluation_changes_nothing(paper, hparams, env, deterministic, plain, tmp_path):
    protocol = Protocol(period=TINY[paper][1] * 2, episodes=2, deterministic=deterministic)
    found = train(paper, hparams, env, tmp_path, evaluation=protocol)
    evaluations = lines(tmp_path, 0, "evaluation")
    each = TINY[paper][1]
    # The first is due at once: before training, or after the first iteration.
    assert [line["step"] for line in evaluations] in ([each, 2 * each], [0, 2 * each])
    assert all(len(line["returns"]) == 2 for line in evaluations)
    for seed, log in found["logs"].items():
        kept_lines = [line for line in log.splitlines(True) if '"evaluation"' not in line]
        assert "".join(kept_lines) == plain(paper, hparams, env)["logs"][seed]
    assert_same(found["state"]["kept"], plain(paper, hparams, env)["state"]["kept"])


@pytest.mark.parametrize(("paper", "hparams", "env"), [("ppo-2017", "classic", "CartPole")])
@pytest.mark.parametrize("deterministic", [True, False])
def test_evaluations_of_a_seed_do_not_see_the_others(paper, hparams, env, deterministic, tmp_path):
    """CartPole's episodes differ in length: seeds that are done must rest, and draw alone."""
    protocol = Protocol(period=TINY[paper][1], episodes=2, deterministic=deterministic)
    one, other = (
        train(paper, hparams, env, tmp_path / str(seeds), seeds=seeds, evaluation=protocol)
        for seeds in ([0, 1], [0, 5])
    )
    assert one["logs"][0] == other["logs"][0]
    assert one["logs"][0].count('"evaluation"') == ITERATIONS


@pytest.mark.parametrize("paper", TIME_LIMIT)
def test_truncation_is_not_termination(paper, tmp_path):
    """The same steps of a task without other ends train differently."""
    hparams, env, changes, steps = TIME_LIMIT[paper]
    ends = {}
    for time_limit in ("terminal", "bootstrap"):
        folder = tmp_path / time_limit
        settings, env_id = tiny(paper, hparams, env, time_limit=time_limit, **changes)
        finish(paper, make_run(settings, env_id, folder, [0], steps))
        ends[time_limit] = networks(left(folder, [0]))
    assert ends["terminal"].keys() == ends["bootstrap"].keys()
    pairs = zip(ends["terminal"].values(), ends["bootstrap"].values(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("paper", PARAMETERS)
def test_number_of_parameters_is_the_cards(paper, tmp_path):
    hparams, env, places = PARAMETERS[paper]
    settings, env_id = tiny(paper, hparams, env, whole_networks=True)
    run = finish(paper, make_run(settings, env_id, tmp_path, [0], 1))
    found = {}
    for name, place in places.items():
        first, *rest = place.split(".")
        module = operator.attrgetter(".".join(rest))(run._kept[first]) if rest else run._kept[first]
        found[name] = sum(p[0].numel() for p in module.parameters())
    assert found == load_card(paper).parameters
    every = networks(left(tmp_path, [0])).values()
    assert sum(value.numel() for value in every) == sum(found.values())


@pytest.mark.parametrize(
    ("paper", "hparams", "env"),
    [(paper, name, env) for paper, sets in SMOKE.items() for name, env in sets.items()],
)
def test_every_set_trains(paper, hparams, env, tmp_path):
    found = train(paper, hparams, env, tmp_path, iterations=2)
    assert {seed["status"] for seed in found["outcome"].values()} == {"finished"}
    for seed in (0, 1):
        trains = lines(tmp_path, seed, "train")
        steps = [line["step"] for line in trains]
        assert steps
        assert steps == [TINY[paper][1], 2 * TINY[paper][1]] or (paper, hparams) in UNEVEN
        assert all(
            np.isfinite([v for k, v in line.items() if k != "kind"]).all() for line in trains
        )
    policy = torch.load(tmp_path / "policy.pt", weights_only=True)
    exported = [value for net in NETWORKS for value in policy.get(net, {}).values()]
    assert exported, "the exported policy is empty"
    assert all(len(value) == 1 for value in exported)
    assert (tmp_path / "policy.pt").stat().st_size < 200_000
