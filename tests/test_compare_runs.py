"""Runs beside each other: statistics by hand, fairness, and the commands on written runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import evidence_tools as tools
import pytest
from msgspec import structs

from repro import results
from repro.commands.arms import folder_of
from repro.contestants import contestant, fairness
from repro.experiment import EVALUATION, resolve
from repro.judge.contest import overall, pairs, profile, profile_grid

SCORES = {
    "A": {"x": [1.0, 2.0, 3.0, 4.0], "y": [0.0, 0.5, 1.0, 1.5], "z": [1.0, 2.0, 3.0, 4.5]},
    "B": {"x": [5.0, 5.0, 6.0, 6.0], "y": [5.0, 6.0, 5.0, 6.0], "z": [1.0, 1.0, 1.0, 1.1]},
}


def test_every_pair_on_every_task_with_holms_correction():
    found = {(p.task, p.a, p.b): p for p in pairs(SCORES)}
    assert len(found) == 6
    clear = found["A", "x", "y"]
    assert clear.difference == pytest.approx(1.75)
    # x beats y in 13 of 16 pairs, with one tie: 13.5 / 16... counted by hand below
    wins = sum((a > b) + 0.5 * (a == b) for a in SCORES["A"]["x"] for b in SCORES["A"]["y"])
    assert clear.improvement[0] == pytest.approx(wins / 16)
    assert clear.improvement[1] < clear.improvement[0] < clear.improvement[2]
    same = found["B", "x", "y"]
    assert (same.difference, same.improvement[0]) == (0.0, 0.5)
    assert same.p == 1.0
    assert found["B", "y", "z"].p < 0.01


def test_overall_takes_the_tasks_that_all_have():
    whole = {row.run: row for row in overall(SCORES, ["x", "y", "z"])}
    assert whole["x"].iqm == pytest.approx((3 + 4 + 5 + 5) / 4)  # of 1 2 3 4 5 5 6 6
    assert whole["x"].iqm_low is None
    assert "fewer than 20 seeds" in whole["x"].how
    assert whole["x"].mean == pytest.approx((2.5 + 5.5) / 2)
    assert whole["x"].mean_low < 4.0 < whole["x"].mean_high
    assert whole["x"].improvement["z"][0] == pytest.approx((7.5 / 16 + 1.0) / 2, abs=0.04)
    assert overall({"A": {"x": [1.0, 2.0]}}, ["x", "y"]) == []


def test_over_one_task_the_chance_of_being_better_is_that_of_the_pair():
    one = {"A": {"x": [4.0, 5.0, 6.0], "y": [1.0, 2.0, 4.5]}}
    assert overall(one, ["x", "y"])[0].improvement["y"] == pairs(one)[0].improvement


def test_twenty_seeds_bring_a_bootstrap_interval():
    many = {"A": {"x": [float(i % 7) for i in range(20)], "y": [float(i % 5) for i in range(20)]}}
    row = overall(many, ["x", "y"])[0]
    assert row.how == "stratified bootstrap"
    assert row.iqm_low < row.iqm < row.iqm_high


def test_a_profile_is_the_share_of_runs_above_a_score():
    assert profile([0.2, 0.4, 0.4, 0.9], [0.0, 0.2, 0.4, 1.0]) == [
        (0.0, 1.0), (0.2, 0.75), (0.4, 0.25), (1.0, 0.0)
    ]  # fmt: skip
    grid = profile_grid({"A": {"x": [-0.5, 0.7]}})
    assert (grid[0], grid[-1]) == (-0.5, 1.0)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    root = tools.make_clone(tmp_path_factory.mktemp("clone"))
    with pytest.MonkeyPatch.context() as patch:
        tools.use(patch, root)
        for env, name, level in (
            ("HalfCheetah", "mujoco", 1500.0),
            ("HalfCheetah", "mujoco-ppo2", 900.0),
            ("Reacher", "mujoco", 0.0),
            ("Reacher", "mujoco-ppo2", 0.0),
        ):
            experiment = resolve("ppo-2017", env, name, steps=50_000)
            run = tools.written_run(experiment, range(5), level=level)
            records = results.read_records(run, experiment, range(5))
            results.write_files(run.path, results.summarise(experiment, records))
        yield root


NAMES = ("ppo-2017:mujoco", "ppo-2017:mujoco-ppo2")


def test_side_by_side(clone):
    done = tools.main("compare", *NAMES, "--env", "HalfCheetah", root=clone)
    assert done.returncode == 0, done.stderr
    for expected in ("gradient steps a seed", "11,085", "policy 64-64, critic 64-64", "P(A > B)"):
        assert expected in done.stdout
    assert "wall minutes a seed" in done.stdout
    assert "MuJoCo 3.6.0" in done.stdout
    assert "not fair" not in done.stdout
    (header,) = [line for line in done.stdout.splitlines() if "P(A > B)  " in line]
    assert header.split()[:2] == ["A", "B"]  # the task stands above
    assert list((clone / "runs/compare").glob("*.svg"))


def test_json_has_every_number(clone):
    both = ("--env", "HalfCheetah", "--env", "Reacher")
    found = json.loads(tools.main("compare", *NAMES, *both, "--json", root=clone).stdout)
    run = found["runs"]["HalfCheetah-v4"]["ppo-2017:mujoco"]
    # 50,000 steps are 25 batches of 2048; ten epochs of 32 minibatches each
    assert (run["updates"], run["parameters"], len(run["scores"])) == (25 * 320, 11_085, 5)
    assert [pair["task"] for pair in found["pairs"]] == ["HalfCheetah-v4", "Reacher-v4"]
    assert found["pairs"][0]["difference"] > 300
    assert {row["run"] for row in found["overall"]} == set(NAMES)


def test_what_is_not_fair_is_said(clone):
    one, other = (contestant(name, "HalfCheetah") for name in NAMES)
    assert fairness([one, other]) == []
    played = [
        replace(run, evidence=structs.replace(run.evidence, evaluation={**EVALUATION, **said}))
        for run, said in ((one, {}), (other, {"episodes": 30}))
    ]
    assert fairness(played[:1] * 2) == []
    (said,) = fairness(played)
    assert said.startswith("evaluations differ (ppo-2017:mujoco every 5,000 steps 10 whole")
    longer = replace(other, manifest=other.manifest | {"machine": {"mujoco-engine": "4.0.0"}})
    said = " ".join(fairness([one, longer]))
    assert (
        "versions of mujoco-engine differ (ppo-2017:mujoco 3.6.0, ppo-2017:mujoco-ppo2 4.0.0)"
        in said
    )
    acrobot = [replace(r, experiment=structs.replace(r.experiment, env="Acrobot-v1"))
               for r in (one, longer)]  # fmt: skip
    assert "mujoco" not in " ".join(fairness(acrobot)).replace("ppo-2017:mujoco", "")
    hparams = {k: v for k, v in other.experiment.hparams.items() if k != "time_limit"}
    free = replace(other, experiment=structs.replace(other.experiment, hparams=hparams))
    assert fairness([one, free]) == []  # it has no targets that a limit could cut
    ended = structs.replace(other.experiment, hparams=hparams | {"time_limit": "bootstrap"})
    assert "time limit differ" in " ".join(fairness([one, replace(other, experiment=ended)]))
    wide = replace(other, networks={"model": {"layers.0.weight": (500, 500)}})
    assert "differ in size by more than a fifth" in " ".join(fairness([one, wide]))


def test_times_far_apart_at_equal_work_are_put_down_to_the_machine(clone):
    def timed(run, seconds, cpu="Xeon"):
        spent = {"training": seconds, "evaluation": 0.0}
        return replace(run, manifest=run.manifest | {"machine": {"cpu": cpu}, "seconds": spent})

    one, other = (contestant(name, "Reacher") for name in NAMES)
    # 5 seeds, 8000 updates each: 60 s are 1.5 ms an update, 100 s are 2.5 ms
    said = fairness([timed(one, 60.0), timed(other, 100.0)])
    assert len(said) == 1
    assert "a factor of 1.7 at equal updates" in said[0]
    assert "ppo-2017:mujoco 1.5 ms, ppo-2017:mujoco-ppo2 2.5 ms" in said[0]
    assert fairness([timed(one, 60.0), timed(other, 80.0)]) == []
    elsewhere = fairness([timed(one, 60.0), timed(other, 100.0, "Epyc")])
    assert [line.split(" differ ")[0] for line in elsewhere] == ["processors"]


def test_several_runs_in_one_figure(clone):
    typed = ("plot", *NAMES, "--env", "HalfCheetah", "--env", "Reacher", "--out", "both.svg")
    done = tools.main(*typed, root=clone)
    assert (done.returncode, done.stdout) == (0, "both.svg\n"), done.stderr
    svg = (clone / "both.svg").read_text()
    for expected in ("HalfCheetah-v4", "Reacher-v4", "5 seeds, mean", "95 % t interval", "single"):
        assert expected in svg


def test_one_run_by_two_names_and_runs_of_two_tasks_are_refused(clone):
    here, there = (
        str(folder_of(NAMES[0], env).relative_to(clone)) for env in ("HalfCheetah", "Reacher")
    )
    twice = tools.main("compare", NAMES[0], here, "--env", "HalfCheetah", root=clone)
    assert (twice.returncode, twice.stdout) == (2, "")
    assert "by two names" in twice.stderr
    apart = tools.main("compare", here, there, root=clone)
    assert (apart.returncode, apart.stdout) == (2, "")
    assert f"{here} on HalfCheetah-v4, {there} on Reacher-v4" in apart.stderr


def test_a_manifest_that_is_none_is_said_by_every_command(clone, tmp_path):
    foreign = shutil.copytree(folder_of(NAMES[0], "Reacher"), tmp_path / "foreign")
    (foreign / "manifest.json").write_text("[]")
    beside = (NAMES[1], "--env", "Reacher")
    for command, *more in (["doctor"], ["plot"], ["watch"], ["compare", *beside]):
        done = tools.main(command, str(foreign), *more, root=clone)
        assert done.returncode == 2, (command, done.stderr)
        assert "schema_version is None" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("compare", "ppo-2017"), "one run alone"),
        (("compare", "ppo-2017", "ppo-2017"), "stands there twice"),
        (("compare", *NAMES), "--env is missing"),
        (("compare", "ppo-2017:mujoc", "ppo-2017", "--env", "Reacher"), 'did you mean "mujoco"?'),
        (("compare", "pop-2017", "ppo-2017", "--env", "Reacher"), 'did you mean "ppo-2017"?'),
        (("compare", *NAMES, "--env", "Hopper"), "no result and no run of ppo-2017 · Hopper-v4"),
        (("compare", *NAMES, "--env", "Reacher", "--out", "x.gif"), ".svg, .png or .pdf"),
        (("plot", *NAMES, "--env", "Reacher", "--steps", "9"), "--steps is for one run"),
        (("plot", NAMES[0], NAMES[0], "--env", "Reacher"), "stands there already"),
        (("plot", *NAMES, "--env", "Reacher", "--out", "papers/topics.yaml/x.svg"), "cannot write"),
        (("plot", *NAMES, "--env", ""), 'found "" after --env'),
        (("doctor", "ppo-2017"), "--env is missing"),
        (("doctor", "ppo"), "which task of ppo-2017? there are: runs/ppo-2017/"),
        (("doctor", "pop"), 'no paper "pop"'),
        (("doctor", "no/such/run/at/all"), "holds no run"),
        (("watch", "ppo-2017", "--env", "HalfCheetah", "--out", "x.avi"), ".mp4, .gif or .png"),
        (("watch", "ppo-2017", "--env", "HalfCheetah", "--size", "9"), "--size goes from"),
    ],
)
def test_wrong_input_gets_one_line(clone, arguments, expected):
    done = tools.main(*arguments, root=clone)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
