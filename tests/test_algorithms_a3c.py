"""A3C in processes: exact where one actor-learner is alone, by distribution where several race."""

from __future__ import annotations

import copy
import os
import signal
import threading
import time
from typing import Any

import msgspec
import numpy as np
import probes
import pytest
import torch
from runner_tools import Command, assert_same, gone, kill, wait_for, worker_pids
from test_algorithms_a2c import FLAT, SETTINGS, close
from training_tools import kept, lines, make_run, outcome, policy_at, statuses, value_at

from implementations import a3c_2016
from repro.errors import ReproError
from repro.experiment import resolve
from repro.launch import origin
from repro.training import processes
from repro.training.actor_run import ActorRun, Board
from repro.training.evaluate import Protocol
from repro.training.run import Run, Stopped

SHARED = {"kind": "asynchronous", "statistics": "shared"}
CELLS = {"kind": "lstm", "cells": 6, "gain": 1.0, "forget_bias": 1.0}
STEPS = 800  # probes of one step an episode make as many updates


def a3c(**changes: Any) -> a3c_2016.HParams:
    """Two actor-learners for the probes, with changes."""
    settings = SETTINGS | {"execution": SHARED, "num_actors": 2, "schedule_steps": STEPS}
    settings |= {"step_size": {"kind": "linear", "start": 0.02, "end": 0.0}} | changes
    return msgspec.convert(settings, a3c_2016.HParams)


def trained(hparams, env, folder, **options):
    run = make_run(hparams, env, folder, **({"steps": STEPS, "seeds": [0]} | options))
    a3c_2016.train(run)
    return run


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch):
    monkeypatch.setattr(processes, "ROUND", 50)


def descendants(of: int | None = None) -> set[int]:
    """Processes that this one (or `of`) started and that still run."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == (of or os.getpid()) and state != "Z":
                found.add(int(entry))
    return found


# One actor-learner has nobody to race with: it is A2C with one actor, to the bit.


@pytest.mark.parametrize(
    ("env", "changes"),
    [
        ("ProbeTurns-v0", {"horizon": 3, "time_limit": "bootstrap"}),
        ("ProbeTurns-v0", {"horizon": 3, "time_limit": "bootstrap", "memory": CELLS}),
        ("ProbeBothBox-v0", {"horizon": 1, "over_steps": "sum"}),
        ("CartPole", {"horizon": 1, "max_grad_norm": {"kind": "global-norm", "max": 0.5}}),
    ],
)
def test_one_actor_learner_is_the_synchronous_one(env, changes, tmp_path):
    """Where episodes end with a rollout, if at all: A2C's go on over an episode's end."""
    ends = {}
    for execution in (SHARED, {"kind": "asynchronous", "statistics": "own"}, None):
        chosen = {"execution": execution} if execution else {"execution": {"kind": "synchronous"}}
        folder = tmp_path / str(len(ends))
        run = trained(a3c(num_actors=1, **chosen, **changes), env, folder, steps=60)
        ends[len(ends)] = run._kept["model"].state_dict(), lines(folder, 0, "episode")
    for other in (ends[1], ends[2]):
        for name, value in ends[0][0].items():
            assert torch.equal(value, other[0][name]), name
        assert ends[0][1] == other[1]


def test_rollouts_end_with_the_episode(tmp_path):
    """Algorithm S3: two steps of Discount's episode, although five were allowed."""
    run = make_run(a3c(num_actors=1), "ProbeDiscount-v0", tmp_path, seeds=[0])
    actor = ActorRun(run, 0, Board(1, 1))
    envs = actor.make_envs(1)
    model = a3c_2016.make_networks(actor, envs)
    optimizer = run.hparams.rmsprop.make(a3c_2016.FlatParameters(model))
    learner = a3c_2016.ActorLearner(actor, envs, model, optimizer)
    for _ in range(3):
        rollout = learner.collector.collect(learner.model)
        assert rollout.reward.tolist() == [[[0.0, 1.0]]]
        assert rollout.terminated.tolist() == [[[False, True]]]
        assert rollout.seen.shape == (1, 1, 3, 1)
    assert actor.steps_done == 6


def test_what_was_seen_is_carried_over_an_update(tmp_path):
    """Rollouts of two steps in episodes of three: the second goes on, the third begins anew."""
    hp = a3c(num_actors=1, memory=CELLS, horizon=2)
    run = make_run(hp, "ProbeMemory-v0", tmp_path, seeds=[0])
    actor = ActorRun(run, 0, Board(1, 1))
    envs = actor.make_envs(1)
    model = a3c_2016.make_networks(actor, envs)
    optimizer = run.hparams.rmsprop.make(a3c_2016.FlatParameters(model))
    learner = a3c_2016.ActorLearner(actor, envs, model, optimizer)
    seen, collect = [], learner.collector.collect
    learner.collector.collect = lambda policy: seen.append(collect(policy)) or seen[-1]
    forward, learnt = learner.model.forward, []
    learner.model.forward = lambda o, past: learnt.append((len(seen), past)) or forward(o, past)
    for _ in range(3):
        learner.update()
    learnt = [(number, past) for number, past in learnt if number and past.begins.shape[2] > 1]
    assert len(learnt) == 6  # values, and what is learnt from
    assert all(past is seen[number - 1].past for number, past in learnt)
    begins = [rollout.past.begins[0, 0].int().tolist() for rollout in seen]
    assert begins == [[1, 0, 0], [0, 1], [1, 0, 0]]
    assert (seen[0].past.state == 0).all()
    assert (seen[1].past.state != 0).all()


def slow_update(model, g, observations, actions, rewards, last_value, hp, step_size):
    """Algorithm S3's inner loop, backwards and one step at a time; then section 7's RMSProp.

    Changes the model and g, a mapping from names to mean squares.
    """
    gradient = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    total = last_value
    for observation, action, reward in reversed(
        list(zip(observations, actions, rewards, strict=True))
    ):
        total = reward + hp.gamma * total
        policy, value = model(observation.reshape(1, 1, -1))
        log_prob = policy.log_prob(action.reshape(1, 1))[0, 0]
        advantage = total - value[0, 0].item()
        gain = log_prob * advantage + hp.entropy_coefficient * policy.entropy()[0, 0]
        loss = hp.value_coefficient * (total - value[0, 0]) ** 2 - gain
        for name, p in model.named_parameters():
            (one,) = torch.autograd.grad(loss, p, retain_graph=True, allow_unused=True)
            if one is not None:
                gradient[name] += one
    with torch.no_grad():
        for name, p in model.named_parameters():
            g[name] = hp.rmsprop.decay * g[name] + (1 - hp.rmsprop.decay) * gradient[name] ** 2
            p -= step_size * gradient[name] / (g[name] + hp.rmsprop.epsilon).sqrt()


def test_updates_against_the_algorithm_written_out(tmp_path):
    """Three updates of θ by one actor-learner, against algorithm S3 and Shared RMSProp by hand."""
    rmsprop = SETTINGS["rmsprop"] | {"epsilon": 0.1, "initial_square": 0.0}
    hp = a3c(num_actors=1, rmsprop=rmsprop, entropy_coefficient=0.01, value_coefficient=1.0,
             over_steps="sum", schedule_steps=20, gamma=0.9)  # fmt: skip
    run = make_run(hp, "ProbeDiscount-v0", tmp_path, seeds=[0])
    actor = ActorRun(run, 0, Board(1, 1))
    envs = actor.make_envs(1)
    model = a3c_2016.make_networks(actor, envs)
    oracle = copy.deepcopy(model)
    optimizer = hp.rmsprop.make(a3c_2016.FlatParameters(model))
    learner = a3c_2016.ActorLearner(actor, envs, model, optimizer)
    seen = []
    collect = learner.collector.collect
    learner.collector.collect = lambda policy: seen.append(collect(policy)) or seen[-1]
    g = {name: torch.zeros_like(p) for name, p in oracle.named_parameters()}
    for k in range(3):
        learner.update()
        rollout = seen[-1]
        slow_update(
            oracle, g, torch.from_numpy(rollout.seen[0, 0, :-1]),
            torch.from_numpy(rollout.action[0, 0]), rollout.reward[0, 0].tolist(),
            0.0, hp, 0.02 * (1 - 2 * k / 20),
        )  # fmt: skip
        for (name, ours), (_, theirs) in zip(
            model.named_parameters(), oracle.named_parameters(), strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)


# Two that race: shared parameters and statistics, exact counters, and what they learn.


def test_both_actor_learners_move_the_same_parameters(tmp_path):
    run = trained(a3c(rmsprop=FLAT), "ProbeBoth-v0", tmp_path, steps=200)
    optimizer, actors = run._kept["optimizer"], run._kept["actors"]
    assert optimizer.parameters.data.is_shared()
    assert optimizer.square.is_shared()
    assert (optimizer.square > 0).any()
    assert (actors.board.steps > 0).all()


def test_steps_and_episodes_are_counted_exactly(tmp_path):
    """Every step belongs to an episode of one step, whoever took it."""
    run = trained(a3c(num_actors=3), "ProbeBoth-v0", tmp_path, steps=180)
    episodes = lines(tmp_path, 0, "episode")
    steps = [line["step"] for line in episodes]
    assert len(episodes) == run.steps_done[0] == run._kept["actors"].board.steps.sum()
    assert steps == sorted(steps)
    assert 180 <= run.steps_done[0] < 180 + 3 * SETTINGS["horizon"]
    assert steps[-1] == run.steps_done[0]
    assert outcome(tmp_path)["0"] == {"status": "finished", "steps": steps[-1], "diagnosis": None}
    logged = lines(tmp_path, 0, "train")
    assert [line["step"] // 50 for line in logged[:-1]] == list(range(1, len(logged)))
    assert {"policy_loss", "value_loss", "grad_norm", "entropy", "value"} <= set(logged[0])


def test_actor_learners_see_states_of_their_own(tmp_path):
    run = make_run(a3c(), "CartPole", tmp_path, seeds=[0])
    board = Board(2, 1)
    runs = [ActorRun(run, number, board) for number in range(2)]
    first, second = (each.make_envs(1).observation for each in runs)
    assert not np.array_equal(first, second)
    draws = [each.rng("action").uniform(3) for each in runs]
    assert not torch.equal(*draws)


@pytest.mark.parametrize("statistics", ["shared", "own"])
def test_two_learn_what_depends_on_the_observation(statistics, tmp_path):
    hp = a3c(execution={"kind": "asynchronous", "statistics": statistics})
    run = trained(hp, "ProbeBoth-v0", tmp_path)
    assert statuses(tmp_path) == {"finished"}
    assert (policy_at(run, 1.0).log_probs[:, 0, 1].exp() > 0.9).all()
    assert (policy_at(run, -1.0).log_probs[:, 0, 0].exp() > 0.9).all()


def test_two_learn_discounted_values(tmp_path):
    run = trained(a3c(), "ProbeDiscount-v0", tmp_path)
    close(value_at(run, 0.0), 0.5, within=0.15)
    close(value_at(run, 1.0), 1.0, within=0.15)


def test_two_learn_real_valued_actions(tmp_path):
    run = trained(a3c(), "ProbeBothBox-v0", tmp_path)
    close(policy_at(run, 1.0).mean[:, 0, 0], probes.BEST, within=0.2)
    close(policy_at(run, -1.0).mean[:, 0, 0], -probes.BEST, within=0.2)


@pytest.mark.slow
def test_the_set_for_continuous_control_learns_what_only_a_memory_tells(tmp_path):
    """ReLU units, LSTM cells, softplus variance and an episode an update, all made small."""
    changes = {
        "num_actors": 2, "network.hidden": [16], "memory.cells": 8, "horizon": 5, "gamma": 0.9,
        "step_size.start": 0.01, "rmsprop.epsilon": 1e-3, "schedule_steps": 3000,
    }  # fmt: skip
    found = resolve("a3c-2016", "ProbeMemoryBox-v0", "mujoco", overrides=changes, steps=3000)
    hp = msgspec.convert(found.hparams, a3c_2016.HParams)
    model = trained(hp, found.env, tmp_path, steps=3000)._kept["model"]
    for cue in (1.0, -1.0):
        memory = model.memory(1)
        for seen in (cue, 0.0, 0.0):
            with torch.no_grad():
                policy = model.act(torch.full((1, 1, 1), seen), memory)
            memory.begins = torch.zeros(1, 1, dtype=torch.bool)
        close(policy.mean[:, 0, 0], cue * probes.BEST, within=0.25)
        assert policy.log_std.exp().max() < 0.5  # softplus of 0 is 0.83 as a deviation


def test_evaluations_fall_between_rounds(tmp_path):
    protocol = Protocol(period=100, episodes=2, deterministic=True)
    trained(a3c(), "ProbeBoth-v0", tmp_path, steps=220, evaluation=protocol)
    steps = [line["step"] for line in lines(tmp_path, 0, "evaluation")]
    assert [step // 50 for step in steps] == [1, 2, 4]


# Interruption: nothing is lost, no process is left behind.


class StopsAt(Run):
    """Asked to stop in its second round, as a signal would."""

    def record_episode(self, *args):
        super().record_episode(*args)
        if self._iteration == 1:
            self.stop.set()


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    with pytest.raises(Stopped):
        trained(a3c(memory=CELLS), "CartPole", tmp_path, kind=StopsAt, steps=400)
    assert not descendants()
    state = kept(tmp_path)
    done, actors = state["steps_done"][0], state["kept"]["actors"]
    assert 100 <= done < 400
    assert actors["steps"].sum() == done
    assert all(
        (its["learner"]["collector"]["memory"]["state"] != 0).any() for its in actors["learners"]
    )
    logged = (tmp_path / "seed-0.jsonl").read_text()

    begun = []

    class Looks(Run):
        def iterations(self):
            begun.append({n: p.clone() for n, p in self._kept["model"].named_parameters()})
            begun.append(self._kept["optimizer"].square.clone())
            self._kept["actors"]._start()
            begun.append(self._kept["actors"].state_dict())
            yield from super().iterations()

    run = trained(a3c(memory=CELLS), "CartPole", tmp_path, kind=Looks, steps=400)
    parameters, square, restored = begun
    for name, value in parameters.items():
        assert torch.equal(value, state["kept"]["model"][name])
    assert torch.equal(square, state["kept"]["optimizer"]["square"])
    assert_same(restored, actors)
    assert (tmp_path / "seed-0.jsonl").read_text().startswith(logged)
    ended = sum(episode["length"] for episode in lines(tmp_path, 0, "episode"))
    assert ended + sum(map(running, kept(tmp_path)["kept"]["actors"]["learners"])) == run.steps_done


def running(learner) -> int:
    """Steps of the episode that a kept actor-learner is in."""
    (envs,) = learner["run"]["envs"].values()
    return int((envs["arrays"]["episode_length"] * ~envs["arrays"]["ended"]).sum())


def test_a_killed_actor_learner_is_said(tmp_path):
    run = make_run(a3c(), "CartPole", tmp_path, seeds=[0], steps=10**6)

    def kill():
        while len(descendants()) < 2:
            time.sleep(0.01)
        os.kill(max(descendants()), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(ReproError, match=r"actor-learner \d of 2 was killed .* checkpoint is kept"):
        a3c_2016.train(run)
    assert not descendants()


def test_no_actor_learner_outlives_its_parent(tmp_path):
    parent = os.fork()
    if parent == 0:  # as the launcher's worker would
        trained(a3c(), "CartPole", tmp_path, steps=10**9)
        os._exit(1)
    while len(actors := descendants(parent)) < 2:
        time.sleep(0.01)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{actor}") for actor in actors):
        assert time.monotonic() < deadline, "orphans"
        time.sleep(0.05)


class Breaks(a3c_2016.ActorLearner):
    def update(self):
        super().update()
        if self.run.number == 1 and self.run.steps_done[0] > 20:
            raise ValueError("planted failure\nwith a second line")


class Poisons(a3c_2016.ActorLearner):
    def update(self):
        super().update()
        if self.run.number == 1 and self.run.steps_done[0] > 20:
            self.optimizer.parameters.data.fill_(float("nan"))


def test_a_failing_actor_learner_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(a3c_2016, "ActorLearner", Breaks)
    with pytest.raises(RuntimeError, match="actor-learner 1: ValueError: planted failure") as found:
        trained(a3c(), "CartPole", tmp_path)
    assert 'raise ValueError("planted' in str(found.value)  # where it happened
    assert not descendants()


@pytest.mark.parametrize("env", ["ProbeBoth-v0", "ProbeBothBox-v0"])
def test_parameters_that_are_no_number_end_the_seed(env, tmp_path, monkeypatch):
    monkeypatch.setattr(a3c_2016, "ActorLearner", Poisons)
    trained(a3c(), env, tmp_path)
    found = outcome(tmp_path)["0"]
    assert found["status"] == "diverged"
    assert "not finite at step" in found["diagnosis"]
    assert found["steps"] <= 50 + 2 * SETTINGS["horizon"]
    assert len(lines(tmp_path, 0, "diverged")) == 1


def test_running_statistics_are_refused():
    normal = {"kind": "return-std", "clip": 10.0, "epsilon": 1e-8, "prior_count": 1e-4,
              "reset": "episode"}  # fmt: skip
    with pytest.raises(msgspec.ValidationError, match="share no running statistics"):
        a3c(reward_normalization=normal)


def test_a_gpu_is_refused(tmp_path):
    run = make_run(a3c(), "CartPole", tmp_path, seeds=[0], device="meta")
    with pytest.raises(ReproError, match="expected --device cpu"):
        processes.ActorLearners(run, 2, lambda its: its, [])


# What the launcher makes of the declaration.


def test_a_seed_takes_a_process_for_each_of_its_actors():
    asynchronous = resolve("a3c-2016", "CartPole", hparams="classic-asynchronous", steps=1)
    synchronous = resolve("a3c-2016", "CartPole", hparams="classic", steps=1)
    many = resolve("a3c-2016", "CartPole", hparams="classic-asynchronous", steps=1,
                   overrides={"num_actors": 16})  # fmt: skip
    found = [origin.stacks_at_once(e, workers=4) for e in (asynchronous, synchronous, many)]
    assert found == [2, 4, 1]
    assert [origin.stack_limit(e) for e in (asynchronous, synchronous)] == [1, None]
    assert origin.declared(synchronous.paper, synchronous.hparams, "not_deterministic") is None


@pytest.mark.slow
def test_a_killed_and_an_interrupted_run_go_on(tmp_path):
    """kill -9 of a worker, then Ctrl-C, then to the end: no process is left, no step is lost."""
    experiment = resolve("a3c-2016", "CartPole", hparams="classic-asynchronous", steps=6000)
    command = Command(tmp_path, experiment, [0, 1])
    with command.started() as process:
        actors = wait_for(lambda: two_actors(process.pid))
        wait_for(lambda: list(tmp_path.rglob("checkpoint.previous.pt")))
        (worker,) = worker_pids(process.pid)
        kill(worker)
        wait_for(lambda: all(map(gone, actors)))
        _, said = process.communicate(timeout=300)
        assert process.returncode == 3
    assert "do not repeat bit for bit" in said
    assert "the worker of seeds 0 was killed" in said
    with command.started() as process:
        actors = wait_for(lambda: two_actors(process.pid))
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 130
    assert all(map(gone, actors))
    assert command.run()[0] == 0
    for seed in (0, 1):
        (log,) = tmp_path.rglob(f"seed-{seed}.jsonl")
        outcome = msgspec.json.decode((log.parent / "outcome.json").read_bytes())
        assert outcome["seeds"][str(seed)]["status"] == "finished"
        episodes = lines(log.parent, seed, "episode")
        steps = [episode["step"] for episode in episodes]
        assert steps == sorted(steps)
        ended = sum(episode["length"] for episode in episodes)
        state = kept(log.parent)
        left = sum(map(running, state["kept"]["actors"]["learners"]))
        assert ended + left == state["steps_done"][0] >= 6000


def two_actors(launcher: int) -> list[int]:
    """Both actor-learners of the running worker, as soon as there are two."""
    actors = [actor for worker in worker_pids(launcher) for actor in descendants(worker)]
    return actors if len(actors) == 2 else []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["atari", "atari-lstm"])
def test_the_papers_own_sets_play_atari(name, tmp_path):
    """Sixteen actor-learners on Pong, each its own game; lost points are no ends."""
    found = resolve("a3c-2016", "Pong", hparams=name, steps=1)
    hp = msgspec.convert(found.hparams, a3c_2016.HParams)
    assert hp.num_actors == 16
    run = make_run(hp, found.env, tmp_path, seeds=[0], steps=320)
    a3c_2016.train(run)
    assert statuses(tmp_path) == {"finished"}
    assert run._kept["actors"].board.steps.sum() == run.steps_done[0] >= 320
