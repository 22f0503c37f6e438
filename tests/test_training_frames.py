"""Replay of images against one that stores every stack: what is drawn, what never is, its files."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runner_tools import assert_same

from repro.errors import ReproError
from repro.training.frames import FrameReplay
from repro.training.rng import Streams

FRAME, STACK, GAMMA = (2, 3), 4, 0.5


def make(folder, seeds=(0,), capacity=12, n_steps=1, segment_rows=5):
    return FrameReplay(
        folder / "replay", list(seeds), capacity, n_steps, GAMMA, FRAME, STACK,
        segment_rows=segment_rows,
    )  # fmt: skip


class Play:
    """Episodes of one seed, told by their lengths and whether they end or are cut; images are
    numbered. Keeps what a replay of whole stacks would hold: the oracle."""

    def __init__(self, episodes, offset=0):
        self.steps, self.rows = [], []  # transitions as given; per image kept, its transition
        image = offset
        for length, cut in episodes:
            stack = np.zeros((STACK, *FRAME), np.uint8)
            for t in range(length + 1):
                image += 1
                before = stack
                stack = np.concatenate([stack[1:], np.full((1, *FRAME), image % 256, np.uint8)])
                if t == 0:
                    self.rows.append(None)
                    continue
                self.rows.append(len(self.steps))
                ended = t == length
                self.steps.append(
                    {
                        "observation": before,
                        "action": image % 7,
                        "reward": float(image % 11),
                        "next_observation": stack,
                        "terminal": ended and not cut,
                        "begins": t == 1,
                        "ended": ended,
                    }
                )

    def expected(self, images, capacity, n_steps):
        """Every transition that may be drawn once `images` are in: [(observation, …), …]."""
        oldest = max(images - capacity, 0)
        lowest = 1 if oldest == 0 else oldest + STACK
        rows = self.rows[lowest : images - n_steps + 1]
        return [self.n_step(i, n_steps) for i in rows if i is not None]

    def n_step(self, i, n_steps):
        reward, steps = 0.0, 0
        for step in self.steps[i : i + n_steps]:
            reward += GAMMA**steps * step["reward"]
            steps += 1
            if step["ended"]:
                break
        first, last = self.steps[i], self.steps[i + steps - 1]
        return key(
            first["observation"], first["action"], reward, last["next_observation"],
            last["terminal"], steps,
        )  # fmt: skip


def key(observation, action, reward, next_observation, terminal, steps):
    return (
        bytes(np.asarray(observation)), int(action), float(reward),
        bytes(np.asarray(next_observation)), bool(terminal), int(steps),
    )  # fmt: skip


def add(replay, steps, where=None):
    """One transition a seed."""
    names = ("observation", "action", "reward", "next_observation", "terminal", "begins")
    replay.add(*(np.stack([step[name] for step in steps])[:, None] for name in names), where)


def drawn(replay, batch=600, seeds=(0,)):
    """Per seed, every transition drawn."""
    found = replay.sample(Streams(list(seeds), "draw"), batch)
    by_seed = zip(*found, strict=True)
    return [[key(*parts) for parts in zip(*of_seed, strict=True)] for of_seed in by_seed]


EPISODES = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(episodes=EPISODES, capacity=st.integers(8, 30), n_steps=st.integers(1, 3), data=st.data())
def test_draws_what_a_replay_of_whole_stacks_would(
    tmp_path_factory, episodes, capacity, n_steps, data
):
    play = Play(episodes)
    replay = make(tmp_path_factory.mktemp("replay"), capacity=capacity, n_steps=n_steps)
    number = data.draw(st.integers(1, len(play.steps)))
    for step in play.steps[:number]:
        add(replay, [step])
    images = play.rows.index(number - 1) + 1
    expected = play.expected(images, capacity, n_steps)
    if expected:
        assert set(drawn(replay)[0]) == set(expected)
    else:
        assert replay.size.tolist() == [0]


def test_every_transition_is_equally_likely(tmp_path):
    play = Play([(3, False), (2, True), (4, False)])
    replay = make(tmp_path)
    for step in play.steps:
        add(replay, [step])
    counts = np.array(list(Counter(drawn(replay, 4000)[0]).values()))
    expected = 4000 / len(counts)
    assert len(counts) == len(play.expected(12, 12, 1)) == 9
    # χ² with 8 degrees of freedom is above 32 once in ten thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 32


def test_a_cut_episode_keeps_its_last_image(tmp_path):
    play = Play([(2, True), (2, False)])
    replay = make(tmp_path, n_steps=3)
    for step in play.steps:
        add(replay, [step])
    last = next(k for k in drawn(replay)[0] if k[1] == 3)  # the action that the cut followed
    assert last[3] == bytes(play.steps[1]["next_observation"])
    assert last[4:] == (False, 1)


def test_seeds_are_apart(tmp_path):
    plays = [Play([(4, False), (6, False)]), Play([(7, True), (3, False)], offset=100)]
    both = make(tmp_path / "both", seeds=(0, 5))
    alone = make(tmp_path / "alone", seeds=(5,))
    for number in range(10):
        where = np.array([number % 3 > 0, True])
        add(both, [play.steps[number] for play in plays], where)
        add(alone, [plays[1].steps[number]])
    streams, single = Streams([0, 5], "draw"), Streams([5], "draw")
    both.sample(streams, 40, np.array([True, False]))  # a seed that rests draws nothing
    for ours, theirs in zip(both.sample(streams, 40), alone.sample(single, 40), strict=True):
        assert torch.equal(ours[1], theirs[0])


def test_a_batch_has_the_types_that_networks_take(tmp_path):
    replay = make(tmp_path)
    for step in Play([(6, False)]).steps:
        add(replay, [step])
    batch = replay.sample(Streams([0], "draw"), 5)
    assert batch.observation.shape == batch.next_observation.shape == (1, 5, STACK, *FRAME)
    assert batch.observation.dtype == batch.next_observation.dtype == torch.uint8
    assert batch.action.dtype == torch.int64
    for number in (batch.reward, batch.terminal, batch.steps):
        assert number.dtype == torch.float32
        assert number.shape == batch.action.shape == (1, 5)


def everything(replay):
    return list(replay.sample(Streams([0, 1], "all"), 100)), replay.size.tolist()


@pytest.mark.parametrize("total", [2, 5, 11, 12, 13, 40])
def test_restored_from_a_checkpoint_it_goes_on_as_if_undisturbed(tmp_path, total):
    episodes = [(3, False), (5, True), (9, False), (1, False), (4, True)] * 6
    plays = [Play(episodes), Play(episodes[::-1], offset=50)]
    undisturbed, killed = (make(tmp_path / name, (0, 1), n_steps=2) for name in "ab")
    number = 0
    for number in range(total):
        for replay in (undisturbed, killed):
            if number == 4:
                replay.state_dict()
            add(replay, [play.steps[number] for play in plays], np.array([True, number % 4 < 3]))
    state = killed.state_dict()
    assert_same(state, undisturbed.state_dict())
    for lost in range(5):  # with the killed worker, but in its files
        add(killed, [play.steps[lost] for play in plays])
    killed.state_dict()
    resumed = make(tmp_path / "b", (0, 1), n_steps=2)
    resumed.load_state_dict(state)
    assert_same(everything(resumed), everything(undisturbed))
    for later in range(number + 1, number + 31):
        for replay in (undisturbed, resumed):
            add(replay, [play.steps[later] for play in plays])
    assert_same(everything(resumed), everything(undisturbed))
    assert_same(resumed.state_dict(), undisturbed.state_dict())


def test_a_damaged_file_is_noticed(tmp_path):
    replay = make(tmp_path)
    for step in Play([(8, False)]).steps:
        add(replay, [step])
    state = replay.state_dict()
    path = tmp_path / "replay" / "seed-0-00001.rows"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReproError, match=path.name):
        make(tmp_path).load_state_dict(state)


def test_a_million_atari_images_take_little_more_than_their_bytes(tmp_path):
    replay = FrameReplay(tmp_path, [0], 100, 1, 0.99)
    each = replay._rows.content.nbytes / 100
    assert 84 * 84 <= each <= 84 * 84 + 8
    assert each * 1e6 < 8e9
