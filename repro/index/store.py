"""The index's cache: one SQLite database of facts and full text, kept by its files' digests.

The file is a sha256 and then the database it belongs to, replaced as a whole. Whatever else is
found there (another version's, half a file, a flipped bit) is as good as none, and a folder that
cannot be written to only makes the next call read the cards again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from repro import paths
from repro.errors import ReproError
from repro.files import write_bytes
from repro.index.entry import WEIGHTS, Entry, read_entry

_CODE = Path(__file__).resolve().parent
_COLUMNS = ", ".join(WEIGHTS)
_SPELLINGS = (
    (re.compile(r"([iy])z(e[a-z]?|ing|ers?|ations?)\b"), r"\1s\2"),  # normalize, analyze
    (re.compile(r"(\w\w)our(s|ed|ing|al|able)?\b"), r"\1or\2"),  # behaviour
    (re.compile(r"ll(ed|ing|ers?)\b"), r"l\1"),  # modelling
    (re.compile(r"\blearnt\b"), "learned"),
)


def folded(text: str) -> str:
    """Lower case, in one spelling of English, so that `normalize` finds `normalised`."""
    text = text.lower()
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text


def open_database() -> sqlite3.Connection:
    """Tables `papers(id, key, entry)` and `words` (full text), as the files are now."""
    keys = _keys()
    old = _cached()
    kept = dict(old.execute("SELECT id, key FROM papers")) if old else {}
    if old is not None and kept == keys:
        return old
    new = _empty()
    _copy(old, new, [name for name in keys if kept.get(name) == keys[name]])
    _read(new, keys, [name for name in keys if kept.get(name) != keys[name]])
    if old is not None:
        old.close()
    content = new.serialize()
    with contextlib.suppress(OSError, ReproError):
        write_bytes(_file(), hashlib.sha256(content).digest() + content)
    return new


def _file() -> Path:
    return paths.CACHE / "papers.sqlite"


def _cached() -> sqlite3.Connection | None:
    """The stored database, or None where it is not exactly what was written."""
    with contextlib.suppress(OSError, sqlite3.Error):
        stored = _file().read_bytes()
        if hashlib.sha256(stored[32:]).digest() == stored[:32]:
            database = sqlite3.connect(":memory:")
            database.deserialize(stored[32:])
            database.execute("SELECT papers.id, key, entry FROM papers, words LIMIT 1")
            return database
    return None


def _empty() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE papers (id TEXT PRIMARY KEY, key TEXT, entry TEXT)")
    try:
        database.execute(
            f"CREATE VIRTUAL TABLE words USING fts5(id UNINDEXED, {_COLUMNS}, "
            "tokenize = 'porter unicode61 remove_diacritics 2')"
        )
    except sqlite3.OperationalError as error:
        raise ReproError(
            f"this Python's SQLite cannot search text ({error}); use one whose sqlite3 has FTS5"
        ) from None
    return database


def _copy(old: sqlite3.Connection | None, new: sqlite3.Connection, names: Iterable[str]) -> None:
    if old is None:
        return
    for name in names:
        for table in ("papers", "words"):
            for row in old.execute(f"SELECT * FROM {table} WHERE id = ?", (name,)):
                new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    new.commit()


def _read(new: sqlite3.Connection, keys: dict[str, str], names: Iterable[str]) -> None:
    """Read these papers' cards into the database."""
    from repro.cards import known
    from repro.experiment import implemented

    runnable = set(implemented())
    listed = known()
    places = ", ".join("?" * (1 + len(WEIGHTS)))
    for name in names:
        entry, text = read_entry(name, listed[name], name in runnable)
        row = (name, keys[name], json.dumps(entry, ensure_ascii=False))
        new.execute("INSERT INTO papers VALUES (?, ?, ?)", row)
        parts = [folded(text[part]) for part in WEIGHTS]
        new.execute(f"INSERT INTO words VALUES ({places})", [name, *parts])
    new.commit()


def entries_of(database: sqlite3.Connection) -> dict[str, Entry]:
    """Id → entry, in the list's order."""
    found = [json.loads(row[0]) for row in database.execute("SELECT entry FROM papers")]
    return {entry["id"]: entry for entry in sorted(found, key=lambda entry: entry["number"])}


def _keys() -> dict[str, str]:
    """Id → digest of everything the paper's row is made of."""
    code = sorted([*_CODE.glob("*.py"), *(_CODE.parent / "cards").glob("*.py")])
    topics = paths.PAPERS / "topics.yaml"
    shared = hashlib.sha256()
    for file in [*code, topics]:
        shared.update(_content(file))
    keys = {}
    for name in re.findall(rb"\bid: ([a-z0-9-]+)", _content(topics)):
        paper = name.decode()
        key = shared.copy()
        for file in (
            paths.PAPERS / f"{paper}.yaml",
            paths.HPARAMS / f"{paper}.yaml",
            paths.IMPLEMENTATIONS / f"{paper.replace('-', '_')}.py",
            paths.RESULTS / paper / "verdicts.json",
        ):
            content = _content(file)
            key.update(f"{len(content)}:".encode())
            key.update(content)
        keys[paper] = key.hexdigest()
    return keys


def _content(file: Path) -> bytes:
    """The file's bytes; none where it is not there."""
    with contextlib.suppress(OSError):
        return file.read_bytes()
    return b""
