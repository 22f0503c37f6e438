"""What each page is given: plain values for its template."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import msgspec
from markupsafe import Markup

from repro import paths
from repro.cards import HParamSet, load_data
from repro.cards.bibtex import bibtex
from repro.cards.models import Card, Field, Table
from repro.cards.protocol import words
from repro.cards.sets import set_file
from repro.errors import ReproError
from repro.site import charts, code, learning
from repro.site import graph as graphs
from repro.site.library import SEVERAL, Library, Paper


def home(library: Library) -> dict[str, Any]:
    """The field at a glance, and the values the filters offer."""
    papers = list(library.papers.values())
    verdicts = [v for p in papers for v in p.verdicts.values()]
    tested = [v for v in verdicts if v["answer"] != "not tested"]
    totals: Counter[str] = Counter()
    for paper_ in papers:
        totals.update(paper_.stored["totals"] if paper_.stored else {})
    cards = [p.card for p in papers if p.card]
    return {
        "papers": papers,
        "depths": Counter(card.depth for card in cards),
        "claims": sum(len(card.claims) for card in cards),
        "implemented": [p for p in papers if p.implementation],
        "tested": tested,
        "reach": Counter(v["reach"] for v in tested if v["reach"]),
        "unsettleable": sum(not v["settleable"] for v in tested),
        "totals": totals,
        "evidence": [p for p in papers if p.results],
        "choices": {
            "year": sorted({p.listed.year for p in papers}),
            "kind": sorted({card.kind for card in cards}),
            "tier": sorted({card.tier for card in cards}),
            "status": sorted({p.status for p in papers}),
            "topic": list(library.topics),
            "environment": list(library.environments),
        },
    }


def search_script(library: Library) -> str:
    """`reproSearch({...})`: id → lower-case text that the home page's search looks through."""
    texts = {}
    for found in library.papers.values():
        card = found.card
        parts = [found.id, found.listed.title, found.listed.section, str(found.listed.year)]
        if card is not None:
            parts += [card.summary, *card.authors, *card.aliases, *found.environments]
            parts += [claim.says for claim in card.claims]
        texts[found.id] = " ".join(" ".join(parts).lower().split())
    return f"reproSearch({charts.script_json(texts)});\n"


def paper(library: Library, found: Paper) -> dict[str, Any]:
    """One paper's page. code: highlighted; uses: anchor → places in implementations."""
    source = code.read(found.implementation) if found.implementation else None
    known = set(library.papers)
    return {
        "paper": found,
        "card": found.card,
        "built_on_by": library.built_on_by.get(found.id, []),
        "code": code.highlighted(source, known, found.id) if source else None,
        "uses": library.uses.get(found.id, {}),
        "bibtex": bibtex(found.card) if found.card else None,
        "tables": _tables(found.card) if found.card else [],
        "curves": [(task, found, results) for task, results in found.drawn_by_env.items()],
        "sets": [_set(hparam_set) for hparam_set in found.sets.values()],
        "commands": _commands(found),
        "abouts": _abouts(found),
    }


def _set(found: HParamSet) -> dict[str, Any]:
    """A set's rows as (field, value, origin), and what differs for single environments.

    The last row says how its agents are evaluated, where the set does.
    """
    values, origins = found.values(), found.provenance()
    rows: list[tuple[str, Any, Any]] = [
        (name, _leaf(values, name), origin) for name, origin in origins.items()
    ]
    if (said := found.evaluation) is not None:
        origin = msgspec.structs.asdict(said) | {"unit": None}
        rows.append(("evaluation", words(said.protocol), origin))
    overrides = []
    for env in found.overrides:
        values, laid = found.values(env), found.provenance(env)
        changed = [name for name, origin in laid.items() if origins.get(name) != origin]
        overrides.append((env, [(name, _leaf(values, name), laid[name]) for name in changed]))
    return {"set": found, "rows": rows, "overrides": overrides}


def _leaf(values: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        values = values[key]
    return values


def _abouts(found: Paper) -> dict[str, Field]:
    """Field → what it means, from the paper's file of hyperparameters."""
    return dict(set_file(found.id)[0].fields) if found.sets else {}


def _tables(card: Card) -> list[Table]:
    return list(load_data(card.id).values()) if card.data else []


def _commands(found: Paper) -> list[str]:
    """What reruns a paper: its results' experiments, else its first claim."""
    if found.implementation is None or found.card is None:
        return []
    runs = [
        f"repro run {found.id} --env {result.env} --hparams {e.hparam_set}"
        + (f" --ablation {e.ablation}" if e.ablation else "")
        + f" --seeds {result.seeds}"
        for result in found.results
        for e in [result.experiment]
    ]
    claim = next((c for c in found.card.claims if c.env != SEVERAL), None)
    env = claim.env if claim else next((e for e in found.card.default if e != "*"), None)
    return runs or ([f"repro run {found.id} --env {env}"] if env else [])


def environment(library: Library, env: str) -> dict[str, Any]:
    """All papers on one task: results first, then the claims without any."""
    here = library.environments[env]
    rows = [(p, claim, p.verdicts.get(claim.id)) for p in here for claim in p.claims_on(env)]
    tested = [row for row in rows if row[2] and row[2]["answer"] != "not tested"]
    return {
        "env": env,
        "here": here,
        "tested": tested,
        "open": [row for row in rows if row not in tested],
        "curves": [
            (f"{p.id} on {task}", p, results)
            for p in here
            for task, results in p.drawn_by_env.items()
            if results[0].env == env
        ],
        "silent": [p for p in here if not p.claims_on(env)],
    }


def graph(library: Library) -> dict[str, Any]:
    return {"graph": graphs.layout(library), "size": graphs}


def path(library: Library) -> dict[str, Any]:
    return {"steps": learning.steps(library)}


def nightly() -> dict[str, Any]:
    """Every night's plan and report, the last one first; nights whose plan is gone are left out."""
    from repro.nightly import markdown
    from repro.nightly.night import read_night, reports

    nights = [(read_night(report.date), report) for report in reversed(reports())]
    return {
        "nights": [
            {
                "date": plan.date,
                "summary": markdown.summary(plan, report),
                "alarms": markdown.alarm_words(plan),
                "worse": report.worse,
                "changes": report.changes,
                "drifts": report.drifts,
                "rows": markdown.rows(plan, report),
                "left": len(plan.left),
            }
            for plan, report in nights
            if plan is not None
        ]
    }


def judge_text() -> dict[str, Any]:
    """docs/judge.md as a page; raw HTML in it is shown as text."""
    from markdown_it import MarkdownIt

    file = paths.ROOT / "docs" / "judge.md"
    if not file.is_file():
        raise ReproError(f"{file} is missing; restore it from git: the site shows it")
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    # A wide table scrolls by itself, and by keyboard; the page does not.
    opening = '<div class="scroll" tabindex="0" role="region" aria-label="Table {}"><table>'
    # Markers of what a command writes are comments: on a line of their own, and no part of a table.
    said = re.sub(r"^<!--.*?-->\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    first, *rest = parser.render(said).split("<table>")
    text = first + "".join(opening.format(i) + part for i, part in enumerate(rest, 1))
    text = text.replace("</table>", "</table></div>")
    return {"title": "How a verdict is made", "text": Markup(text)}
