"""The strict YAML reader: scalars of YAML 1.2, refusals with file and line."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.cards.yaml import dotted, parse, read
from repro.errors import ReproError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("1_000_000", 1_000_000),
        ("0x10", 16),
        ("0o17", 15),
        ("-7", -7),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12:30:45", "12:30:45"),
        ("2017-08-28", "2017-08-28"),
        ('"1707.06347"', "1707.06347"),
        ("d9f194f", "d9f194f"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse(f"key: {text}").value["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "card.yaml:3: a: found twice (first on line 1)"),
        ("a: {b: 1, b: 2}", "card.yaml:1: a.b: found twice"),
        ("a: &x [1]\nb: *x", "card.yaml:1: b: found an alias"),
        ("a: {c: 1}\nb:\n  <<: {c: 1}", "card.yaml:3: b.<<: merge keys are not read"),
        ("a: !!python/object:os.system x", "found the tag"),
        ("a: !!set {x}", "found the tag"),
        ("a: .nan", "card.yaml:1: a: found .nan; figures are finite"),
        ("a: -.inf", "found -.inf"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: [1, 2", "not valid YAML"),
        ("a: b: c", "card.yaml:1: not valid YAML"),
        ("? [a, b]\n: 1", "a key must be plain text"),
        ("a: " + "[" * 60 + "]" * 60, "nested too deeply"),
    ],
)
def test_refusals_name_file_and_line(text: str, expected: str) -> None:
    with pytest.raises(ReproError) as error:
        parse(text, "card.yaml")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_an_alias_bomb_is_refused_without_growing() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(ReproError, match="alias"):
        parse(bomb)


def test_lines_of_every_part() -> None:
    document = parse("claims:\n  - id: a\n    check: {kind: level}\n  - id: b\n", "c.yaml")
    assert document.where(("claims", 1, "id")) == "c.yaml:4"
    assert document.where(("claims", 0, "check", "kind")) == "c.yaml:3"
    assert document.where(("claims", 0, "nothing")) == "c.yaml:2"
    assert dotted(("claims", 2, "check", "kind")) == "claims[2].check.kind"


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ReproError, match="no such file"):
        read(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ReproError, match="not UTF-8"):
        read(tmp_path / "latin.yaml")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ReproError):
        parse(text, "x.yaml")
