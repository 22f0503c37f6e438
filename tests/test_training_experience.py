"""Who acts and who learns when: updates after each step or after each episode."""

from __future__ import annotations

import numpy as np
import probes  # noqa: F401 - registers its environments
import pytest
import torch
from training_tools import lines, make_run

from repro.training.evaluate import Protocol
from repro.training.experience import (
    TICKS,
    AfterEpisode,
    EveryStep,
    Experience,
    Means,
    Periodic,
)
from repro.training.replay import Replay

LIMIT = 3  # of ProbeTurns: no episode ends otherwise


class Still:
    """Always the same action; remembers when it was asked."""

    def __init__(self, actions):
        self.actions, self.begins = actions, []

    def act(self, acting, begins):
        self.begins.append(begins[0])
        return self.actions

    def greedy(self, observation, begins):
        return self.actions.repeat(observation.shape[1], axis=1)


def make(folder, env, updates, steps=12, seeds=(0, 1), time_limit="bootstrap", starts=0, **options):
    run = make_run(None, env, folder, seeds, steps, **options)
    envs = run.make_envs(per_seed=1)
    replay = Replay(folder / "replay", run.seeds, 1000, envs.observation_shape, ())
    experience = Experience(run, envs, replay, updates, starts, time_limit)
    run.keep(replay=replay, experience=experience)
    return run, experience, Still(np.zeros((len(seeds), 1), np.int64))


def updates(run, experience, explorer):
    """(steps done, number of the update) at each update of seed 0."""
    found = []
    for _ in run.iterations():
        for learning in experience.updates(explorer):
            found += [(int(run.steps_done[0]), int(experience.number[0]))] * bool(learning[0])
    return found


def test_one_update_after_each_step(tmp_path):
    found = updates(*make(tmp_path, "ProbeTurns-v0", EveryStep()))
    assert found[:4] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_no_update_before_learning_starts(tmp_path):
    found = updates(*make(tmp_path, "ProbeTurns-v0", EveryStep(), starts=5))
    assert found[:2] == [(6, 1), (7, 2)]


def test_one_update_every_so_many_steps_once_learning_started(tmp_path):
    """Steps are counted from the run's beginning, as DQN's code counts them."""
    found = updates(*make(tmp_path, "ProbeTurns-v0", Periodic(period=4), steps=18, starts=4))
    assert found[:3] == [(8, 1), (12, 2), (16, 3)]


def test_as_many_updates_as_the_episode_had_steps(tmp_path):
    """Counted anew after each episode: TD3's first update of an episode moves its policy."""
    found = updates(*make(tmp_path, "ProbeTurns-v0", AfterEpisode()))
    assert found[:7] == [(3, 0), (3, 1), (3, 2), (6, 0), (6, 1), (6, 2), (9, 0)]


def test_episodes_that_began_before_learning_starts_count_whole(tmp_path):
    found = updates(*make(tmp_path, "ProbeTurns-v0", AfterEpisode(), starts=4))
    assert found[:4] == [(6, 0), (6, 1), (6, 2), (9, 0)]


def test_seeds_fall_out_of_step_and_each_keeps_its_own_count(tmp_path):
    """CartPole's episodes differ in length: each seed's updates equal its finished steps."""
    run, experience, explorer = make(tmp_path, "CartPole-v1", AfterEpisode(), steps=60)
    made = np.zeros(2, int)
    for _ in run.iterations():
        for learning in experience.updates(explorer):
            made += learning
    for s in (0, 1):
        finished = sum(line["length"] for line in lines(tmp_path, s, "episode"))
        assert made[s] + experience.owed[s] == finished
    lengths = [[line["length"] for line in lines(tmp_path, s, "episode")] for s in (0, 1)]
    assert lengths[0] != lengths[1]


def stored(experience):
    replay = experience.replay
    rows = replay._rows.content[0, : replay.size[0]]
    names = ("observation", "action", "reward", "after", "terminal")
    return {name: rows[:, i].tolist() for i, name in enumerate(names)}


@pytest.mark.parametrize(("time_limit", "last"), [("bootstrap", 0.0), ("terminal", 1.0)])
def test_what_is_stored_at_a_time_limit(time_limit, last, tmp_path):
    _, experience, explorer = make(tmp_path, "ProbeTurns-v0", EveryStep(), time_limit=time_limit)
    for _ in experience.updates(explorer):
        pass
    found = {name: values[: LIMIT + 1] for name, values in stored(experience).items()}
    assert found["observation"] == [1.0, -1.0, 1.0, 1.0]
    assert found["after"] == [-1.0, 1.0, -1.0, -1.0]  # where the action led, not the reset
    assert found["reward"] == [1.0, 0.0, 1.0, 1.0]
    assert found["terminal"] == [0.0, 0.0, last, 0.0]


@pytest.mark.parametrize("time_limit", ["bootstrap", "terminal"])
def test_a_terminal_state_is_one_whatever_the_time_limit(time_limit, tmp_path):
    _, experience, explorer = make(tmp_path, "ProbeDiscount-v0", EveryStep(), time_limit=time_limit)
    for _ in experience.updates(explorer):
        pass
    found = stored(experience)
    assert found["terminal"][:4] == [0.0, 1.0, 0.0, 1.0]
    assert found["observation"][:4] == [0.0, 1.0, 0.0, 1.0]


def test_the_explorer_hears_where_episodes_begin(tmp_path):
    _, experience, explorer = make(tmp_path, "ProbeTurns-v0", EveryStep())
    for _ in experience.updates(explorer):
        pass
    assert len(explorer.begins) == TICKS
    assert explorer.begins[:7] == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("kind", [EveryStep(), AfterEpisode()])
def test_evaluations_come_at_their_steps_before_training_and_at_the_end(kind, tmp_path):
    protocol = Protocol(period=6, episodes=1, deterministic=True)
    run, experience, explorer = make(tmp_path, "ProbeTurns-v0", kind, steps=18, evaluation=protocol)
    owed = {}
    for _ in run.iterations():
        for _ in experience.updates(explorer):
            owed[int(run.steps_done[0])] = int(experience.owed[0])
    steps = [line["step"] for line in lines(tmp_path, 0, "evaluation")]
    assert steps[:4] == [0, 6, 12, 18]
    assert owed[6] == owed[12] == 0  # after the updates that belong to these steps


def test_a_diverged_seed_neither_acts_nor_learns(tmp_path):
    run, experience, explorer = make(tmp_path, "ProbeTurns-v0", EveryStep())
    run.diverged(np.array([False, True]), "planted")
    learnt = [learning.tolist() for learning in experience.updates(explorer)]
    assert learnt == [[True, False]] * TICKS
    assert experience.replay.size.tolist() == [TICKS, 0]


def test_means_are_over_each_seeds_own_updates(tmp_path):
    run, *_ = make(tmp_path, "ProbeTurns-v0", EveryStep())
    means = Means(run)
    means.add(None, loss=torch.tensor([1.0, 5.0]))
    means.add(torch.tensor([True, False]), loss=torch.tensor([3.0, float("nan")]))
    means.add(torch.tensor([True, False]), late=torch.tensor([8.0, 1.0]))
    means.log()
    for log in run._logs:
        log.flush()
    (first,), (second,) = (lines(tmp_path, s, "train") for s in (0, 1))
    assert (first["loss"], first["late"]) == (2.0, 8.0)
    assert (second["loss"], second["late"]) == (5.0, 0.0)
    assert run.active.all()


def test_nothing_is_logged_without_updates(tmp_path):
    run, *_ = make(tmp_path, "ProbeTurns-v0", EveryStep())
    Means(run).log()
    for log in run._logs:
        log.flush()
    assert lines(tmp_path, 0, "train") == []
