"""Hunting mutants in a copy of a commit: caught, survived, recorded, reported."""

from __future__ import annotations

import subprocess

import evidence_tools as tools
import pytest

from benchmarks.mutants import catalogue, record, report
from benchmarks.mutants.__main__ import main
from benchmarks.mutants.catalogue import Mutant, Tried
from benchmarks.mutants.hunt import Copy
from benchmarks.spoiled.faults import Edit, Fault
from repro import git

CODE = "def double(x):\n    return 2 * x\n\n\ndef unused(x):\n    return x + 1\n"
TEST = "from code import double\n\n\ndef test_double():\n    assert double(3) == 6\n"
BAD = "def test_wrong():\n    assert False\n"


def mutant(name, old, new):
    return Mutant(Fault(name, f"{old} is {new}", (Edit("toy.py", old, new),)), ())


CAUGHT = mutant("caught", "2 * x", "3 * x")
SURVIVES = mutant("survives", "x + 1", "x + 2")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with one module and one test of half of it."""
    root = tmp_path / "clone"
    (root / "tests").mkdir(parents=True)
    (root / "toy.py").write_text(CODE)
    (root / "tests" / "test_toy.py").write_text(TEST.replace("code", "toy"))
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    (root / ".gitignore").write_text(".cache/\n")
    subprocess.run([*tools.GIT, "init", "-q"], cwd=root, check=True)
    tools.commit(root, "toy")
    tools.use(monkeypatch, root)
    monkeypatch.setattr(catalogue, "TESTS", {"toy.py": Tried(("tests/test_toy.py",), ())})
    monkeypatch.setattr("benchmarks.mutants.hunt.TESTS", catalogue.TESTS)
    monkeypatch.setattr("benchmarks.mutants.hunt.HEAVY", ())
    known = {m.name: m for m in (CAUGHT, SURVIVES)}
    monkeypatch.setattr(catalogue, "read", lambda: known)
    return root


def test_from_the_hunt_to_the_page(clone, capsys):
    rows, page = clone / "mutants.json", clone / "mutants.md"
    page.write_text(f"Before.\n{report.BEGIN}\nold\n{report.END}\nAfter.\n")
    assert main(["run", "--record", str(rows)]) == 0
    said = capsys.readouterr().out
    assert "caught: caught by tests/test_toy.py::test_double" in said
    assert "survives: SURVIVED" in said
    assert (clone / "toy.py").read_text() == CODE
    assert (Copy(git.head()).root / "toy.py").read_text() == CODE
    assert main(["report", "--record", str(rows), "--page", str(page)]) == 1
    said = capsys.readouterr().out
    assert "1 of 2 mutants are caught (50.0 %)" in said
    assert "Of these 2 rows 0 are older than the file that is mutated and 0 than" in said
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "| survives | `toy.py` | x + 1 is x + 2 |" in text
    assert "`test_toy`: `test_double`" in text
    # What was caught is not hunted again; what survived is, with a test that notices it.
    test = clone / "tests" / "test_toy.py"
    test.write_text(test.read_text() + "\n\ndef test_unused():\n    from toy import unused\n"
                    "    assert unused(1) == 2\n")  # fmt: skip
    tools.commit(clone, "a test")
    assert main(["run", "--record", str(rows)]) == 0
    said = capsys.readouterr().out
    assert "[1/1] survives: caught by tests/test_toy.py::test_unused" in said
    assert report.status(catalogue.read(), record.read(rows)) == 0


def test_rows_older_than_their_files_are_counted_and_hunted_again(clone, capsys):
    rows, page = clone / "mutants.json", clone / "mutants.md"
    page.write_text(f"{report.BEGIN}\n{report.END}\n")
    assert main(["run", "--record", str(rows), "caught"]) == 0

    def told(*arguments):
        main([*arguments, "--record", str(rows)])
        return capsys.readouterr().out

    assert "all of these were caught before" in told("run", "--stale", "caught")
    row = record.read(rows)["caught"]
    (clone / "tests" / "test_toy.py").write_text(TEST.replace("code", "toy") + "\n# no more\n")
    tools.commit(clone, "the catcher's file")
    assert not record.file_changed(row, CAUGHT, git.head())
    assert "0 are older than the file that is mutated and 1 than" in told(
        "report", f"--page={page}"
    )
    (clone / "toy.py").write_text(CODE + "\n# no more\n")
    tools.commit(clone, "the mutated file")
    told("report", f"--page={page}")
    assert (
        "Of these 1 rows 1 are older than the file that is mutated and 1 than" in page.read_text()
    )
    assert "1 more are older than their file or their test; --stale" in told("run", "caught")
    assert record.read(rows)["caught"] == row
    assert "[1/1] caught: caught by tests/test_toy.py::test_double" in told(
        "run", "--stale", "caught"
    )
    assert record.read(rows)["caught"]["commit"] == git.head()
    assert "all of these were caught before" in told("run", "--stale", "caught")


def test_a_row_of_a_commit_that_nobody_has_is_old(clone):
    row = {"edit": CAUGHT.digest, "caught_by": "tests/test_toy.py::t", "commit": "f" * 40}
    assert record.file_changed(row, CAUGHT, git.head())
    assert not record.catcher_changed(row | {"caught_by": "timeout"}, git.head())


def test_a_copy_left_mutated_is_put_back(clone):
    copy = Copy(git.head())
    copy.make()
    (copy.root / "toy.py").write_text("broken")
    copy.make()
    assert (copy.root / "toy.py").read_text() == CODE


def test_tests_that_fail_by_themselves_catch_nothing(clone, capsys):
    (clone / "tests" / "test_toy.py").write_text(BAD)
    tools.commit(clone, "a bad test")
    rows = clone / "mutants.json"
    assert main(["run", "--record", str(rows)]) == 2
    assert "test_toy.py::test_wrong fails in commit" in capsys.readouterr().err
    assert record.read(rows) == {}


def test_a_changed_edit_is_hunted_again():
    row = {"edit": CAUGHT.digest, "caught_by": "t", "commit": "c", "seconds": 1.0}
    rows = {"caught": row, "survives": row}
    assert record.current(rows, CAUGHT) == row
    assert record.current(rows, SURVIVES) is None
    known = {m.name: m for m in (CAUGHT, SURVIVES)}
    assert report.judged(known, rows) == {"caught": "t"}
    assert report.status(known, rows) == 3
