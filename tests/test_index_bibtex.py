"""BibTeX of the cards: balanced, escaped, with the fields that each kind of publication has."""

from __future__ import annotations

import re

import msgspec
import pytest

from repro.cards import card_ids, load_card
from repro.cards.bibtex import bibtex, escaped

ENTRY = re.compile(r"@(\w+)\{([^,\s]+),\n(.*)\n\}", re.DOTALL)
REQUIRED = {
    "misc": set(),
    "inproceedings": {"booktitle"},
    "article": {"journal"},
    "phdthesis": {"school"},
    "book": {"publisher"},
}


def parsed(text: str) -> tuple[str, str, dict[str, str]]:
    """Type, key and fields of one entry, read by counting braces as BibTeX does."""
    found = ENTRY.fullmatch(text)
    assert found, text
    fields = {}
    for line in found[3].split("\n"):
        name, _, value = line.strip().partition("=")
        assert value.strip().startswith("{"), line
        assert value.endswith("},"), line
        inside, depth = value.strip()[1:-2], 0
        for char in re.sub(r"\\[{}]", "", inside):
            depth += (char == "{") - (char == "}")
            assert depth >= 0, line
        assert depth == 0, line
        fields[name.strip()] = inside
    return found[1], found[2], fields


@pytest.mark.parametrize("card_id", card_ids())
def test_every_card_gives_a_whole_entry(card_id):
    card = load_card(card_id)
    kind, key, fields = parsed(bibtex(card))
    assert key == card_id
    assert {"title", "author", "year"} | REQUIRED[kind] <= set(fields)
    assert fields["author"].count(" and ") == len(card.authors) - 1 + (not card.authors_complete)
    assert re.fullmatch(r"(19|20)\d\d", fields["year"])
    assert fields.get("eprint") == card.arxiv
    assert (fields.get("archivePrefix") == "arXiv") == (card.arxiv is not None)
    assert fields["title"].isascii()
    assert fields["author"].isascii()
    bare = re.sub(r"\\[&%$#_{}]|\$\^\d\$", "", fields["title"] + fields["author"])
    assert not re.search(r"[&%$#_^~]", bare)


def changed(**fields):
    return parsed(bibtex(msgspec.structs.replace(load_card("ppo-2017"), **fields)))


def test_arxiv_only():
    kind, _, fields = parsed(bibtex(load_card("ppo-2017")))
    assert kind == "misc"
    assert fields["title"] == "Proximal Policy Optimization Algorithms"
    assert fields["author"].startswith("John Schulman and Filip Wolski and ")
    assert (fields["year"], fields["eprint"]) == ("2017", "1707.06347")
    assert fields["url"] == "https://arxiv.org/abs/1707.06347"


@pytest.mark.parametrize(
    ("venue", "kind", "expected"),
    [
        ("ICML 2018", "inproceedings",
         {"booktitle": "International Conference on Machine Learning", "year": "2018"}),
        ("ICLR 2019", "inproceedings", {"year": "2019"}),
        ("NIPS 2013 Deep Learning Workshop", "inproceedings",
         {"booktitle": "NIPS 2013 Deep Learning Workshop", "year": "2013"}),
        ("NIPS 1999 (proceedings 2000)", "inproceedings",
         {"year": "1999", "note": "Proceedings 2000"}),
        ("European Workshop on Reinforcement Learning (EWRL) 2018", "inproceedings",
         {"booktitle": "European Workshop on Reinforcement Learning", "year": "2018"}),
        ("Neural Networks 21(4), 2008", "article",
         {"journal": "Neural Networks", "volume": "21", "number": "4", "year": "2008"}),
        ("Science 362, 2018", "article", {"journal": "Science", "volume": "362"}),
        ("Science 362, 2018 (revised title)", "misc",
         {"year": "2017", "note": "Published under another title: Science 362, 2018"}),
        ("PhD thesis, Carnegie Mellon University", "phdthesis",
         {"school": "Carnegie Mellon University", "year": "2017"}),
        ("Synthesis Lectures on Artificial Intelligence and Machine Learning, "
         "Morgan & Claypool, 2010", "book",
         {"publisher": r"Morgan \& Claypool", "year": "2010"}),
    ],
)  # fmt: skip
def test_venues(venue, kind, expected):
    found, _, fields = changed(venue=venue)
    assert found == kind
    assert expected.items() <= fields.items()


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Q-Prop: Sample-Efficient Policy Gradient", "{Q-Prop}: Sample-Efficient Policy Gradient"),
        ("#Exploration: A Study", r"{\#Exploration}: {A} Study"),
        ("RL^2: Fast RL", "{RL$^2$}: Fast {RL}"),
        ("A Natural Policy Gradient", "A Natural Policy Gradient"),
        ("Inverse RL, and GANs", "Inverse {RL}, and {GANs}"),
        ("100% of R&D_x", r"{100\%} of {R\&D\_x}"),
    ],
)
def test_titles_keep_their_capitals(title, expected):
    assert changed(title=title)[2]["title"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rémi Munos", r"R{\'e}mi Munos"),
        ("Szepesvári", r"Szepesv{\'a}ri"),
        ("Rafał Józefowicz", r"Rafa{\l} J{\'o}zefowicz"),
        ("Grabska-Barwińska", r"Grabska-Barwi{\'n}ska"),
        ("Šimon Çağ", r"{\v S}imon {\c C}a{\u g}"),
        ("naïve", r"na{\"{\i}}ve"),
        ("a & b # c_d 5% $", r"a \& b \# c\_d 5\% \$"),
        ("{x}~\\", r"\{x\}{\textasciitilde}{\textbackslash}"),
        ("李", "李"),
    ],
)
def test_escaping(text, expected):
    assert escaped(text) == expected


def test_unfinished_lists_of_authors_end_in_others():
    assert changed(authors_complete=False)[2]["author"].endswith(" and others")
    assert changed(authors=["Baker and Sons, Inc."])[2]["author"] == "{Baker and Sons, Inc.}"
