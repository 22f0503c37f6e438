"""Run and Collector: diverging seeds, budgets, schedules, what a rollout holds."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import probes  # noqa: F401 - registers the environments
import pytest
import torch
from runner_tools import assert_same
from training_tools import kept, lines, make_run, outcome, ppo, trained

from implementations import ppo_2017
from repro.training.hparams import HParams as Strict
from repro.training.rollout import Collector
from repro.training.run import Run, Stopped
from repro.training.schedules import Constant, Linear


class Settings(Strict, frozen=True, kw_only=True):
    schedule_steps: int


def act(run, number, poison=None, at=2):
    """A loop of `number` steps on Pendulum; `poison` acts NaN from iteration `at` on."""
    envs, total = run.make_envs(per_seed=2), torch.zeros(len(run.seeds))
    run.keep(total=total)
    for iteration in run.iterations():
        for step in range(number):
            actions = np.zeros((len(run.seeds), 2, 1), np.float32)
            if poison is not None and iteration == at and step == 1:
                actions[poison] = poison_value
            total += torch.from_numpy(envs.step(actions).reward.sum(1)).float()
        run.log(total=total)


poison_value = math.nan


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_action_that_is_not_finite_ends_its_seed_alone(value, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "poison_value", value)
    run = make_run(Settings(schedule_steps=100), "Pendulum", tmp_path / "a", (0, 1, 2), 40)
    act(run, 5, poison=1)
    plain = make_run(Settings(schedule_steps=100), "Pendulum", tmp_path / "b", (0, 1, 2), 40)
    act(plain, 5)
    found = outcome(tmp_path / "a")
    assert [found[s]["status"] for s in "012"] == ["finished", "diverged", "finished"]
    assert found["1"]["diagnosis"] == "action is not finite at step 22"
    assert found["1"]["steps"] == 22  # the step of the bad action was never taken
    for seed in (0, 2):
        logs = [(tmp_path / x / f"seed-{seed}.jsonl").read_text() for x in "ab"]
        assert logs[0] == logs[1]


def test_all_seeds_diverged_ends_the_run(tmp_path):
    run = make_run(Settings(schedule_steps=100), "Pendulum", tmp_path, (0,), 40)
    act(run, 5, poison=0)
    assert outcome(tmp_path)["0"]["status"] == "diverged"
    assert len(lines(tmp_path, 0, "train")) == 2


def test_logged_value_that_is_not_finite_ends_its_seed(tmp_path):
    run = make_run(Settings(schedule_steps=100), "CartPole", tmp_path, (0, 1), 5)
    envs = run.make_envs(per_seed=1)
    run.keep(nothing=torch.zeros(2))
    for _ in run.iterations():
        envs.step(np.zeros((2, 1), np.int64))
        run.log(loss=torch.tensor([1.0, math.inf]))
    assert outcome(tmp_path)["1"]["diagnosis"] == "loss is not finite at step 1"
    assert outcome(tmp_path)["0"]["steps"] == 5


@pytest.mark.parametrize(("steps", "done"), [(1, 10), (10, 10), (11, 20)])
def test_a_run_ends_with_the_iteration_that_completes_its_steps(steps, done, tmp_path):
    run = make_run(Settings(schedule_steps=100), "Pendulum", tmp_path, (0,), steps)
    act(run, 5)
    assert outcome(tmp_path)["0"]["steps"] == done


def test_schedules_run_over_schedule_steps_whatever_the_budget(tmp_path):
    run = make_run(Settings(schedule_steps=100), "Pendulum", tmp_path, (0, 1), 30)
    envs, seen = run.make_envs(per_seed=1), []
    run.keep(nothing=torch.zeros(2))
    for _ in run.iterations():
        seen.append(run.scheduled(Linear(start=1.0, end=0.0)).tolist())
        assert run.scheduled(Constant(value=3.0)).tolist() == [3.0, 3.0]
        for _ in range(10):
            envs.step(np.zeros((2, 1, 1), np.float32))
    assert seen == [[1.0, 1.0], pytest.approx([0.9, 0.9]), pytest.approx([0.8, 0.8])]


def test_episodes_are_logged_at_the_seeds_own_step(tmp_path):
    trained(ppo(), "ProbeDiscount-v0", tmp_path, steps=1)
    episodes = lines(tmp_path, 1, "episode")
    assert len(episodes) == 8 * 6  # thirteen steps, two an episode, in eight environments
    assert all(line["return"] == 1.0 and line["length"] == 2 for line in episodes)
    assert [line["step"] for line in episodes] == [8 * 2 * (i // 8 + 1) for i in range(48)]


class Recorder(Run):
    """Keeps every step's own record beside the rollouts, copied when it happens."""

    def make_envs(self, *args, **kwargs):
        envs = super().make_envs(*args, **kwargs)
        self.seen, step = [], envs.step

        def recorded(actions, *others):
            before = envs.observation.copy()
            result = step(actions, *others)
            self.seen.append((before, np.array(actions), *(np.array(a) for a in result)))
            return result

        envs.step = recorded
        return envs


def recorded(tmp_path, monkeypatch, env, iterations=2, **changes):
    rollouts, collect = [], Collector.collect
    monkeypatch.setattr(
        Collector, "collect", lambda self, a: rollouts.append(collect(self, a)) or rollouts[-1]
    )
    run = make_run(ppo(**changes), env, tmp_path, steps=104 * iterations, kind=Recorder)
    ppo_2017.train(run)
    return run, rollouts


@pytest.mark.parametrize("normalised", [False, True])
def test_a_rollout_holds_what_happened(normalised, tmp_path, monkeypatch):
    """Above all the observations that a time limit cut off, which the environments overwrite."""
    changes = {"time_limit": "bootstrap"}
    if normalised:
        changes["observation_normalization"] = {
            "kind": "running",
            "update": "iteration",
            "clip": 50.0,
            "prior_count": 1e9,
            "variance_floor": 0.0,
            "epsilon": 0.0,
        }  # fmt: skip - so heavy a prior that nothing moves
    run, rollouts = recorded(tmp_path, monkeypatch, "ProbeTurns-v0", **changes)
    for i, rollout in enumerate(rollouts):
        steps = run.seen[13 * i : 13 * (i + 1)]
        for t, step in enumerate(steps):
            before, action, after, reward, terminated, truncated, final = step[:7]
            np.testing.assert_array_equal(rollout.observation[:, :, t], before)
            np.testing.assert_allclose(rollout.seen[:, :, t], before, atol=1e-5)
            np.testing.assert_allclose(rollout.seen[:, :, t + 1], after, atol=1e-5)
            np.testing.assert_array_equal(rollout.action[:, :, t], action)
            np.testing.assert_array_equal(rollout.reward[:, :, t], reward)
            np.testing.assert_array_equal(rollout.terminated[:, :, t], terminated)
            np.testing.assert_array_equal(rollout.truncated[:, :, t], truncated)
            for s, e in zip(*np.nonzero(truncated), strict=True):
                places = np.stack(rollout.cut_at, axis=1).tolist()
                where = places.index([s, e, t])
                np.testing.assert_allclose(rollout.cut[where], final[s, e], atol=1e-5)
        assert len(rollout.cut) == rollout.truncated.sum() > 0


def test_values_of_cut_off_states_are_each_seeds_own(tmp_path, monkeypatch):
    """Seeds are cut off unequally often; padding must not move values between them."""
    run, rollouts = recorded(tmp_path, monkeypatch, "ProbeTurns-v0", 1, time_limit="bootstrap")
    rollout, model = rollouts[0], run._kept["model"]
    keep = np.arange(len(rollout.cut)) % 3 > 0
    keep &= (rollout.cut_at[0] == 1) | (rollout.cut_at[1] < 2)  # seed 1 has more of them
    object.__setattr__(rollout, "cut", rollout.cut[keep])
    object.__setattr__(rollout, "cut_at", tuple(index[keep] for index in rollout.cut_at))
    counts = np.bincount(rollout.cut_at[0])
    assert counts[0] != counts[1]
    found = rollout.cut_values(model.value)
    for seed, cut, value in zip(rollout.cut_at[0], rollout.cut, found, strict=True):
        with torch.no_grad():
            own = model.value(torch.from_numpy(cut).expand(2, 1, 1))[seed, 0]
        assert value == pytest.approx(own.item(), rel=1e-5)


def running(update):
    return {
        "kind": "running", "update": update, "clip": 10.0, "prior_count": 1e-4,
        "variance_floor": 0.0, "epsilon": 1e-8,
    }  # fmt: skip


def moments(seen):
    mean, count = seen.mean(axis=0), len(seen)
    second = (1e-4 + np.square(seen).sum(axis=0)) / (count + 1e-4)
    mean = mean * count / (count + 1e-4)
    return mean, np.sqrt(second - mean**2 + 1e-8)


@pytest.mark.parametrize("env", ["Pendulum", "ProbeTurns-v0"])
def test_statistics_take_each_observation_in_once_before_it_is_used(env, tmp_path, monkeypatch):
    """Those that a time limit cut off (every third of ProbeTurns) are normalised, not counted."""
    changes = {"observation_normalization": running("step")}
    _, rollouts = recorded(tmp_path, monkeypatch, env, **changes)
    raw = np.concatenate([r.observation for r in rollouts], axis=2)
    used = np.concatenate([r.seen[:, :, :-1] for r in rollouts], axis=2)
    for t in range(raw.shape[2]):
        for seed in range(2):
            mean, deviation = moments(raw[seed, :, : t + 1].reshape(-1, raw.shape[-1]))
            expected = np.clip((raw[seed, :, t] - mean) / deviation, -10, 10)
            np.testing.assert_allclose(used[seed, :, t], expected, rtol=1e-4, atol=1e-4)


def test_statistics_of_an_iteration_take_the_rollout_in_before_its_update(tmp_path, monkeypatch):
    changes = {"observation_normalization": running("iteration")}
    updates, refreshed = [], Collector.refreshed
    monkeypatch.setattr(
        Collector, "refreshed", lambda self, r: updates.append(refreshed(self, r)) or updates[-1]
    )
    _, rollouts = recorded(tmp_path, monkeypatch, "Pendulum", **changes)
    for i, (rollout, updated) in enumerate(zip(rollouts, updates, strict=True)):
        for seed in range(2):
            before = [r.observation[seed].reshape(-1, 3) for r in rollouts[:i]]
            raw = rollout.observation[seed]
            if i:
                mean, deviation = moments(np.concatenate(before))
                expected = np.clip((raw - mean) / deviation, -10, 10)
                np.testing.assert_allclose(
                    rollout.seen[seed, :, :-1], expected, rtol=1e-4, atol=1e-4
                )
            mean, deviation = moments(np.concatenate([*before, raw.reshape(-1, 3)]))
            np.testing.assert_allclose(
                updated[seed], np.clip((raw - mean) / deviation, -10, 10), rtol=1e-4, atol=1e-4
            )


def test_policy_pt_holds_the_first_seed_and_loads_without_code(tmp_path):
    hp = ppo(observation_normalization=running("step"))
    run = trained(hp, "Pendulum", tmp_path, steps=1)
    found = torch.load(tmp_path / "policy.pt", weights_only=True)
    for name, value in run._kept["model"].state_dict().items():
        assert torch.equal(found["model"][name], value[:1]), name
    assert found["collector"]["observations"]["mean"].shape == (1, 3)


def test_checkpoint_of_other_seeds_is_not_taken(tmp_path):
    trained(ppo(), "Pendulum", tmp_path, steps=1)
    assert kept(tmp_path)["iteration"] == 1
    said = []
    run = make_run(ppo(), "Pendulum", tmp_path, seeds=(3, 4), steps=1, report=said.append)
    ppo_2017.train(run)
    assert "checkpoint.pt is damaged (it is another run's)" in said[0].message
    trained(ppo(), "Pendulum", tmp_path / "alone", seeds=(3, 4), steps=1)
    assert (tmp_path / "seed-3.jsonl").read_text() == (tmp_path / "alone/seed-3.jsonl").read_text()


def test_damaged_checkpoint_is_said_and_training_starts_anew(tmp_path):
    trained(ppo(), "Pendulum", tmp_path, steps=1)
    expected = (tmp_path / "seed-0.jsonl").read_text()
    for path in tmp_path.glob("checkpoint*.pt"):
        path.write_bytes(b"not a checkpoint")
    said = []
    run = make_run(ppo(), "Pendulum", tmp_path, steps=1, report=said.append)
    ppo_2017.train(run)
    assert any("training starts anew" in (progress.message or "") for progress in said)
    assert (tmp_path / "seed-0.jsonl").read_text() == expected


def test_progress_says_where_each_seed_stands(tmp_path):
    said = []
    make = make_run(ppo(), "ProbeConstant-v0", tmp_path, steps=104, report=said.append)
    ppo_2017.train(make)
    assert said[-1].message == "finished"
    assert said[-1].steps == [104, 104]
    assert said[-1].returns == [2.0, 2.0]
    assert said[-1].diverged == []
    assert msgspec.json.encode(vars(said[-1]))


class StopsOnce(Run):
    def log(self, *args, **values):
        super().log(*args, **values)
        self.stop.set()


def test_what_outlives_an_iteration_is_kept(tmp_path):
    """β, the step size that follows a KL target, and the moments of Adam."""
    hp = ppo(
        surrogate={"kind": "adaptive-kl", "target": 1e-3, "initial_beta": 1.0},
        step_size={"kind": "kl-target", "initial": 0.01, "target": 1e-4},
        observation_normalization=running("step"),
    )
    with pytest.raises(Stopped):
        ppo_2017.train(make_run(hp, "Pendulum", tmp_path / "a", steps=312, kind=StopsOnce))
    trained(hp, "Pendulum", tmp_path / "a", steps=312)
    trained(hp, "Pendulum", tmp_path / "b", steps=312)
    logs = [(tmp_path / x / "seed-0.jsonl").read_text() for x in "ab"]
    assert logs[0] == logs[1]
    assert len({line["beta"] for line in lines(tmp_path / "a", 0, "train")}) > 1
    assert len({line["step_size"] for line in lines(tmp_path / "a", 0, "train")}) > 1
    assert_same(kept(tmp_path / "a"), kept(tmp_path / "b"))
