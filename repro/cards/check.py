"""Plain data against msgspec types, with errors a person can act on.

msgspec checks as well, but names neither lines nor the nearest valid name; this walks the same
types first and says `papers/ppo-2017.yaml:41: claims[2].check.kind: found "levle", expected one of
"level", …; did you mean "level"?`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect as mi

from repro.cards.yaml import Document, Path_, dotted
from repro.errors import ReproError, nearest

T = TypeVar("T")

_type_info: Callable[[Any], mi.Type] = lru_cache(maxsize=64)(mi.type_info)


class Problem(NamedTuple):
    """What is wrong at `path`: `found …, expected …`."""

    path: Path_
    text: str


def convert(document: Document, kind: type[T]) -> T:
    """The document as `kind`, or a ReproError of one line: file, line, field, found, expected."""
    return convert_at(document.value, kind, document.where)


def convert_at(value: Any, kind: type[T], where: Callable[[Path_], str]) -> T:
    """As `convert`, for data whose places in files `where(path)` knows."""
    for problem in problems(value, _type_info(kind)):
        name = dotted(problem.path)
        raise ReproError(f"{where(problem.path)}: {name + ': ' if name else ''}{problem.text}")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:  # what the walk above does not know
        raise ReproError(f"{where(())}: {error}") from None


def problems(value: Any, kind: mi.Type, path: Path_ = ()) -> Iterator[Problem]:
    """All that is wrong with `value` as `kind`, in reading order."""
    if isinstance(kind, mi.Metadata):
        yield from problems(value, kind.type, path)
    elif isinstance(kind, mi.UnionType):
        yield from _union(value, kind, path)
    elif isinstance(kind, mi.StructType):
        yield from _struct(value, kind, path)
    elif isinstance(kind, mi.DictType):
        if not isinstance(value, dict):
            yield Problem(path, f"found {show(value)}, expected a mapping")
        else:
            for key, item in value.items():
                yield from problems(item, kind.value_type, (*path, key))
    elif isinstance(kind, (mi.ListType, mi.VarTupleType)):
        if not isinstance(value, list):
            yield Problem(path, f"found {show(value)}, expected a list")
        else:
            for index, item in enumerate(value):
                yield from problems(item, kind.item_type, (*path, index))
    else:
        yield from _scalar(value, kind, path)


def _struct(value: Any, kind: mi.StructType, path: Path_) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path, f"found {show(value)}, expected a mapping ({kind.cls.__name__})")
        return
    fields = {field.encode_name: field for field in kind.fields}
    known = {*fields, *([kind.tag_field] if kind.tag_field else [])}
    for key in value:
        if key not in known:
            yield Problem((*path, key), f'found the unknown field "{key}"; {nearest(key, known)}')
    for name, field in fields.items():
        if name in value:
            yield from problems(value[name], field.type, (*path, name))
        elif field.required:
            yield Problem(path, f'the field "{name}" is missing (expected {expected(field.type)})')


def _union(value: Any, kind: mi.UnionType, path: Path_) -> Iterator[Problem]:
    tagged = [t for t in kind.types if isinstance(t, mi.StructType) and t.tag_field]
    if isinstance(value, dict) and tagged:
        field = str(tagged[0].tag_field)
        tags = {str(t.tag): t for t in tagged}
        tag = value.get(field)
        if tag is None:
            names = ", ".join(f'"{name}"' for name in tags)
            yield Problem(path, f'the field "{field}" is missing (expected one of {names})')
        elif not isinstance(tag, str) or tag not in tags:
            yield Problem((*path, field), _one_of(tag, list(tags)))
        else:
            yield from problems(value, tags[tag], path)
        return
    structs = [option for option in kind.types if isinstance(option, mi.StructType)]
    if isinstance(value, dict) and len(structs) == 1:  # `Evaluation | None`: what the mapping lacks
        yield from problems(value, structs[0], path)
        return
    found = [list(problems(value, option, path)) for option in kind.types]
    if all(found):
        deepest = max(found, key=lambda some: max(len(p.path) for p in some))
        if max(len(p.path) for p in deepest) > len(path):
            yield from deepest
        else:
            yield Problem(path, f"found {show(value)}, expected {expected(kind)}")


def _scalar(value: Any, kind: mi.Type, path: Path_) -> Iterator[Problem]:
    if isinstance(kind, mi.LiteralType):
        if value not in kind.values or isinstance(value, bool):
            yield Problem(path, _one_of(value, [str(v) for v in kind.values]))
        return
    fits = {
        mi.AnyType: lambda: True,
        mi.NoneType: lambda: value is None,
        mi.BoolType: lambda: isinstance(value, bool),
        mi.StrType: lambda: isinstance(value, str),
        mi.IntType: lambda: isinstance(value, int) and not isinstance(value, bool),
        mi.FloatType: lambda: isinstance(value, (int, float)) and not isinstance(value, bool),
    }.get(type(kind), lambda: True)
    if not fits():
        yield Problem(path, f"found {show(value)}, expected {expected(kind)}")
    elif isinstance(kind, mi.StrType) and kind.pattern and not re.search(kind.pattern, value):
        yield Problem(path, f"found {show(value)}, expected text like {kind.pattern}")
    elif isinstance(kind, (mi.IntType, mi.FloatType)) and not _within(value, kind):
        yield Problem(path, f"found {show(value)}, expected {expected(kind)}")


def _within(value: float, kind: mi.IntType | mi.FloatType) -> bool:
    return (
        (kind.gt is None or value > kind.gt)
        and (kind.ge is None or value >= kind.ge)
        and (kind.lt is None or value < kind.lt)
        and (kind.le is None or value <= kind.le)
    )


def _one_of(value: Any, names: list[str]) -> str:
    options = ", ".join(f'"{name}"' for name in names)
    hint = nearest(value, names) if isinstance(value, str) else ""
    hint = f"; {hint}" if hint.startswith("did you") else ""
    return f"found {show(value)}, expected one of {options}{hint}"


def show(value: Any) -> str:
    """A value as errors quote it: short, text in double quotes."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + '…"'


def expected(kind: mi.Type) -> str:
    """A type in words."""
    if isinstance(kind, mi.Metadata):
        return expected(kind.type)
    if isinstance(kind, mi.UnionType):
        return " or ".join(dict.fromkeys(expected(option) for option in kind.types))
    if isinstance(kind, mi.StructType):
        return f'a mapping with {kind.tag_field}: "{kind.tag}"' if kind.tag_field else "a mapping"
    if isinstance(kind, mi.LiteralType):
        return "one of " + ", ".join(f'"{value}"' for value in kind.values)
    if isinstance(kind, (mi.IntType, mi.FloatType)):
        bounds = [
            f"{sign} {limit:g}"
            for sign, limit in ((">", kind.gt), (">=", kind.ge), ("<", kind.lt), ("<=", kind.le))
            if limit is not None
        ]
        noun = "a whole number" if isinstance(kind, mi.IntType) else "a number"
        return " and ".join([noun, *bounds]) if not bounds else f"{noun} {' and '.join(bounds)}"
    names: dict[type[mi.Type], str] = {
        mi.StrType: "text",
        mi.BoolType: "true or false",
        mi.NoneType: "nothing",
        mi.ListType: "a list",
        mi.VarTupleType: "a list",
        mi.DictType: "a mapping",
        mi.AnyType: "anything",
    }
    return names.get(type(kind), type(kind).__name__)
