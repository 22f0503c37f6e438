"""The pages and their server before strangers: no script of theirs, no file outside the folder."""

from __future__ import annotations

import copy
import json
import socket
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fuzz_tools import MARKUP, examples, hold, try_all
from hypothesis import strategies as st
from site_tools import served
from test_fuzz_files import example_night

from repro import paths
from repro.nightly import night
from repro.site import build as site_build
from repro.site import pages
from repro.site.library import Library, Paper, load_library
from repro.site.server import POLICY

SECRET = b"the secret beside the folder"


class Scripts(HTMLParser):
    """What could run in a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts, self.wrong = 0, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.scripts += tag == "script"
        if tag in ("iframe", "object", "embed", "base", "meta-refresh"):
            self.wrong.append(tag)
        for name, value in attributes:
            link = "".join(str(value).split()).lower()
            if name.startswith("on") or link.startswith(("javascript:", "vbscript:", "data:text")):
                self.wrong.append(f"{tag} {name}={value}")


@pytest.fixture(scope="module")
def library() -> Library:
    full = load_library()
    return Library({name: full.papers[name] for name in ("ppo-2017", "gae-2015")})


@examples(25)
def test_a_paper_with_foreign_verdicts(library: Library, count: int) -> None:
    """verdicts.json is read as the site reads it; the page holds the site's own script alone."""
    paper = library.papers["ppo-2017"]
    assert paper.stored is not None
    assert paper.card is not None
    stored = copy.deepcopy(paper.stored)
    stored["verdicts"] = [v for v in stored["verdicts"] if v["answer"] != "not tested"][:2]

    def target(content: bytes) -> None:
        from repro.evidence import checked_verdicts

        try:
            document = checked_verdicts(json.loads(content), Path("verdicts.json"))
        except (ValueError, RecursionError):
            return  # no JSON: `read_json` says so
        other = Paper(paper.listed, paper.card, {}, document, [], None)
        templates = site_build.environment(Library({**library.papers, paper.id: other}))
        text = templates.get_template("paper.html").render(
            root="../", page="", **pages.paper(Library({paper.id: other}), other)
        )
        found = Scripts(text)
        assert found.scripts == 1
        assert found.wrong == []

    hold(target, json.dumps(stored).encode(), count, stored)


@examples(25)
def test_the_page_of_nights_with_foreign_reports(
    library: Library, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    plan, report = example_night()
    night.write(plan.folder / night.NIGHT, plan)
    file = plan.folder / night.REPORT
    night.write(file, report)
    template = site_build.environment(library).get_template("nightly.html")

    def target(content: bytes) -> None:
        file.write_bytes(content)
        found = Scripts(template.render(root="", page="nightly.html", **pages.nightly()))
        assert found.scripts == 1
        assert found.wrong == []

    hold(target, file.read_bytes(), count, json.loads(file.read_bytes()))


def test_markup_in_a_night_is_text(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    plan, report = example_night()
    changes = [night.Change(paper=MARKUP, claim=MARKUP, was=MARKUP, now=MARKUP)]
    night.write(plan.folder / night.NIGHT, plan)
    content = json.loads(json.dumps({"schema_version": 1, "date": plan.date, "events": []}))
    content |= {"changes": [{n: getattr(c, n) for n in c.__struct_fields__} for c in changes]}
    (plan.folder / night.REPORT).write_text(json.dumps({**content, "drifts": []}))
    template = site_build.environment(library).get_template("nightly.html")
    text = template.render(root="", page="nightly.html", **pages.nightly())
    assert "&lt;script&gt;" in text
    assert Scripts(text).scripts == 1
    assert report.worse


def ask(address: str, target: bytes, host: str = "127.0.0.1") -> bytes:
    """The whole answer to a raw request: no client tidies the path."""
    parts = urlsplit(address)
    with socket.create_connection((str(parts.hostname), int(parts.port or 80)), 20) as link:
        head = b"GET " + target + b" HTTP/1.1\r\nHost: " + host.encode()
        link.sendall(head + b"\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := link.recv(65536):
            answer += part
    return answer


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "papers").mkdir(parents=True)
    (root / "index.html").write_text("home")
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "site-private").mkdir()
    (tmp_path / "site-private" / "secret.txt").write_bytes(SECRET)
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "folder").symlink_to(tmp_path)
    return root


ATTACKS = [
    b"/../secret.txt", b"/..%2fsecret.txt", b"/%2e%2e/secret.txt", b"/%2e%2e%2fsecret.txt",
    b"/papers/../../secret.txt", b"//../secret.txt", b"/..\\secret.txt", b"/..%5csecret.txt",
    b"/%252e%252e/secret.txt", b"/link.txt", b"/folder/secret.txt", b"/folder/", b"/folder",
    b"/../site-private/secret.txt", b"/%00/../secret.txt", b"/\xc0\xae\xc0\xae/secret.txt",
    b"http://127.0.0.1/../secret.txt", b"/papers/", b"/papers", b"/.", b"/..", b"/...//secret.txt",
    b"/index.html%00.txt", b"/" + b"a" * 60_000, b"/" + b"../" * 500 + b"secret.txt", b"*", b"",
]  # fmt: skip


def test_the_server_gives_nothing_from_outside_its_folder(site: Path) -> None:
    with served(site) as address:
        assert ask(address, b"/index.html").endswith(b"home")
        for attack in ATTACKS:
            answer = ask(address, attack)
            assert SECRET not in answer, attack
            assert b"Traceback" not in answer
        assert ask(address, b"/index.html").endswith(b"home")
        assert POLICY.encode() in ask(address, b"/index.html")
        assert b"403" in ask(address, b"/index.html", host="evil.example").split(b"\r\n")[0]


@examples(60)
def test_the_server_before_any_request(site: Path, count: int) -> None:
    pieces = st.sampled_from([b"..", b"/", b"%2e", b"%2f", b"\\", b"secret.txt", b"folder", b"%00"])
    targets = st.lists(pieces | st.binary(max_size=3), max_size=8).map(b"".join)
    with served(site) as address:

        def check(target: bytes) -> None:
            answer = ask(address, b"/" + target.replace(b"\r", b"").replace(b"\n", b""))
            assert SECRET not in answer

        try_all(targets, count, check)
        assert ask(address, b"/index.html").endswith(b"home")
