"""one paper: what it claims, its hyperparameters, and what we found

examples:
  repro show ppo-2017
  repro show ppo-2017 --hparams mujoco            every value of a set, with its source
  repro show ppo-2017 --json
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from repro.commands import text
from repro.errors import ReproError, nearest

if TYPE_CHECKING:
    from repro.cards.models import Card, Claim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paper", metavar="ID", help="a paper's id, such as ppo-2017")
    parser.add_argument("--hparams", metavar="SET", help="list the values of one set")
    parser.add_argument("--env", metavar="E", help="with --hparams: its values for an environment")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def execute(args: argparse.Namespace) -> int:
    from repro.cards import load_card

    card = load_card(args.paper)
    if args.hparams:
        return _show_set(card, args)
    if args.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(card), indent=1, ensure_ascii=False))
        return 0
    print("\n".join(page(card)))
    return 0


def page(card: Card) -> list[str]:
    """The card as lines of text."""
    from repro.cards import load_sets
    from repro.evidence import stored_verdicts

    stored = stored_verdicts(card.id) or {"status": "no evidence yet", "verdicts": []}
    answers = {verdict["claim"]: verdict for verdict in stored["verdicts"]}
    lines = [text.bold(card.title)]
    names = ", ".join(card.authors) + ("" if card.authors_complete else ", …")
    lines.append(text.wrapped(f"{names} ({card.year})"))
    where = [card.venue, f"arXiv:{card.arxiv}" if card.arxiv else card.url, card.official_code]
    lines.append(" · ".join([card.id, *(place for place in where if place)]))
    lines.append(f"{card.section} · number {card.number} · {card.kind}")
    lines += ["", text.wrapped(card.summary)]
    if card.builds_on:
        lines.append(text.wrapped("Builds on " + ", ".join(card.builds_on) + "."))
    lines += ["", f"{text.bold('Evidence')}: {text.answer(stored['status'])}"]
    if card.claims:
        lines += ["", text.bold("Claims"), _claims(card.claims, answers)]
    if card.ablations:
        lines += ["", text.bold("Ablations")]
        for name, ablation in card.ablations.items():
            what = ablation.says or ", ".join(ablation.changes)
            lines.append(text.wrapped(f"{what} ({ablation.source})", "    ", f"  {name}: "))
    sets = load_sets(card.id)
    if sets:
        lines += ["", text.bold("Hyperparameter sets")]
        for name, hparam_set in sets.items():
            lines.append(text.wrapped(hparam_set.about, "    ", f"  {name}: "))
    for heading, entries in (
        ("Known differences", [f"{d.what}: {d.why} Effect: {d.effect}" for d in card.deviations]),
        ("What makes it hard", [" ".join([g.says, *g.threads]) for g in card.gotchas]),
        ("Notes", [*card.notes, *filter(None, [card.experiment, card.no_experiment])]),
    ):
        if entries:
            lines += ["", text.bold(heading)]
            lines += [text.wrapped(entry, "    ", "  - ") for entry in entries]
    return [*lines, "", *_commands(card)]


def _claims(claims: list[Claim], answers: dict[str, Any]) -> str:
    rows, colours = [], []
    for claim in claims:
        figure = claim.published
        value = "–"
        if figure and figure.mean is not None:
            value = text.number(figure.mean)
            if figure.std is not None:
                value += f" ± {text.number(figure.std)}"
        elif figure and figure.curve:
            value = "a curve"
        headline = answers.get(claim.id, {}).get("headline", "no evidence yet")
        arm = claim.hparams + (f"+{claim.ablation}" if claim.ablation else "")
        rows.append([f"  {claim.id}", claim.env, arm, value, claim.source, headline])
        colours.append([None] * 5 + [text.ANSWER_COLOURS.get(headline, "dim")])
    room = text.page_width() - sum(max(len(row[i]) for row in rows) + 2 for i in (0, 1, 2, 3, 5))
    for row in rows:
        if len(row[4]) > max(room, 16):
            row[4] = row[4][: max(room, 16) - 1] + "…"
    return text.table(rows, ["  claim", "env", "set", "published", "source", "ours"], colours)


def _commands(card: Card) -> list[str]:
    from repro.experiment import implemented

    if card.id not in implemented():
        return ["No implementation yet."]
    env = next((c.env for c in card.claims if c.env != "several"), None)
    env = env or next((e for e in card.default if e != "*"), "ENV")
    return [f"repro run {card.id} --env {env}"]


def _show_set(card: Card, args: argparse.Namespace) -> int:
    from repro.cards import load_sets

    sets = load_sets(card.id)
    if args.hparams not in sets:
        raise ReproError(
            f'{card.id} has no hparam set "{args.hparams}": {nearest(args.hparams, sets)}'
        )
    chosen = sets[args.hparams]
    values, origins = chosen.values(args.env), chosen.provenance(args.env)
    if args.json:
        print(json.dumps({"values": values, "provenance": origins}, indent=1, ensure_ascii=False))
        return 0
    print(text.bold(f"{card.id} · {chosen.name}"))
    print(text.wrapped(chosen.about))
    print()
    width = max(map(len, origins), default=0)
    above = None
    for field, origin in origins.items():
        value: Any = values
        for key in field.split("."):
            value = value[key]
        if (origin["status"], origin["source"]) != above:
            above = (origin["status"], origin["source"])
            print(text.dim(text.wrapped(f"{origin['source']} ({origin['status']})")))
        unit = f" {origin['unit']}" if origin["unit"] else ""
        print(f"  {field:<{width}}  {_plain(value)}{unit}")
    return 0


def _plain(value: Any) -> str:
    """`clip(range: 0.2)` for a tagged block, numbers as people write them."""
    if isinstance(value, dict):
        if value.get("kind") == "constant" and set(value) == {"kind", "value"}:
            return _plain(value["value"])
        inner = ", ".join(f"{k}: {_plain(v)}" for k, v in value.items() if k != "kind")
        return f"{value.get('kind', '')}({inner})" if inner else str(value.get("kind", ""))
    return f"{value:g}" if isinstance(value, float) else str(value)
