"""Checkpoints survive damage and kills; logs are cut back to them."""

from __future__ import annotations

import errno
import json
import os

import pytest
import torch

from repro.training import checkpoint
from repro.training.log import SeedLog


def state(number):
    return {"number": number, "tensor": torch.full((3,), float(number)), "nested": {"a": [1, None]}}


@pytest.fixture
def two(tmp_path):
    """A folder with a checkpoint and the one before it."""
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    return tmp_path


def test_nothing_there_is_no_warning(tmp_path):
    assert checkpoint.load(tmp_path) == (None, None)


def test_round_trip(two):
    loaded, warning = checkpoint.load(two)
    assert warning is None
    assert loaded["number"] == 2
    assert loaded["nested"] == {"a": [1, None]}
    assert torch.equal(loaded["tensor"], torch.full((3,), 2.0))


def truncate(content):
    return content[: len(content) // 2]


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def flip_digest(content):
    return content[:-1] + bytes([content[-1] ^ 1])


DAMAGE = {
    "empty": lambda content: b"",
    "truncated": truncate,
    "one byte short": lambda content: content[:-1],
    "flipped bit": flip,
    "flipped digest": flip_digest,
    "foreign": lambda content: b"PK\x03\x04 not ours" * 100,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_checkpoint_is_passed_over_for_the_one_before(two, damage):
    path = two / checkpoint.NAME
    path.write_bytes(damage(path.read_bytes()))
    loaded, warning = checkpoint.load(two)
    assert loaded["number"] == 1
    assert "checkpoint.pt is damaged" in warning
    assert "\n" not in warning


def test_both_damaged_starts_anew_and_says_so(two):
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (two / name).write_bytes(b"")
    loaded, warning = checkpoint.load(two)
    assert loaded is None
    assert "training starts anew" in warning


def test_foreign_schema_is_refused(two, monkeypatch):
    monkeypatch.setattr(checkpoint, "SCHEMA_VERSION", 99)
    checkpoint.save(two, state(3))
    monkeypatch.undo()
    loaded, warning = checkpoint.load(two)
    assert loaded["number"] == 2
    assert "schema_version 99" in warning


@pytest.mark.parametrize("at", [0, 1, 2])
def test_kill_around_the_renames_leaves_a_good_checkpoint(two, monkeypatch, at):
    """Killed before the first, between the two, after the second: 2, 2, 3."""
    renamed, calls = os.replace, []

    def replace(source, target):
        if len(calls) == at:
            raise KeyboardInterrupt
        calls.append(target)
        renamed(source, target)
        if at == len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(two, state(3))
    monkeypatch.undo()
    loaded, _ = checkpoint.load(two)
    assert loaded["number"] == (3 if at == 2 else 2)
    checkpoint.save(two, state(4))
    assert checkpoint.load(two)[0]["number"] == 4


def test_full_disk_leaves_the_old_ones_and_no_leftover(two, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(two, state(3))
    monkeypatch.undo()
    assert checkpoint.load(two)[0]["number"] == 2
    assert sorted(p.name for p in two.iterdir()) == [checkpoint.PREVIOUS, checkpoint.NAME]


def test_objects_are_refused(tmp_path):
    """Only tensors and plain types come back: a checkpoint runs no code."""
    checkpoint.save(tmp_path, {"path": tmp_path})
    loaded, warning = checkpoint.load(tmp_path)
    assert loaded is None
    assert "damaged" in warning


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_log_begins_with_its_header_and_waits_for_flush(tmp_path):
    log = SeedLog(tmp_path, 4)
    log.start()
    log.write({"kind": "train", "step": 1})
    assert lines(log.path) == []
    size = log.flush()
    assert lines(log.path) == [{"schema_version": 1, "seed": 4}, {"kind": "train", "step": 1}]
    assert size == log.path.stat().st_size


def test_log_is_cut_back_when_a_run_resumes(tmp_path):
    first = SeedLog(tmp_path, 4)
    first.start()
    first.write({"step": 1})
    size = first.flush(sync=True)
    first.write({"step": 2})
    first.flush()
    resumed = SeedLog(tmp_path, 4)
    resumed.start(size)
    resumed.write({"step": 3})
    resumed.flush()
    assert [line.get("step") for line in lines(first.path)] == [None, 1, 3]


def test_log_begun_anew_forgets_what_was_there(tmp_path):
    for step in (1, 2):
        log = SeedLog(tmp_path, 4)
        log.start()
        log.write({"step": step})
        log.flush()
    assert [line.get("step") for line in lines(log.path)] == [None, 2]


def test_half_written_lines_are_written_whole_the_next_time(tmp_path):
    log = SeedLog(tmp_path, 4)
    log.start()
    log.flush()
    with log.path.open("ab") as file:
        file.write(b'{"step": ')
    log.write({"step": 1})
    log.flush()
    assert [line.get("step") for line in lines(log.path)] == [None, 1]
