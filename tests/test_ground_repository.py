"""What is in git: no traces of one machine, nothing large, no broken links, valid forms."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000

# Written in pieces, so that this file does not find itself.
ONE_MACHINE = re.compile(
    "|".join(
        [
            r"(?<![\w.\-/}])/(work|root|opt|tmp)" + r"/[a-z]",
            r"(?<![\w.\-/}])/(home|Users)" + r"/[a-z]\w*/",
            r"--(extra-)?index" + r"-url|--find" + r"-links",
            r"files\.python" + r"hosted\.org|pypi\.org" + r"/simple|download\.py" + r"torch\.org",
        ]
    )
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_path_of_one_machine_and_no_registry() -> None:
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" in content[:1024]:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), 1):
            if ONE_MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "forbidden"),
    [
        ("cd " + "/work" + "/main", True),
        ("open('" + "/home" + "/ada/x')", True),
        ("pip install --index" + "-url x", True),
        ("see https://host/opt" + "/models", False),
        ("runs/tmp" + "/a", False),
        ("${HOME}/opt" + "/a", False),
    ],
)
def test_the_pattern_finds_what_it_should(line: str, forbidden: bool) -> None:
    assert bool(ONE_MACHINE.search(line)) is forbidden


def test_no_large_file_is_tracked() -> None:
    large = {p.relative_to(ROOT).as_posix(): p.stat().st_size for p in tracked()}
    assert not {name: size for name, size in large.items() if size > MEGABYTE}


def test_nothing_built_is_tracked() -> None:
    suffixes = {".pyc", ".pt", ".so", ".whl", ".egg"}
    built = [p for p in tracked() if p.suffix in suffixes and p.name != "policy.pt"]
    assert not built


def repositories(text: str) -> set[str]:
    """`owner/name` of every `owner/name@commit`."""
    return set(re.findall(r"\b([\w-]+/[\w.-]+)@[0-9a-f]{7}", text))


def test_the_notice_names_every_repository_that_a_curve_comes_from() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    licences = {
        "MIT licence": "MIT License",
        "Apache licence": "Apache License",
        "names no": "none",
    }
    paragraphs = re.split(r"\n(?=(?:Under|Without) )", notice)
    curves = sorted((ROOT / "papers" / "data" / "curves").glob("*.csv"))
    assert curves
    for curve in curves:
        header = "".join(line for line in curve.read_text("utf-8").splitlines() if line[0] == "#")
        (repository,) = repositories(header)
        (licence,) = (named for said, named in licences.items() if said in header)
        (place,) = (text for text in paragraphs if re.search(rf"^{repository}[. ]", text, re.M))
        assert licence in place, f"{curve.name}: {repository} stands elsewhere in NOTICE"


def test_the_notice_names_every_repository_whose_released_data_a_table_holds() -> None:
    """Tables are printed in papers, or made of a repository's own files: those say so."""
    notice = (ROOT / "NOTICE").read_text("utf-8")
    for table in (ROOT / "papers" / "data").glob("*.yaml"):
        for line in re.findall(r'^ +source: "(.*)"$', table.read_text("utf-8"), re.M):
            if not re.search(r"arXiv|doi|\.github\.io", line):
                missing = {name for name in repositories(line) if name not in notice}
                assert not missing, f"{table.name}: {line}"


def test_the_readme_says_of_each_result_what_its_verdict_says() -> None:
    """Mean and every phrase of the headline, of the level claim on the row's task and set."""
    verdicts = json.loads((ROOT / "results" / "ppo-2017" / "verdicts.json").read_text())["verdicts"]
    row = re.compile(r"^\| \[.*\]\(results/ppo-2017/(.*)/(.*)/plot\.svg\)(.*)$", re.M)
    rows = row.findall((ROOT / "README.md").read_text("utf-8"))
    assert len(rows) > 10
    for env, hparam_set, said in rows:
        (verdict,) = (
            v for v in verdicts if v["ours"] and v["kind"] == "level"
            and (v["env"], v["hparam_set"]) == (env, hparam_set)
        )  # fmt: skip
        mean = verdict["ours"]["mean"]
        digits = 2 if abs(mean) < 10 else 0
        assert f"| {mean:,.{digits}f}".replace("-", "−") in said, (env, hparam_set)
        for phrase in re.split(r"; | \(|\)", verdict["headline"]):
            assert phrase in said, (env, hparam_set, phrase)


def test_the_readme_says_of_each_quick_test_and_its_control_what_came_out() -> None:
    row = re.compile(r"^\| \[.*\]\(results/(?!ppo)(.*)/(.*)/(.*)/plot\.svg\) \| (.*) \|$", re.M)
    page = (ROOT / "README.md").read_text("utf-8").replace("−", "-")
    said = {(p, env, used): cells.split(" | ") for p, env, used, cells in row.findall(page)}
    judged = [
        verdict
        for file in (ROOT / "results").glob("*/verdicts.json")
        for verdict in json.loads(file.read_text())["verdicts"]
        if verdict["claim"].startswith("quick-") and verdict["ours"]
    ]
    assert len(judged) >= 20
    for verdict in judged:
        half = slice(3, 6) if verdict["claim"].endswith("-control") else slice(3)
        asked, ours, answer = said[verdict["paper"], verdict["env"], verdict["hparam_set"]][half]
        way, bound = asked.rsplit(" ", 1)
        assert float(bound) == verdict[way.replace(" ", "_")], verdict["claim"]
        for printed, value in zip(ours.split(" ± "), ("mean", "std"), strict=True):
            digits = len(printed.partition(".")[2])
            assert printed == f"{verdict['ours'][value]:,.{digits}f}", verdict["claim"]
        assert answer == verdict["headline"], verdict["claim"]


def links(page: Path) -> list[str]:
    """Relative targets of a Markdown page's links and pictures."""
    text = re.sub(r"^(    |```).*?$", "", page.read_text("utf-8"), flags=re.M)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    return [t for t in targets if not re.match(r"[a-z]+:", t) and not t.startswith("#")]


def test_relative_links_resolve() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked()
        if page.suffix == ".md"
        for target in links(page)
        if not (page.parent / target.partition("#")[0]).exists()
    ]
    assert not broken


def test_the_index_lists_every_page() -> None:
    listed = {Path(target).name for target in links(ROOT / "docs" / "README.md")}
    pages = {p.name for p in tracked() if p.suffix == ".md" and p.parent == ROOT / "docs"}
    assert pages - {"README.md"} <= listed


def test_issue_forms_are_valid() -> None:
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        content = yaml.safe_load(form.read_text())
        if form.name == "config.yml":
            continue
        assert content["name"], content["description"]
        ids = [part["id"] for part in content["body"]]
        assert len(ids) == len(set(ids))
        for part in content["body"]:
            assert part["type"] in {"input", "textarea", "dropdown", "checkboxes", "markdown"}
            assert part["attributes"]["label"]


def test_the_form_asks_for_figure_and_source() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "wrong-figure.yml").read_text())
    required = {p["id"] for p in form["body"] if p.get("validations", {}).get("required")}
    assert {"card", "field", "found", "expected", "source"} <= required
