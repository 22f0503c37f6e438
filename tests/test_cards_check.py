"""Errors of cards and sets: file, line, field, found, expected, nearest name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from repro import paths
from repro.cards import check, load_card, load_sets
from repro.cards.models import AnyCheck, Block, Card, Claim, Published
from repro.cards.yaml import parse
from repro.errors import ReproError

CARD = (paths.PAPERS / "ppo-2017.yaml").read_text(encoding="utf-8")
SETS = (paths.HPARAMS / "ppo-2017.yaml").read_text(encoding="utf-8")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's `papers` and `hparams` that a test may spoil."""
    for name, folder in (("PAPERS", paths.PAPERS), ("HPARAMS", paths.HPARAMS)):
        target = tmp_path / folder.name
        for file in folder.rglob("*"):
            if file.is_file():
                copy = target / file.relative_to(folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())
        monkeypatch.setattr(paths, name, target)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return tmp_path


def spoil(file: Path, old: str, new: str) -> int:
    """Replace the first `old` in the file; the line it stood on."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{kind: level}", "{kind: levle}", 'check.kind: found "levle", expected one of "level"'),
        ("{kind: level}", "{kind: levle}", 'did you mean "level"?'),
        ("arxiv: ", "arxvi: ", 'found the unknown field "arxvi"; did you mean "arxiv"?'),
        ("year: 2017", "year: soon", 'year: found "soon", expected a whole number'),
        ('arxiv: "1707.06347"', "arxiv: 1707.06347", "arxiv: found 1707.06347, expected text"),
        ("depth: full", "depth: ful", 'depth: found "ful", expected one of "claims", "full"'),
        ("number: 10", "number: 11", 'number: found "11", the list says "10"'),
        ("[trpo-2015,", "[trop-2015,", 'found "trop-2015"; did you mean "trpo-2015"?'),
        ("hparams: mujoco\n", "hparams: mujuco\n", 'the unknown set "mujuco"; did you mean "muj'),
        ('"*": classic', '"*": clasic', 'found the unknown set "clasic"; did you mean "classic"?'),
        ("than: no-clip", "than: noclip", 'the unknown arm "noclip"; did you mean "no-clip"?'),
        ("changes: {surrogate:", "changes: {surogate:", 'found the unknown field "surogate"; did'),
        ("curve: curves/ppo", "curve: curves/poo", "no such file below papers/data/"),
        ("schema_version: 1", "schema_version: 2", 'found 2, expected one of "1"'),
        ("- id: hopper-figure-3", "- id: halfcheetah-figure-3", "twice; every claim has its own"),
        ("seeds: 3", "seeds: three", 'published.seeds: found "three", expected a whole number'),
    ],
)
def test_card_errors(clone: Path, old: str, new: str, expected: str) -> None:
    line = spoil(clone / "papers/ppo-2017.yaml", old, new)
    with pytest.raises(ReproError) as error:
        load_card("ppo-2017")
    message = str(error.value)
    assert message.startswith(f"papers/ppo-2017.yaml:{line}: ")
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("gamma: 0.99", "gama: 0.99", 'found the unknown field "gama"; did you mean "gamma"?'),
        ("status: stated", "status: said", 'status: found "said", expected one of "author-code"'),
        ("extends: mujoco\n", "extends: mujico\n", 'unknown set "mujico"; did you mean "mujoco"?'),
        ("extends: mujoco\n", "extends: mujoco-ppo1\n", "break the circle"),
        ("epochs: 10", "epochs: 10\n          surrogate: {kind: none}", 'found "surrogate" twice'),
        ('source: "ppo1: pposgd', 'source: "ppo9:pposgd', 'found "ppo9", no key of sources'),
        ("unit: actors", "unit: acters", 'unit: found "acters", expected one of'),
        ("      RoboschoolHumanoidFlagrun:", "      Roboschool:", "none of the set's environments"),
        ("paper: ppo-2017", "paper: trpo-2015", 'found "trpo-2015", expected "ppo-2017"'),
    ],
)
def test_set_errors(clone: Path, old: str, new: str, expected: str) -> None:
    spoil(clone / "hparams/ppo-2017.yaml", old, new)
    with pytest.raises(ReproError) as error:
        load_sets("ppo-2017")
    message = str(error.value)
    assert message.startswith("hparams/ppo-2017.yaml:")
    assert message.split(":")[1].isdigit()
    assert expected in message


def test_unknown_papers_and_aliases(clone: Path) -> None:
    assert load_card("PPO").id == "ppo-2017"
    (clone / "papers/dppo-2017.yaml").unlink()
    with pytest.raises(ReproError, match='did you mean "ppo-2017"'):
        load_card("ppo-2018")
    with pytest.raises(ReproError, match="has no card yet"):
        load_card("dppo-2017")


def test_missing_field_names_what_is_expected() -> None:
    with pytest.raises(ReproError, match=r'x.yaml:1: the field "status" is missing'):
        check.convert(parse("source: a\nvalues: {}", "x.yaml"), Block)


def test_union_without_its_tag() -> None:
    with pytest.raises(ReproError, match=r'"kind" is missing \(expected one of "level"'):
        check.convert_at({"tolerance": 0.1}, AnyCheck, lambda path: "x")  # type: ignore[arg-type]


def test_the_walk_finds_what_msgspec_finds() -> None:
    """Every value that msgspec refuses is refused by the walk, which words it better."""
    good = parse(CARD).value
    for path, bad in (
        (("year",), "2017"),
        (("claims", 0, "steps"), 1.5),
        (("claims", 0, "published", "mean"), "high"),
        (("claims", 0, "check"), {"kind": "level", "tolerance": None}),
        (("equations",), ["eq7"]),
        (("aliases",), "ppo"),
        (("parameters", "policy"), 1.5),
    ):
        value = msgspec.json.decode(msgspec.json.encode(good))
        part = value
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = bad
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, Card)
        assert list(check.problems(value, msgspec.inspect.type_info(Card)))


def test_published_and_claim_are_frozen() -> None:
    claim = load_card("ppo-2017").claims[0]
    assert isinstance(claim, Claim)
    assert isinstance(claim.published, Published)
    with pytest.raises(AttributeError):
        claim.id = "other"  # type: ignore[misc]
