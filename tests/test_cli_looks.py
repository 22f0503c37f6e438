"""`repro run --until-decided` as typed, with a toy algorithm: looks, resuming, evidence."""

from __future__ import annotations

import json
import shutil

import evidence_tools as tools
import pytest

import implementations
from repro import plans
from repro.errors import ReproError

# The toy acts at random: its episodes on CartPole return about 22.
CARD = """
schema_version: 1
id: toy-2000
title: A toy
authors: [Nobody]
year: 2000
venue: null
arxiv: null
section: "Bonus: Classic Papers in RL Theory or Review"
number: 106
kind: algorithm
depth: full
tier: full
summary: It acts at random.
builds_on: []
default: {CartPole: plain}
claims:
  - {id: far, says: far above, source: here, env: CartPole, hparams: plain, steps: 600,
     metric: training-return-last-100, protocol: training episodes,
     published: {mean: 200.0, std: 5.0, band: std, seeds: 10, how: printed, confidence: verified},
     check: {kind: level}}
"""
NEAR = """
  - {id: near, says: near the margin, source: here, env: CartPole, hparams: plain, steps: 600,
     metric: training-return-last-100, protocol: training episodes,
     published: {mean: 60.0, std: 2.0, band: std, seeds: 10, how: printed, confidence: verified},
     check: {kind: level, absolute_tolerance: TOLERANCE, reason: to be near it}}
"""
SETS = """
schema_version: 1
paper: toy-2000
sources: {here: this file}
fields:
  horizon: {about: steps of an iteration}
  diverging_seed: {about: a seed that diverges}
sets:
  plain:
    about: the only one
    environments: [CartPole]
    blocks:
      - {source: "here: line 1", status: chosen by us, values: {horizon: 20, diverging_seed: -1}}
"""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone in which the toy is a paper of the list."""
    root = tools.make_clone(tmp_path)
    shutil.copy(tools.PROJECT / "tests/toy_algorithm.py", root / "implementations/toy_2000.py")
    (root / "hparams/toy-2000.yaml").write_text(SETS)
    with open(root / "papers/topics.yaml", "a") as topics:
        topics.write("      - {number: 106, id: toy-2000, year: 2000, title: A toy}\n")
    monkeypatch.setattr(
        implementations, "__path__", [*implementations.__path__, str(root / "implementations")]
    )
    monkeypatch.setenv("PYTHONPATH", str(root))  # for the workers
    return root


def card(root, near: float | None = None):
    text = CARD if near is None else CARD + NEAR.replace("TOLERANCE", str(near)).lstrip("\n")
    (root / "papers/toy-2000.yaml").write_text(text)
    tools.commit(root, "toy")


RUN = ("run", "toy-2000", "--env", "CartPole", "--until-decided", "--workers", "1")


def test_exploration_takes_more_seeds_until_all_is_decided(clone):
    card(clone, near=41.0)
    done = tools.main(*RUN, root=clone)
    assert done.returncode == 0, done.stderr
    looks = [line for line in done.stdout.splitlines() if line.startswith("look at")]
    assert looks == ["look at 5 seeds: undecided: near", "look at 10 seeds: decided"]
    assert "10 seeds × 600 steps (exploration)" in done.stdout
    logs = {p: p.stat().st_mtime_ns for p in (clone / "runs").rglob("seed-*.jsonl")}
    assert {path.name for path in logs} == {f"seed-{k}.jsonl" for k in range(10)}
    again = tools.main(*RUN, root=clone)
    assert again.stdout == done.stdout
    assert all(path.stat().st_mtime_ns == time for path, time in logs.items())


@pytest.mark.slow  # three workers, each a process of its own
def test_evidence_goes_on_where_it_was_killed_and_ends_with_the_ten_that_count(clone, monkeypatch):
    card(clone)
    planned = tools.main("plan", "toy-2000", "--env", "CartPole", "--looks", "5,10,20", root=clone)
    assert planned.returncode == 0, planned.stderr
    tools.commit(clone, "plan")
    folder = clone / "results/toy-2000/CartPole-v1/plain"
    plan = plans.read_plan(folder)
    monkeypatch.setenv("TOY_TROUBLE", f"kill:3:{plan.seeds[7]}")
    command = ("run", "--plan", str(folder / "plan.json"), "--until-decided", "--workers", "1")
    killed = tools.main(*command, root=clone)
    assert killed.returncode == 3, killed.stderr
    assert "look at 5 seeds: decided" in killed.stdout  # but five do not count
    assert len(json.loads((folder / "metrics.json").read_text())["seeds"]) == 5
    monkeypatch.delenv("TOY_TROUBLE")
    done = tools.main(*command, root=clone)
    assert done.returncode == 0, done.stderr
    assert "look at 10 seeds: decided" in done.stdout
    assert "20" not in "".join(x for x in done.stdout.splitlines() if x.startswith("look"))
    found = json.loads((folder / "metrics.json").read_text())["seeds"]
    assert [seed["seed"] for seed in found] == plan.seeds[:10]
    verdict = json.loads((clone / "results/toy-2000/verdicts.json").read_text())["verdicts"][0]
    assert (verdict["answer"], verdict["counts"]) == ("not reproduced", True)
    assert verdict["level"] == 0.0075


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", "7"), "leave out --seeds"),
        (("--env", "CartPole", "--seeds", "0-3"), "leave out --seeds"),
    ],
)
def test_the_looks_are_not_chosen_by_hand(clone, options, message):
    card(clone)
    refused = tools.main(*RUN, *options, root=clone)
    assert refused.returncode == 2
    assert message in refused.stderr


def test_a_plan_of_one_look_has_no_further_ones(clone):
    from repro.commands.looks import planned_looks

    class One:
        looks = (10,)

    class Args:
        seeds = None

    with pytest.raises(ReproError, match="this plan has one look, at 10 seeds"):
        planned_looks(Args(), One())
