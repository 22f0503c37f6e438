"""Human-normalised scores: the printed medians and means, recomputed from the printed rows."""

from __future__ import annotations

import statistics
from functools import cache

import pytest

from repro import cards
from repro.errors import ReproError
from repro.judge.aggregate import AGGREGATORS
from repro.judge.normalised import RULES, game, human_normalised, load_references, summary
from repro.judge.types import Sample

A3C, DUELING, PRIORITISED = "a3c-2016", "dueling-dqn-2015", "prioritized-replay-2015"
# rows of games (paper, table, column), games counted, rule, printed summary (paper, table, row),
# its columns for median and mean, and how far they may be from ours
COMES_OUT = [
    (("dqn-2013", "nature-table", "DQN"), 49, "nature",
     ("double-dqn-2015", "summary", "DQN, no-op"), ("median", "mean"), 0.06),
    (("double-dqn-2015", "games", "Double DQN, no-op"), 49, "nature",
     ("double-dqn-2015", "summary", "Double DQN, no-op"), ("median", "mean"), 0.06),
    (("double-dqn-2015", "games", "Double DQN, human starts"), 49, "human-starts-absolute",
     ("double-dqn-2015", "summary", "Double DQN, human starts"), ("median", "mean"), 0.06),
    (("double-dqn-2015", "games", "tuned, human starts"), 49, "human-starts-absolute",
     ("double-dqn-2015", "summary", "Double DQN tuned, human starts"), ("median", "mean"), 0.06),
    *(((DUELING, "no-op", column), 57, "no-op", (DUELING, "table-1", row),
       ("median, no-op", "mean, no-op"), 0.55)
      for column, row in (("DQN", "Nature DQN"), ("Double DQN", "Single (Double DQN)"),
                          ("prioritised Double DQN", "Prior. Single"), ("dueling", "Duel Clip"),
                          ("prioritised dueling", "Prior. Duel Clip"))),
    *(((DUELING, "human-starts", column), 57, "human-starts", (DUELING, "table-1", row),
       ("median, human starts", "mean, human starts"), 0.25)
      for column, row in (("DQN", "Nature DQN"), ("Double DQN", "Single (Double DQN)"),
                          ("prioritised Double DQN", "Prior. Single"), ("dueling", "Duel Clip"),
                          ("prioritised dueling", "Prior. Duel Clip"))),
    # The paper's rows are printed to a tenth, as are random and human scores, which alone may
    # move its means by more than one per cent (Double Dunk's human is 1.6 above random play).
    # Ours are 116.67, 496.89 and 623.11 where it prints 116.6, 496.8 and 623.0.
    *(((A3C, "table-s3", column), 57, "human-starts", (A3C, "table-1", f"{column} on CPU"),
       ("median", "mean"), 0.12)
      for column in ("A3C FF, 1 day", "A3C FF, 4 days", "A3C LSTM, 4 days")),
    ((PRIORITISED, "games", "DQN, rank-based"), 49, "human-starts-absolute",
     (PRIORITISED, "table-1", "DQN, rank-based"), ("median", "mean"), 0.55),
    ((PRIORITISED, "games", "Double DQN, rank-based"), 57, "human-starts-absolute",
     (PRIORITISED, "table-1", "Double DQN, rank-based"), ("median", "mean"), 0.5),
    ((PRIORITISED, "games", "Double DQN, proportional"), 57, "human-starts-absolute",
     (PRIORITISED, "table-1", "Double DQN, proportional"), ("median", "mean"), 0.5),
    (("c51-2017", "games", "C51"), 57, "no-op",
     ("c51-2017", "figure-6", "C51"), ("median", "mean"), 0.5),
    (("c51-2017", "games", "DQN"), 57, "no-op",
     ("c51-2017", "figure-6", "DQN"), ("median", "mean"), 0.5),
    (("qr-dqn-2017", "games", "QR-DQN-0"), 57, "no-op",
     ("qr-dqn-2017", "table-1", "QR-DQN-0"), ("median", "mean"), 0.5),
    (("qr-dqn-2017", "games", "QR-DQN-1"), 57, "no-op",
     ("qr-dqn-2017", "table-1", "QR-DQN-1"), ("median", "mean"), 0.5),
]  # fmt: skip
# The rows give another figure than is printed, under each rule; the cards' data say why.
DOES_NOT = [
    (("iqn-2018", "games", "IQN"), 57, "no-op", ("iqn-2018", "summary", "IQN"), 218, 237.8),
    (("rainbow-2017", "games", "Rainbow, no-op"), 54, "no-op",
     ("rainbow-2017", "table-2", "Rainbow"), 223, 227.0),
]  # fmt: skip


load_data = cache(cards.load_data)


def column(paper, table, name):
    """game -> number, where one is printed."""
    found = load_data(paper)[table]
    place = found.columns.index(name)
    return {g: cells[place] for g, cells in found.rows.items() if cells[place] is not None}


def scores(rows, games):
    """A sample a game; games: 49 keeps those of Nature's table."""
    found = column(*rows)
    if games == 49:
        found = {g: v for g, v in found.items() if g in load_data("dqn-2013")["nature-table"].rows}
    assert len(found) == games
    return {g: Sample(n=1, mean=float(v), std=None) for g, v in found.items()}


def of(rows, games, rule, statistic):
    samples = {name: {"paper": sample} for name, sample in scores(rows, games).items()}
    return AGGREGATORS[f"{statistic}-human-normalised-{rule}"].compute(samples, "paper", {}).value


@pytest.mark.parametrize(
    ("rows", "games", "rule", "printed", "columns", "within"),
    COMES_OUT,
    ids=[f"{rows[0]}: {rows[2]}, {rule}" for rows, _, rule, *_ in COMES_OUT],
)
def test_printed_summaries_come_out_of_the_printed_rows(
    rows, games, rule, printed, columns, within
):
    paper, table, row = printed
    summaries = load_data(paper)[table]
    for statistic, name in zip(("median", "mean"), columns, strict=True):
        expected = summaries.rows[row][summaries.columns.index(name)]
        assert of(rows, games, rule, statistic) == pytest.approx(expected, abs=within)


@pytest.mark.parametrize(("rows", "games", "rule", "printed", "median", "ours"), DOES_NOT)
def test_summaries_that_do_not_come_out(rows, games, rule, printed, median, ours):
    """IQN's table is another aggregate; Rainbow's rows lack three games."""
    paper, table, row = printed
    assert median in load_data(paper)[table].rows[row]
    assert of(rows, games, rule, "median") == pytest.approx(ours, abs=0.06)
    assert abs(ours - median) > 2


@pytest.mark.parametrize(
    ("rows", "games", "right"),
    [(case[0], case[1], case[2]) for case in COMES_OUT if case[5] < 0.1],
)
def test_no_other_rule_gives_them(rows, games, right):
    """So a rule is no matter of taste: the mean tells them apart where the median does not."""
    found = {
        rule: of(rows, games, rule, "mean")
        for rule in RULES
        if set(scores(rows, games)) <= set(load_references(rule))
    }
    assert len(found) == 4
    others = [abs(value - found[right]) for rule, value in found.items() if rule != right]
    assert min(others) > 2


def test_random_and_human_scores_of_a_rule():
    """Breakout's human scored 31.8 for Nature and 30.5 later; Video Pinball's random play is 0."""
    assert load_references("nature")["breakout"] == (1.7, 31.8)
    assert load_references("no-op")["breakout"] == (1.7, 30.5)
    assert load_references("human-starts")["breakout"] == (1.6, 27.9)
    assert load_references("no-op")["video_pinball"][0] == 0.0
    assert load_references("human-starts-absolute")["video_pinball"][0] == 20452.0
    assert len(load_references("nature")) == 49
    assert len(load_references("no-op")) == 57


def test_the_formula_by_hand():
    assert human_normalised(16.0, 1.0, 31.0) == 50.0
    assert human_normalised(10.0, 20.0, 15.0) == 200.0  # a human below random play
    assert human_normalised(10.0, 20.0, 15.0, absolute=True) == -200.0


@pytest.mark.parametrize(
    ("env", "name"),
    [("ALE/SpaceInvaders-v5", "space_invaders"), ("Breakout", "breakout"), ("Qbert", "qbert"),
     ("UpNDown", "up_n_down"), ("ALE/MsPacman-v5", "ms_pacman")],
)  # fmt: skip
def test_games_by_the_name_of_the_tables(env, name):
    assert game(env) == name
    assert name in load_references("no-op")


KNOWN = {"a": (0.0, 10.0), "b": (0.0, 100.0), "c": (10.0, 20.0), "d": (0.0, 1.0)}
SEEDS = {
    "A": Sample(n=4, mean=5.0, std=2.0),  # 50 ± 10
    "B": Sample(n=9, mean=20.0, std=30.0),  # 20 ± 10
    "C": Sample(n=4, mean=20.0, std=0.4),  # 100 ± 2
}


def test_error_of_a_median_is_that_of_the_middle():
    odd = summary(SEEDS, "median", "no-op", KNOWN)
    assert (odd.value, odd.error, odd.df) == (50.0, pytest.approx(10.0), pytest.approx(3))
    even = summary(SEEDS | {"D": Sample(n=4, mean=0.8, std=0.0)}, "median", "no-op", KNOWN)
    assert (even.value, even.error) == (65.0, pytest.approx(5.0))
    mean = summary(SEEDS, "mean", "no-op", KNOWN)
    assert mean.value == pytest.approx(statistics.fmean([50, 20, 100]))
    assert mean.error == pytest.approx((10**2 + 10**2 + 2**2) ** 0.5 / 3)
    assert mean.by_task == {"A": 50.0, "B": 20.0, "C": 100.0}


def test_a_game_without_a_human_score_is_refused():
    with pytest.raises(ReproError, match="Berzerk: the tables of rule nature have no human score"):
        summary({"Berzerk": SEEDS["A"]}, "median", "nature", load_references("nature"))
