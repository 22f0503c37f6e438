"""Uniform replay: what is sampled, what is overwritten, and its files beside a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runner_tools import assert_same

from repro.errors import ReproError
from repro.training.replay import Replay
from repro.training.rng import Streams
from repro.training.segments import Segments

CAPACITY, SEGMENT = 8, 3


def make(folder, seeds=(0, 1), capacity=CAPACITY):
    return Replay(folder / "replay", list(seeds), capacity, (2,), (1,), segment_rows=SEGMENT)


def add(replay, number, where=None, seeds=2):
    """Transition `number` of each seed: everything in it can be told from the number."""
    s = np.arange(seeds, dtype=np.float64) * 1000
    value = s + number
    replay.add(
        np.stack([value, -value], axis=1)[:, None],  # as environments give it, [S, 1, 2]
        value[:, None, None] + 0.25,
        value + 0.5,
        np.stack([value + 1, -value - 1], axis=1),
        np.full(seeds, number % 2 == 1),
        where,
    )


def numbers(replay, batch=4000, where=None, seeds=(0, 1)):
    """Which transitions are drawn, [S, batch]."""
    drawn = replay.sample(Streams(list(seeds), "minibatch"), batch, where)
    return drawn.observation[..., 0].numpy()


def test_a_transition_stays_together(tmp_path):
    replay = make(tmp_path)
    for number in range(5):
        add(replay, number)
    batch = replay.sample(Streams([0, 1], "minibatch"), 64)
    value = batch.observation[..., 0]
    assert batch.observation.shape == (2, 64, 2)
    assert torch.equal(batch.observation[..., 1], -value)
    assert torch.equal(batch.action[..., 0], value + 0.25)
    assert torch.equal(batch.reward, value + 0.5)
    assert torch.equal(batch.next_observation, torch.stack([value + 1, -value - 1], dim=-1))
    assert torch.equal(batch.terminal, value % 2)
    assert (value[0] < 5).all()
    assert (value[1] >= 1000).all()


def test_every_transition_is_equally_likely(tmp_path):
    replay = make(tmp_path)
    for number in range(5):
        add(replay, number)
    for s, drawn in enumerate(numbers(replay)):
        values, counts = np.unique(drawn, return_counts=True)
        assert values.tolist() == [1000 * s + n for n in range(5)]
        # χ² with 4 degrees of freedom is above 23.5 once in ten thousand.
        assert ((counts - 800) ** 2 / 800).sum() < 23.5


def test_the_oldest_makes_room(tmp_path):
    replay = make(tmp_path)
    for number in range(CAPACITY + 3):
        add(replay, number)
    assert replay.size.tolist() == [CAPACITY, CAPACITY]
    assert set(numbers(replay)[0]) == set(range(3, CAPACITY + 3))


def test_seeds_fill_unequally(tmp_path):
    replay = make(tmp_path)
    for number in range(6):
        add(replay, number, np.array([True, number % 3 == 0]))
    assert replay.size.tolist() == [6, 2]
    drawn = numbers(replay)
    assert set(drawn[0]) == set(range(6))
    assert set(drawn[1]) == {1000, 1003}


def test_a_seed_that_rests_draws_nothing(tmp_path):
    replay, streams, alone = make(tmp_path), Streams([0, 1], "draw"), Streams([1], "draw")
    single = make(tmp_path / "alone", seeds=(1,))
    for number in range(6):
        add(replay, number)
        add(single, number, seeds=1)
    replay.sample(streams, 4, np.array([True, False]))
    found = replay.sample(streams, 4).reward[1] - 1000
    assert torch.equal(found, single.sample(alone, 4).reward[0])


def everything(replay):
    return [replay.sample(Streams([0, 1], "all"), 200), replay.size.tolist()]


@pytest.mark.parametrize("total", [0, 2, SEGMENT, CAPACITY, CAPACITY + 1, 3 * CAPACITY])
@pytest.mark.parametrize("at", [0, 1, 7, 20])
def test_restored_from_a_checkpoint_it_goes_on_as_if_undisturbed(tmp_path, total, at):
    undisturbed, killed = make(tmp_path / "a"), make(tmp_path / "b")
    for number in range(total):
        if number == at:
            undisturbed.state_dict(), killed.state_dict()
        for replay in (undisturbed, killed):
            add(replay, number, np.array([True, number % 4 < 3]))
    state = killed.state_dict()
    assert_same(state, undisturbed.state_dict())
    for number in range(total, total + 5):  # lost with the killed worker, but in its files
        add(killed, -number)
    killed.state_dict()
    resumed = make(tmp_path / "b")
    resumed.load_state_dict(state)
    if undisturbed.size.min():
        assert_same(everything(resumed), everything(undisturbed))
    for number in range(total, total + 2 * CAPACITY):
        for replay in (undisturbed, resumed):
            add(replay, number)
    assert_same(everything(resumed), everything(undisturbed))
    assert_same(resumed.state_dict(), undisturbed.state_dict())


def test_the_checkpoint_before_the_last_can_be_resumed_too(tmp_path):
    replay = make(tmp_path)
    states, drawn = [], []
    for number in range(5 * CAPACITY):
        add(replay, number)
        if number % CAPACITY == 0:
            states.append(replay.state_dict())
            drawn.append(everything(replay))
    resumed = make(tmp_path)
    resumed.load_state_dict(states[-2])
    assert_same(everything(resumed), drawn[-2])


def files(folder):
    return sorted(path.name for path in (folder / "replay").iterdir())


def test_files_that_nobody_needs_are_deleted(tmp_path):
    replay = make(tmp_path, seeds=(0,))
    for number in range(5 * CAPACITY):
        add(replay, number, seeds=1)
        replay.state_dict()
    # Two checkpoints ago 38 rows were in, of which 30 and on count; files have three rows.
    assert files(tmp_path) == [f"seed-0-{n:05d}.rows" for n in (10, 11, 12, 13)]


def test_a_checkpoint_writes_only_what_is_new(tmp_path):
    replay = make(tmp_path, seeds=(0,))
    for number in range(4):
        add(replay, number, seeds=1)
    replay.state_dict()
    full, growing = (tmp_path / "replay" / f"seed-0-0000{n}.rows" for n in (0, 1))
    before = full.stat().st_mtime_ns, growing.read_bytes()
    add(replay, 4, seeds=1)
    replay.state_dict()
    assert full.stat().st_mtime_ns == before[0]
    assert growing.read_bytes()[: len(before[1])] == before[1]
    assert len(growing.read_bytes()) == 2 * len(before[1])


@pytest.mark.parametrize("harm", ["truncated", "altered", "missing"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_file_is_noticed(tmp_path, harm, number):
    replay = make(tmp_path)
    for n in range(5):
        add(replay, n)
    state = replay.state_dict()
    path = tmp_path / "replay" / f"seed-1-0000{number}.rows"
    content = bytearray(path.read_bytes())
    if harm == "missing":
        path.unlink()
    elif harm == "truncated":
        path.write_bytes(content[:-1])
    else:
        content[5] ^= 1
        path.write_bytes(content)
    with pytest.raises(ReproError, match=path.name):
        make(tmp_path).load_state_dict(state)


def test_state_holds_no_rows(tmp_path):
    """A million transitions must not be written again at every checkpoint."""
    replay = make(tmp_path, capacity=1000)
    for number in range(500):
        add(replay, number)
    small = sum(t.numel() * t.element_size() for t in replay.state_dict().values())
    assert small == 2 * 8 + 2 * 8 + 2 * 32 * -(-500 // SEGMENT)


def test_rows_beyond_a_segment_are_split(tmp_path):
    segments = Segments(tmp_path, "rows", 4, segment_rows=3)
    rows = np.arange(8, dtype=np.float32).reshape(8, 1)
    segments.append(rows[:1])
    segments.append(rows[1:])
    assert [segments.path(n).stat().st_size for n in range(3)] == [12, 12, 8]
    again = Segments(tmp_path, "rows", 4, segment_rows=3)
    found = list(again.restore(8, 4, segments.digests(4)))
    assert [number for number, _ in found] == [4, 6]
    read = np.concatenate([part for _, part in found])
    assert read.view(np.float32)[:, 0].tolist() == [4, 5, 6, 7]
