"""The suite of faults in small: a kill, and what it has mended. `tox -e slow` runs it whole."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random

import pytest
import torch

from benchmarks.faults import damage, finding, kills, record, report, scenarios
from benchmarks.faults.__main__ import main
from benchmarks.faults.subjects import PPO, SUBJECTS, Place, same, subjects
from repro import files, paths
from repro.errors import ReproError
from repro.experiment import implemented
from repro.launch import worker
from repro.launch.stacks import Stack
from repro.runs import RunFolder, run_path
from repro.training import checkpoint


def test_killed_at_a_random_moment_nothing_is_lost(tmp_path):
    subject = dataclasses.replace(PPO, seeds=(0,), steps=640)
    place = Place(tmp_path, paths.ROOT)
    trial = kills.run(place, subject, kills.LOCAL, random.Random(3), most=1)
    assert trial.lost == []
    assert len(trial.kills) == 1  # which may come when all is done: then nothing starts again
    assert trial.starts in (1, 2)
    assert not list(tmp_path.glob("killed*"))
    # It is not blind: a byte of a log is noticed.
    command = place.command(subject, "")
    (command.folder,) = tmp_path.glob("undisturbed*/*/*/*/*")
    assert same(command, place.undisturbed(subject)) == []
    log = command.folder / "stacks" / "0" / "seed-0.jsonl"
    log.write_bytes(log.read_bytes() + b"\n")
    assert "seed-0.jsonl" in same(command, place.undisturbed(subject))[0]


def test_every_implementation_is_struck():
    assert {subject.paper for subject in SUBJECTS} == set(implemented())
    for subject in SUBJECTS:
        assert subject.experiment.steps == subject.steps
        assert subject.experiment.overrides == subject.overrides


def test_the_next_one_is_struck_as_its_trial_says(tmp_path, monkeypatch):
    text = (paths.HPARAMS / "ars-2018.yaml").read_text(encoding="utf-8")
    text = text.replace("paper: ars-2018", "paper: next-2030")
    monkeypatch.setattr(paths, "HPARAMS", tmp_path)
    (tmp_path / "next-2030.yaml").write_text(text, encoding="utf-8")
    *others, last = subjects(["ppo-2017", "next-2030"])
    assert last.name not in {subject.name for subject in others}
    assert (last.name, last.env) == ("next-2030 mujoco", "Reacher")
    assert last.overrides["directions"] == 2
    assert last.steps == 2000  # ten iterations of four episodes of Reacher
    assert last.repeats
    silent = text[: text.index("trial:")] + text[text.index("missing:") :]
    (tmp_path / "next-2030.yaml").write_text(silent, encoding="utf-8")
    with pytest.raises(ReproError, match=r"hparams/next-2030.yaml has no trial with tasks"):
        subjects(["next-2030"])


def test_a_division_that_was_used_is_kept(tmp_path):
    """A seed in another stack has other bits: killed early, a stack waits with its seeds."""
    experiment = PPO.experiment
    folder = RunFolder(run_path(experiment, tmp_path))
    manifest = folder.open(experiment, [0, 1, 2], "cpu")
    folder.settle(manifest, [Stack((0, 1)), Stack((2,))])
    assert folder.unfinished(manifest["stacks"], [0, 1, 2]) == {}
    files.write_bytes(folder.stack_path("2") / "checkpoint.pt", b"state")
    assert folder.unfinished(manifest["stacks"], [0, 1, 2]) == {"2": [2], "0-1": [0, 1]}
    assert folder.unfinished(manifest["stacks"], [0, 2]) == {"2": [2]}
    outcome = {"2": {"status": "finished", "steps": 1280, "diagnosis": None}}
    files.write_json(
        folder.stack_path("2") / "outcome.json", {"schema_version": 1, "seeds": outcome}
    )
    assert folder.unfinished(manifest["stacks"], [0, 1, 2]) == {"0-1": [0, 1]}


def test_another_runs_checkpoint_is_passed_over(tmp_path):
    checkpoint.save(tmp_path, {"whose": "ours", "number": 1})
    checkpoint.save(tmp_path, {"whose": "theirs", "number": 2})
    state, warning = checkpoint.load(tmp_path, "ours")
    assert state is not None
    assert state["number"] == 1
    assert "checkpoint.pt is damaged (it is another run's)" in str(warning)
    assert checkpoint.load(tmp_path, "nobody's")[0] is None


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    mark = tmp_path / "code ran"
    path = tmp_path / checkpoint.NAME
    damage.DAMAGES["a pickle that runs code"](path, mark)
    content = path.read_bytes()
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]  # it is opened
    assert checkpoint.load(tmp_path)[0] is None
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # it would have


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_memory_that_ran_out_is_called_so(error, tmp_path):
    assert worker._diagnosis(error, tmp_path).startswith("out of memory (")


def test_from_the_record_to_the_page(tmp_path, capsys):
    rows, page = tmp_path / "faults.json", tmp_path / "faults.md"
    page.write_text(f"Before.\n{report.BEGIN}\nold\n{report.END}\nAfter.\n")
    trial = kills.Trial(PPO, kills.LOCAL, [{"victim": "everything", "at": 0.25}], [], 2)
    record.add_trial(rows, trial, "c" * 40, 12.0)
    found = finding.Finding("a full disk", 2)
    found.heard("first\ndisk full while writing /a/b c/d.pt: kept\n", "disk full")
    record.add_finding(rows, "full disk", found, "c" * 40, 3.0)
    arguments = ["report", "--record", str(rows), "--page", str(page)]
    assert main(arguments) == 3
    assert "1 kills in 1 runs, 1 other faults: nothing was lost" in capsys.readouterr().out
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "| ppo-2017 classic | CartPole | local | 1 | 1 | 0 / 0 / 1 | 25%–25% |" in text
    assert "disk full while writing …/d.pt: kept" in text
    found.expect(False, "a seed")
    record.add_finding(rows, "full disk", found, "c" * 40, 3.0)
    assert main(arguments) == 1
    assert "full disk: a seed" in capsys.readouterr().out


def test_an_unknown_fault_is_one_line(capsys):
    assert main(["run", "--only", "full dsk"]) == 2
    assert "full disk" in capsys.readouterr().err


def test_the_committed_record_lost_nothing():
    found = record.read()
    assert report.lost(found) == []
    assert set(found["scenarios"]) <= set(scenarios.SCENARIOS)
    assert json.dumps(found)


def test_a_traceback_is_forgiven_to_the_child_of_a_killed_command_only() -> None:
    child = 'Traceback (most recent call last):\n  File "<string>", line 36\nBrokenPipeError'
    assert kills.orphaned(-9, child)
    assert not kills.orphaned(3, child)
    assert not kills.orphaned(-9, child.replace("<string>", "repro/cli.py"))
    assert not kills.orphaned(-9, child.replace("BrokenPipeError", "ValueError"))
