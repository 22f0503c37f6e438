"""The runner on a toy implementation: workers that die, hang, diverge; Ctrl-C; a full disk."""

from __future__ import annotations

import json
import os
import signal
import threading

import pytest
from runner_tools import (
    Command,
    assert_same,
    gone,
    kill,
    toy_experiment,
    toy_root,
    trace,
    wait_for,
    worker_pids,
)

from repro import paths
from repro.errors import ReproError
from repro.launch import worker
from repro.launch.local import launch
from repro.runs import RunFolder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return toy_root(tmp_path_factory.mktemp("clone") / "root")


@pytest.fixture
def command(root, tmp_path):
    def make(seeds=(0, 1), steps=200, hparams=None, **options):
        experiment = toy_experiment(steps, **(hparams or {}))
        return Command(
            tmp_path / "runs", experiment, list(seeds), {"REPRO_ROOT": str(root)}, **options
        )

    return make


@pytest.fixture(scope="module")
def undisturbed(root, tmp_path_factory):
    """What seeds 0 and 1, in two workers, leave behind when nothing happens."""
    runs = tmp_path_factory.mktemp("undisturbed")
    command = Command(runs, toy_experiment(200), [0, 1], {"REPRO_ROOT": str(root)}, workers=2)
    assert command.run()[0] == 0
    return trace(command.folder)


def states(command):
    return {seed: state.status for seed, state in RunFolder(command.folder).seeds().items()}


def logs(folder):
    return sorted(path.name for path in folder.rglob("seed-*.jsonl"))


def started(command):
    """The run folder, once a first checkpoint is written."""
    return wait_for(lambda: next(command.root.rglob("checkpoint.pt"), None))


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("raise:3", "RuntimeError: planted failure (traceback in "),
        ("kill:3", "was killed (kill -9, or the system was out of memory)"),
        ("full:3", "disk full while writing "),
    ],
)
def test_a_worker_that_dies_is_said_others_go_on_and_the_same_command_resumes(
    command, undisturbed, trouble, says
):
    run = command(workers=2)
    status, said = run.run(TOY_TROUBLE=trouble)
    assert status == 3
    (line,) = [line for line in said.splitlines() if "the worker of seeds 0 " in line]
    assert says in line
    assert "other seeds are kept, and the same command resumes these" in line
    assert "Traceback" not in said
    assert "second line" not in said
    run.folder = next(run.root.rglob("manifest.json")).parent
    assert states(run) == {0: "unfinished", 1: "finished"}
    status, said = run.run()
    assert status == 0, said
    assert_same(trace(run.folder), undisturbed)
    sessions = RunFolder(run.folder).manifest()["sessions"]
    assert [session["stacks"]["0"] for session in sessions] == ["failed", "finished"]


def test_done_seeds_are_left_alone_and_more_seeds_join(command):
    first = command(seeds=[0, 1])
    first.run()
    written = (first.folder / "stacks/0-1/outcome.json").stat().st_mtime_ns
    assert first.run()[0] == 0
    second = command(seeds=[0, 1, 2])
    assert second.run()[0] == 0
    assert second.folder == first.folder
    assert (first.folder / "stacks/0-1/outcome.json").stat().st_mtime_ns == written
    assert logs(first.folder) == ["seed-0.jsonl", "seed-1.jsonl", "seed-2.jsonl"]
    assert states(second) == {0: "finished", 1: "finished", 2: "finished"}


def test_a_diverging_seed_is_recorded_and_the_others_go_on(command):
    run = command(seeds=[0, 1, 2], hparams={"diverging_seed": 1})
    status, said = run.run()
    assert status == 0
    assert "seed 1 diverged at step 20: value is not finite" in said
    assert states(run) == {0: "finished", 1: "diverged", 2: "finished"}
    state = RunFolder(run.folder).seeds()[1]
    assert state.steps == 20
    assert "value is not finite" in state.diagnosis
    assert run.run()[0] == 0
    assert states(run)[1] == "diverged"


def test_a_lost_manifest_loses_no_work(command, undisturbed):
    run = command(workers=2)
    assert run.run(TOY_TROUBLE="kill:5")[0] == 3
    manifest = next(run.root.rglob("manifest.json"))
    outcome = manifest.parent / "stacks/1/outcome.json"
    written = outcome.stat().st_mtime_ns
    manifest.unlink()
    status, said = run.run()
    assert status == 0, said
    assert outcome.stat().st_mtime_ns == written
    assert_same(trace(run.folder), undisturbed)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_interrupted_once_workers_write_a_checkpoint(command, undisturbed, number):
    run = command(seeds=[0, 1], workers=2, checkpoint_seconds=600.0)
    slow = {"TOY_PAUSE": "0.1"}
    with run.started(**slow) as process:
        wait_for(lambda: len(logs(run.root)) == 2)
        workers = worker_pids(process.pid)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after a last checkpoint; Ctrl-C again stops at once" in said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert len(workers) == 2
    assert all(gone(pid) for pid in workers)
    assert len(list(run.root.rglob("checkpoint.pt"))) == 2
    assert run.run()[0] == 0
    assert_same(trace(run.folder), undisturbed)


def test_interrupted_twice_it_ends_at_once(command):
    run = command(seeds=[0])
    with run.started(TOY_TROUBLE="hang:2") as process:
        started(run)
        process.send_signal(signal.SIGINT)
        wait_for(lambda: "stopping" in process.stderr.readline())
        (worker,) = worker_pids(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert gone(worker)
    assert run.run()[0] == 0


def test_killed_parent_takes_its_workers_along_and_the_same_command_resumes(command, undisturbed):
    run = command(seeds=[0, 1], workers=2)
    with run.started(TOY_PAUSE="0.1") as process:
        started(run)
        workers = wait_for(lambda: worker_pids(process.pid))
        kill(process.pid)
        process.wait()
    status, said = run.run()  # at once: it waits for the orphans' last checkpoints
    assert status == 0, said
    assert all(gone(pid) for pid in workers)
    assert_same(trace(run.folder), undisturbed)


def test_a_second_command_is_refused_while_the_first_runs(command):
    run = command(seeds=[0])
    with run.started(TOY_PAUSE="0.2") as process:
        started(run)
        status, said = run.run()
        assert status == 2
        assert f"is being run by process {process.pid}" in said
        assert said.count("\n") == 1


def test_a_silent_worker_is_reported_and_left_running(command):
    run = command(seeds=[0], silence_seconds=1.5)
    with run.started(TOY_TROUBLE="hang:2") as process:
        line = wait_for(lambda: "has said nothing" in (said := process.stderr.readline()) and said)
        assert "the worker of seeds 0 " in line
        (worker,) = worker_pids(process.pid)
        assert f"kill -9 {worker}" in line
        kill(worker)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "was killed" in said


def test_code_mended_while_a_command_runs_is_noticed(root, command, monkeypatch):
    run = command(seeds=[0])
    run.run()
    monkeypatch.setattr(paths, "IMPLEMENTATIONS", root / "implementations")
    spec = json.loads((run.folder / "stacks/0/spec.json").read_text())
    with pytest.raises(ReproError, match="the code changed since"):
        worker.train(spec | {"code": "0" * 64}, threading.Event(), worker.Reporter(None))


def test_wrong_device_is_one_line(root, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "IMPLEMENTATIONS", root / "implementations")
    with pytest.raises(ReproError, match='--device gpu: expected "cpu", "cuda"'):
        launch(toy_experiment(), [0], device="gpu", root=tmp_path)


def test_foreign_lines_and_files_stay_in_the_stack_folder(command):
    run = command(seeds=[0], hparams={"horizon": 10})
    status, said = run.run()
    assert status == 0
    assert {path.name for path in run.root.iterdir()} == {"toy-2000"}
    allowed = [line for line in said.splitlines() if not line.startswith("toy-2000 CartPole-v1: ")]
    assert allowed == []
    assert os.path.exists(run.folder / "stacks/0/worker.log")
