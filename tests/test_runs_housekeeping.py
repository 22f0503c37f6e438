"""`repro runs`: what it says of runs, what it removes and what it never does, and its search."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import time
from pathlib import Path

import evidence_tools as tools
import pytest

from repro import housekeeping, paths
from repro.cli import main
from repro.errors import ReproError
from repro.experiment import resolve
from repro.runs import RunFolder

STACKS = "stacks/one"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    return tmp_path


def made(seed_count=2, steps=2048, finished=True, sessions=()):
    """A run as the runner leaves it, with a checkpoint and replay."""
    folder = tools.written_run(
        resolve("ppo-2017", "CartPole", steps=steps), range(seed_count), episode=200,
        unfinished=[] if finished else [0],
    )  # fmt: skip
    manifest = folder.manifest() | {"sessions": list(sessions)}
    manifest["finished"] = "2026-01-01T01:00:00Z" if finished else None
    folder.manifest_file.write_text(json.dumps(manifest))
    stack = folder.path / STACKS
    (stack / "replay").mkdir()
    (stack / "replay" / "seed-0-00000.rows").write_bytes(b"\0" * 5000)
    (stack / "checkpoint.pt").write_bytes(b"\0" * 1000)
    return folder.path


def held(path):
    """The run's lock, as a running launcher has it."""
    file = open(path / "lock", "ab")  # noqa: SIM115 - held until the test closes it
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def test_states_sizes_and_seeds(runs):
    finished = made(steps=2048)
    interrupted = made(steps=4096, finished=False)
    failed = made(steps=8192, finished=False, sessions=[{"failures": ["the worker was killed"]}])
    running = made(steps=16384, finished=False)
    damaged = made(steps=32768)
    (damaged / "manifest.json").write_text("{")
    with held(running):
        states = {run.path: run.state for run in housekeeping.runs()}
    assert states == {
        finished: "finished",
        interrupted: "interrupted",
        failed: "failed",
        running: "running",
        damaged: "damaged",
    }
    one = housekeeping.inspect(finished)
    assert (one.done, one.seeds, one.spent, one.steps) == (2, 2, 6000, 2048)
    assert one.size == sum(f.stat().st_size for f in finished.rglob("*") if f.is_file())
    assert housekeeping.inspect(interrupted).done == 1


def test_cleaning_takes_what_finished_runs_need_no_more_and_says_so_first(runs, capsys):
    finished, open_ = made(), made(steps=4096, finished=False)
    assert main(["runs", "clean"]) == 0
    assert "would free 6.0 kB; --yes" in capsys.readouterr().out
    assert (finished / STACKS / "checkpoint.pt").exists()
    assert main(["runs", "clean", "--yes"]) == 0
    assert "removed 6.0 kB" in capsys.readouterr().out
    assert not (finished / STACKS / "checkpoint.pt").exists()
    assert not list(finished.rglob("*.rows"))
    assert (finished / STACKS / "seed-0.jsonl").exists()
    assert (finished / STACKS / "policy.pt").exists()
    assert (open_ / STACKS / "checkpoint.pt").exists()
    assert RunFolder(finished).seeds()[0].done


def test_old_runs_go_whole_and_unfinished_ones_only_by_name(runs, capsys):
    old, open_ = made(), made(steps=4096, finished=False)
    young = made(steps=8192)
    for file in [*old.rglob("*"), *open_.rglob("*")]:
        os.utime(file, (1, 1))
    assert main(["runs", "clean", "--older", "30d", "--yes"]) == 0
    assert (old.exists(), open_.exists(), young.exists()) == (False, True, True)
    assert main(["runs", "clean", open_.name[:8]]) == 0
    assert "interrupted, 1 of 2 seeds" in capsys.readouterr().out
    assert open_.exists()
    assert main(["runs", "clean", open_.name[:8], "--yes"]) == 0
    assert not open_.exists()
    assert young.exists()


def test_a_running_run_is_never_touched(runs, capsys):
    running = made()
    with held(running):
        assert main(["runs", "clean", running.name, "--yes"]) == 2
        assert "is running" in capsys.readouterr().err
        assert main(["runs", "clean", "--older", "1h", "--yes"]) == 0
        for remove in (housekeeping.remove, housekeeping.clean_spent):
            with pytest.raises(ReproError, match="running"):
                remove(housekeeping.RunInfo(running, "finished", 1, 1, 0.0, 2, 2, 1))
    assert (running / STACKS / "checkpoint.pt").exists()


def test_links_in_a_run_are_not_followed(runs, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "thesis.rows").write_text("mine")
    run = made()
    (run / STACKS / "link").symlink_to(outside)
    (run / STACKS / "thesis.jsonl").symlink_to(outside / "thesis.rows")
    housekeeping.clean_spent(housekeeping.inspect(run))
    assert not list(housekeeping.search("mine", housekeeping.runs()))
    housekeeping.remove(housekeeping.inspect(run))
    assert (outside / "thesis.rows").read_text() == "mine"


def test_search_gives_file_line_and_text(runs, capsys):
    run = made()
    log = run / STACKS / "worker.log"
    log.write_text("first\nA Problem here\n\nlast problem\x1b[31m")
    hits = list(housekeeping.search("problem", housekeeping.runs()))
    assert [(hit.number, hit.line) for hit in hits] == [
        (2, "A Problem here"),
        (4, "last problem\x1b[31m"),
    ]
    assert (runs / hits[0].file).samefile(log)
    assert main(["runs", "search", "last", "problem"]) == 0
    out = capsys.readouterr().out
    assert "worker.log:4: last problem" in out
    assert "\x1b" not in out
    assert main(["runs", "search", "problem", "--limit", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["clean", "zz"], "no run"),
        (["clean", ""], 'found "" after clean'),
        (["clean", "--older", "soon"], "30d"),
        (["clean", "x", "--older", "1d"], "not both"),
        (["search"], "nothing to search"),
        (["search", "x", "--limit", "0"], "at least 1"),
        (["claen"], "did you mean"),
        (["list", "x"], "search or clean"),
    ],
)
def test_wrong_input_gets_one_line(runs, capsys, words, hint):
    assert main(["runs", *words]) == 2
    error = capsys.readouterr().err
    assert hint in error
    assert error.count("\n") == 1


def test_no_runs_are_no_error(runs, capsys):
    assert main(["runs"]) == main(["runs", "clean"]) == 0
    assert "no runs yet" in capsys.readouterr().out
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.slow
def test_the_logs_of_a_hundred_runs_are_searched_in_seconds(runs):
    """A hundred runs of ten seeds of a million steps: the figure stands in docs/nightly.md."""
    line = b'{"kind": "train", "step": 2048, ' + b'"loss": 0.123456789, ' * 14 + b'"kl": 0.01}\n'
    text = line * 1500
    for number in range(100):
        stack = runs / "ppo-2017" / "HalfCheetah-v4" / "mujoco" / f"{number:012x}" / STACKS
        stack.mkdir(parents=True)
        for seed in range(10):
            (stack / f"seed-{seed}.jsonl").write_bytes(text)
    last = stack / "seed-9.jsonl"
    last.write_bytes(text + b'{"kind": "diverged", "step": 9, "why": "kl is not finite"}\n')
    began = time.process_time()
    hits = list(housekeeping.search("diverged", housekeeping.runs()))
    took = time.process_time() - began
    megabytes = 1000 * len(text) / 1e6
    print(f"{megabytes:.0f} MB in a hundred runs: {took:.1f} s of processor time")
    assert [hit.number for hit in hits] == [1501]


@pytest.mark.slow
def test_a_long_run_does_not_grow_in_memory(tmp_path, monkeypatch):
    """PPO on CartPole in this process: what it holds after ten times the steps it was warm at."""
    import torch

    from repro.experiment import implementation_of
    from repro.training.run import Run

    torch.set_num_threads(1)
    experiment = resolve("ppo-2017", "CartPole", steps=400_000)
    seen: list[tuple[int, float]] = []

    def report(progress):
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        seen.append((progress.steps[0], pages * resource.getpagesize() / 1e6))

    import msgspec

    module = implementation_of("ppo-2017")
    run = Run(
        hparams=msgspec.convert(experiment.hparams, module.HParams),
        env=experiment.env,
        seeds=[0, 1],
        steps=experiment.steps,
        folder=Path(tmp_path),
        report=report,
        checkpoint_seconds=5.0,
    )
    module.train(run)
    warm = max(size for step, size in seen if step <= experiment.steps / 10)
    end = seen[-1][1]
    print(f"{warm:.0f} MB at a tenth of {experiment.steps:,} steps, {end:.0f} MB at the end")
    assert end <= warm + 10
