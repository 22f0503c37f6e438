"""The built files: whole, linked, safe whatever a card says, and made only where they may be."""

from __future__ import annotations

import http.client
import json
import random
import re
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from site_tools import built_site, served

from repro import cli
from repro.cards import known_ids, protocol
from repro.cards.models import Card
from repro.errors import ReproError
from repro.site import build as site_build
from repro.site import charts, code, pages, words
from repro.site.library import Library, Paper, load_library, unique_slugs
from repro.site.server import serve

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Reader(HTMLParser):
    """Anchors, links, scripts and unfolded pictures of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.scripts = 0
        self.inline = ""
        self.headings: list[int] = []
        self._in_script = False
        self.text: list[str] = []
        self.pictures: list[str] = []
        self._folds = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._in_script = tag == "script"
        self.scripts += tag == "script"
        self.handlers += [name for name in found if name.startswith("on")]
        if found.get("id"):
            self.ids.append(str(found["id"]))
        self.links += [str(found[key]) for key in ("href", "src") if found.get(key)]
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        self._folds += tag == "details"
        if tag == "img" and not self._folds:
            self.pictures.append(str(found["src"]))

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False
        self._folds -= tag == "details"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.inline += data
        self.text.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.fixture(scope="module")
def read(folder: Path) -> dict[str, Reader]:
    return {
        path.relative_to(folder).as_posix(): Reader(path.read_text("utf-8"))
        for path in folder.rglob("*.html")
    }


def test_every_paper_has_its_page(folder: Path) -> None:
    made = {path.stem for path in (folder / "papers").glob("*.html")}
    assert made == set(known_ids())
    assert len(made) == 105


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(
    folder: Path, read: dict[str, Reader]
) -> None:
    broken = []
    for name, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "data"), (name, link)
                continue
            target = (folder / name).parent / unquote(parts.path) if parts.path else folder / name
            target = target.resolve()
            other = read.get(target.relative_to(folder.resolve()).as_posix())
            if not target.is_file() or (
                parts.fragment and other and parts.fragment not in other.ids
            ):
                broken.append((name, link))
    assert broken == []


def test_pages_are_well_formed_for_readers(read: dict[str, Reader]) -> None:
    for name, page in read.items():
        assert page.headings.count(1) == 1, name
        steps = zip([0, *page.headings], page.headings, strict=False)
        assert all(after <= before + 1 for before, after in steps), (name, page.headings)
        assert len(page.ids) == len(set(page.ids)), name
        assert page.inline.strip() == "", name


def test_pages_are_light_with_their_pictures(folder: Path, read: dict[str, Reader]) -> None:
    shared = sum((folder / "static" / n).stat().st_size for n in ("style.css", "site.js"))
    for page in folder.rglob("*.html"):
        size = page.stat().st_size + shared
        if page.name == "index.html" and page.parent == folder:
            size += (folder / "static" / "search.js").stat().st_size
        seen = read[page.relative_to(folder).as_posix()].pictures
        size += sum((page.parent / picture).stat().st_size for picture in seen)
        assert size < 500_000, page


def test_claims_show_published_beside_ours_and_reasons(folder: Path, library: Library) -> None:
    paper = library.papers["ppo-2017"]
    tested = [v for v in paper.verdicts.values() if v["ours"]]
    assert tested
    text = " ".join(Reader((folder / "papers/ppo-2017.html").read_text("utf-8")).text)
    for verdict in tested:
        assert words.number(verdict["ours"]["mean"]) in text
        for reason in verdict["reasons"]:
            assert reason in text


def test_sets_say_how_they_are_evaluated_and_where_that_stands(
    folder: Path, library: Library
) -> None:
    said = [(p, s.evaluation) for p in library.papers.values() for s in p.sets.values()]
    told = [(paper, evaluation) for paper, evaluation in said if evaluation is not None]
    assert {paper.id for paper, _ in told} >= {"a3c-2016", "dqn-2013"}
    for paper, evaluation in told:
        text = " ".join(Reader((folder / f"papers/{paper.id}.html").read_text("utf-8")).text)
        assert protocol.words(evaluation.protocol) in text
        assert evaluation.source in text


def test_home_adds_up(library: Library) -> None:
    found = pages.home(library)
    assert sum(found["depths"].values()) == 105
    answers = [v["answer"] for p in library.papers.values() for v in p.verdicts.values()]
    assert len(found["tested"]) == sum(answer != "not tested" for answer in answers)


def hostile(value: Any, key: str = "") -> Any:
    """The card's prose, with markup put into every string that is no id."""
    plain = {"id", "kind", "depth", "tier", "arxiv", "confidence", "how", "band", "curve", "unit"}
    plain |= {"builds_on", "data", "hparams", "ablation", "better", "than", "arm", "aliases"}
    if isinstance(value, dict):
        return {name: hostile(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, key) for item in value]
    return HOSTILE + value if isinstance(value, str) and key not in plain else value


@pytest.fixture(scope="module")
def attacked(library: Library) -> Library:
    paper = library.papers["ppo-2017"]
    assert paper.card is not None
    card = msgspec.convert(hostile(msgspec.to_builtins(paper.card)), Card)
    card = msgspec.structs.replace(card, arxiv=None, url="javascript:alert(3)")
    stored = json.loads(json.dumps(paper.stored))
    stored["status"] = stored["reason"] = HOSTILE
    for verdict in stored["verdicts"]:
        verdict["headline"], verdict["reasons"] = HOSTILE, [HOSTILE]
    listed = msgspec.structs.replace(paper.listed, title=HOSTILE, section=HOSTILE)
    bad = Paper(listed, card, paper.sets, stored, paper.results, paper.implementation)
    return Library({**library.papers, paper.id: bad})


def test_markup_in_a_card_is_shown_as_text(attacked: Library) -> None:
    templates = site_build.environment(attacked)
    paper = attacked.papers["ppo-2017"]
    env = paper.environments[0]
    for template, root, context in [
        ("paper.html", "../", pages.paper(attacked, paper)),
        ("home.html", "", pages.home(attacked)),
        ("graph.html", "", pages.graph(attacked)),
        ("path.html", "", pages.path(attacked)),
        ("environment.html", "../", pages.environment(attacked, env)),
        ("topic.html", "../", {"section": HOSTILE}),
        ("topics.html", "../", {}),
        ("environments.html", "../", {}),
    ]:
        page = Reader(templates.get_template(template).render(root=root, page="", **context))
        scripts = 2 if template == "home.html" else 1
        assert page.scripts == scripts, template
        assert page.handlers == [], template
        assert page.inline.strip() == "", template
        assert not any(link.startswith("javascript:") for link in page.links), template
        if template != "environments.html":
            assert any("<script>alert(1)" in text for text in page.text), template


def test_scripts_made_of_cards_hold_no_markup(attacked: Library) -> None:
    script = pages.search_script(attacked)
    assert "<" not in script
    assert json.loads(script.removeprefix("reproSearch(").removesuffix(");\n"))


def test_code_is_escaped_and_only_known_papers_are_links() -> None:
    source = 'x = "<b>&"  # ppo-2017 eq.7\ny = 1  # other-1999 eq.1\n'
    text = code.highlighted(source, {"ppo-2017"}, "gae-2015")
    assert "<b>" not in text
    assert 'href="ppo-2017.html#eq7"' in text
    assert "other-1999.html" not in text
    assert [(m.line, m.paper, m.anchor) for m in code.marks(source)] == [
        (1, "ppo-2017", "eq7"),
        (2, "other-1999", "eq1"),
    ]
    assert Reader(str(text)).ids == ["L1", "L2"]


def test_raw_markup_in_the_judge_page_is_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "judge.md").write_text("# How\n\n<script>x</script> | a |\n")
    monkeypatch.setattr(pages.paths, "ROOT", tmp_path)
    assert "<script>" not in pages.judge_text()["text"]


def test_the_page_on_verdicts_shows_no_markers():
    text = pages.judge_text()["text"]
    assert text.count("<table>") > 10
    assert "simulated:" not in text
    assert "&lt;!--" not in text


def test_pictures_lose_digits_and_nothing_else() -> None:
    before = (
        '<svg width="9.1pt"><metadata>x</metadata><path d="M 1.2345 2.00001 L -3.456 7"/></svg>'
    )
    after = charts.picture(before)
    assert "metadata" not in after
    assert 'd="m1.2 2l-4.7 5"' in after


def test_paths_of_pictures_stay_where_they_are() -> None:
    chance = random.Random(5)
    points = [(chance.uniform(0, 400), chance.uniform(-9, 9)) for _ in range(99)]
    path = "M " + " L ".join(f"{x:.6f} {y:.6f}" for x, y in points)
    drawn = charts.picture(f'<svg><path d="{path}"/>').split(' d="')[1]
    steps = [float(number) for number in re.findall(r"-?\d*\.?\d+", drawn)]
    for at, values in enumerate(([x for x, _ in points], [y for _, y in points])):
        walked = list(accumulate(steps[at::2]))
        assert walked == pytest.approx(values, abs=0.05001)


def test_a_closed_path_goes_on_from_its_start() -> None:
    square = '<svg><path d="M 10 10.04 L 20 10 L 20 0.5 z M 10.5 11 L 0 -0.3 "/>'
    assert 'd="m10 10l10 0 0-9.5zm.5 1l-10.5-11.3"' in charts.picture(square)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"kind": "clip", "range": {"kind": "constant", "value": 0.2}}, "clip(range: 0.2)"),
        ([64, 64], "[64, 64]"),
        (True, "yes"),
        (1_000_000, "1,000,000"),
        (1_000_000.0, "1,000,000"),
        (0.0003, "0.0003"),
        (1e-8, "1e−08"),
        (1.0, "1"),
        (1234.5, "1234.5"),
        ({"kind": "none"}, "none"),
    ],
)
def test_values_read_as_people_write_them(item: Any, text: str) -> None:
    assert words.value(item) == text


def test_slugs_differ_where_names_do() -> None:
    assert list(unique_slugs(["A b", "a-b", "日本"]).values()) == ["a-b", "a-b-2", "other"]


def test_folders_of_others_are_left_alone(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("mine")
    with pytest.raises(ReproError, match="--out"):
        site_build.build(tmp_path, library)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

    out = tmp_path / "site"
    monkeypatch.setattr(site_build, "_files", lambda _: iter([("a.html", "1"), ("b/c.html", "2")]))
    assert site_build.build(out, library) == ["a.html", "b/c.html"]
    monkeypatch.setattr(site_build, "_files", lambda _: iter([("a.html", "3")]))
    site_build.build(out, library)
    assert (out / "a.html").read_text() == "3"
    assert not (out / "b" / "c.html").exists()
    (out / "site.json").write_text('{"files": ["../thesis.txt"]}')
    with pytest.raises(ReproError, match="--out"):
        site_build.build(out, library)
    assert kept.read_text() == "mine"


def ask(address: str, path: str, host: str | None = None) -> tuple[int, bytes, Any]:
    parts = urlsplit(address)
    link = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=20)
    link.request("GET", path, headers={"Host": host} if host else {})
    answer = link.getresponse()
    found = (answer.status, answer.read(), answer.headers)
    link.close()
    return found


def test_server_gives_the_folder_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "site"
    (root / "papers").mkdir(parents=True)
    (root / "index.html").write_text("home")
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    with served(root) as address:
        assert address.startswith("http://127.0.0.1:")
        status, body, headers = ask(address, "/")
        assert (status, body) == (200, b"home")
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/papers/", "/papers"):
            status, body, _ = ask(address, path)
            assert b"secret" not in body
            assert status in (301, 404)
        assert ask(address, "/", host="evil.example")[0] == 403
        with pytest.raises(ReproError, match="not free"):
            serve(root, urlsplit(address).port or 0)


def test_wrong_commands_get_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["browse", "--port", "70000"]) == 2
    assert "65535" in capsys.readouterr().err
    (tmp_path / "x").write_text("")
    assert cli.main(["site", "build", "--out", str(tmp_path)]) == 2
    assert "--out" in capsys.readouterr().err
    assert cli.main(["site", "bild"]) == 2
    assert "build" in capsys.readouterr().err
