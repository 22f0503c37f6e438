"""A night's jobs with runs made of written logs: looks, confirmations, breaks, the report."""

from __future__ import annotations

import json
import time

import evidence_tools as tools
import msgspec
import pytest
import yaml

from repro import evidence, git, paths, plans, results
from repro.attempts import read_attempts
from repro.cli import main
from repro.errors import ReproError
from repro.experiment import resolve
from repro.launch import local, origin
from repro.nightly import alarms, carry, collect, night, planning, smoke
from repro.nightly.night import Job, Night
from repro.runs import RunFolder, run_path

DATE = "2026-02-01"


def few_claims(card):
    """A night reads every claim of every card: two are enough here."""
    content = yaml.safe_load(card.read_text())
    kept = ("halfcheetah-figure-3", "hopper-figure-3")
    content["claims"] = [claim for claim in content["claims"] if claim["id"] in kept]
    card.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    for other in card.parent.glob("*-[12]*.yaml"):
        if other.name not in (card.name, "gae-2015.yaml"):
            other.unlink()


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with a committed result of ten seeds on HalfCheetah."""
    smoke.scratch(tmp_path / "clone")
    few_claims(tmp_path / "clone" / "papers" / "ppo-2017.yaml")
    tools.use(monkeypatch, tmp_path / "clone")
    experiment = resolve("ppo-2017", "HalfCheetah", "mujoco", steps=20_000)
    git.commit("cards", [paths.PAPERS])
    plan = plans.make_plan(experiment, 10)
    plans.write_plan(plan)
    git.commit("plan", [plan.folder])
    commit = plans.plan_commit(plan.folder)
    results.merge(tools.written_run(experiment, plan.seeds), plan, commit)
    git.commit("result", [plan.folder])
    return tmp_path / "clone"


def plan_here():
    (folder,) = evidence.result_folders("ppo-2017")
    return plans.read_plan(folder)


def job(plan, **more):
    content = {
        "name": "a.b.c", "kind": "check", "why": "old", "plan": plan.digest, "look": None,
        "folder": plan.folder.relative_to(paths.RESULTS).as_posix(), "screen": 5, "confirm": 10,
        "tests": ["training-return-last-100"], "seconds": 60.0, "part": False, "basis": "none",
    }  # fmt: skip
    return Job(**{**content, **more})


def night_of(*jobs, date=DATE):
    tonight = Night(
        schema_version=1, date=date, commit=git.head(), budget=3600.0, workers=1,
        level=alarms.confirmation_level(4), jobs=list(jobs), left=[],
    )  # fmt: skip
    night.write(tonight.folder / night.NIGHT, tonight)
    return tonight


@pytest.fixture
def launched(monkeypatch):
    """Instead of training: logs whose returns end at `level`; each call's seeds."""
    calls: list[list[int]] = []

    class Fake:
        level = 1800.0
        unfinished = 10**9  # of the how-manieth call on

        def __call__(self, experiment, seeds, *, stop_after, **options):
            calls.append(list(seeds))
            folder = RunFolder(run_path(experiment))
            for path in (folder.path,) if folder.path.exists() else ():
                import shutil

                shutil.rmtree(path)
            late = len(calls) >= self.unfinished
            tools.written_run(experiment, seeds, self.level, unfinished=seeds if late else ())
            states = folder.seeds()
            return local.Outcome(folder, states, (), late, False, 1.0)

    fake = Fake()
    fake.calls = calls
    monkeypatch.setattr(carry, "launch", fake)
    return fake


def run(tonight, name="a.b.c"):
    return carry.carry(tonight, tonight.job(name), time.monotonic() + 60)


def test_a_check_of_unchanged_code_trains_few_seeds(clone, launched):
    tonight = night_of(job(plan_here()))
    event = run(tonight)
    assert event.outcome == "as committed"
    assert [len(seeds) for seeds in launched.calls] == [5]
    assert not set(launched.calls[0]) & set(plan_here().seeds)
    assert event.tests[0].p > alarms.SCREEN_LEVEL
    assert event.tests[0].confirmed is None
    assert night.events(DATE) == {"a.b.c": event}


def test_worse_seeds_are_confirmed_on_others_before_an_alarm(clone, launched, capsys):
    launched.level = 600.0
    event = run(night_of(job(plan_here())))
    assert event.outcome == "worse"
    first, second = launched.calls
    assert (len(first), len(second)) == (5, 10)
    assert not set(first) & set(second)
    assert event.tests[0].confirmed <= alarms.confirmation_level(4)
    committed = (plan_here().folder / "metrics.json").read_bytes()
    assert main(["nightly", "--collect", "--date", DATE]) == 1
    assert "Newly failing" in capsys.readouterr().out
    assert (plan_here().folder / "metrics.json").read_bytes() == committed
    assert git.git("log", "-1", "--format=%s") == f"Nightly {DATE}: results"


def test_what_looked_worse_once_but_not_again_is_as_committed(clone, launched, monkeypatch):
    levels = iter([600.0, 1800.0])
    original = launched.__class__.__call__

    def call(self, *args, **options):
        self.level = next(levels)
        return original(self, *args, **options)

    monkeypatch.setattr(launched.__class__, "__call__", call)
    event = run(night_of(job(plan_here())))
    assert event.outcome == "as committed"
    assert event.tests[0].p <= alarms.SCREEN_LEVEL < event.tests[0].confirmed


def test_a_suspicion_that_ran_out_of_time_is_confirmed_the_next_night(clone, launched):
    launched.level, launched.unfinished = 600.0, 2
    tonight = night_of(job(plan_here()))
    with pytest.raises(carry.Stopped):  # interrupted before its time: someone stopped it
        run(tonight)
    assert night.events(DATE)["a.b.c"].outcome == "suspected"
    collect.collect(tonight)
    options = planning.Options("2026-02-02", 3600.0, 1, only=("HalfCheetah-v4 · mujoco",))
    jobs = planning.propose(options).night.jobs
    assert (jobs[0].folder, jobs[0].kind) == ("ppo-2017/HalfCheetah-v4/mujoco", "check")
    assert (jobs[0].screen, jobs[0].confirm >= 10) == (0, True)
    assert "to be confirmed" in jobs[0].why


def test_seeds_follow_from_the_committed_night_and_differ_between_nights(clone):
    plan = plan_here()
    one, other = night_of(job(plan)), night_of(job(plan), date="2026-02-02")
    screen, confirm = one.seeds(one.jobs[0], plan)
    assert len({*screen, *confirm} | set(plan.seeds)) == 25
    assert not set(screen) & set(other.seeds(other.jobs[0], plan)[0])
    assert min(screen) >= plans.DEVELOPMENT_SEEDS


def test_a_job_goes_wrong_without_ending_the_night(clone, monkeypatch):
    def refuse(*args, **options):
        raise ReproError(f"{paths.RUNS}/a is being run by process 7")

    monkeypatch.setattr(carry, "launch", refuse)
    event = run(night_of(job(plan_here())))
    assert (event.outcome, event.said) == ("failed", ["runs/a is being run by process 7"])
    gone = night_of(msgspec.structs.replace(job(plan_here()), plan="0" * 64))
    assert "another plan" in run(gone).said[0]


def test_a_planned_job_is_merged_judged_and_committed(clone, launched):
    experiment = resolve("ppo-2017", "Hopper", "mujoco", steps=20_000)
    plan = plans.make_plan(experiment, 40, (5, 10, 20, 40), today=DATE)
    plans.write_plan(plan)
    tonight = night_of(job(plan, kind="begin", look=5, screen=0, confirm=0, tests=[]))
    git.commit("plans", [plan.folder, tonight.folder])
    assert run(tonight).outcome == "finished"
    assert launched.calls == [plan.seeds[:5]]
    report = collect.collect(tonight)
    assert [event.outcome for event in report.events] == ["finished"]
    assert evidence.has_result(plan, 5)
    assert {change.was for change in report.changes} == {"not tested"}
    verdicts = evidence.stored_verdicts("ppo-2017")
    assert "Hopper-v4" in json.dumps(verdicts)
    assert git.git("status", "--porcelain") == ""
    text = (tonight.folder / "report.md").read_text()
    assert "begin: ppo-2017/Hopper-v4/mujoco" in text
    commits = git.git("rev-list", "--count", "HEAD")
    assert collect.collect(tonight) == report
    assert git.git("rev-list", "--count", "HEAD") == commits


def test_a_merge_that_was_killed_before_its_log_is_logged_by_the_next_one(clone, launched):
    experiment = resolve("ppo-2017", "Hopper", "mujoco", steps=20_000)
    plan = plans.make_plan(experiment, 5, today=DATE)
    plans.write_plan(plan)
    tonight = night_of(job(plan, kind="begin", look=5, screen=0, confirm=0, tests=[]))
    git.commit("plans", [plan.folder, tonight.folder])
    event = run(tonight)
    commit = plans.plan_commit(plan.folder)
    results.merge(RunFolder(collect.run_folder(event.run)), plan, commit, 5)
    for _ in range(2):  # the second finds everything there
        collect.merge(tonight, event)
        events = [line["event"] for line in read_attempts(plan.folder)]
        assert events == ["planned", "started", "finished"]


def test_a_night_goes_on_where_it_was_broken_off(clone, launched):
    done, open_ = job(plan_here(), name="done"), job(plan_here(), name="open")
    tonight = night_of(done, open_)
    git.commit("night", [tonight.folder])
    run(tonight, "done")
    assert main(["nightly", "--date", DATE, "--quiet"]) == 0
    assert len(launched.calls) == 2
    assert set(night.events(DATE)) == {"done", "open"}
    assert main(["nightly", "--date", DATE, "--quiet"]) == 0
    assert len(launched.calls) == 2


def test_jobs_cut_off_before_their_report_are_taken_in_by_the_next_night(clone, launched):
    tonight = night_of(job(plan_here()))
    git.commit("night", [tonight.folder])
    run(tonight)
    assert main(["nightly", "--date", "2026-02-02", "--budget", "1s", "--quiet"]) == 0
    assert [report.date for report in night.reports()] == [DATE, "2026-02-02"]


def test_a_dry_run_writes_nothing(clone, capsys):
    before = sorted(path for path in clone.rglob("*") if ".git/" not in str(path))
    status = git.git("status", "--porcelain")
    command = ["nightly", "--dry-run", "--budget", "2h", "--only", "Hopper", "--date", DATE]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "begin: ppo-2017/Hopper-v4/mujoco" in out
    assert "estimated from" in out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"]
    assert git.git("status", "--porcelain") == status
    assert sorted(p for p in clone.rglob("*") if ".git/" not in str(p)) == before


def test_stale_evidence_is_compared_before_it_is_renewed(clone, launched, monkeypatch):
    monkeypatch.setattr("repro.nightly.standing.fingerprints.since", lambda folder: ["values"])
    only = ("HalfCheetah-v4 · mujoco",)

    def kinds(date):
        found = planning.propose(planning.Options(date, 36000.0, 1, only=only)).night.jobs
        return {job.folder: job for job in found}["ppo-2017/HalfCheetah-v4/mujoco"]

    first = kinds(DATE)
    assert (first.kind, first.why) == ("check", "run-stale: values")
    tonight = night_of(first)
    carry.carry(tonight, tonight.jobs[0], time.monotonic() + 60)
    collect.collect(tonight)
    assert kinds("2026-02-02").kind == "renew"
    code = origin.code_digest
    monkeypatch.setattr(origin, "code_digest", lambda paper: code(paper)[::-1])
    assert kinds("2026-02-03").kind == "check"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--job", "x"], "no night of"),
        (["--collect"], "no night of"),
        (["--out", "x"], "--smoke"),
        (["--dry-run", "--only", "Hoppper"], "no claim's experiment"),
        (["--dry-run", "--machines", "0"], "at least 1"),
        (["--dry-run", "--matrix"], "not allowed"),
        (["--date", "tomorrow"], "2026-11-22"),
        (["--budgett", "5h"], "did you mean"),
        (["--rehearse", "100"], "--smoke"),
    ],
)
def test_wrong_input_gets_one_line(clone, capsys, words, hint):
    assert main(["nightly", *words, "--budget", "1h"]) == 2
    error = capsys.readouterr().err
    assert hint in error
    assert error.count("\n") == 1
