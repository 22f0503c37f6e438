"""Hostile input: real files, mutated as bytes and as data, and values that have hurt others."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.errors import ReproError

MARKUP = "<script>alert(1)</script>"
NASTY: list[Any] = [
    None, True, 0, -1, 1, 10**400, -(2**63), 1e308, -1e308, 1e-320, "", "x", MARKUP,
    '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "../../../etc/passwd", "/etc/passwd",
    "..", ".", "~", "a/../../b", "..\\..\\b", "%2e%2e/", "\x00", "a\x00b", "con", "-rf", "\ud800",
    "\u202egnp", "é" * 300, "x" * 70_000, "{{ 7 * 7 }}", "$(touch x)", "`id`", "\r\nSet-Cookie: a",
    "1e999", "NaN", "!!python/object/apply:os.system [id]", [], {}, [[]], [[[[[]]]]],
    {"kind": "none"}, {"schema_version": 1}, {"__class__": "x"}, [None] * 50, 0.1, 2**31, 2**64,
]  # fmt: skip
TOKENS = [
    b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"NaN", b"Infinity", b"-Infinity", b"1e999",
    b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"\\ud800", b"\n", b"\r", b"'", b'"', b"---\n",
    b"&a [*a, *a]", b"*a", b"!!python/object/apply:os.system ['true']", b"!!binary aGk=", b"<<: *a",
    b"? [a]\n: b\n", b"- " * 500, b"\t", b"%YAML 9.9\n", b"a: &b {c: *b}", b",", b":", b"{", b"}",
    b"]", b"-", b"# ", b"0x", b"1_0", b"~", b"null", b"true", b"yes", MARKUP.encode(),
]  # fmt: skip

Target = Callable[[bytes], None]


def mutated_bytes(seed: bytes) -> st.SearchStrategy[bytes]:
    """`seed` with up to four cuts, insertions, repeats or changed bytes."""
    place = st.integers(0, max(len(seed) - 1, 0))
    change = st.tuples(
        st.sampled_from(["cut", "insert", "repeat", "byte", "swap", "end"]),
        place,
        st.integers(1, 40),
        st.integers(0, len(TOKENS) - 1).map(TOKENS.__getitem__) | st.binary(min_size=1, max_size=4),
    )

    def apply(changes: list[tuple[str, int, int, bytes]]) -> bytes:
        text = seed
        for how, at, length, token in changes:
            if how == "cut":
                text = text[:at] + text[at + length :]
            elif how == "insert":
                text = text[:at] + token + text[at:]
            elif how == "repeat":
                text = text[:at] + text[at : at + length] * 3 + text[at + length :]
            elif how == "byte":
                text = text[:at] + token[:1] + text[at + 1 :]
            elif how == "swap":
                text = text[at:] + text[:at]
            else:
                text = text[:at]
        return text

    return st.lists(change, min_size=1, max_size=4).map(apply)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of every part of plain data but the whole."""
    items = enumerate(value) if isinstance(value, list) else ()
    items = value.items() if isinstance(value, dict) else items
    return [p for key, inner in items for p in [(*path, key), *places(inner, (*path, key))]]


def mutated_data(value: Any) -> st.SearchStrategy[Any]:
    """`value` with up to three parts replaced, removed, renamed or doubled."""
    where = places(value)
    change = st.tuples(
        st.sampled_from(["replace", "remove", "rename", "double"]),
        st.integers(0, len(where) - 1).map(where.__getitem__),
        st.integers(0, len(NASTY) - 1).map(NASTY.__getitem__)
        | st.floats(allow_nan=False)
        | st.text(max_size=20),
    )

    def apply(changes: list[tuple[str, tuple[Any, ...], Any]]) -> Any:
        result = copy.deepcopy(value)
        for how, path, new in changes:
            inner = result
            try:
                for key in path[:-1]:
                    inner = inner[key]
                old = inner[path[-1]]
            except (KeyError, IndexError, TypeError):
                continue
            if not isinstance(inner, (dict, list)):
                continue
            if how == "replace":
                inner[path[-1]] = copy.deepcopy(new)
            elif how == "remove":
                del inner[path[-1]]
            elif how == "double" and isinstance(inner, list):
                inner.append(copy.deepcopy(old))
            elif isinstance(inner, dict):
                inner[new if isinstance(new, str) else str(new)] = inner.pop(path[-1])
        return result

    return st.lists(change, min_size=1, max_size=3).map(apply)


def as_json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=True).encode()


def as_yaml(value: Any) -> bytes:
    try:
        return yaml.safe_dump(value, allow_unicode=False, sort_keys=False).encode()
    except (yaml.YAMLError, UnicodeEncodeError, ValueError):
        return as_json(value)


def hold(
    target: Target, seed: bytes, examples: int, data: Any = None, write: Any = as_json
) -> None:
    """Every mutation ends well or in one line; fails with the input otherwise.

    data: the file's content as plain data, for mutations of its structure.
    """
    inputs = mutated_bytes(seed)
    if data is not None:
        inputs = inputs | mutated_data(data).map(write)

    target(seed)  # the real file is read
    try_all(inputs, examples, lambda content: one_line(target, content))


def try_all(inputs: st.SearchStrategy[Any], count: int, check: Callable[[Any], None]) -> None:
    """Check `count` of the inputs, the same ones every time."""
    every = settings(max_examples=count, database=None, suppress_health_check=list(HealthCheck))
    every(given(inputs)(check))()


def one_line(target: Target, content: bytes) -> None:
    try:
        target(content)
    except ReproError as error:
        text = str(error)
        assert text, "an error without words"
        assert "\n" not in text, text
        text.encode()  # printable: no half of a surrogate pair


def examples(fast: int) -> Any:
    """A few for CI, ten thousand for the long suite."""
    return pytest.mark.parametrize(
        "count", [fast, pytest.param(10_000, marks=pytest.mark.slow)], ids=["few", "many"]
    )
