"""The table of ablations: scores, orderings and neighbours by hand; the command on written runs."""

from __future__ import annotations

import dataclasses
import json
import shlex

import evidence_tools as tools
import msgspec
import pytest

from repro import ablations, paths, results
from repro.cards import load_card
from repro.cli import main
from repro.commands.ablate import gathered
from repro.commands.ablate_text import cells, notes
from repro.errors import ReproError
from repro.experiment import resolve
from repro.judge.ablation import difference, table, unscored
from repro.judge.types import Sample

RANDOM = {"A": 0.0, "B": 10.0}


def sample(mean: float, std: float = 1.0, n: int = 5) -> Sample:
    return Sample(n=n, mean=mean, std=std)


ONE = {"A": {"paper": sample(100.0), "half": sample(50.0), "alike": sample(99.9), "one": sample(
    20.0, None, 1)}}  # fmt: skip


def test_scores_are_the_papers_and_rows_stand_best_first():
    rows = table(ONE, RANDOM, ["paper", "half", "alike", "gone"], {"paper": 0.8, "half": 0.4})
    assert [row.arm for row in rows] == ["paper", "alike", "half", "gone"]
    assert [row.score for row in rows] == [1.0, pytest.approx(0.999), 0.5, None]
    assert rows[0].published == 0.8
    assert [cells(row, 1)[4] for row in rows[:3]] == ["1.00", "1.00 ± 0.01", "0.50 ± 0.01"]
    assert (rows[0].error, rows[0].low) == (None, None)  # the best of its only task
    assert (rows[3].tasks, rows[3].seeds) == (0, 0)


def test_a_difference_on_one_task_is_welchs_in_returns():
    found = difference(ONE, "paper", "half", RANDOM)
    # 100 − 50; standard error sqrt(1/5 + 1/5) = 0.632; t(0.975, 8) = 2.306
    assert (found.value, found.unit) == (pytest.approx(50.0), "return")
    assert found.high - found.value == pytest.approx(2.306 * 0.6325, rel=1e-3)
    assert found.p < 1e-9


def test_two_tasks_weigh_alike_and_only_common_ones_count():
    two = ONE | {"B": {"paper": sample(60.0), "half": sample(60.0)}}
    found = difference(two, "paper", "half", RANDOM)
    assert (found.value, found.unit) == (pytest.approx(0.25), "gain")
    assert difference(two, "paper", "half", RANDOM).tasks == 2
    assert difference(two, "paper", "alike", RANDOM).tasks == 1
    rows = {row.arm: row for row in table(two, RANDOM, ["paper", "half", "alike"], {})}
    assert rows["half"].score == pytest.approx(0.75)
    assert rows["half"].ours is None
    assert rows["alike"].tasks == 1
    assert rows["alike"].score > rows["half"].score  # and yet below it: of one task alone
    assert list(rows) == ["paper", "half", "alike"]


def test_the_error_of_a_score_has_the_degrees_of_freedom_of_both_arms():
    wide = {"A": {"paper": sample(100.0, 30.0, 3), "half": sample(50.0, 1.0, 40)}}
    half = table(wide, RANDOM, ["half"], {})[0]
    # 0.5 × 30/√3 = 8.660 beside 1/√40 = 0.158, over 100; df = 2.0013 by Satterthwaite
    assert half.error == pytest.approx(0.08662, rel=1e-3)
    assert half.high - half.score == pytest.approx(4.302 * 0.08662, rel=1e-3)


def test_arms_that_never_vary_are_apart_or_the_same():
    still = {"A": {"paper": sample(9.0, 0.0), "less": sample(8.0, 0.0), "as": sample(9.0, 0.0)}}
    assert difference(still, "paper", "less", RANDOM).p == 0.0
    assert difference(still, "paper", "as", RANDOM).p == 1.0


def test_a_difference_says_where_it_is_of_fewer_tasks_than_its_row():
    two = ONE | {"B": {"half": sample(60.0), "alike": sample(50.0)}}
    rows = {row.arm: row for row in table(two, RANDOM, ["paper", "half"], {})}
    assert cells(rows["half"], 2)[5].endswith("(1 of 2 tasks)")


def test_orderings_are_held_against_the_paper():
    published = {"paper": 0.8, "half": 0.9, "alike": 0.5, "one": 0.1}
    rows = {r.arm: r for r in table(ONE, RANDOM, list(ONE["A"]), published)}
    assert rows["half"].ordering == "the other way round"
    assert rows["alike"].ordering == "undecided"
    assert rows["one"].ordering is None  # a single seed has no spread
    assert rows["paper"].ordering is None
    said = {r.arm: r for r in table(ONE, RANDOM, ["paper", "half"], {}, worse=["half"])}
    assert said["half"].ordering == "as published"
    silent = {r.arm: r for r in table(ONE, RANDOM, ["paper", "half"], {})}
    assert silent["half"].ordering == "not stated"


def test_neighbours_are_told_apart_after_holm():
    rows = {r.arm: r for r in table(ONE, RANDOM, ["paper", "half", "alike"], {})}
    assert (rows["paper"].below, rows["paper"].separable) == ("alike", False)
    assert (rows["alike"].below, rows["alike"].separable) == ("half", True)
    assert (rows["half"].below, rows["half"].separable) == (None, None)
    # Alone this pair has p = 0.04; beside others of its kind it is not separable.
    close = {"A": {f"arm-{i}": sample(100.0 - 1.54 * i) for i in range(6)}}
    assert difference(close, "arm-0", "arm-1", RANDOM).p < 0.05
    assert not any(row.separable for row in table(close, RANDOM, list(close["A"]), {}))
    pair = {"A": {name: close["A"][name] for name in ("arm-0", "arm-1")}}
    assert table(pair, RANDOM, ["arm-0", "arm-1"], {})[0].separable


def test_where_nobody_beats_the_random_policy_rows_are_still_compared():
    lost = {"A": {"small": sample(-20.0), "paper": sample(-1.0), "half": sample(-2.0)}}
    rows = table(lost, RANDOM, [*lost["A"], "gone"], {}, worse=["half", "small"])
    assert [row.arm for row in rows] == ["paper", "half", "small", "gone"]
    assert all(row.score is None for row in rows)
    assert [row.ours.mean for row in rows[:3]] == [-1.0, -2.0, -20.0]
    assert [row.ordering for row in rows[:3]] == [None, "undecided", "as published"]
    assert [row.separable for row in rows[:3]] == [False, True, None]
    assert rows[2].difference.value == pytest.approx(19.0)
    assert unscored(lost, RANDOM) == {"A": "no arm beats the random policy"}


def test_a_task_without_scores_is_left_out_of_the_mean_over_tasks():
    two = ONE | {"B": {"paper": sample(5.0), "half": sample(4.0)}}
    rows = {row.arm: row for row in table(two, RANDOM, ["paper", "half"], {})}
    assert (rows["half"].score, rows["half"].tasks) == (0.5, 2)
    assert rows["half"].difference.tasks == 1
    assert list(unscored(two, RANDOM)) == ["B"]


def test_a_score_needs_a_rival_and_the_random_policys_return():
    alone = {"A": {"paper": sample(100.0)}}
    row = table(alone, RANDOM, ["paper"], {})[0]
    assert (row.score, row.ours.mean, row.separable) == (None, 100.0, None)
    assert "a single arm" in unscored(alone, RANDOM)["A"]
    assert [row.score for row in table(ONE, {}, ["paper", "half"], {})] == [None, None]
    assert "not measured" in unscored(ONE, {})["A"]


def test_the_table_says_which_seeds_each_row_has():
    assert ablations.kind_of([1007, 5], planned=True) == "planned"
    assert ablations.kind_of([2, 0, 1], planned=False) == "0–2"
    assert ablations.kind_of([3, 1], planned=False) == "1, 3"
    arms = ablations.arms_of(load_card("ppo-2017"), "HalfCheetah", only=["no-clip"])
    two = {"A": {"paper": sample(100.0, n=10), "no-clip": sample(50.0)}}
    kinds = {"paper": "planned", "no-clip": "0–4"}
    rows = table(two, RANDOM, list(two["A"]), {}, kinds=kinds)
    assert [cells(row, 1)[3] for row in rows] == ["10 (planned)", "5 (0–4)"]
    said = "Rows differ in their seeds; the test takes each as a sample of its own."
    assert said in notes(rows, arms, ablations.Printed({}), "A", two, RANDOM)
    alike = table(two, RANDOM, ["no-clip"], {}, kinds=kinds)
    assert said not in notes(alike, arms, ablations.Printed({}), "A", two, RANDOM)


# Which arms there are, and what the paper prints of them


def test_a_result_of_other_steps_is_not_called_missing():
    card = load_card("deep-rl-matters-2017")
    arms = {"HalfCheetah-v4": ablations.arms_of(card, "HalfCheetah-v4", only=["policy-400-300"])}
    assert ablations.steps_run(arms["HalfCheetah-v4"][1].experiment) == 300_000
    samples, _, _, marks = gathered(arms)
    assert samples == {}
    assert marks == [
        "results of 300,000 steps are not in this table (HalfCheetah-v4); --steps 300000 shows them"
    ]


def test_an_ablation_that_changes_nothing_is_the_standard_set():
    card = load_card("ppo-2017")
    arms = ablations.arms_of(card, "HalfCheetah", only=["no-clip"])
    assert [(arm.name, arm.same) for arm in arms] == [("paper", ("clip-0.2",)), ("no-clip", ())]
    every = ablations.arms_of(card, "HalfCheetah")
    assert len(every) == 11  # the eleven rows of Table 1
    for env in (None, "HalfCheetah-v4"):  # the card has returns of the task, of this row alone
        printed = ablations.printed_of(card, every, env)
        figures = printed.figures
        assert (figures["paper"], figures["no-clip"], len(figures)) == (0.82, -0.39, 11)
        assert printed.scores


def test_an_ablation_that_contradicts_the_set_is_left_out_and_said(monkeypatch):
    card = load_card("ppo-2017")
    with pytest.raises(ReproError, match="lists no ablations"):
        ablations.arms_of(msgspec.structs.replace(card, ablations={}), "HalfCheetah")

    def refuse(paper, env, hparams, name, *rest):
        if name == "no-clip":
            raise ReproError("ppo-2017, ablation no-clip: does not fit")
        return resolve(paper, env, hparams, name, *rest)

    monkeypatch.setattr("repro.experiment.resolve", refuse)
    arms = ablations.arms_of(card, "HalfCheetah")
    assert "no-clip" not in {arm.name for arm in arms}
    assert arms[0].unfit == ("ppo-2017, ablation no-clip: does not fit",)
    with pytest.raises(ReproError, match="does not fit"):
        ablations.arms_of(card, "HalfCheetah", only=["no-clip"])


def of_set(arms, name):
    """The same rows, as if another set had been asked for."""
    changed = [msgspec.structs.replace(arm.experiment, hparam_set=name) for arm in arms]
    return [
        dataclasses.replace(arm, experiment=experiment)
        for arm, experiment in zip(arms, changed, strict=True)
    ]


def test_figures_of_single_tasks_are_taken_where_they_are_printed():
    card = load_card("td3-2018")
    arms = ablations.arms_of(card, "Hopper", "camera-ready")
    found = ablations.printed_of(card, arms, "Hopper-v4")
    assert found.figures["paper"] == 3304.75
    assert found.figures["no-delay"] == 2407.42
    assert not found.scores
    assert "no-delay" in found.worse


def test_the_standard_sets_figure_may_be_a_level_claims_alone():
    card = load_card("td3-2018")
    arms = ablations.arms_of(card, "HalfCheetah", "camera-ready")
    found = ablations.printed_of(card, arms, "HalfCheetah-v4")
    # Table 2; the other level claim of the task is a maximum over time
    assert (found.figures["paper"], found.metric) == (9532.99, "evaluation-last-10")
    assert found.steps == 1_000_000
    assert found.worse == ()
    # double-dqn is printed above TD3 and is named by no claim: its order is known all the same
    ours = {"HalfCheetah-v4": {"paper": sample(9000.0), "double-dqn": sample(8000.0),
                               "no-smoothing": sample(7000.0), "myopic": sample(0.0)}}  # fmt: skip
    rows = {r.arm: r for r in table(ours, {"HalfCheetah-v4": -280.0}, list(ours["HalfCheetah-v4"]),
                                    found.figures)}  # fmt: skip
    assert rows["double-dqn"].ordering == "the other way round"
    assert rows["no-smoothing"].ordering == "as published"
    assert rows["myopic"].ordering == "not stated"
    # Another set's claims are not of this table.
    other = of_set(arms, "author-2019")
    assert "paper" not in ablations.printed_of(card, other, "HalfCheetah-v4").figures


def test_both_figures_may_come_from_the_claim_that_compares_them():
    card = load_card("deep-rl-matters-2017")
    arms = ablations.arms_of(card, "HalfCheetah", "ppo")
    found = ablations.printed_of(card, arms, "HalfCheetah-v4")
    # Table 1's pair, not the 3043 of another table
    assert (found.figures["paper"], found.figures["policy-400-300"]) == (2201.0, -1180.0)
    assert found.steps == 2_000_000


def test_the_paper_may_put_an_ablation_above_its_standard_set():
    card = load_card("deep-rl-matters-2017")
    arms = of_set(ablations.arms_of(card, "HalfCheetah", "ppo"), "trpo")
    assert ablations.printed_of(card, arms, "HalfCheetah-v4").better == ("policy-relu",)
    names = ["paper", "half"]
    rows = {r.arm: r for r in table(ONE, RANDOM, names, {}, better=["half"])}
    assert rows["half"].ordering == "the other way round"
    both = {r.arm: r for r in table(ONE, RANDOM, names, {}, worse=["half"], better=["half"])}
    assert both["half"].ordering == "not stated"


def test_the_papers_table_has_its_own_tasks():
    tasks = ablations.table_environments(load_card("ppo-2017"))
    assert len(tasks) == 7
    assert "HalfCheetah-v4" in tasks


# The command, on runs written by hand


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    root = tools.make_clone(tmp_path_factory.mktemp("clone"))
    with pytest.MonkeyPatch.context() as patch:
        tools.use(patch, root)
        for arm, level in ((None, 1500.0), ("no-clip", -100.0), ("clip-0.3", 1480.0)):
            experiment = resolve("ppo-2017", "HalfCheetah", ablation=arm, steps=50_000)
            run = tools.written_run(experiment, range(5), level=level)
            records = results.read_records(run, experiment, range(5))
            results.write_files(run.path, results.summarise(experiment, records))
        yield root


OPTIONS = ("ablate", "ppo-2017", "--env", "HalfCheetah", "--steps", "50000")


def test_the_table_of_what_is_there(clone):
    done = tools.main(*OPTIONS, "--show", root=clone)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "as published" in lines["no-clip"]
    assert "undecided" in lines["clip-0.3"]
    assert "not run" in lines["fixed-kl-3"]
    assert "5 (0–4)" in lines["no-clip"]
    assert "Rows differ in their seeds" not in done.stdout
    assert "clip-0.2 is the standard set itself" in " ".join(done.stdout.split())
    assert "; repro ablate ppo-2017 --env HalfCheetah-v4 --steps 50000 (5 seeds" in done.stdout
    assert (clone / "runs/ppo-2017/HalfCheetah-v4/ablations-mujoco.svg").is_file()
    rows = json.loads(tools.main(*OPTIONS, "--show", "--json", root=clone).stdout)
    assert [row["arm"] for row in rows[:3]] == ["paper", "clip-0.3", "no-clip"]
    assert rows[2]["ours"]["n"] == 5
    assert rows[2]["by_task"] == {"HalfCheetah-v4": rows[2]["ours"]}


def test_problems_in_closed_form_are_no_tasks_of_a_table():
    assert "RandomMDP" in load_card("pg-theorem-1999").environments
    tasks = ablations.table_environments(load_card("pg-theorem-1999"))
    assert "CartPole-v1" in tasks
    assert "RandomMDP" not in tasks


def test_a_table_of_nothing_says_so_and_leaves_no_empty_line(clone):
    done = tools.main("ablate", "ppo-2017", "--env", "Hopper", "--show", root=clone)
    assert done.returncode == 0, done.stderr
    assert "nothing of it was run at these steps" in done.stdout
    assert "" not in done.stdout.splitlines()


def test_the_table_as_a_page(clone, tmp_path):
    done = tools.main(*OPTIONS, "--show", "--out", str(tmp_path / "table.md"), root=clone)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "table.md").read_text()
    assert "--env HalfCheetah-v4 --show --steps 50000 --out" in written
    lines = {line.split(" | ")[0]: line for line in written.splitlines()}
    assert "| as published (p " in lines["| no-clip"]
    assert "| not run |" in lines["| fixed-kl-3"]
    assert "(table.svg)" in written
    assert (tmp_path / "table.svg").is_file()
    assert "## Each task" not in written  # of a single one


PAGES = sorted(paths.RESULTS.glob("*/ablations*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_committed_pages_say_what_their_command_says_now(page, tmp_path, monkeypatch):
    written = page.read_text(encoding="utf-8")
    _, command, *_ = written.split("`")
    new = tmp_path / page.name
    typed = [*shlex.split(command)[1:-1], str(new)]
    tools.use(monkeypatch, tools.PROJECT)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")  # what is in git, and nothing else
    monkeypatch.chdir(tools.PROJECT)
    assert main(typed) == 0
    assert new.read_text(encoding="utf-8").replace(str(new), shlex.split(command)[-1]) == written


def test_the_command_for_what_was_not_run_is_what_was_typed(clone):
    """Without --show, it runs the rows that the table lacks and no others."""
    typed = ("--hparams", "mujoco", "--only", "clip-0.1,no-clip", "--steps", "50000")
    more = ("--seeds", "0-2", "--evaluate")
    asked = ("ablate", "ppo-2017", "--env", "HalfCheetah-v4", *typed, *more)
    done = tools.main(*asked, "--show", root=clone)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("not run: ")]
    assert f"; repro {' '.join(asked)} (3 seeds: " in line
    refused = tools.main(*OPTIONS, "--show", "--seeds", "none", root=clone)
    assert (refused.returncode, refused.stdout) == (2, "")


def test_verdicts_and_plot_where_no_arm_beats_the_random_policy(tmp_path):
    root = tools.make_clone(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        tools.use(patch, root)
        for arm, level in ((None, -290.0), ("step-size-small", -700.0)):
            experiment = resolve("where-optimum-2018", "HalfCheetah", ablation=arm, steps=50_000)
            run = tools.written_run(experiment, range(5), level=level)
            records = results.read_records(run, experiment, range(5))
            results.write_files(run.path, results.summarise(experiment, records))
    asked = ("ablate", "where-optimum-2018", "--env", "HalfCheetah", "--steps", "50000", "--show")
    done = tools.main(*asked, "--out", str(tmp_path / "table.svg"), root=root)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "as published" in lines["step-size-small"]
    assert "apart" in lines["paper"]
    words = " ".join(done.stdout.split())
    assert "No score on HalfCheetah-v4: no arm beats the random policy." in words
    assert "nothing of it was run" not in words
    picture = (tmp_path / "table.svg").read_text()
    assert "random policy" in picture
    assert "no score" not in picture


def test_plans_for_every_row_that_has_none(clone):
    planned = tools.main(*OPTIONS, "--plan", "--only", "no-clip,clip-0.1", root=clone)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.count("plan.json") == 4  # three rows, and the command that comes next
    plans = sorted((clone / "results").rglob("plan.json"))
    assert [path.parent.name for path in plans] == ["mujoco", "mujoco+clip-0.1", "mujoco+no-clip"]
    assert all(len(json.loads(path.read_text())["seeds"]) == 10 for path in plans)
    again = tools.main(*OPTIONS, "--plan", "--only", "no-clip", root=clone)
    assert again.stdout.count("planned already") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ablate", "ppo-2017", "--only", "no-clp"), 'did you mean "no-clip"?'),
        (("ablate", "ppo-2017", "--env", "HalfCheeta"), 'did you mean "HalfCheetah"?'),
        (("ablate", "ppo-2017", "--out", "x.gif"), ".svg, .png, .pdf or .md"),
        (("ablate", "ppo-2017", "--looks", "5,10"), "add --plan"),
        ((*OPTIONS, "--plan", "--show"), "no --show, --json or --out"),
        ((*OPTIONS, "--plan", "--json"), "no --show, --json or --out"),
        ((*OPTIONS, "--plan", "--seeds", "0,1"), "a plan takes a number"),
    ],
)
def test_wrong_input_gets_one_line(clone, arguments, expected):
    done = tools.main(*arguments, root=clone)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_missing_rows_are_run_and_kept(tmp_path):
    root = tools.make_clone(tmp_path)
    typed = ("ablate", "ppo-2017", "--env", "CartPole", "--only", "no-clip", "--steps", "512")
    done = tools.main(*typed, "--seeds", "2", "--workers", "1", root=root)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 rows to run × 2 seeds (0, 1) × 512 steps" in done.stdout
    again = tools.main(*typed, "--seeds", "2", "--workers", "1", root=root)
    assert "rows to run" not in again.stdout
    assert again.stdout.splitlines()[0] in done.stdout
