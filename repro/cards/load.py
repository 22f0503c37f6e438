"""Cards from their files, checked against each other and against the list of 105 papers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from repro import paths
from repro.cards import check
from repro.cards.arms import PAPER, named_arms, own_arm
from repro.cards.models import Card, Claim, DataFile, ListedPaper, Table, Topics
from repro.cards.sets import digest, set_file
from repro.cards.yaml import Document, Path_, dotted, read
from repro.errors import ReproError, nearest


class Listed(ListedPaper, frozen=True, kw_only=True):
    """A paper of the list with the section it stands in."""

    section: str


def known() -> dict[str, Listed]:
    """Id → title, section, number and year of all 105 papers, in the list's order."""
    return _known(paths.PAPERS / "topics.yaml")


@lru_cache(maxsize=2)
def _known(file: Any) -> dict[str, Listed]:
    topics = check.convert(read(file), Topics)
    return {
        paper.id: Listed(section=topic.section, **msgspec.structs.asdict(paper))
        for topic in topics.topics
        for paper in topic.papers
    }


def known_ids() -> list[str]:
    """The ids of all 105 papers, with a card or without."""
    return list(known())


def card_ids() -> list[str]:
    """The ids that have a card, in the list's order."""
    return [name for name in known() if (paths.PAPERS / f"{name}.yaml").exists()]


def resolve_id(name: str) -> str:
    """The id of the card meant by an id or an alias; ReproError with the nearest otherwise.

    An alias is one that a card lists, or the id without its year where only one card has it.
    """
    wanted, cards = name.strip().lower(), card_ids()
    if wanted in cards:
        return wanted
    short: dict[str, list[str]] = {}
    for card_id in cards:
        short.setdefault(card_id.rpartition("-")[0], []).append(card_id)
    if len(short.get(wanted, [])) == 1:
        return short[wanted][0]
    aliases = {a.lower(): card_id for card_id in cards for a in _aliases(card_id)}
    if wanted in aliases:
        return aliases[wanted]
    if wanted in known():
        title = known()[wanted].title
        raise ReproError(f'{wanted} ("{title}") has no card yet; cards: {", ".join(cards)}')
    hint = nearest(name, [*cards, *aliases], see="repro papers")
    raise ReproError(f'no paper "{name}": {hint}')


def _aliases(card_id: str) -> list[str]:
    value = read(paths.PAPERS / f"{card_id}.yaml").value
    found = value.get("aliases", []) if isinstance(value, dict) else []
    return [alias for alias in found if isinstance(alias, str)] if isinstance(found, list) else []


def load_card(name: str) -> Card:
    """The card of an id or alias, checked; ReproError of one line with file, line and field."""
    card_id = resolve_id(name)
    document = read(paths.PAPERS / f"{card_id}.yaml")
    card = check.convert(document, Card)
    for path, problem in _problems(card, card_id):
        field = f"{dotted(path)}: " if path else ""
        raise ReproError(f"{document.where(path)}: {field}{problem}")
    return card


def load_data(card_id: str) -> dict[str, Table]:
    """The published tables of `papers/data/<id>.yaml` by id; empty where there is no such file."""
    file = paths.PAPERS / "data" / f"{card_id}.yaml"
    if not file.exists():
        return {}
    document = read(file)
    content = check.convert(document, DataFile)
    for index, table in enumerate(content.tables):
        for name, cells in table.rows.items():
            if len(cells) != len(table.columns):
                path: Path_ = ("tables", index, "rows", name)
                raise ReproError(
                    f"{document.where(path)}: {dotted(path)}: found {len(cells)} cells, expected "
                    f"{len(table.columns)}, one for each column"
                )
    return {table.id: table for table in content.tables}


def card_digest(card: Card) -> str:
    """sha256 (hex) of the card's canonical JSON."""
    return digest(msgspec.to_builtins(card))


def claim_digest(claim: Claim) -> str:
    """sha256 (hex) of one claim's canonical JSON: a verdict names the claim it judged."""
    return digest(msgspec.to_builtins(claim))


def ancestors(card_id: str) -> list[str]:
    """Every paper that `builds_on` reaches, read transitively; a circle is refused."""
    found: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ReproError(f"builds_on runs in a circle: {' → '.join((*above, name))}")
        file = paths.PAPERS / f"{name}.yaml"
        if not file.exists():
            return
        document = read(file)
        for parent in check.convert(document, Card).builds_on:
            visit(parent, (*above, name))
            if parent not in found:
                found.append(parent)

    visit(card_id, ())
    return found


def document_of(card_id: str) -> Document:
    """The card's file as plain data with lines, for errors about it."""
    return read(paths.PAPERS / f"{card_id}.yaml")


def _problems(card: Card, card_id: str) -> Iterable[tuple[Path_, str]]:
    """What the types cannot see: names that must exist elsewhere."""
    listed = known()[card_id]
    if card.id != card_id:
        yield ("id",), f'found "{card.id}", expected "{card_id}" as in the file\'s name'
    for name in ("title", "section", "number"):
        if getattr(card, name) != getattr(listed, name):
            yield (name,), f'found "{getattr(card, name)}", the list says "{getattr(listed, name)}"'
    for index, parent in enumerate(card.builds_on):
        if parent not in known():
            yield ("builds_on", index), f'found "{parent}"; {nearest(parent, known())}'
    if card_id in card.builds_on:
        yield ("builds_on",), "found the paper itself"
    if card.data is not None and not (paths.PAPERS / card.data).exists():
        yield ("data",), f'found "{card.data}", no such file below papers/'
    yield from _set_problems(card)
    yield from _claim_problems(card)


def _set_problems(card: Card) -> Iterable[tuple[Path_, str]]:
    names: set[str] = set()
    fields: list[str] = []
    if (paths.HPARAMS / f"{card.id}.yaml").exists():
        content, _ = set_file(card.id)
        names, fields = set(content.sets), [f for f in content.fields if "." not in f]
    for env, name in card.default.items():
        if name not in names:
            yield ("default", env), f'found the unknown set "{name}"; {nearest(name, names)}'
    for index, claim in enumerate(card.claims):
        if claim.hparams not in names:
            hint = nearest(claim.hparams, names)
            yield ("claims", index, "hparams"), f'found the unknown set "{claim.hparams}"; {hint}'
    for ablation, entry in card.ablations.items():
        for name in entry.changes:
            if name not in fields:
                path: Path_ = ("ablations", ablation, "changes", name)
                yield path, f'found the unknown field "{name}"; {nearest(name, fields)}'


def _claim_problems(card: Card) -> Iterable[tuple[Path_, str]]:
    seen: set[str] = set()
    arms = {PAPER, *card.ablations, *known()}
    for index, claim in enumerate(card.claims):
        path: Path_ = ("claims", index)
        if claim.id in seen:
            yield (*path, "id"), f'found "{claim.id}" twice; every claim has its own id'
        seen.add(claim.id)
        if claim.ablation is not None and claim.ablation not in card.ablations:
            hint = nearest(claim.ablation, card.ablations)
            yield (*path, "ablation"), f'found the unknown ablation "{claim.ablation}"; {hint}'
        for field, arm in named_arms(claim):
            if arm not in arms and not _names_a_set(arm):
                yield (
                    (*path, "check", field),
                    f'found the unknown arm "{arm}"; {nearest(arm, arms)}',
                )
        figure, named = claim.published, [arm for _, arm in named_arms(claim)]
        if figure is not None and figure.rival is not None and own_arm(claim) not in named:
            yield (
                (*path, "published", "rival"),
                f"found it although the check does not name the claim's own arm \""
                f'{own_arm(claim)}", whose level `mean` is',
            )
        curve = claim.published.curve if claim.published else None
        if curve is not None and not (paths.PAPERS / "data" / curve).exists():
            yield (*path, "published", "curve"), f'found "{curve}", no such file below papers/data/'


def _names_a_set(arm: str) -> bool:
    """Whether an arm such as `a3c-2016/a2c` or `td3-2018/classic+myopic` names what exists."""
    paper, _, rest = arm.partition("/")
    name, plus, ablation = rest.partition("+")
    if paper not in known() or not (paths.HPARAMS / f"{paper}.yaml").exists():
        return False
    ablations = document_of(paper).value.get("ablations", {}) if plus else {ablation}
    return name in set_file(paper)[0].sets and ablation in ablations
