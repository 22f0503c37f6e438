"""Everything the pages show, read once: cards, sets, verdicts, results, implementations."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from repro import paths
from repro.cards import HParamSet, card_digest, card_ids, known, load_card, load_sets
from repro.cards.load import Listed
from repro.cards.models import Card, Claim
from repro.cards.sets import alias
from repro.evidence import result_folders, stored_verdicts
from repro.experiment import Experiment, implemented
from repro.plans import read_plan
from repro.site import code

SEVERAL = "several"  # a claim's `env` where it is an aggregate


@dataclass(frozen=True)
class Result:
    """One folder of `results/`: the planned experiment and how many seeds it has."""

    folder: Path
    experiment: Experiment
    seeds: int

    @property
    def slug(self) -> str:
        """Unique in the whole site, and a file name: `ppo-2017.halfcheetah-v4.mujoco`."""
        e = self.experiment
        return ".".join(slug(part) for part in (e.paper, e.env, e.arm))

    @property
    def env(self) -> str:
        return alias(self.experiment.env)

    @property
    def drawn(self) -> bool:
        """Whether it has curves: a number measured in closed form has none."""
        return (self.folder / "plot.svg").is_file()


@dataclass(frozen=True)
class Paper:
    """One of the 105. Without a card only what the list says is known."""

    listed: Listed
    card: Card | None = None
    sets: dict[str, HParamSet] = field(default_factory=dict)
    stored: dict[str, Any] | None = None  # verdicts.json
    results: list[Result] = field(default_factory=list)
    implementation: Path | None = None

    @property
    def id(self) -> str:
        return self.listed.id

    @property
    def drawn(self) -> list[Result]:
        """Its results that have curves."""
        return [result for result in self.results if result.drawn]

    @property
    def drawn_by_env(self) -> dict[str, list[Result]]:
        """Task → its results that have curves, that of a set the card takes by default first."""
        defaults = self.card.default.values() if self.card else ()
        found = defaultdict(list)
        for result in sorted(self.drawn, key=lambda r: r.experiment.arm not in defaults):
            found[result.experiment.env].append(result)
        return dict(sorted(found.items()))

    @property
    def status(self) -> str:
        if self.stored:
            return str(self.stored["status"])
        return "no evidence yet" if self.card else "no card yet"

    @property
    def stale(self) -> bool:
        """Whether the card changed after its verdicts were derived."""
        return bool(
            self.stored and self.card and self.stored["card_digest"] != card_digest(self.card)
        )

    @cached_property
    def verdicts(self) -> dict[str, dict[str, Any]]:
        """Claim id → its stored verdict."""
        return {v["claim"]: v for v in self.stored["verdicts"]} if self.stored else {}

    @cached_property
    def environments(self) -> list[str]:
        """By alias: those the card names and those of its claims and results."""
        names = list(self.card.environments) if self.card else []
        names += [c.env for c in self.card.claims] if self.card else []
        names += [result.env for result in self.results]
        return sorted({alias(name) for name in names if name != SEVERAL}, key=str.lower)

    def claims_on(self, env: str) -> list[Claim]:
        return [c for c in self.card.claims if alias(c.env) == env] if self.card else []


@dataclass(frozen=True)
class Library:
    """All papers in the list's order."""

    papers: dict[str, Paper]

    @cached_property
    def built_on_by(self) -> dict[str, list[str]]:
        """Id → the papers whose cards list it under `builds_on`."""
        found = defaultdict(list)
        for paper in self.papers.values():
            for earlier in paper.card.builds_on if paper.card else []:
                found[earlier].append(paper.id)
        return found

    @cached_property
    def uses(self) -> dict[str, dict[str, list[tuple[str, int]]]]:
        """Paper → anchor of its card → (paper whose code carries the mark, line)."""
        found: dict[str, dict[str, list[tuple[str, int]]]] = {}
        for holder in self.papers.values():
            if holder.implementation:
                for mark in code.marks(code.read(holder.implementation)):
                    lines = found.setdefault(mark.paper, {}).setdefault(mark.anchor, [])
                    lines.append((holder.id, mark.line))
        return found

    def builds_on(self, later: str, earlier: str) -> bool:
        """Whether `later` builds on `earlier`, directly or through others."""
        seen, open_ = {later}, [later]
        while open_:
            card = self.papers[open_.pop()].card
            fresh = [name for name in (card.builds_on if card else []) if name in self.papers]
            open_ += [name for name in fresh if name not in seen]
            seen.update(fresh)
        return earlier in seen - {later}

    @cached_property
    def environments(self) -> dict[str, list[Paper]]:
        """Alias → papers that name it, in alphabetical order."""
        found = defaultdict(list)
        for paper in self.papers.values():
            for env in paper.environments:
                found[env].append(paper)
        return dict(sorted(found.items(), key=lambda item: item[0].lower()))

    @cached_property
    def topics(self) -> dict[str, list[Paper]]:
        """Section → its papers, in the list's order."""
        found = defaultdict(list)
        for paper in self.papers.values():
            found[paper.listed.section].append(paper)
        return dict(found)

    @cached_property
    def environment_slugs(self) -> dict[str, str]:
        return unique_slugs(self.environments)

    @cached_property
    def topic_slugs(self) -> dict[str, str]:
        return unique_slugs(self.topics)


def load_library() -> Library:
    """Read the clone: `papers/`, `hparams/`, `results/` (committed) and `implementations/`."""
    with_card, runnable = set(card_ids()), set(implemented())
    papers = {}
    for name, listed in known().items():
        code = paths.IMPLEMENTATIONS / f"{name.replace('-', '_')}.py"
        papers[name] = Paper(
            listed,
            load_card(name) if name in with_card else None,
            load_sets(name),
            stored_verdicts(name),
            [_result(folder) for folder in result_folders(name)],
            code if name in runnable else None,
        )
    return Library(papers)


def _result(folder: Path) -> Result:
    from repro.files import read_json

    metrics = read_json(folder / "metrics.json", 1)
    return Result(folder, read_plan(folder).experiment, len(metrics["seeds"]))


def slug(text: str) -> str:
    """Lower case, digits and dashes: a file name and an anchor; never empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "other"


def unique_slugs(names: Any) -> dict[str, str]:
    """Name → slug, with a number where two names would share one."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = candidate = slug(name)
        number = 2
        while candidate in taken:
            candidate, number = f"{base}-{number}", number + 1
        taken.add(candidate)
        found[name] = candidate
    return found
