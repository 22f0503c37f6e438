"""A paper's status, totals, tables, and the committed figures' files."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from judge_tools import CONTEXT, card, claim, evidence, published, spread
from scipy import stats

from repro.errors import ReproError
from repro.judge import Verdict, judge_paper, paper_status
from repro.judge.scores import load_context, read_curve
from repro.judge.status import compare_table, totals


def verdict(answer, env="HalfCheetah-v4", central=True, counts=True, **fields):
    given = {"claim": f"{env}-{answer}", "paper": "p-2017", "env": env, "hparam_set": "s"}
    return Verdict(**{**given, "kind": "level", "metric": "m", "headline": answer, "answer": answer,
                      "central": central, "judged": counts,
                      "counts": counts and answer != "inconclusive", **fields})  # fmt: skip


@dataclass
class Row:
    name: str
    verdicts: list[Verdict]
    status: str


@pytest.mark.parametrize(
    "row",
    [
        Row("two tasks, one hard", [verdict("reproduced"), verdict("exceeds", "Hopper-v4")],
            "reproduced"),
        Row("a pendulum beside it", [verdict("reproduced"),
            verdict("reproduced", "InvertedPendulum-v4")], "reproduced"),
        Row("one task only", [verdict("reproduced")], "partly"),
        Row("one task twice", [verdict("reproduced"), verdict("reproduced")], "partly"),
        Row("several tasks, which may be pendulums", [verdict("reproduced", "several"),
            verdict("reproduced", "Pendulum-v1")], "partly"),
        Row("pendulums only", [verdict("reproduced", "InvertedPendulum-v4"),
            verdict("reproduced", "Pendulum-v1")], "partly"),
        Row("one refuted", [verdict("reproduced"), verdict("reproduced", "Hopper-v4"),
            verdict("not reproduced", "Swimmer-v4")], "partly"),
        Row("all refuted", [verdict("not reproduced")], "not reproduced"),
        Row("nothing decided", [verdict("inconclusive")], "undecided"),
        Row("not counted", [verdict("reproduced", counts=False),
            verdict("reproduced", "Hopper-v4", counts=False)], "undecided"),
        Row("not central", [verdict("reproduced", central=False),
            verdict("not reproduced", "Hopper-v4", central=False)], "undecided"),
        Row("none", [], "undecided"),
    ],
    ids=lambda row: row.name,
)  # fmt: skip
def test_status(row):
    assert paper_status(card(claim()), row.verdicts).status == row.status


def test_status_of_scaled_and_untestable_papers():
    two = [verdict("reproduced"), verdict("reproduced", "Hopper-v4")]
    assert paper_status(card(claim(), tier="scaled"), two).status == "scaled only"
    assert paper_status(card(claim(), tier="scaled"), []).status == "undecided"
    nothing = paper_status(card(tier="none", no_experiment="A survey."), [])
    assert (nothing.status, nothing.reason) == ("no experiment", "A survey.")


def test_a_theory_is_reproduced_when_all_its_theorems_hold():
    theory = card(claim(), kind="theory")
    holds = verdict("reproduced", "RandomMDP")
    assert paper_status(theory, [holds, holds]).status == "reproduced"
    assert paper_status(card(claim()), [holds, holds]).status == "partly"
    undecided = verdict("inconclusive", "RandomMDP")
    assert paper_status(theory, [holds, undecided]).status == "partly"
    refuted = verdict("not reproduced", "RandomMDP")
    assert paper_status(theory, [holds, refuted]).status == "partly"


def test_totals_count_what_may_be_counted_and_expect_false_ones():
    count = totals([
        verdict("reproduced"), verdict("not reproduced"), verdict("inconclusive"),
        verdict("reproduced", counts=False), verdict("not tested", counts=False),
        verdict("on track", counts=False), verdict("exceeds", level=0.0075),
    ])  # fmt: skip
    assert (count.judged, count.reproduced, count.exceeds, count.not_reproduced) == (4, 1, 1, 1)
    assert (count.inconclusive, count.prefixes, count.not_tested) == (1, 1, 1)
    assert count.expected_false == pytest.approx(3 * 0.03 + 0.029)


def test_judge_paper_keeps_the_cards_order():
    claims = [claim(id="b"), claim(id="a", env="Hopper"), claim(published(seeds=3), id="c")]
    verdicts = judge_paper(card(*claims), [evidence(spread(1720.0, 90.0))], CONTEXT)
    assert [one.claim for one in verdicts] == ["b", "a", "c"]
    assert [one.answer for one in verdicts] == ["reproduced", "not tested", "reproduced"]


def test_a_table_against_its_baseline_is_corrected_inside_itself():
    base, near, far = spread(10.0, 2.0), spread(12.0, 2.0), spread(20.0, 2.0)
    rows = compare_table(base, {"near": near, "far": far, "single": [3.0]})
    oracle = stats.ttest_ind(near, base, equal_var=False).pvalue
    assert rows[0].p_value == pytest.approx(oracle)
    assert rows[0].adjusted == pytest.approx(oracle)
    assert rows[1].adjusted == pytest.approx(2 * rows[1].p_value)
    assert rows[2].interval is None


def test_committed_figures_are_read(tmp_path):
    (tmp_path / "random-scores.yaml").write_text(
        "schema_version: 1\nHopper-v4: {mean: 18.0, std: 17.0, episodes: 100}\n"
    )
    (tmp_path / "reference-scores.yaml").write_text(
        "schema_version: 1\nscores:\n  Hopper-v4: {mean: 3000, source: a table}\n"
    )
    (tmp_path / "c.csv").write_text("# source\nstep,mean,band,n\n0,1.5,0.5,6\n10,2.5,,6\n")
    context = load_context(["c.csv"], tmp_path)
    assert context.random["Hopper-v4"].std == 17.0
    assert context.reference["Hopper-v4"].mean == 3000.0
    curve = context.curves["c.csv"]
    assert (curve.step, curve.mean, curve.band, curve.n) == ([0.0, 10.0], [1.5, 2.5], None, 6)
    (tmp_path / "bad.csv").write_text("step,mean\n0,high\n")
    with pytest.raises(ReproError, match=r"bad\.csv"):
        read_curve(tmp_path / "bad.csv")
    with pytest.raises(ReproError, match="no curve file"):
        read_curve(tmp_path / "none.csv")
    (tmp_path / "random-scores.yaml").write_text("Hopper-v4: {mean: 18.0, episodes: 100}\n")
    with pytest.raises(ReproError, match='Hopper-v4 has no number "std"'):
        load_context([], tmp_path)
    assert load_context([], tmp_path / "none").random == {}
