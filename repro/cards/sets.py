"""Hyperparameter sets: `hparams/<id>.yaml` → plain values per environment, with their sources."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar

import msgspec

from repro import paths
from repro.cards import check
from repro.cards.models import Block, Evaluation, HParamFile
from repro.cards.protocol import checked
from repro.cards.yaml import Document, Path_, read
from repro.errors import ReproError, nearest

T = TypeVar("T")


class Provenance(TypedDict):
    """Where one field's value comes from; `line` is `file:line`, `set` the set that gave it."""

    source: str
    status: str
    confidence: str
    unit: str | None
    note: str | None
    set: str
    line: str


@dataclass(frozen=True)
class HParamSet:
    """One named set of a paper's hyperparameters, what it extends already laid under it.

    environments: aliases it is meant for. evaluation: its claims' protocol, where it has one.
    Values are plain and nested; a mapping without `kind` (Adam's three numbers) is laid over field
    by field, one with `kind` is replaced whole.
    """

    paper: str
    name: str
    about: str
    extends: str | None
    environments: list[str]
    evaluation: Evaluation | None
    _values: dict[str, Any]
    _provenance: dict[str, Provenance]
    _overrides: dict[str, tuple[dict[str, Any], dict[str, Provenance]]] = field(
        default_factory=dict
    )

    def values(self, env: str | None = None) -> dict[str, Any]:
        """Every field's plain value for `env` (alias or id); a copy that may be changed."""
        changes = self._overrides.get(alias(env), ({}, {}))[0] if env else {}
        return merged(self._values, changes)

    def provenance(self, env: str | None = None) -> dict[str, Provenance]:
        """Dotted field → source, status, unit and place, for `env` (alias or id)."""
        changes = self._overrides.get(alias(env), ({}, {}))[1] if env else {}
        kept = {
            name: origin
            for name, origin in self._provenance.items()
            if not any(_covers(new, name) for new in changes)
        }
        return {**kept, **changes}

    @property
    def overrides(self) -> dict[str, dict[str, Any]]:
        """Environment alias → what differs there."""
        return {env: copy.deepcopy(values) for env, (values, _) in self._overrides.items()}

    def digest(self, env: str | None = None) -> str:
        """sha256 (hex) of the canonical JSON of `values(env)`."""
        return digest(self.values(env))


def set_digest(hparam_set: HParamSet, env: str | None = None) -> str:
    """sha256 (hex) of the canonical JSON of the set's values for `env`; sources do not count."""
    return hparam_set.digest(env)


def digest(value: Any) -> str:
    """sha256 (hex) of canonical JSON: sorted keys, no spaces, NaN refused."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def alias(env: str) -> str:
    """`HalfCheetah-v4` → `HalfCheetah`, `ALE/Pong-v5` → `Pong`: what cards and sets say."""
    return re.sub(r"^ALE/|-v\d+$", "", env)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` laid over `base`: a mapping with `kind` replaces, one without is laid over."""
    result = copy.deepcopy(dict(base))
    for name, value in changes.items():
        old = result.get(name)
        if isinstance(value, dict) and "kind" not in value and isinstance(old, dict):
            result[name] = merged(old, value)
        else:
            result[name] = copy.deepcopy(value)
    return result


def set_file(paper: str) -> tuple[HParamFile, Document]:
    """The checked content of `hparams/<paper>.yaml` and where each part stands."""
    document = read(paths.HPARAMS / f"{paper}.yaml")
    content = check.convert(document, HParamFile)
    if content.paper != paper:
        raise ReproError(
            f'{document.where(("paper",))}: paper: found "{content.paper}", expected "{paper}"'
        )
    return content, document


def load_sets(paper: str) -> dict[str, HParamSet]:
    """Every named set of `hparams/<paper>.yaml`; empty where the paper has no such file.

    Refused, with file and line: unknown fields, a field given twice in one set, a set that
    extends one that is not there or itself, overrides for an environment the set does not name.
    """
    if not (paths.HPARAMS / f"{paper}.yaml").exists():
        return {}
    content, document = set_file(paper)
    done: dict[str, HParamSet] = {}
    for name in content.sets:
        _build(name, content, document, done, ())
    return {name: done[name] for name in content.sets}


def _build(
    name: str,
    content: HParamFile,
    document: Document,
    done: dict[str, HParamSet],
    above: tuple[str, ...],
) -> HParamSet:
    if name in done:
        return done[name]
    entry = content.sets[name]
    values: dict[str, Any] = {}
    origins: dict[str, Provenance] = {}
    overrides: dict[str, tuple[dict[str, Any], dict[str, Provenance]]] = {}
    evaluation, where_said = entry.evaluation, document.where(("sets", name))
    if evaluation is not None:
        here: Path_ = ("sets", name, "evaluation")
        where_said = document.where(here)
        source = _source(evaluation.source, content, document, (*here, "source"))
        evaluation = msgspec.structs.replace(evaluation, source=source)
    if entry.extends is not None:
        where = f"{document.where(('sets', name, 'extends'))}: sets.{name}.extends: found"
        if entry.extends not in content.sets:
            hint = nearest(entry.extends, content.sets)
            raise ReproError(f'{where} the unknown set "{entry.extends}"; {hint}')
        if entry.extends in (*above, name):
            raise ReproError(f'{where} "{entry.extends}", which extends this set; break the circle')
        parent = _build(entry.extends, content, document, done, (*above, name))
        values, origins = parent.values(), dict(parent.provenance())
        overrides = dict(parent._overrides)
        evaluation = evaluation or parent.evaluation
    own = _blocks(entry.blocks, ("sets", name, "blocks"), name, content, document)
    values, origins = _laid_over(values, origins, *own)
    for env, blocks in entry.overrides.items():
        path: Path_ = ("sets", name, "overrides", env)
        if env not in entry.environments:
            raise ReproError(
                f'{document.where(path)}: sets.{name}.overrides: found "{env}", which is none of '
                f"the set's environments; {nearest(env, entry.environments)}"
            )
        new = _blocks(blocks, path, name, content, document)
        overrides[env] = _laid_over(*overrides.get(env, ({}, {})), *new)
    done[name] = HParamSet(
        content.paper,
        name,
        entry.about,
        entry.extends,
        list(entry.environments),
        evaluation and checked(evaluation, values, name, where_said),
        values,
        origins,
        overrides,
    )
    return done[name]


def _blocks(
    blocks: list[Block], path: Path_, name: str, content: HParamFile, document: Document
) -> tuple[dict[str, Any], dict[str, Provenance]]:
    """The blocks' values in one mapping, and the provenance of each dotted field."""
    values: dict[str, Any] = {}
    origins: dict[str, Provenance] = {}
    for index, block in enumerate(blocks):
        for dotted_name, leaf in _leaves(block.values):
            here = document.where((*path, index, "values", *leaf))
            if leaf[0] not in content.fields:
                hint = nearest(str(leaf[0]), [f for f in content.fields if "." not in f])
                raise ReproError(f'{here}: found the unknown field "{leaf[0]}"; {hint}')
            if any(_covers(dotted_name, old) or _covers(old, dotted_name) for old in origins):
                raise ReproError(f'{here}: found "{dotted_name}" twice in set {name}; keep one')
            origins[dotted_name] = Provenance(
                source=_source(block.source, content, document, (*path, index, "source")),
                status=block.status,
                confidence=block.confidence,
                unit=_unit(dotted_name, content),
                note=block.note,
                set=name,
                line=here,
            )
        values = merged(values, block.values)
    return values, origins


def _laid_over(
    values: dict[str, Any],
    origins: dict[str, Provenance],
    new_values: dict[str, Any],
    new_origins: dict[str, Provenance],
) -> tuple[dict[str, Any], dict[str, Provenance]]:
    kept = {n: o for n, o in origins.items() if not any(_covers(new, n) for new in new_origins)}
    return merged(values, new_values), {**kept, **new_origins}


def _leaves(values: Mapping[str, Any], path: Path_ = ()) -> list[tuple[str, Path_]]:
    """Dotted name and path of each value; a mapping with `kind` is one value."""
    found: list[tuple[str, Path_]] = []
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, dict) and value and "kind" not in value:
            found += _leaves(value, here)
        else:
            found.append((".".join(map(str, here)), here))
    return found


def _covers(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer + ".")


def _source(text: str, content: HParamFile, document: Document, path: Path_) -> str:
    """`ppo1:mlp_policy.py` with the short name written out."""
    short, colon, rest = text.partition(":")
    if short in content.sources:
        return f"{content.sources[short]}{colon}{rest}"
    if colon and re.fullmatch(r"[a-z0-9-]+", short) and not rest.startswith(" "):
        hint = nearest(short, content.sources)
        raise ReproError(
            f'{document.where(path)}: source: found "{short}", no key of sources; {hint}'
        )
    return text


def _unit(name: str, content: HParamFile) -> str | None:
    field_ = content.fields.get(name) or content.fields.get(name.split(".")[0])
    return field_.unit if field_ else None


def convert_hparams(
    values: Mapping[str, Any],
    kind: type[T],
    provenance: Mapping[str, Provenance] | str = "hyperparameters",
) -> T:
    """`values` as the implementation's HParams, or one line: place, field, found, expected.

    provenance: of the set the values come from, so that errors name its file and line; or words
    for values that come from elsewhere (`ppo-2017, ablation no-clip`). Importing `kind` pulls in
    torch: the caller does that, not this module.
    """
    return check.convert_at(dict(values), kind, _places(provenance))


def _places(provenance: Mapping[str, Provenance] | str) -> Callable[[Path_], str]:
    if isinstance(provenance, str):
        return lambda path: str(provenance)
    origins = provenance

    def where(path: Path_) -> str:
        name = ".".join(str(part) for part in path)
        for dotted_name, origin in origins.items():
            if _covers(dotted_name, name) or _covers(name, dotted_name):
                return origin["line"]
        first = next(iter(origins.values()), None)
        return first["line"].rpartition(":")[0] if first else "hyperparameters"

    return where
