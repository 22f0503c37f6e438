"""The shape of the code: imports, anchors of equations, hyperparameters without defaults."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from repro import paths
from repro.cards import ancestors, card_ids, convert_hparams, load_card, load_sets
from repro.errors import ReproError
from repro.experiment import implementation_of, implemented, waiting_sets
from repro.training.hparams import Choice
from repro.training.hparams import HParams as Strict

PACKAGE = Path(paths.__file__).parent
FILES = sorted(p for p in paths.IMPLEMENTATIONS.glob("*.py") if p.name != "__init__.py")
files = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
papers = pytest.mark.parametrize("paper", implemented())
ANCHOR = re.compile(r"#\s*([a-z0-9-]+-\d{4})\s+(eq|alg|fig|sec|table)\.?\s*([A-Za-z0-9.]+)")
MOST_LINES = 300


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def paper_of(path: Path) -> str:
    return path.stem.replace("_", "-")


@files
def test_implementations_import_the_spine_and_the_papers_they_build_on(path):
    allowed = ancestors(paper_of(path))
    for name in imports(path):
        package = name.split(".")[0]
        if package == "implementations":
            other = name.split(".")[1].replace("_", "-")
            assert other in allowed, f"{path.name} imports {other}, not under builds_on"
        elif package == "repro":
            assert within(name, "repro.training"), f"{path.name} imports {name}"
        else:
            assert package in {"torch", "numpy"} | sys.stdlib_module_names, name


@pytest.mark.parametrize(
    ("part", "never"),
    [
        ("training", ["cards", "judge", "launch", "experiment", "results", "runs", "cli"]),
        ("judge", ["training", "launch", "runs"]),
        ("cards", ["training", "judge", "launch", "runs", "results"]),
    ],
)
def test_data_flows_one_way(part, never):
    forbidden = [f"repro.{other}" for other in never] + ["implementations"]
    looked_at = sorted((PACKAGE / part).rglob("*.py"))
    assert looked_at
    for path in looked_at:
        for name in imports(path):
            assert not within(name, *forbidden), f"{path.relative_to(PACKAGE)} imports {name}"


def anchors(path: Path) -> set[tuple[str, str]]:
    """(paper, equation) of every anchor comment in a file."""
    return {(p, kind + n) for p, kind, n in ANCHOR.findall(path.read_text(encoding="utf-8"))}


@files
def test_anchors_of_the_code_exist_in_the_cards(path):
    assert anchors(path), "no line says which equation it carries out"
    for paper, equation in anchors(path):
        assert paper in card_ids(), f"{path.name}: no card {paper}"
        listed = load_card(paper).equations
        assert equation in listed, f"{path.name}: {paper} lists {sorted(listed)}"
        assert paper == paper_of(path) or paper in ancestors(paper_of(path))


@files
def test_equations_of_the_card_appear_in_the_code(path):
    paper = paper_of(path)
    found = {equation for of, equation in anchors(path) if of == paper}
    assert set(load_card(paper).equations) == found


@files
def test_implementations_are_short_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    docstring = ast.get_docstring(ast.parse(text))
    card = load_card(paper_of(path))
    assert card.title.split(":")[0].rstrip(".") in docstring.replace("\n", " ")
    assert f"papers/{card.id}.yaml" in docstring
    if card.arxiv:
        assert card.arxiv in docstring
    assert "trap" in docstring


def structs() -> list[type[Strict]]:
    """Every hyperparameter type, of the spine and of the implementations."""
    for path in FILES:
        importlib.import_module(f"implementations.{path.stem}")
    importlib.import_module("repro.training.choices")
    found, queue = [], [Strict]
    while queue:
        kind = queue.pop()
        queue += kind.__subclasses__()
        found.append(kind)
    return found


def test_hyperparameters_have_no_defaults_and_are_frozen():
    found = structs()
    assert len(found) > 10
    for kind in found:
        for field in msgspec.structs.fields(kind):
            assert field.required, f"{kind.__name__}.{field.name} has a default"
        assert kind.__struct_config__.frozen, kind
        assert kind.__struct_config__.forbid_unknown_fields, kind
        if issubclass(kind, Choice) and kind is not Choice:
            assert kind.__struct_config__.tag_field == "kind", kind


def all_sets() -> list[tuple[str, str, str | None]]:
    """(paper, set, environment or None) for every set and every environment with overrides."""
    found = []
    for paper in implemented():
        waiting = waiting_sets(implementation_of(paper))
        assert waiting.keys() <= load_sets(paper).keys()
        for name, values in load_sets(paper).items():
            if name not in waiting:
                found += [(paper, name, env) for env in [None, *values.overrides]]
    return found


def type_of(paper: str, name: str) -> type[Strict]:
    """What a set's values convert to; MEASURED names sets of closed-form problems."""
    module = implementation_of(paper)
    return getattr(module, "MEASURED", {}).get(name, module.HParams)


@pytest.mark.parametrize(("paper", "name", "env"), all_sets())
def test_every_set_gives_every_field_and_no_other(paper, name, env):
    kind = type_of(paper, name)
    values = load_sets(paper)[name].values(env)
    converted = convert_hparams(values, kind)
    assert set(values) == {field.encode_name for field in msgspec.structs.fields(kind)}
    assert convert_hparams(msgspec.to_builtins(converted), kind) == converted
    for field in values:
        with pytest.raises(ReproError, match=field):
            convert_hparams({k: v for k, v in values.items() if k != field}, kind)
    with pytest.raises(ReproError, match="colour"):
        convert_hparams(values | {"colour": 1}, kind)


@papers
def test_every_ablation_converts(paper):
    card, sets = load_card(paper), load_sets(paper)
    for name, ablation in card.ablations.items():
        of_claims = {claim.hparams for claim in card.claims if claim.ablation == name}
        for chosen in (of_claims or {next(iter(sets))}) - waiting_sets(
            implementation_of(paper)
        ).keys():
            values = sets[chosen].values() | ablation.changes
            convert_hparams(values, type_of(paper, chosen))


def test_the_rules_can_fail(tmp_path):
    """An import inside a function and an anchor are both seen."""
    path = tmp_path / "ppo_2017.py"
    path.write_text("def f():\n    from repro.judge import x\n    return x  # gae-2015 eq.99\n")
    assert list(imports(path)) == ["repro.judge.x"]
    assert anchors(path) == {("gae-2015", "eq99")}
