"""The worked example of docs/judge.md is what the judge says."""

from __future__ import annotations

from judge_tools import claim, evidence, judge, published

from repro.judge import metrics, tables

VALUES = [1402.0, 1655.0, 1290.0, 1571.0, 1498.0, 1733.0, 1345.0, 1610.0, 1467.0, 1529.0]


def test_the_worked_example():
    page = tables.DOCS.read_text(encoding="utf-8")
    for value in VALUES:
        assert f"{value:,.0f}" in page
    verdict = judge(claim(published(std=120.0, band="std", seeds=6)), evidence(VALUES))
    assert (verdict.reach, verdict.answer) == ("reaches", "reproduced")
    for sentence in verdict.reasons:
        assert f"> {sentence}" in page


def test_every_metric_is_on_the_page():
    page = tables.DOCS.read_text(encoding="utf-8")
    for name, one in metrics.METRICS.items():
        assert f"| `{name}` | {one.says} |" in page
