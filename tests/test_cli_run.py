"""`repro run` as typed: explore, resume, judge again, plan, commit, evidence, verify."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import evidence_tools as tools
import pytest

TINY = ("run", "ppo-2017", "--env", "CartPole", "--steps", "512", "--workers", "1")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return tools.make_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def explored(clone):
    return tools.repro(*TINY, "--seeds", "2", "--set", "gamma=0.9", root=clone)


def run_folder(clone, text="gamma"):
    for path in (clone / "runs").glob("*/*/*/*/manifest.json"):
        if text in json.loads(path.read_text())["experiment"]["content"]["overrides"]:
            return path.parent
    raise AssertionError("no such run")


def test_a_run_ends_with_what_came_out_the_plot_and_what_to_do_next(clone, explored):
    assert explored.returncode == 0, explored.stderr
    for expected in ("2 seeds × 512 steps (exploration)", "gamma=0.9", "plot     runs/", "next  "):
        assert expected in explored.stdout
    folder = run_folder(clone)
    assert (folder / "plot.svg").read_text().startswith("<?xml")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [seed["status"] for seed in metrics["seeds"]] == ["finished", "finished"]
    assert not (clone / "results").exists()


def test_the_same_command_judges_again_without_training(clone, explored):
    folder = run_folder(clone)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("seed-*.jsonl")}
    again = tools.main(*TINY, "--seeds", "2", "--set", "gamma=0.9", root=clone)
    assert again.stdout == explored.stdout
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("seed-*.jsonl")} == before


def test_more_seeds_keep_the_ones_that_are_done(clone, explored):
    folder = run_folder(clone)
    before = {p: p.read_bytes() for p in folder.rglob("seed-*.jsonl")}
    more = tools.main(*TINY, "--seeds", "0-2", "--set", "gamma=0.9", root=clone)
    assert more.returncode == 0
    assert "3 seeds" in more.stdout
    assert all(path.read_bytes() == content for path, content in before.items())


def test_strict_is_1_where_nothing_is_reproduced(clone, explored):
    arguments = (*TINY, "--seeds", "2", "--set", "gamma=0.9", "--strict")
    assert tools.main(*arguments, root=clone).returncode == 1


def test_quiet_leaves_the_results_alone(clone, explored):
    arguments = (*TINY, "--seeds", "2", "--set", "gamma=0.9", "--quiet")
    done = tools.main(*arguments, root=clone)
    assert done.stderr == ""
    assert "next" not in done.stdout
    assert "results  runs/" in done.stdout


def test_plot_draws_a_run_of_ones_own(clone, explored):
    done = tools.main("plot", str(run_folder(clone)), "--out", "mine.png", root=clone)
    assert (done.returncode, done.stdout) == (0, "mine.png\n")
    assert (clone / "mine.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_run_says_how_to_go_on_and_does(tmp_path):
    root = tools.make_clone(tmp_path)
    arguments = ("run", "ppo-2017", "--env", "CartPole", "--steps", "8192", "--seeds", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "repro", *arguments],
        cwd=root,
        env=tools.environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list((root / "runs").rglob("seed-0.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "run the same command again" in out
    done = tools.main(*arguments, root=root)
    assert done.returncode == 0, done.stderr
    assert "1 seed × 8,192 steps" in done.stdout


def test_evidence_from_plan_to_verify(tmp_path):
    root = tools.make_clone(tmp_path)
    options = ("--env", "CartPole", "--steps", "512", "--seeds", "3")
    planned = tools.main("plan", "ppo-2017", *options, root=root)
    assert planned.returncode == 0, planned.stderr
    file = "results/ppo-2017/CartPole-v1/classic/plan.json"
    assert file in planned.stdout
    early = tools.main("run", "--plan", file, "--workers", "1", root=root)
    assert early.returncode == 2
    assert "is not committed" in early.stderr
    assert not (root / "runs").exists()
    tools.commit(root, "plan")
    done = tools.main("run", "--plan", file, "--workers", "1", root=root)
    assert done.returncode == 0, done.stderr
    assert "3 seeds × 512 steps (evidence)" in done.stdout
    folder = (root / file).parent
    plan = json.loads((folder / "plan.json").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [seed["seed"] for seed in metrics["seeds"]] == plan["seeds"]
    attempts = [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]
    assert [line["event"] for line in attempts] == ["planned", "started", "finished"]
    assert attempts[-1]["outcome"] == {"finished": 3}
    assert str(root) not in "".join(p.read_text() for p in folder.glob("*.json*"))

    # Until it is committed, verify does not count it; afterwards it does.
    uncommitted = json.loads(tools.main("verify", "--json", root=root).stdout)[0]
    assert uncommitted["totals"]["not_tested"] == len(uncommitted["verdicts"])
    tools.commit(root, "evidence")
    first = tools.main("verify", "ppo-2017", root=root)
    assert first.returncode == 0, first.stderr
    assert "as stored in verdicts.json" in first.stdout
    stored = (root / "results/ppo-2017/verdicts.json").read_bytes()
    (root / "results/ppo-2017/verdicts.json").unlink()
    assert "verdicts.json is new" in tools.main("verify", root=root).stdout
    assert (root / "results/ppo-2017/verdicts.json").read_bytes() == stored

    # In a fresh clone, without runs/, the same command judges what is stored.
    fresh = tmp_path / "fresh"
    subprocess.run(["git", "clone", "-q", str(root), str(fresh)], check=True)
    again = tools.main("run", "--plan", file, root=fresh)
    assert again.returncode == 0, again.stderr
    assert not (fresh / "runs").exists()

    refused = tools.main("plan", "ppo-2017", *options, root=root)
    assert refused.returncode == 2
    assert "--because" in refused.stderr


def test_killed_inside_writing_a_result_the_same_command_makes_it_whole(tmp_path):
    root, calm = tools.make_clone(tmp_path / "killed"), tmp_path / "calm"
    options = ("--env", "CartPole", "--steps", "512", "--seeds", "2")
    assert tools.main("plan", "ppo-2017", *options, root=root).returncode == 0
    tools.commit(root, "plan")
    subprocess.run(["git", "clone", "-q", str(root), str(calm)], check=True)
    file = "results/ppo-2017/CartPole-v1/classic/plan.json"
    command = ("run", "--plan", file, "--workers", "1")
    assert tools.main(*command, root=calm).returncode == 0
    whole, found = (files_beside(folder / file) for folder in (calm, root))
    plan = {"plan.json", "attempts.jsonl"}
    half = {*plan, "policy.pt", "curves.csv"}
    for call, left in (
        ("launch.local:launch:1", plan),
        ("results:write_text:1", half),
        ("results:write_files:1", set(whole())),
    ):
        fault = f"repro repro.{call} kill-after"
        path = f"{tools.PROJECT}/tests/faults{os.pathsep}{tools.PROJECT}"
        killed = tools.repro(*command, root=root, PYTHONPATH=path, REPRO_TEST_FAULT=fault)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert set(found()) == left
        assert not (root / "results/ppo-2017/verdicts.json").exists()
    done = tools.main(*command, root=root)
    assert done.returncode == 0, done.stderr
    assert "2 seeds × 512 steps (evidence)" in done.stdout
    for name in ("plan.json", "curves.csv", "metrics.json", "doctor.json", "policy.pt"):
        assert found()[name] == whole()[name], name
    verdicts = [folder / "results/ppo-2017/verdicts.json" for folder in (calm, root)]
    assert verdicts[0].read_bytes() == verdicts[1].read_bytes()
    for lines in (found, whole):  # however often it was killed, the log says each thing once
        attempts = [json.loads(line) for line in lines()["attempts.jsonl"].splitlines()]
        assert [line["event"] for line in attempts] == ["planned", "started", "finished"]
        assert attempts[-1]["outcome"] == {"finished": 2}


def files_beside(file):
    """A function that reads the folder of a plan: name → content, without the picture."""
    return lambda: {
        path.name: path.read_bytes() for path in file.parent.iterdir() if path.name != "plot.svg"
    }
