"""One hyperparameter set of a paper: every value with its source, status, unit and meaning."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from repro.commands import text
from repro.errors import ReproError, nearest

if TYPE_CHECKING:
    from repro.cards import HParamSet
    from repro.cards.models import Field
    from repro.cards.sets import Provenance


def execute(paper: str, args: argparse.Namespace) -> int:
    """`repro show ID --hparams SET`; --env lays the overrides for an environment over it."""
    from repro.cards import load_sets
    from repro.cards.sets import alias, set_file

    sets = load_sets(paper)
    if not sets:
        raise ReproError(f"{paper} has no hyperparameters: no file hparams/{paper}.yaml")
    if args.hparams not in sets:
        raise ReproError(
            f'{paper} has no hparam set "{args.hparams}": {nearest(args.hparams, sets)}'
        )
    chosen = sets[args.hparams]
    if args.env and not {alias(args.env), "*"} & set(chosen.environments):
        hint = nearest(alias(args.env), chosen.environments)
        raise ReproError(f'set {chosen.name} is not meant for "{args.env}": {hint}')
    values, origins = chosen.values(args.env), chosen.provenance(args.env)
    if args.json:
        said = {"values": values, "provenance": origins, "evaluation": _evaluation(chosen)}
        print(json.dumps(said, indent=1, ensure_ascii=False))
        return 0
    print(text.bold(f"{paper} · {chosen.name}" + (f" · {args.env}" if args.env else "")))
    print("\n".join(_about(chosen, args.env)))
    content, _ = set_file(paper)
    print("\n".join(_values(values, origins, content.fields)))
    for line in _evaluated(chosen):
        print(line)
    if content.missing and not args.quiet:
        print("\n" + text.bold("What no source states"))
        print("\n".join(text.wrapped(entry, "    ", "  - ") for entry in content.missing))
    return 0


def _about(chosen: HParamSet, env: str | None) -> list[str]:
    lines = [text.wrapped(chosen.about), text.wrapped(f"For {', '.join(chosen.environments)}.")]
    differs = {name: sorted(change) for name, change in chosen.overrides.items() if change}
    if differs and not env:
        said = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in differs.items())
        lines.append(text.wrapped(f"Differs (--env shows how) on {said}."))
    return lines


def _evaluation(chosen: HParamSet) -> dict[str, Any] | None:
    """The set's protocol with its source; None where it says none."""
    from msgspec import to_builtins

    found: dict[str, Any] | None = to_builtins(chosen.evaluation)
    return found


def _evaluated(chosen: HParamSet) -> list[str]:
    """How the set's agents are evaluated where a claim or `--evaluate` asks for it."""
    from repro.cards.protocol import words

    if (said := chosen.evaluation) is None:
        return []
    mark = "" if said.confidence == "verified" else f", {said.confidence}"
    head = text.paragraph(f"{said.status}{mark}: {said.source}", "  ", "")
    head += text.paragraph(f"note: {said.note}" if said.note else "", "  ")
    return ["", *map(text.dim, head), *text.paragraph(words(said.protocol), "    ", "  evaluated ")]


def _values(
    values: dict[str, Any], origins: Mapping[str, Provenance], fields: Mapping[str, Field]
) -> list[str]:
    """Every value, below the source that it shares with others."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for name, origin in origins.items():
        mark = "" if origin["confidence"] == "verified" else f", {origin['confidence']}"
        key = (origin["status"], mark, origin["source"], origin["note"] or "")
        groups.setdefault(key, []).append(name)
    width = max(map(len, origins), default=0)
    lines: list[str] = []
    for (status, mark, source, note), names in groups.items():
        head = text.paragraph(f"{status}{mark}: {source}", "  ", "")
        head += text.paragraph(note and f"note: {note}", "  ")
        lines += ["", *map(text.dim, head)]
        for name in names:
            value: Any = values
            for key_ in name.split("."):
                value = value[key_]
            said = _with_unit(text.plain(value), origins[name]["unit"])
            meaning = _meaning(name, fields)
            if meaning:
                said += f" · {meaning}"
            lines += text.paragraph(said, " " * (width + 4), f"  {name:<{width}}  ")
    return lines


def _with_unit(value: str, unit: str | None) -> str:
    if unit is None:
        return value
    return f"{value} {unit.removesuffix('s') if value == '1' and unit != 'nats' else unit}"


def _meaning(name: str, fields: Mapping[str, Field]) -> str:
    """What the field's documentation says, with the name that most people know a step size by."""
    if name not in fields:
        return ""
    about = " ".join(fields[name].about.split())
    if "step_size" in name and "learning rate" not in about:
        about += " (learning rate)"
    return f"{fields[name].symbol}: {about}" if fields[name].symbol else about
