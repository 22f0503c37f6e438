"""one paper: what it claims, its hyperparameters, and what we found

examples:
  repro show ppo-2017
  repro show sac --hparams mujoco                 every value of a set, with its source
  repro show sac --hparams mujoco --env Humanoid  as it is for one environment
  repro show ppo-2017 --json
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from repro.commands import report, text
from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.cards import HParamSet
    from repro.cards.models import Card, Claim
    from repro.index import Index

_TIERS = {
    "quick": "quick: its claims can be tested here in minutes",
    "full": "full: its claims can be tested here as published",
    "scaled": "scaled: only an honest smaller test fits here",
    "none": "none: nothing to run here",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paper", metavar="ID", help="a paper's id or alias, such as ppo-2017")
    parser.add_argument("--hparams", metavar="SET", help="every value of a set, with its source")
    parser.add_argument("--env", metavar="E", help="with --hparams: its values for an environment")
    parser.add_argument("--json", action="store_true", help="machine-readable")


def execute(args: argparse.Namespace) -> int:
    from repro.cards import load_card
    from repro.commands import show_set
    from repro.index import open_index

    if args.env and not args.hparams:
        raise ReproError(f"--env {args.env} goes with --hparams SET; leave it out, or name a set")
    index = open_index()
    card = load_card(index.resolve(args.paper))
    if args.hparams:
        return show_set.execute(card.id, args)
    if args.json:
        import msgspec

        built_upon = {"built_upon_by": index.children(card.id)}
        print(json.dumps(msgspec.to_builtins(card) | built_upon, indent=1, ensure_ascii=False))
        return 0
    print("\n".join(page(card, index)))
    return 0


def page(card: Card, index: Index) -> list[str]:
    """The card as lines of text."""
    from repro.cards import load_sets
    from repro.evidence import stored_verdicts

    stored = stored_verdicts(card.id) or {"status": "no evidence yet", "verdicts": []}
    answers = {verdict["claim"]: verdict for verdict in stored["verdicts"]}
    sets = load_sets(card.id)
    lines = _head(card, index)
    status = f"{text.bold('Evidence')}: {text.answer(stored['status'])}"
    lines += ["", status, *text.paragraph(stored.get("reason") or "", "  ")]
    if card.claims:
        lines += ["", text.bold("Claims"), *_claims(card.claims, answers)]
    if card.ablations:
        lines += ["", text.bold("Ablations that the paper studies")]
        for name, ablation in card.ablations.items():
            what = ablation.says or ", ".join(ablation.changes)
            figures = _figures(ablation.published)
            said = f"{what} ({ablation.source}){figures}"
            lines += text.paragraph(said, "    ", f"  {name}: ")
    lines += _sets(card, sets)
    for heading, entries in _sections(card):
        if entries:
            lines += ["", text.bold(heading)]
            for entry in entries:
                lines += text.paragraph(entry, "    ", "  - ")
    return [*lines, "", *_commands(card, sets)]


def _head(card: Card, index: Index) -> list[str]:
    names = ", ".join(card.authors) + ("" if card.authors_complete else ", …")
    lines = [text.bold(text.wrapped(card.title)), text.wrapped(f"{names} ({card.year})")]
    where = [card.venue, f"arXiv:{card.arxiv}" if card.arxiv else card.url]
    code = f"code: {card.official_code}" if card.official_code else "no official code known"
    lines.append(text.wrapped(" · ".join([card.id, *(place for place in where if place), code])))
    other = [f"also called {', '.join(card.aliases)}"] if card.aliases else []
    lines.append(text.wrapped(" · ".join([card.section, f"number {card.number}", *other])))
    depth = {"full": "full", "claims": "claims", "index": "index only"}[card.depth]
    lines.append(text.wrapped(f"{card.kind} · card: {depth} · tier {_TIERS[card.tier]}"))
    lines += ["", text.wrapped(card.summary)]
    for said, papers in (
        ("Builds on", card.builds_on),
        ("Built upon by", index.children(card.id)),
    ):
        if papers:
            lines.append(text.wrapped(f"{said} {', '.join(papers)}."))
    if card.environments:
        lines.append(text.wrapped(f"Environments: {', '.join(card.environments)}."))
    return lines


def _claims(claims: list[Claim], answers: dict[str, Any]) -> list[str]:
    """A row for each claim, what it says below it, and the judge's reason where there is one."""
    several_sets = len({claim.hparams for claim in claims}) > 1
    rows, colours, below = [], [], []
    for claim in claims:
        verdict = answers.get(claim.id, {})
        answer = verdict.get("answer", "not tested")
        star = "*" if claim.central else " "
        row = [f"{star} {claim.id}", _figure(claim), text.ours(verdict, spread=False)]
        rows.append([*row, report.in_table(answer, verdict.get("ours") is not None)])
        tint = "dim" if answer == "not tested" else text.ANSWER_COLOURS.get(answer, "yellow")
        colours.append([None, None, None, tint])
        arm = claim.hparams + (f"+{claim.ablation}" if claim.ablation else "")
        extra = f"; set {arm}" if several_sets or claim.ablation else ""
        notes = [text.dim(line) for line in text.paragraph(_said(claim) + extra + ")", "    ")]
        notes += report.beyond(answer, verdict.get("headline", answer), str(tint))
        below.append(notes)
    header = ["  claim", "published", "ours", "verdict"]
    lines = text.table(rows, header, colours, below).split("\n")
    marks = [] if several_sets else [f"all with the set {claims[0].hparams}"]
    marks += ["* counts for the paper's status"] if any(c.central for c in claims) else []
    shown = {c.published.confidence for c in claims if c.published}
    marks += ["≈ read off a figure or approximate"] if "approximate" in shown else []
    marks += ["? recalled, not confirmed: decides nothing"] if "recalled" in shown else []
    return [*lines, *([text.dim(text.wrapped("; ".join(marks), "  "))] if marks else [])]


def _said(claim: Claim) -> str:
    return f"{claim.says.rstrip('.')} ({claim.source}"


def _figure(claim: Claim) -> str:
    """`1,669 ± 222.3`, with ≈ or ? where the figure was not read in print; a check's bound."""
    figure = claim.published
    if figure is None:
        check = claim.check
        kind = str(type(check).__struct_config__.tag)
        least, most = getattr(check, "at_least", None), getattr(check, "at_most", None)
        return text.bound_of(kind, least, most)
    if figure.mean is None:
        return "a curve" if figure.curve else "–"
    value = text.plus_minus(figure.mean, figure.std)
    if figure.rival is not None:
        value += f" against {text.number(figure.rival)}"
    return {"approximate": "≈ ", "recalled": "? "}.get(figure.confidence, "") + value


def _figures(published: dict[str, Any] | None) -> str:
    """An ablation's published figures, in a few words."""
    if not published:
        return ""
    said = [f"{name} {text.plain(value)}" for name, value in published.items()]
    return ". Published: " + ", ".join(said)


def _sets(card: Card, sets: dict[str, HParamSet]) -> list[str]:
    if not sets:
        return []
    lines = ["", text.bold("Hyperparameter sets")]
    for name, hparam_set in sets.items():
        default = _default([env for env, chosen in card.default.items() if chosen == name], card)
        lines += text.paragraph(hparam_set.about + default, "    ", f"  {name}: ")
    return lines


def _default(used: list[str], card: Card) -> str:
    """For which environments `repro run` takes a set."""
    if not used:
        return ""
    if len(used) == len(card.default):
        return " The default."
    return f" Default for {', '.join('other tasks' if e == '*' else e for e in used)}."


def _sections(card: Card) -> list[tuple[str, list[str]]]:
    differences = [
        f"{_clause(d.what)}: {_clause(d.why)}. Effect: {_clause(d.effect)}."
        for d in card.deviations
    ]
    hard = [g.says + (f" ({', '.join(g.threads)})" if g.threads else "") for g in card.gotchas]
    return [
        ("What makes it hard to reproduce", hard),
        ("Where we knowingly differ", differences),
        ("Tuning in the paper", [card.tuning_budget] if card.tuning_budget else []),
        ("What would test it here", [*filter(None, [card.experiment, card.no_experiment])]),
        ("Notes", card.notes),
        (
            "Equations that code lines point at",
            [f"{anchor}: {what}" for anchor, what in card.equations.items()],
        ),
        ("Published tables", [f"papers/{card.data}"] if card.data else []),
    ]


def _clause(words: str) -> str:
    return words.strip().rstrip(".")


def _commands(card: Card, sets: dict[str, HParamSet]) -> list[str]:
    """What to type next."""
    from repro.experiment import implemented

    chosen = next(iter(card.default.values()), None) or next(iter(sets), None)
    lines = [f"repro show {card.id} --hparams {chosen}"] if chosen else []
    if card.id in implemented():
        env = next((c.env for c in card.claims if c.env != "several"), None)
        env = env or next((e for e in card.default if e != "*"), "ENV")
        lines.append(f"repro run {card.id} --env {env}")
    else:
        lines.append("No implementation yet: `repro papers --code` lists what can be run.")
    return [*lines, f"repro cite {card.id}"]
