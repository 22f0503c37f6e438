"""The index's cache: right after every change, whatever happened to its file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import get_args

import evidence_tools as tools
import pytest

from repro import paths
from repro.errors import ReproError
from repro.index import STATUSES, open_index, store
from repro.index.store import folded

SOME = ("ppo-2017", "trpo-2015", "gae-2015", "cpi-2002")
RIVALS = ("a3c-2016", "pg-theorem-1999")  # of whose sets PPO's card speaks


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with four cards, so that building the index takes no time."""
    for name in ("papers", "hparams", "implementations", "results"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(paths, name.upper(), tmp_path / name)
    monkeypatch.setattr(paths, "CACHE", tmp_path / ".cache")
    project = Path(tools.PROJECT)
    shutil.copy(project / "papers/topics.yaml", tmp_path / "papers")
    shutil.copytree(project / "papers/data", tmp_path / "papers/data")
    for paper in SOME:
        for folder in ("papers", "hparams"):
            if (project / folder / f"{paper}.yaml").exists():
                shutil.copy(project / folder / f"{paper}.yaml", tmp_path / folder)
    for paper in RIVALS:
        shutil.copy(project / f"hparams/{paper}.yaml", tmp_path / "hparams")
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """Which papers were read anew."""
    found: list[str] = []
    real = store.read_entry

    def spy(paper, *rest):
        found.append(paper)
        return real(paper, *rest)

    monkeypatch.setattr(store, "read_entry", spy)
    return found


def test_all_papers_stand_in_the_index_with_a_card_or_without(clone):
    index = open_index()
    assert len(index.entries) == 105
    assert [entry["id"] for entry in index.entries if entry["card"]] == [
        "trpo-2015", "gae-2015", "ppo-2017", "cpi-2002",
    ]  # fmt: skip
    assert index.by_id["dqn-2013"]["kind"] is None


def test_a_second_call_reads_no_card(clone, reads):
    first = open_index().entries
    assert len(reads) == 105
    reads.clear()
    assert open_index().entries == first
    assert reads == []


def test_only_what_changed_is_read_again(clone, reads):
    open_index()
    reads.clear()
    card = clone / "papers/ppo-2017.yaml"
    card.write_text(card.read_text().replace("clipped probability", "zebra probability"))
    index = open_index()
    assert reads == ["ppo-2017"]
    assert index.search(["zebra"]) == ["ppo-2017"]
    assert "trpo-2015" in index.search(["trust", "region"])


def test_an_implementation_and_verdicts_are_seen_at_once(clone):
    assert not open_index().by_id["trpo-2015"]["implemented"]
    (clone / "implementations/trpo_2015.py").write_text("\ndef train(run):\n    pass\n")
    verdicts = {
        "status": "partly",
        "verdicts": [
            {"env": "Hopper-v4", "answer": "reproduced"},
            {"env": "Hopper-v4", "answer": "reproduced"},
            {"env": "Swimmer", "answer": "not tested"},
        ],
    }
    folder = clone / "results/trpo-2015"
    folder.mkdir()
    (folder / "verdicts.json").write_text(json.dumps(verdicts))
    entry = open_index().by_id["trpo-2015"]
    assert (entry["implemented"], entry["status"]) == (True, "partly")
    assert entry["answers"] == {"Hopper": {"reproduced": 2}}


def test_a_card_that_goes_away_leaves_the_list_entry(clone):
    open_index()
    (clone / "papers/gae-2015.yaml").unlink()
    index = open_index()
    assert len(index.entries) == 105
    assert not index.by_id["gae-2015"]["card"]


def test_a_card_that_cannot_be_read_leaves_the_others(clone):
    card = clone / "papers/gae-2015.yaml"
    card.write_text(card.read_text().replace("kind: algorithm", "kind: algoritm"))
    index = open_index()
    assert len(index.problems) == 1
    assert "papers/gae-2015.yaml" in index.problems[0]
    assert index.by_id["gae-2015"]["title"].startswith("High-Dimensional")
    assert index.by_id["ppo-2017"]["claims"] > 0
    assert open_index().problems == index.problems


def _spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "flipped bit":
        middle = len(content) // 2
        content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    elif how == "half a file":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = b""
    elif how == "something else":
        content = b"not a database\n" * 100
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["flipped bit", "half a file", "empty", "something else"])
def test_a_spoilt_cache_is_built_again(clone, reads, how):
    first = open_index().entries
    _spoil(clone / ".cache/papers.sqlite", how)
    reads.clear()
    assert open_index().entries == first
    assert len(reads) == 105
    reads.clear()
    assert open_index().entries == first
    assert reads == []


def test_another_layout_with_a_right_digest_is_built_again(clone, monkeypatch):
    import hashlib

    first = open_index().entries
    other = sqlite3.connect(":memory:")
    other.execute("CREATE TABLE elsewhere (x)")
    content = other.serialize()
    (clone / ".cache/papers.sqlite").write_bytes(hashlib.sha256(content).digest() + content)
    assert open_index().entries == first


def test_where_nothing_can_be_written_it_still_answers(clone):
    (clone / ".cache").write_text("a file in the folder's place")
    assert open_index().search(["proximal"]) == open_index().search(["proximal"]) != []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_folder_is_no_error(clone):
    (clone / ".cache").mkdir(mode=0o500)
    assert len(open_index().entries) == 105


def test_two_that_build_at_once_agree(tmp_path):
    """Four processes find no cache; each answers, and what is left behind is whole."""
    code = (
        "import sys, pathlib\nfrom repro import paths\n"
        f"paths.CACHE = pathlib.Path({str(tmp_path)!r})\n"
        "from repro.index import open_index\nprint(len(open_index().entries))"
    )
    command = [sys.executable, "-c", code]
    running = [
        subprocess.Popen(command, cwd=tools.PROJECT, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in running] == ["105"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["papers.sqlite"]


def test_without_full_text_search_one_line_says_so(clone, monkeypatch):
    class Without(sqlite3.Connection):
        def execute(self, sql, *rest):
            if "fts5" in sql:
                raise sqlite3.OperationalError("no such module: fts5")
            return super().execute(sql, *rest)

    monkeypatch.setattr(store.sqlite3, "connect", lambda *a: Without(*a))
    with pytest.raises(ReproError, match="FTS5"):
        open_index()


def test_statuses_are_the_judges_words():
    from repro.judge.status import StatusWord

    assert set(get_args(StatusWord)) | {"no evidence yet"} == set(STATUSES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("normalizing", "normalising"),
        ("behaviours", "behaviors"),
        ("modelling", "modeling"),
        ("Analyze", "analyse"),
        ("learnt", "learned"),
        ("generalization", "generalisation"),
    ],
)
def test_both_spellings_of_english_are_one(one, other):
    assert folded(one) == folded(other)
