"""Run folders: what their digest depends on, the lock, drift."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys

import pytest
from runner_tools import toy_experiment, toy_root

from repro import files, paths
from repro.errors import ReproError
from repro.launch import origin
from repro.launch.stacks import Stack
from repro.runs import RunFolder, run_digest, run_path

PAPER = "toy-2000"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A clone of the files that decide a run, to be changed at will."""
    root = toy_root(tmp_path / "root")
    shutil.copytree(origin.TRAINING, root / "repro" / "training")
    monkeypatch.setattr(paths, "IMPLEMENTATIONS", root / "implementations")
    monkeypatch.setattr(paths, "ROOT", root)
    monkeypatch.setattr(origin, "TRAINING", root / "repro" / "training")
    return root


@pytest.fixture
def opened(root, tmp_path):
    """A run folder whose only stack, of seed 0, has a checkpoint."""
    experiment = toy_experiment()
    folder = RunFolder(run_path(experiment, tmp_path / "runs"))
    manifest = folder.open(experiment, [0], "cpu")
    folder.settle(manifest, [Stack((0,))])
    files.write_bytes(folder.stack_path("0") / "checkpoint.pt", b"state")
    return experiment, folder


def append(path, text="\n# mended\n"):
    path.write_text((path.read_text() if path.exists() else "") + text)


def test_path_names_paper_environment_and_arm(root, tmp_path):
    path = run_path(toy_experiment(), tmp_path)
    assert path.relative_to(tmp_path).parts[:3] == (PAPER, "CartPole-v1", "plain")
    assert len(path.name) == 12


def test_mended_code_is_another_run_but_words_are_not(root):
    before = run_digest(toy_experiment())
    for name in ("README.md", "docs/page.md", "papers/toy-2000.yaml", "repro/cli.py"):
        (root / name).parent.mkdir(exist_ok=True)
        append(root / name)
    append(root / "implementations" / "other_2001.py")
    assert run_digest(toy_experiment()) == before
    append(root / "implementations" / "toy_2000.py")
    mended = run_digest(toy_experiment())
    assert mended != before
    append(root / "repro" / "training" / "rng.py")
    assert run_digest(toy_experiment()) not in (before, mended)


def test_imported_implementations_count_transitively(root):
    toy = root / "implementations" / "toy_2000.py"
    append(toy, "\nfrom implementations import base_1999\n")
    append(root / "implementations" / "base_1999.py", "import implementations.first_1990\n")
    append(root / "implementations" / "first_1990.py", "x = 1\n")
    before = origin.code_digest(PAPER)
    assert "implementations/first_1990.py" in origin.code_files(PAPER)
    append(root / "implementations" / "first_1990.py")
    assert origin.code_digest(PAPER) != before


def test_every_field_of_the_experiment_counts(root):
    digests = {
        run_digest(experiment)
        for experiment in (
            toy_experiment(),
            toy_experiment(steps=601),
            toy_experiment(horizon=21),
        )
    }
    assert len(digests) == 3


def test_constants_are_read_from_the_source(root):
    assert origin.implementation_constant(PAPER, "max_stack", None) is None
    append(root / "implementations" / "toy_2000.py", "\nmax_stack = 1\n")
    assert origin.implementation_constant(PAPER, "max_stack", None) == 1
    with pytest.raises(ReproError, match="none-1999 has no implementation"):
        origin.implementation_constant("none-1999", "max_stack", None)


@pytest.mark.parametrize(
    ("declared", "conv", "mlp"),
    [("", None, None), ("max_stack = 1", 1, 1), ('max_stack = {"network.conv": 1}', 1, None)],
)
def test_a_stack_may_be_limited_by_a_kind(root, declared, conv, mlp):
    append(root / "implementations" / "toy_2000.py", f"\n{declared}\n")
    for kind, limit in (("conv", conv), ("mlp", mlp)):
        experiment = toy_experiment(network={"kind": kind})
        assert origin.stack_limit(experiment) == limit
        assert origin.stacks_at_once(experiment, workers=2) == 2


def test_manifest_says_where_the_numbers_come_from(opened):
    experiment, folder = opened
    manifest = folder.manifest()
    assert manifest["experiment"]["digest"] == experiment.digest
    assert manifest["experiment"]["content"]["hparams"] == experiment.hparams
    assert manifest["digest"] == folder.path.name
    assert manifest["code"]["digest"] == origin.code_digest(PAPER)
    assert manifest["machine"]["threads"] == 1
    assert manifest["machine"]["mujoco-engine"]
    assert manifest["machine"]["python"] == sys.version.split()[0]
    assert manifest["finished"] is None
    assert manifest["seeds"] == [0]
    assert [state.status for state in folder.seeds().values()] == ["unfinished"]


def test_drift_is_refused_said_in_one_line_and_marked_when_accepted(opened, monkeypatch):
    experiment, folder = opened
    now = origin.machine("cpu") | {"torch": "1.0.0"}
    monkeypatch.setattr(origin, "machine", lambda device, env: now)
    with pytest.raises(ReproError) as caught:
        folder.open(experiment, [0], "cpu")
    message = str(caught.value)
    assert "is now 1.0.0" in message
    assert "--accept-drift" in message
    assert "\n" not in message
    said: list[str] = []
    assert folder.open(experiment, [0], "cpu", accept_drift=True, say=said.append)["drift"]
    assert "the result is marked" in said[0]
    assert folder.open(experiment, [0], "cpu")["drift"] == folder.manifest()["drift"]
    assert len(folder.manifest()["drift"]) == 1


def test_another_device_is_drift(opened):
    experiment, folder = opened
    with pytest.raises(ReproError, match="device cpu is now cuda"):
        folder.open(experiment, [0], "cuda")


def test_no_drift_where_nothing_was_trained_or_nothing_is_left(opened, monkeypatch):
    experiment, folder = opened
    now = origin.machine("cpu") | {"torch": "1.0.0"}
    monkeypatch.setattr(origin, "machine", lambda device, env: now)
    checkpoint = folder.stack_path("0") / "checkpoint.pt"
    outcome = {"0": {"status": "finished", "steps": 600, "diagnosis": None}}
    files.write_json(checkpoint.with_name("outcome.json"), {"schema_version": 1, "seeds": outcome})
    assert folder.open(experiment, [0], "cpu")["machine"]["torch"] != "1.0.0"
    checkpoint.with_name("outcome.json").unlink()
    checkpoint.unlink()
    assert folder.open(experiment, [0], "cpu")["machine"]["torch"] == "1.0.0"
    assert folder.manifest()["drift"] == []


def test_settling_forgets_stacks_without_a_checkpoint(opened):
    _, folder = opened
    manifest = folder.manifest()
    folder.settle(manifest, [Stack((1, 2))])
    folder.stack_path("1-2").mkdir()
    assert folder.manifest()["stacks"] == {"0": [0], "1-2": [1, 2]}
    folder.settle(manifest, [Stack((1,)), Stack((2,))])
    assert folder.manifest()["stacks"] == {"0": [0], "1": [1], "2": [2]}
    assert not folder.stack_path("1-2").exists()
    assert folder.stack_path("0").exists()


def test_a_foreign_manifest_is_refused(opened):
    experiment, folder = opened
    folder.manifest_file.write_text('{"schema_version": 99}')
    with pytest.raises(ReproError, match="schema_version is 99, expected 1"):
        folder.open(experiment, [0], "cpu")


def test_a_second_run_is_told_who_holds_the_lock(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.lock():
        script = (
            "import sys; from pathlib import Path; from repro.runs import RunFolder\n"
            "from repro.errors import ReproError\n"
            "try:\n"
            "    with RunFolder(Path(sys.argv[1])).lock(): print('held')\n"
            "except ReproError as error: print(error)"
        )
        command = [sys.executable, "-c", script, str(tmp_path)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"is being run by process {os.getpid()}" in output
        assert output.count("\n") == 1
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output == "held\n"


def test_a_lock_file_left_behind_means_nothing(tmp_path):
    (tmp_path / "lock").write_text(f"{os.getpid()}\n")
    with RunFolder(tmp_path).lock():
        assert (tmp_path / "lock").read_text().split() == [str(os.getpid()), socket.gethostname()]


def test_orphaned_workers_are_waited_for(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "lock").write_text(f"{dead.pid}\n")
    holder = os.open(tmp_path / "lock", os.O_RDWR)  # as a worker of the dead process holds it
    fcntl.flock(holder, fcntl.LOCK_EX)

    said: list[str] = []

    def let_go(line: str) -> None:
        said.append(line)
        os.close(holder)

    with RunFolder(tmp_path).lock(say=let_go):
        assert len(said) == 1
        assert f"process {dead.pid}, which was killed" in said[0]


def test_patience_ends(tmp_path):
    (tmp_path / "lock").touch()
    holder = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(ReproError, match="process unknown"), RunFolder(tmp_path).lock(patience=0.2):
        pass
    os.close(holder)
