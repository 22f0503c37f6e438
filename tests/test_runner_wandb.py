"""`--wandb`: every seed's log goes there too, offline without a key, and never instead of files."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest
from runner_tools import Command, toy_experiment, toy_root

from repro import files
from repro.launch.wandb_log import Follower
from repro.runs import RunFolder


@pytest.fixture
def finished(tmp_path):
    """A finished run of two seeds, and the command that made it."""
    environment = {"REPRO_ROOT": str(toy_root(tmp_path / "root"))}
    command = Command(tmp_path / "runs", toy_experiment(100), [0, 1], environment)
    assert command.run()[0] == 0
    return RunFolder(command.folder)


class FakeRun:
    def __init__(self, **settings):
        self.settings, self.rows, self.finished = settings, [], False

    def define_metric(self, *names, step_metric):
        self.step_metric = step_metric

    def log(self, row):
        self.rows.append(row)

    def finish(self):
        self.finished = True


class FakeWandb(types.SimpleNamespace):
    def __init__(self):
        self.runs = []

    def init(self, **settings):
        self.runs.append(FakeRun(**settings))
        return self.runs[-1]


def test_every_line_is_sent_once_over_interruptions(finished):
    wandb = FakeWandb()
    log = finished.stack_path("0-1") / "seed-0.jsonl"
    whole = log.read_bytes()
    log.write_bytes(b"".join(whole.splitlines(True)[:3]) + b'{"kind": "tr')  # in the writing
    first = Follower(finished, wandb)
    first.send()
    first.finish()
    log.write_bytes(whole)
    second = Follower(finished, wandb)
    second.send()
    second.send()
    second.finish()
    runs = [run for run in wandb.runs if run.settings["config"]["seed"] == 0]
    assert [run.settings["id"] for run in runs] == [f"{finished.path.name}-0"] * 2
    rows = [row for run in runs for row in run.rows]
    assert len(rows) == len(whole.splitlines()) - 1  # all but the header
    assert [row["step"] for row in rows if "train/value" in row] == [20, 40, 60, 80, 100]
    assert all(
        row["episode/return"] == row["episode/length"] for row in rows if "train/value" not in row
    )
    assert all(run.finished for run in wandb.runs)
    assert runs[0].settings["config"]["hparams"] == {"horizon": 20, "diverging_seed": -1}


def test_neither_wandb_nor_torch_is_imported_before_it_is_needed():
    script = "import sys, repro.launch.local; print({'wandb', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_without_a_key_it_logs_offline(tmp_path):
    root = toy_root(tmp_path / "root")
    nobody = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none"), "WANDB_API_KEY": ""}
    nobody["WANDB_MODE"] = ""
    environment = {"REPRO_ROOT": str(root)} | nobody
    command = Command(tmp_path / "runs", toy_experiment(100), [0, 1], environment, wandb=True)
    status, said = command.run()
    assert status == 0
    assert "wandb" not in said, said
    found = {path.parent.name for path in (command.folder / "wandb").rglob("*.wandb")}
    assert len(found) == 2
    assert all(name.startswith("offline-run-") for name in found)
    lines = files.read_json(command.folder / "wandb" / "sent.json")["lines"]
    assert lines.keys() == {"0", "1"}
    assert min(lines.values()) > 5


def test_a_broken_wandb_does_not_hurt_the_run(tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "wandb.py").write_text("raise ImportError('planted')\n")
    environment = {"REPRO_ROOT": str(toy_root(tmp_path / "root"))}
    command = Command(tmp_path / "runs", toy_experiment(100), [0], environment, wandb=True)
    status, said = command.run(PYTHONPATH=str(tmp_path / "broken"))
    assert status == 0
    assert "wandb did not get everything" in said
    assert "local files have it" in said
