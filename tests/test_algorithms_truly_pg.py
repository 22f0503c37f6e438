"""PPO looked at: the measured numbers by hand, and that looking changes nothing."""

from __future__ import annotations

import copy
import json

import evidence_tools as tools
import msgspec
import numpy as np
import probes  # noqa: F401 - registers the environments
import pytest
import torch
from algorithm_cases import tiny
from runner_tools import assert_same
from training_tools import kept, lines, make_run, ppo, value_at

from implementations import ppo_2017, truly_pg_2018
from implementations.truly_pg_2018 import (
    Aside,
    Sums,
    direction,
    pairwise_cosine,
    ratios,
    relative_error,
    scores,
    surrogate,
)
from repro.errors import ReproError
from repro.experiment import resolve
from repro.training.optim import FlatParameters
from repro.training.rng import Streams
from repro.training.rollout import Collector

PAPER = "truly-pg-2018"
LOOK = {"iterations": [1], "estimates": 2, "rollouts": [1, 2]}
LATE = {"iterations": [19], "estimates": 4, "rollouts": [1, 2]}


def watching(look=LOOK, **changes):
    """PPO for probes, looked at."""
    settings = msgspec.to_builtins(ppo(**changes)) | {"measurement": look}
    return msgspec.convert(settings, truly_pg_2018.HParams)


def looked_at(hp, env, folder, steps, seeds=(0, 1)):
    """What the last look of each seed found."""
    truly_pg_2018.train(make_run(hp, env, folder, seeds, steps))
    return [lines(folder, seed, "measured")[-1]["values"] for seed in seeds]


def test_cosine_by_hand():
    """Between east, north and north-east: 0, √½, √½."""
    compass = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [2.0, 2.0]], [[1.0, 0.0]] * 3])
    torch.testing.assert_close(pairwise_cosine(compass), torch.tensor([2 * 0.5**0.5 / 3, 1.0]))


def test_cosine_of_estimates_with_known_noise():
    """A signal of length 1 in noise of variance v: 1/(1 + v); of means of four, 1/(1 + v/4)."""
    draws = Streams([0, 1], "test")
    signal, noise = torch.zeros(4000), draws.normal(10, 8, 4000) * (2 / 4000) ** 0.5
    signal[0] = 1.0
    ones, none = torch.ones(2, 10, 8), torch.zeros(2, 10, 8)
    sums = Sums(signal + noise, torch.zeros_like(noise), none, ones)
    for size, expected in ((1, 1 / 3), (4, 2 / 3)):
        found = pairwise_cosine(direction(sums.grouped(size)).flatten(1, 2))
        torch.testing.assert_close(found, torch.full((2,), expected), rtol=0.05, atol=0.0)


def test_error_and_surrogate_by_hand():
    value, truth = np.array([[[1.0, 5.0, 9.0]]]), np.array([[[2.0, -2.0, 0.0]]])
    assert relative_error(value, truth, np.array([[[True, True, False]]])) == 8 / 4
    advantage = torch.tensor([[1.0, 3.0]])  # standardised: −1, 1
    torch.testing.assert_close(surrogate(torch.ones(1, 2), advantage), torch.zeros(1))
    found = surrogate(torch.tensor([[0.5, 1.5]]), advantage)
    torch.testing.assert_close(found, torch.tensor([0.5]))


@pytest.fixture
def beginning(tmp_path):
    """A run of Reacher that has its networks and has not begun, and its collector."""
    hp, env = tiny(PAPER, "ppo", "Reacher")
    found = {}

    class Begins(Exception):
        pass

    def keep(**objects):
        found.update(objects)
        raise Begins

    run = make_run(hp, env, tmp_path)
    run.keep = keep
    with pytest.raises(Begins):
        truly_pg_2018.train(run)
    return run, found["model"], found["collector"]


def test_directions_of_parts_give_the_gradient_of_the_whole(beginning):
    """That of the surrogate, standardised over all samples, at the policy that acted."""
    run, model, collector = beginning
    aside, parameters = Aside(run, collector, "test"), FlatParameters(model.policy)
    parts, seen, actions, weights = [], [], [], []
    for _ in range(3):
        rollout = aside.collect(model, 64)
        advantage = ppo_2017.advantages(model, rollout, run.hparams)[1]
        parts.append(scores(model, parameters, rollout, advantage))
        seen.append(run.batch(rollout.seen[:, :, :-1]))
        actions.append(run.batch(rollout.action))
        weights.append(run.batch(advantage))
        assert ratios(model, model, rollout) == pytest.approx(torch.ones(2, 128))
    together = Sums(*(torch.stack(part, 2) for part in zip(*parts, strict=True)))
    assert together.weighted.shape[:3] == (2, 2, 3)
    found = direction(Sums(*(part.sum((1, 2)) for part in together)))
    policy = model.act(torch.cat(seen, 1))
    log_prob = policy.log_prob(torch.cat(actions, 1))
    ratio = (log_prob - log_prob.detach()).exp()
    expected = parameters.gradient(surrogate(ratio, torch.cat(weights, 1)))
    cosine = torch.nn.functional.cosine_similarity(found, expected)
    torch.testing.assert_close(cosine, torch.ones(2))


def test_looking_plays_as_the_collector_does(beginning):
    """With its draws and its environments, and a statistic that stands still: the same rollout."""
    run, model, collector = beginning
    before = copy.deepcopy(collector.state_dict())
    aside = Aside(run, collector, "train")
    aside.draws = Streams(run.seeds, "action")
    found = aside.collect(model, 64)
    assert_same(collector.state_dict(), before)
    assert run.steps_done.tolist() == [0, 0]

    # The same with normalisers that forget: one environment, statistics put back at each step.
    own = Aside(run, collector, "train")
    frozen = Collector.__new__(Collector)
    frozen.__dict__ |= collector.__dict__ | {"envs": own.envs, "horizon": 64}
    frozen._noise, frozen.update_every_step = Streams(run.seeds, "action"), False
    frozen._scaled = lambda step: own.scaled(step.reward)
    frozen._seen = own.seen()
    own.envs.per_seed = 2
    expected = frozen.collect(model)
    assert found.truncated.any()
    for name in ("seen", "action", "reward", "terminated", "truncated", "cut"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-5)
    assert [list(a) for a in found.cut_at] == [list(a) for a in expected.cut_at]


def test_training_is_ppos_bit_for_bit(tmp_path):
    hp, env = tiny(PAPER, "ppo", "Reacher")
    values = msgspec.to_builtins(hp)
    del values["measurement"]
    plain = msgspec.convert(values, ppo_2017.HParams)
    ppo_2017.train(make_run(plain, env, tmp_path / "ppo", steps=200))
    truly_pg_2018.train(make_run(hp, env, tmp_path / "looked", steps=200))
    for seed in (0, 1):
        ours = (tmp_path / "looked" / f"seed-{seed}.jsonl").read_text().splitlines()
        theirs = (tmp_path / "ppo" / f"seed-{seed}.jsonl").read_text().splitlines()
        assert len(ours) == len(theirs) + 1
        assert [line for line in ours if '"measured"' not in line] == theirs
    ours, theirs = kept(tmp_path / "looked"), kept(tmp_path / "ppo")
    for name in ("model", "optimizer", "collector"):
        assert_same(ours["kept"][name], theirs["kept"][name])
    assert_same(ours["streams"], theirs["streams"])
    assert_same(ours["envs"], theirs["envs"])


def test_what_a_look_must_find(tmp_path):
    """One step a game: the targets are the returns. The best action pays: estimates agree."""
    for found in looked_at(watching(LATE), "ProbeBothBox-v0", tmp_path, 20 * 104):
        assert found["value-error-ratio"] == pytest.approx(1.0, abs=1e-5)
        assert found["bound-violations"] > 0.5
    early = {"iterations": [0], "estimates": 8, "rollouts": [1, 20]}
    for found in looked_at(watching(early), "ProbeActionBox-v0", tmp_path / "early", 104):
        assert found["gradient-cosine@260"] > max(0.9, found["gradient-cosine@13"])
        assert found["gradient-cosine-lost"] == 0.0
        assert 0.0 < found["surrogate-kept"] < 2.0


def test_controls_of_a_look(tmp_path):
    """Rewards without a reason: estimates are noise. No step: no ratio leaves 1."""
    early = {"iterations": [0, 3], "estimates": 20, "rollouts": [1]}
    still = {"kind": "constant", "value": 0.0}
    hp = watching(early, step_size=still)
    for found in looked_at(hp, "ProbeObservationBox-v0", tmp_path, 4 * 104):
        assert abs(found["gradient-cosine@13"]) < 0.2
        assert found["bound-violations"] == 0.0
        assert "surrogate-kept" not in found  # nothing was promised


def look_at_values(env, folder, **changes):
    """A run whose second update moves nothing, and the ratios of errors that its look found."""
    look = {"iterations": [1], "estimates": 2, "rollouts": [1]}
    hp = watching(look, epochs=20, schedule_steps=104, **changes)
    run = make_run(hp, env, folder, steps=208)
    truly_pg_2018.train(run)
    values = [lines(folder, seed, "measured")[-1]["values"] for seed in (0, 1)]
    return run, [found["value-error-ratio"] for found in values]


def test_errors_of_values_by_hand(tmp_path):
    """True values 1/2 and 1 by turns; the thirteenth step's is unknown, but has a target."""
    run, found = look_at_values("ProbeDiscountBox-v0", tmp_path)
    for seed in (0, 1):
        v0, v1 = (value_at(run, x)[seed] for x in (0.0, 1.0))
        last = 0.5 * v1 - v0  # bootstrapped, where the look breaks off
        advantages = np.array([*[last + 0.5 * 0.9 * (1 - v1), 1 - v1] * 6, last])
        targets = advantages + np.array([*[v0, v1] * 6, v0])
        of_targets = np.abs(advantages).sum() / np.abs(targets).sum()
        of_returns = (abs(v0 - 0.5) + abs(v1 - 1)) / 1.5
        assert abs(of_returns - of_targets) > 0.01
        assert found[seed] == pytest.approx(of_returns / of_targets, rel=1e-4)


def test_true_values_go_on_over_a_time_limit_where_targets_do(tmp_path):
    """Cut off after each step: target and true value are both 1 + γ V."""
    _, found = look_at_values("ProbeForeverBox-v0", tmp_path, time_limit="bootstrap")
    assert found == pytest.approx([1.0, 1.0], rel=1e-5)


def test_what_was_lost_is_held_against_the_first_look(tmp_path):
    look = {"iterations": [0, 2, 3], "estimates": 4, "rollouts": [1]}
    truly_pg_2018.train(make_run(watching(look), "ProbeActionBox-v0", tmp_path, steps=4 * 104))
    for seed in (0, 1):
        looks = [line["values"] for line in lines(tmp_path, seed, "measured")]
        cosines = [values["gradient-cosine@13"] for values in looks]
        assert len(set(cosines)) == 3
        lost = [values["gradient-cosine-lost"] for values in looks]
        assert lost == pytest.approx([cosines[0] - cosine for cosine in cosines], abs=1e-6)


def test_as_typed(tmp_path):
    clone = tools.make_clone(tmp_path)
    changes = ["horizon=64", "epochs=1", "measurement.estimates=2", "measurement.rollouts=[1, 2]"]
    small = [f"--set={change}" for change in [*changes, "measurement.iterations=[0]"]]
    command = ("run", PAPER, "--env", "Hopper", "--steps", "64", "--seeds", "2", "--workers", "1")
    done = tools.main(*command, *small, root=clone)
    assert done.returncode == 0, done.stderr
    (folder,) = (clone / "runs").rglob("metrics.json")
    for seed in json.loads(folder.read_text())["seeds"]:
        assert {"value-error-ratio", "surrogate-kept", "bound-violations"} <= set(seed["metrics"])


def test_the_set_that_waits_is_one_line():
    with pytest.raises(ReproError, match="trpo cannot be run yet: TRPO has no implementation"):
        resolve(PAPER, "Hopper", "trpo")
