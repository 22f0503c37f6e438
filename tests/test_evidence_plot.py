"""Plots: the right numbers, text as text, the same bytes every time."""

from __future__ import annotations

import evidence_tools as tools
import pytest

from repro import evidence, results
from repro.cards import load_card
from repro.experiment import resolve
from repro.plotting import mean_band, plot_folder, short


def test_the_band_is_students_interval_of_the_mean():
    curves = {0: [(10, 1.0), (20, 2.0)], 1: [(10, 3.0), (20, 2.0)], 2: [(10, 5.0), (20, 2.0)]}
    band = mean_band(curves)
    assert band.steps == [10, 20]
    assert band.mean == [3.0, 2.0]
    # standard deviation 2, three seeds, t(0.975, 2) = 4.302653
    half = 4.302653 * 2.0 / 3**0.5
    assert band.low == pytest.approx([3.0 - half, 2.0])
    assert band.high == pytest.approx([3.0 + half, 2.0])


def test_one_seed_has_no_band():
    band = mean_band({7: [(10, 1.0), (20, 4.0)]})
    assert (band.low, band.high) == (band.mean, band.mean)


def test_the_mean_begins_where_every_seed_has_begun_and_goes_on_without_a_diverged_one():
    curves = {0: [(10, 1.0), (20, 2.0), (30, 3.0)], 1: [(20, 4.0)]}
    band = mean_band(curves)
    assert band.steps == [20, 30]
    assert band.mean == [3.0, 3.0]


def test_sources_are_shortened_to_their_page():
    assert short("Figure 3, p. 7") == "Figure 3"
    assert len(short("x" * 100)) == 40


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """An explored run on HalfCheetah with one diverged seed, judged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("repro.paths.RUNS", tmp_path_factory.mktemp("runs"))
        experiment = resolve("ppo-2017", "HalfCheetah", "mujoco-ppo2", evaluate=True)
        run = tools.written_run(experiment, range(3), diverged=[1], episode=5000)
        records = results.read_records(run, experiment, range(3))
        results.write_files(run.path, results.summarise(experiment, records))
        card = load_card("ppo-2017")
        found = evidence.evidence_of(run.path, experiment, None)
        verdicts = evidence.judge(card, [found])
        yield run.path, experiment, card, evidence.own_verdicts(card, experiment, verdicts)


def test_the_picture_says_what_it_shows(drawn):
    folder, experiment, card, verdicts = drawn
    svg = plot_folder(folder, experiment, card, verdicts).read_text()
    for expected in (
        "ppo-2017 · HalfCheetah-v4 · mujoco-ppo2 · 3 seeds (1 diverged) · MuJoCo 3.6.0",
        "environment steps a seed",
        "return of the training episodes, each 1 %",
        "return, mean of 10 evaluation episodes",
        "ours: 3 seeds, mean, 95 % interval",
        "published: openai/baselines@ea25b9e",
        "band: of a kind not said, read as a standard error of 6 seeds",
        "random policy",
        "200k",
    ):
        assert f">{expected}<" in svg
    assert "<dc:date>" not in svg


def test_the_same_data_give_the_same_bytes(drawn, tmp_path):
    folder, *rest = drawn
    first = plot_folder(folder, *rest, tmp_path / "a.svg").read_bytes()
    assert plot_folder(folder, *rest, tmp_path / "b.svg").read_bytes() == first


def test_a_png_is_drawn_where_one_is_asked_for(drawn, tmp_path):
    folder, *rest = drawn
    content = plot_folder(folder, *rest, tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
