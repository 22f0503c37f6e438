"""The catalogue of silent errors: every entry applies to today's code, once, and to code."""

from __future__ import annotations

import ast
import re

import pytest

from benchmarks.mutants import catalogue
from benchmarks.spoiled.faults import plant
from repro import paths
from repro.errors import ReproError

MUTANTS = catalogue.read()
SEEN = re.compile(r"[\w.-]+/[\w.-]+#\d+|arXiv:\d{4}\.\d{5}")


def test_the_catalogue_is_long_and_spread():
    assert len(MUTANTS) >= 40
    files = {mutant.edit.file for mutant in MUTANTS.values()}
    assert files == set(catalogue.TESTS)
    assert len({mutant.digest for mutant in MUTANTS.values()}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_a_mutant_applies_and_is_code(mutant, tmp_path):
    copy = tmp_path / mutant.edit.file
    copy.parent.mkdir(parents=True)
    before = (paths.ROOT / mutant.edit.file).read_text(encoding="utf-8")
    copy.write_text(before, encoding="utf-8")
    plant(mutant.fault, tmp_path)
    after = copy.read_text(encoding="utf-8")
    assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(before))
    assert mutant.fault.about
    assert all(SEEN.fullmatch(place) for place in mutant.seen), mutant.seen


def test_the_tests_that_are_tried_exist():
    for tests in catalogue.TESTS.values():
        for test in tests.files:
            assert (paths.ROOT / test).is_file(), test
    for mutant in MUTANTS.values():
        file, _, function = (mutant.first or "").partition("::")
        assert not file or f"def {function}(" in (paths.ROOT / file).read_text(), mutant.first


def entry(**changes):
    fields = {"name": "x", "about": "y", "file": "repro/training/rng.py", "old": "a", "new": "b"}
    lines = [f"{key}: {value}" for key, value in (fields | changes).items()]
    return "- " + "\n  ".join([*lines, "seen: []"]) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry() + entry(), "stands there twice"),
        (entry(file="repro/cli.py"), "no tests are named for repro/cli.py"),
        (entry(colour="red"), "x: Object contains unknown field"),
    ],
)
def test_a_wrong_entry_is_named(text, message, tmp_path):
    path = tmp_path / "catalogue.yaml"
    path.write_text(text)
    with pytest.raises(ReproError, match=message):
        catalogue.read(path)


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(ReproError, match='did you mean "gae-gamma-squared"'):
        catalogue.chosen(["gae-gamma-square"])
