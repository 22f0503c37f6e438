"""Atomic files: whole or not there, and errors in one line."""

from __future__ import annotations

import errno
import os

import pytest

from repro import files
from repro.errors import ReproError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_json_is_canonical_and_reads_back(tmp_path):
    path = tmp_path / "new" / "value.json"
    files.write_json(path, {"b": [1, 2.5, None], "a": "ε"})
    assert path.read_text() == '{\n "a": "ε",\n "b": [\n  1,\n  2.5,\n  null\n ]\n}\n'
    assert files.read_json(path) == {"a": "ε", "b": [1, 2.5, None]}
    assert names(path.parent) == ["value.json"]


def test_nan_is_refused_and_nothing_changes(tmp_path):
    path = tmp_path / "value.json"
    files.write_json(path, [1])
    with pytest.raises(ValueError):
        files.write_json(path, [float("nan")])
    assert files.read_json(path) == [1]


def test_digest_does_not_depend_on_the_order_of_keys():
    assert files.digest({"a": 1, "b": 2.0}) == files.digest({"b": 2.0, "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 1.5})


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.file_digest(tmp_path / "abc") == expected


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_disk_full_keeps_the_old_file_and_says_how_to_go_on(tmp_path, monkeypatch, call):
    path = tmp_path / "value.json"
    files.write_json(path, "old")

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(files.DiskFull) as caught:
        files.write_json(path, "new")
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert "last version is kept" in message
    assert "same command again" in message
    assert caught.value.exit_code == 3
    assert files.read_json(path) == "old"
    assert names(tmp_path) == ["value.json"]


def test_unwritable_folder_is_one_line(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(ReproError, match=r"Permission denied.*writable"):
        files.write_json(tmp_path / "value.json", 1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"schema_version": 1, "seeds": [0, 1', ":1: truncated or no JSON"),
        (b"", ":1: truncated or no JSON"),
        (b"\x80\x02}q\x00.", "not UTF-8 text"),
        (b'{"schema_version": 7}', "schema_version is 7, expected 1"),
        (b'{"name": "npm"}', "schema_version is None, expected 1"),
        (b"[1, 2]", "schema_version is None, expected 1"),
    ],
)
def test_truncated_and_foreign_files_are_one_line(tmp_path, content, says):
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(ReproError) as caught:
        files.read_json(path, schema_version=1)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(ReproError, match="is missing"):
        files.read_json(tmp_path / "none.json")


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(tmp_path):
    for name in (".checkpoint.pt.123.tmp", ".hidden.tmp", "a.123.tmp", "checkpoint.pt"):
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == [".hidden.tmp", "a.123.tmp", "checkpoint.pt"]
