"""The pages as people use them: in headless Chromium, over loopback and from files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from site_tools import built_site, chromium, served

from repro.cards import load_card, load_sets

PAGES = [
    "index.html",
    "papers/ppo-2017.html",
    "papers/sac-2018.html",
    "papers/td-linear-1997.html",
    "environments/index.html",
    "environments/halfcheetah.html",
    "topics/index.html",
    "topics/model-free-rl-policy-gradients.html",
    "graph.html",
    "path.html",
    "verdicts.html",
    "nightly.html",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_site(tmp_path_factory)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that must end without console errors and without a request to elsewhere."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else 0)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.asked = asked
    yield opened
    context.close()
    assert wrong == []
    own = (urlsplit(address).netloc, "")
    elsewhere = [u for u in asked if urlsplit(u).netloc not in own and ":" in u]
    assert [u for u in elsewhere if not u.startswith(("data:", "blob:"))] == []


def shown(page: Any) -> list[str]:
    rows: list[str] = page.eval_on_selector_all(
        "#papers tbody tr", "rows => rows.filter(r => !r.hidden).map(r => r.dataset.id)"
    )
    return rows


def weight(page: Any) -> int:
    """Bytes of the page and of all it has loaded."""
    bytes_: int = page.evaluate(
        "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))"
        ".reduce((sum, entry) => sum + entry.decodedBodySize, 0)"
    )
    return bytes_


@pytest.mark.parametrize("name", PAGES)
def test_every_kind_of_page_fits_a_phone(page: Any, address: str, name: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(address + name)
    page.eval_on_selector_all("details", "all => all.forEach(d => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("name", PAGES)
def test_accessibility_rules_hold_in_light_and_dark(page: Any, address: str, name: str) -> None:
    """Every rule of axe in light, contrast again in dark.

    Of PPO's page, many times longer than others of its template, only the code.
    """
    import axe_playwright_python

    script = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
    part = "document.querySelector('pre.code')" if "ppo" in name else "document"
    for scheme, only in (("light", ""), ("dark", "runOnly: ['color-contrast'],")):
        page.emulate_media(color_scheme=scheme)
        page.goto(address + name)
        page.evaluate(script)
        found = page.evaluate(f"axe.run({part}, {{{only} resultTypes: ['violations']}})")
        said = [
            (rule["id"], scheme, [node["html"][:120] for node in rule["nodes"][:3]])
            for rule in found["violations"]
        ]
        assert found["passes"]
        assert said == []


def test_home_searches_filters_sorts_and_clears(page: Any, address: str) -> None:
    page.goto(address)
    assert len(shown(page)) == 105
    page.fill("#q", "Proximal Schulman")
    assert "ppo-2017" in shown(page)
    assert len(shown(page)) < 20
    assert "of 105 papers" in page.inner_text("#count")
    page.fill("#q", "no paper says xyzzy")
    assert shown(page) == []
    page.click("button[type=reset]")
    page.locator("#count", has_text=re.compile(r"^105 papers$")).wait_for()

    page.select_option("#f-year", "2018")
    page.select_option("#f-environment", "HalfCheetah")
    found = shown(page)
    assert "td3-2018" in found
    assert {load_card(name).year for name in found} == {2018}
    page.reload()  # the address keeps the filters
    assert shown(page) == found

    page.click("button[type=reset]")
    page.click("th[data-sort=year] button")
    years = [load_card(name).year for name in shown(page)]
    assert years == sorted(years)
    page.click("th[data-sort=year] button")
    assert page.get_attribute("th[data-sort=year]", "aria-sort") == "descending"
    years = [load_card(name).year for name in shown(page)]
    assert years == sorted(years, reverse=True)


def test_newcomer_finds_the_learning_rate_of_sac(page: Any, address: str) -> None:
    page.goto(address)
    page.fill("#q", "soft actor-critic")
    page.click("tr[data-id=sac-2018] a")
    table = page.inner_text("#hparams ~ details[open] table")
    name, held = next(iter(load_sets("sac-2018").items()))
    rate = next(field for field in held.values() if "step_size" in field or "learning" in field)
    row = next(line for line in table.splitlines() if rate in line)
    assert "0.0003" in row
    assert held.provenance()[_first(held.provenance(), rate)]["status"] in row
    assert name in page.inner_text("#hparams ~ details[open] summary")


def _first(names: Any, start: str) -> str:
    return next(name for name in names if name.startswith(start))


def test_code_leads_to_the_card_and_back(page: Any, address: str) -> None:
    page.goto(address + "papers/ppo-2017.html")
    mark = page.locator("pre.code a.mark", has_text="ppo-2017 eq.7")
    line = mark.locator("xpath=ancestor::span[@data-n]").get_attribute("data-n")
    mark.click()
    assert page.url.endswith("#eq7")
    assert page.locator("#eq7:target").is_visible()
    page.locator("#eq7 a", has_text=f"line {line}").click()
    assert page.url.endswith(f"#L{line}")
    assert "clipped_surrogate" in page.locator(f"#L{line}:target").inner_text()


def look_at(pictures: Any) -> None:
    assert pictures.count()
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100


def test_chart_loads_on_a_click_and_answers_to_hover(page: Any, address: str) -> None:
    page.goto(address + "papers/ppo-2017.html")
    look_at(page.locator(".charts:not(details *) .chart img"))
    assert not any("plotly" in url for url in page.asked)
    assert 50_000 < weight(page) < 500_000
    folded = page.locator("#curves ~ details")
    folded.first.locator("summary").click()
    look_at(folded.first.locator("img"))

    figure = page.locator("figure.chart").first
    figure.locator("button").click()
    figure.locator(".plot .main-svg").first.wait_for()
    assert figure.locator("img").is_hidden()
    drag = figure.locator(".nsewdrag").first
    drag.scroll_into_view_if_needed()
    box = drag.bounding_box()
    for step in range(20):  # along the curve until a label comes up
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * step / 20)
        page.wait_for_timeout(60)
        if figure.locator(".hoverlayer .hovertext").count():
            break
    assert figure.locator(".hoverlayer .hovertext").count() > 0


def test_home_is_light(page: Any, address: str) -> None:
    page.goto(address)
    assert 50_000 < weight(page) < 500_000


def test_site_works_from_files(browser: Any, folder: Path) -> None:
    opened = browser.new_page()
    wrong: list[str] = []
    opened.on("console", lambda m: wrong.append(m.text) if m.type == "error" else 0)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto((folder / "index.html").as_uri())
    opened.fill("#q", "clipped probability ratio")
    assert "ppo-2017" in shown(opened)
    opened.click("tr[data-id=ppo-2017] a")
    opened.locator("figure.chart button").first.click()
    opened.locator(".plot .main-svg").first.wait_for()
    opened.close()
    assert wrong == []


def test_pages_need_no_script(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(address)
    assert opened.locator("#papers tbody tr").count() == 105
    assert opened.locator("#filters").is_hidden()
    context.close()


def test_keyboard_skips_to_the_content_and_walks_the_graph(page: Any, address: str) -> None:
    page.goto(address + "graph.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    node = page.locator(".node[data-id='ppo-2017']")
    node.focus()
    lit = page.eval_on_selector_all(".edge.lit", "all => all.map(e => e.dataset.a)")
    assert {"trpo-2015", "gae-2015", "a3c-2016"} <= set(lit)
    page.keyboard.press("Enter")
    page.wait_for_url("**/papers/ppo-2017.html")
