"""The end-to-end check's bookkeeping: which task, what counts as violated, when it is whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.spoiled import __main__ as command
from benchmarks.spoiled import choose, record, report
from benchmarks.spoiled.faults import FAULTS, NONE
from benchmarks.spoiled.jobs import Job, Task
from repro.errors import ReproError

PENDULUM, SWIMMER = Task("InvertedPendulum-v4", "mujoco"), Task("Swimmer-v4", "mujoco-ppo2")


def row(fault: str, task: Task, **more: Any) -> dict[str, Any]:
    return {
        "fault": fault, "env": task.env, "hparams": task.hparams, "steps": 1_000_000, "n": 10,
        "code": "c0de", "commit": "a" * 40, "date": "2026-01-02", "seconds": 60,
        "seeds": list(range(10)),
    } | more  # fmt: skip


def pilot_row(fault: str, task: Task, mean: float, **more: Any) -> dict[str, Any]:
    return row(
        fault, task, mean=mean, std=0.0, margin=10.0, settleable=True, power_ceiling=0.9,
        claim="level",
    ) | more  # fmt: skip


def run_row(fault: str, task: Task, answer: str) -> dict[str, Any]:
    verdict = {
        "claim": "level", "answer": answer, "headline": answer,
        "ours": {"n": 10, "mean": 40.0, "std": 2.0}, "theirs": {"n": 3, "mean": 100.0, "std": None},
    }  # fmt: skip
    return row(fault, task, verdicts=[verdict])


def test_a_fault_is_judged_where_it_does_most_harm() -> None:
    pilot = [
        pilot_row("none", PENDULUM, 100.0),
        pilot_row("none", SWIMMER, 100.0),
        pilot_row("done-mask", PENDULUM, 60.0),
        pilot_row("done-mask", SWIMMER, 80.0),
        pilot_row("gamma-squared", PENDULUM, 91.0),  # less than a margin
        pilot_row("halved-returns", SWIMMER, 50.0),
    ]
    assert choose.tasks(pilot) == {
        "done-mask": PENDULUM, "gamma-squared": None, "halved-returns": SWIMMER,
    }  # fmt: skip


def test_a_drop_within_noise_is_no_drop() -> None:
    noisy = [
        pilot_row("none", PENDULUM, 100.0, n=4, std=12.0),
        pilot_row("done-mask", PENDULUM, 85.0, n=4, std=16.0),
    ]
    assert choose.drop(noisy[1], noisy[0]) == pytest.approx((1.5, 1.0))
    assert choose.tasks(noisy)["done-mask"] is None


def test_a_task_whose_claim_cannot_be_settled_is_not_chosen() -> None:
    pilot = [
        pilot_row("none", PENDULUM, 100.0, settleable=False),
        pilot_row("done-mask", PENDULUM, 0.0, settleable=False),
    ]
    assert choose.tasks(pilot)["done-mask"] is None


def test_the_last_row_of_a_fault_and_task_counts() -> None:
    pilot = [pilot_row("none", PENDULUM, 100.0), pilot_row("done-mask", PENDULUM, 0.0)]
    assert choose.tasks(pilot)["done-mask"] == PENDULUM
    again = [*pilot, pilot_row("done-mask", PENDULUM, 99.0)]
    assert choose.tasks(again)["done-mask"] is None


@pytest.mark.parametrize(
    ("fault", "answer", "holds"),
    [
        ("none", "reproduced", True),
        ("none", "inconclusive", True),
        ("none", "not reproduced", False),
        ("done-mask", "reproduced", False),
        ("done-mask", "exceeds", False),
        ("done-mask", "inconclusive", True),
        ("done-mask", "not reproduced", True),
        ("done-mask", "behind", None),
        ("none", "on track", None),
    ],
)
def test_the_statement(fault: str, answer: str, holds: bool | None) -> None:
    assert report.holds(run_row(fault, PENDULUM, answer)) is holds


def whole() -> dict[str, Any]:
    """Every fault on the pendulum, as stated."""
    spoiled = [run_row(name, PENDULUM, "not reproduced") for name in FAULTS if name != NONE.name]
    return {"pilot": [], "runs": [run_row("none", PENDULUM, "reproduced"), *spoiled]}


def test_exit_status_says_whole_violated_or_unfinished() -> None:
    assert report.status(whole()) == 0
    assert "holds in every run" in report.outcome(whole())
    for runs in ([], whole()["runs"][1:], whole()["runs"][:-1]):
        assert report.status({"pilot": [], "runs": runs}) == 3
    wrong = whole()
    wrong["runs"][1] = run_row("done-mask", PENDULUM, "reproduced")
    assert report.status(wrong) == 1
    assert "violated by done-mask on InvertedPendulum-v4:mujoco" in report.outcome(wrong)


def test_a_run_too_short_to_be_judged_is_still_missing() -> None:
    short = whole()
    short["runs"][1] = run_row("done-mask", PENDULUM, "undecided")
    assert report.missing(short) == ["done-mask"]


def test_a_fault_that_the_pilot_does_not_show_is_left_out_and_named() -> None:
    found = whole()
    found["runs"] = [row for row in found["runs"] if row["fault"] != "gamma-squared"]
    assert report.missing(found) == ["gamma-squared"]
    found["pilot"] = [
        pilot_row("none", PENDULUM, 100.0),
        pilot_row("gamma-squared", PENDULUM, 99.0),
    ]
    assert report.missing(found) == []
    assert report.status(found) == 0
    assert "no task of the pilot shows it: gamma-squared." in report.outcome(found)
    found["pilot"][1]["mean"] = 0.0
    assert report.missing(found) == ["gamma-squared"]


def test_every_task_needs_its_unmodified_run() -> None:
    other = whole()
    other["runs"][1] = run_row("done-mask", SWIMMER, "not reproduced")
    assert report.missing(other) == ["none on Swimmer-v4:mujoco-ppo2"]


def test_the_report_fills_the_page_and_exits_with_the_status(tmp_path: Path) -> None:
    page, path = tmp_path / "page.md", tmp_path / "record.json"
    page.write_text(f"before\n{report.BEGIN}\noutdated\n{report.END}\nafter\n")
    for kind, found in (("runs", whole()["runs"]), ("pilot", [pilot_row("none", PENDULUM, 9.0)])):
        for each in found:
            record.append(path, kind, each)
    arguments = ["report", "--record", str(path), "--page", str(page)]
    assert command.main(arguments) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "outdated" not in text
    assert (
        "| done-mask | InvertedPendulum-v4 | level | 1,000,000 × 10 | 100 | 40 ± 2 "
        "| *not reproduced* | yes | aaaaaaa, 2026-01-02 |"
    ) in text
    record.append(path, "runs", run_row("done-mask", PENDULUM, "exceeds"))
    assert command.main(arguments) == 1
    assert "| *exceeds* | **no** |" in page.read_text()


def test_a_page_without_its_markers_once_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("nothing here", f"{report.BEGIN}\n{report.END}\n{report.END}\n"):
        page.write_text(text)
        with pytest.raises(ReproError, match="spoiled:begin"):
            report.write(page, whole())
        assert page.read_text() == text


def test_the_committed_page_shows_the_committed_record(tmp_path: Path) -> None:
    page = Path(shutil.copy(report.PAGE, tmp_path))
    report.write(page, record.read(record.RECORD))
    assert page.read_bytes() == report.PAGE.read_bytes()


def test_the_page_tells_of_every_fault() -> None:
    page = report.PAGE.read_text(encoding="utf-8").partition(report.BEGIN)[0]
    for fault in FAULTS.values():
        if fault is not NONE:
            assert f"| `{fault.name}` | " in page


def test_a_job_done_is_known_by_fault_task_length_seeds_and_code(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    job = Job(FAULTS["done-mask"], PENDULUM, 1_000_000, 10, True, "a" * 40, "c0de")
    assert not record.done(path, "runs", job)
    record.append(path, "runs", run_row("done-mask", PENDULUM, "not reproduced"))
    assert record.done(path, "runs", job)
    assert not record.done(path, "pilot", job)
    for change in ({"code": "0ther"}, {"steps": 5}, {"seeds": 9}, {"task": SWIMMER}):
        assert not record.done(path, "runs", replace(job, **change))


def test_the_unmodified_code_is_taken_from_results_where_it_behaves_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Job(NONE, PENDULUM, 1_000_000, 10, True, "a" * 40, "c0de")
    found = record.committed_row(job)
    assert found is not None
    assert found.items() >= job.key.items()
    assert len(found["seeds"]) == 10
    assert [verdict["claim"] for verdict in found["verdicts"]] == ["inverted-pendulum-figure-3"]
    assert report.holds(found) is True
    for change in ({"fault": FAULTS["done-mask"]}, {"steps": 5}, {"seeds": 5}, {"planned": False}):
        assert record.committed_row(replace(job, **change)) is None
    for changes in (["another loss"], None):  # behaves otherwise, or nobody knows
        monkeypatch.setattr(record.fingerprints, "since", lambda folder, said=changes: said)
        assert record.committed_row(job) is None


def test_a_pilot_is_measured_in_margins_of_the_claim() -> None:
    job = Job(NONE, SWIMMER, 200_000, 3, False, "a" * 40, "c0de")
    metrics = {
        "seeds": [
            {"seed": i, "status": "finished", "metrics": {"training-return-last-100": 40.0 + i}}
            for i in range(3)
        ]
    }
    verdict = record.full_length(job, metrics)
    assert verdict.claim == "swimmer-mujoco1m"
    assert verdict.ours.mean == 41.0
    assert verdict.ours.std == 1.0
    assert verdict.settleable
    assert 15 < verdict.margin < 30  # a fifth of the way from random to 111


def test_a_task_without_a_published_level_is_refused() -> None:
    with pytest.raises(ReproError, match="choose another task"):
        record.require_level(Task("CartPole-v1", "classic"))
    record.require_level(PENDULUM)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["run", "--fault", "donemask"], 'did you mean "done-mask"'),
        (["run", "--task", "InvertedPendulum"], "expected ENV:SET"),
        (["run", "--task", "InvertedPendulm:mujoco"], "InvertedPendulum"),
        (["run", "--task", "InvertedPendulum:mujco"], "mujoco"),
        (["run", "--task", "CartPole:classic"], "choose another task"),
        (["pilot", "--seeds", "1"], "expected at least 2"),
        (["pilot", "--commit", "nowhere"], 'no commit "nowhere"'),
        (["run"], "run `python -m benchmarks.spoiled pilot` first"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    typed: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*typed, "--record", str(tmp_path / "none.json")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
