"""All 105 cards together: complete, named apart, related without circles, every figure placed.

What one card alone must hold stands in test_cards_papers.py.
"""

from __future__ import annotations

import re
from collections import defaultdict
from graphlib import TopologicalSorter
from typing import Any

import pytest

from repro import paths
from repro.cards import card_ids, known, load_card, load_sets
from repro.cards.models import (
    Aggregate,
    Card,
    Claim,
    Curve,
    Level,
    NotWorse,
    Ordering,
    Property,
    TimeTo,
)
from repro.cards.sets import set_file

# Numbers that count nothing of our units, though their names sound so.
UNITLESS = {
    ("drqn-2015", "hidden_frames"),  # a probability
    ("me-trpo-2018", "model_reset_period"),  # sweeps
}
COUNTED = re.compile(
    r"(^|_)(steps|period|updates|epochs|episodes|frames|capacity|horizon|minibatch_size|seconds|"
    r"trajectories|rollouts)$"
)


@pytest.fixture(scope="module")
def cards() -> dict[str, Card]:
    return {card_id: load_card(card_id) for card_id in card_ids()}


def claims(cards: dict[str, Card]) -> list[tuple[str, Claim]]:
    return [(card.id, claim) for card in cards.values() for claim in card.claims]


def test_there_are_105_cards_and_no_file_besides(cards):
    assert len(cards) == 105
    assert list(cards) == list(known())
    assert {f.stem for f in paths.PAPERS.glob("*.yaml")} == {*cards, "topics"}
    assert {f.stem for f in paths.HPARAMS.glob("*.yaml")} <= set(cards)
    shared = {"reference-scores", "random-scores"}
    tables = {f.stem: f for f in (paths.PAPERS / "data").glob("*.yaml") if f.stem not in shared}
    assert set(tables) <= set(cards)
    for card_id, file in tables.items():
        assert cards[card_id].data == f"data/{file.name}"


def test_no_two_papers_share_a_name_title_or_arxiv_id(cards):
    named = defaultdict(set)
    for card in cards.values():
        for name in (card.id, card.id.rpartition("-")[0], *card.aliases):
            named[name.lower()].add(card.id)
        assert len(card.aliases) == len({alias.lower() for alias in card.aliases}), card.id
    assert {name: ids for name, ids in named.items() if len(ids) > 1} == {}
    for field in ("title", "arxiv", "number"):
        values = [getattr(card, field) for card in cards.values() if getattr(card, field)]
        assert len(values) == len(set(values)), field


def test_arxiv_ids_are_well_formed_and_of_the_cards_year(cards):
    """YYMM.NNNN to 2014, YYMM.NNNNN since; the first public version gives the card's year."""
    for card in cards.values():
        assert card.arxiv or card.url, f"{card.id}: found neither an arXiv id nor an address"
        if card.arxiv is None:
            continue
        year, month, number = re.fullmatch(r"(\d\d)(\d\d)\.(\d{4,5})", card.arxiv).groups()
        assert 1 <= int(month) <= 12, card.id
        assert len(number) == (5 if int(year) >= 15 else 4), card.id
        assert 2000 + int(year) == card.year == int(card.id[-4:]), card.id
        if card.url and "arxiv.org" in card.url:
            assert card.arxiv in card.url, card.id


def test_relations_resolve_run_back_in_time_and_have_no_circle(cards):
    for card in cards.values():
        assert set(card.builds_on) <= set(cards), card.id
        assert len(card.builds_on) == len(set(card.builds_on)), card.id
        for parent in card.builds_on:
            assert cards[parent].year <= card.year, (card.id, parent)
    order = TopologicalSorter({card.id: card.builds_on for card in cards.values()})
    assert len(list(order.static_order())) == 105


def test_every_algorithm_has_claims_and_depth_is_honest(cards):
    for card in cards.values():
        if card.kind == "algorithm":
            assert card.depth in ("claims", "full"), card.id
        if card.depth == "index":
            assert card.experiment or card.no_experiment, card.id
        else:
            assert card.claims, card.id
        if card.depth == "full":
            assert len(card.claims) >= 3, card.id
            assert load_sets(card.id), card.id
        if card.tier == "none":
            assert card.no_experiment, card.id


def test_every_claims_metric_and_check_exist_and_agree(cards):
    from repro.judge.aggregate import AGGREGATORS
    from repro.judge.metrics import metric, metrics_of, parameter_of

    for card_id, claim in claims(cards):
        where, check = (card_id, claim.id), claim.check
        assert metric(claim.metric).name, where
        for name in metrics_of(claim):
            assert metric(name), where
        if isinstance(check, Property):
            assert check.measure == claim.metric, where
            assert check.at_least is not None or check.at_most is not None, where
        elif isinstance(check, TimeTo):
            assert claim.metric.startswith(f"{check.unit}-to-threshold@"), where
            assert parameter_of(claim.metric) == check.threshold, where
        elif isinstance(check, Aggregate):
            assert check.aggregator in AGGREGATORS, where
        elif isinstance(check, Level):
            assert claim.published is not None, where
            assert claim.published.mean is not None, where
        elif isinstance(check, Curve):
            assert claim.published is not None, where
            assert claim.published.curve is not None, where
        elif isinstance(check, Ordering | NotWorse):
            arm = check.better if isinstance(check, Ordering) else check.arm
            assert arm != check.than, where


def test_every_figure_says_where_it_was_read_and_recalled_ones_decide_nothing(cards):
    for card_id, claim in claims(cards):
        where, figure = (card_id, claim.id), claim.published
        assert claim.source.strip(), where
        assert claim.protocol.strip(), where
        if figure is None:
            continue
        if figure.std is not None:
            assert figure.band is not None, where
            assert figure.std >= 0, where
        if figure.how == "read off the figure":
            assert figure.confidence != "verified" or figure.reading_error is not None, where
        if figure.confidence == "recalled":
            assert not claim.central, where


@pytest.mark.parametrize("card_id", [c for c in card_ids() if load_sets(c)])
def test_every_value_has_a_source_and_counts_have_units(card_id):
    content, _ = set_file(card_id)
    for name, hparam_set in load_sets(card_id).items():
        assert hparam_set.about.strip(), name
        for env in (None, *hparam_set.environments):
            values, origins = hparam_set.values(env), hparam_set.provenance(env)
            for field, value in _numbers(values):
                place = _covering(field, origins)
                assert origins[place]["source"].strip(), (name, field)
                assert origins[place]["status"].strip(), (name, field)
                documented = field in content.fields
                if not documented or (card_id, field) in UNITLESS or value is True:
                    continue
                if COUNTED.search(field):
                    assert content.fields[field].unit, (name, field, "no unit is stated")


def _numbers(values: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Dotted name and value of every number."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _numbers(value, f"{above}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((above + name, value))
    return found


def _covering(field: str, origins: Any) -> str:
    """The field with a source that a dotted name belongs to."""
    while field not in origins:
        field, dot, _ = field.rpartition(".")
        assert dot, "a value without a source"
    return field


def test_anchors_in_code_are_those_of_the_cards(cards):
    """Each `# ppo-2017 eq.7` in implementations and the spine is an anchor of that card."""
    found = defaultdict(set)
    files = [*paths.IMPLEMENTATIONS.glob("*.py"), *(paths.ROOT / "repro/training").rglob("*.py")]
    for file in files:
        for paper, kind, number in re.findall(
            r"# ([a-z0-9-]+-(?:19|20)\d\d) ([a-z]+)\.(\S+)", file.read_text(encoding="utf-8")
        ):
            assert paper in cards, file.name
            assert f"{kind}{number}" in cards[paper].equations, (file.name, paper, kind, number)
            found[paper].add(f"{kind}{number}")
    assert found["ppo-2017"] == set(cards["ppo-2017"].equations)
    for card in cards.values():
        for anchor, what in card.equations.items():
            assert re.fullmatch(r"(eq|alg|sec|thm)S?\d+", anchor), (card.id, anchor)
            assert what.strip(), (card.id, anchor)
        if (paths.IMPLEMENTATIONS / f"{card.id.replace('-', '_')}.py").exists():
            assert found[card.id] >= set(card.equations), card.id
