"""Strict reading of YAML: plain data, and the line every value stands on.

YAML 1.2's scalars (`on`, `yes` and dates are strings, `1e-4` and `1E5` are numbers), with `_`
allowed inside whole numbers (`1_000_000`). Refused: duplicate keys, aliases, merge keys, tags,
NaN and infinity, more than one document, nesting deeper than a card can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import yaml

from repro import paths
from repro.errors import ReproError

Path_ = tuple[str | int, ...]

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("null", "bool", "int", "float", "str", "map", "seq")}
_DEEPEST = 40


class _Loader(_BASE):
    """PyYAML's safe loader with YAML 1.2's rules for plain scalars."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(frozen=True)
class Document:
    """A file's plain data (`value`) and where each part stands.

    file: path as errors print it. lines: path of keys and indices → line, counted from one.
    """

    file: str
    value: Any
    lines: dict[Path_, int]

    def where(self, path: Path_ = ()) -> str:
        """`file:line` of `path`, or of its nearest ancestor that stands in the file."""
        while path not in self.lines and path:
            path = path[:-1]
        return f"{self.file}:{self.lines.get(path, 1)}"


def read(file: Path) -> Document:
    """Read one YAML file; ReproError names file and line of what is wrong.

    The last few texts are remembered: a table of ablations asks for the same card a hundred
    times. What is returned is shared and must not be changed.
    """
    name = display(file)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReproError(f"{name}: no such file") from None
    except UnicodeDecodeError as error:
        raise ReproError(f"{name}: not UTF-8 (byte {error.start})") from None
    return _remembered(text, name)


def parse(text: str, name: str = "<text>") -> Document:
    """Parse YAML text; `name` stands in errors for the file."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = " ".join(str(error.problem or error.context or error).split())
        raise ReproError(f"{name}:{line}: not valid YAML: {problem}") from None
    except yaml.YAMLError as error:
        raise ReproError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ReproError(f"{name}: nested too deeply") from None
    lines: dict[Path_, int] = {}
    value = None if root is None else _plain(root, (), name, lines, set())
    return Document(name, value, lines)


@lru_cache(maxsize=16)
def _remembered(text: str, name: str) -> Document:
    return parse(text, name)


def display(file: Path) -> str:
    """The file's path as errors print it: relative to the clone where it lies inside."""
    try:
        return file.resolve().relative_to(paths.ROOT.resolve()).as_posix()
    except ValueError:
        return file.as_posix()


def dotted(path: Path_) -> str:
    """`("claims", 2, "check")` → `claims[2].check`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _plain(node: Any, path: Path_, name: str, lines: dict[Path_, int], seen: set[int]) -> Any:
    """The node's data; fills `lines`. A node met twice came in through an alias."""
    line = node.start_mark.line + 1
    here = f"{name}:{line}: {dotted(path) or 'document'}"
    lines[path] = line
    if id(node) in seen:
        raise ReproError(f"{here}: found an alias (*name); write the value out instead")
    seen.add(id(node))
    if node.tag not in _PLAIN:
        raise ReproError(f"{here}: found the tag {node.tag}; only plain values are read")
    if len(path) > _DEEPEST:
        raise ReproError(f"{here}: nested too deeply")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, here)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(n, (*path, i), name, lines, seen) for i, n in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key_line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ReproError(f"{name}:{key_line}: {dotted(path)}: a key must be plain text")
        key = key_node.value
        inside = dotted((*path, key))
        if key == "<<":
            raise ReproError(f"{name}:{key_line}: {inside}: merge keys are not read; use `extends`")
        if key in result:
            first = lines[(*path, key)]
            raise ReproError(
                f"{name}:{key_line}: {inside}: found twice (first on line {first}); keep one"
            )
        result[key] = _plain(value_node, (*path, key), name, lines, seen)
        lines[(*path, key)] = key_line
    return result


def _scalar(node: Any, here: str) -> Any:
    text, kind = node.value, node.tag.removeprefix(_TAG)
    try:
        if kind == "null":
            return None
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "int":
            plain = text.replace("_", "")
            return int(plain, 0) if plain[:2] in ("0x", "0o") else int(plain)
        if kind == "float":
            if text.lstrip("-+").lower() in (".inf", ".nan"):
                raise ReproError(f"{here}: found {text}; figures are finite numbers")
            return float(text)
    except (ValueError, KeyError):
        raise ReproError(f"{here}: found {text!r}, which is no {kind}") from None
    return text
