"""Write the site: templates filled from the library, a stylesheet, scripts, pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from repro import __version__, paths
from repro.commands import text
from repro.errors import ReproError
from repro.files import write_json
from repro.site import charts, code, words
from repro.site.library import Library, load_library

SCHEMA_VERSION = 1
MANIFEST = "site.json"  # what the site consists of; marks a folder as ours
HERE = Path(__file__).parent


def build(out: Path, library: Library | None = None) -> list[str]:
    """Write every page under `out` and return the files' names.

    Files of an earlier build that are no longer made are removed; a folder with anything else
    in it and no `site.json` is refused.
    """
    before = _earlier(out)
    library = library or load_library()
    made: list[str] = []
    _mark(out, before)  # first, so that an interrupted build can be repeated
    for name, content in _files(library):
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, target)
        else:
            target.write_text(content, encoding="utf-8", newline="\n")
        made.append(name)
    for name in before - set(made):
        (out / name).unlink(missing_ok=True)
    _mark(out, made)
    return made


def _mark(out: Path, names: Iterable[str]) -> None:
    document = {"schema_version": SCHEMA_VERSION, "repro": __version__, "files": sorted(names)}
    write_json(out / MANIFEST, document)


def _earlier(out: Path) -> set[str]:
    """The names that the last build wrote."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return set()
    refused = ReproError(
        f"{out} holds something that is not a site of ours; choose an empty or new folder: --out"
    )
    try:
        names = json.loads((out / MANIFEST).read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise refused from None
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
        raise refused
    return set(names)


def _files(library: Library) -> Iterator[tuple[str, str | Path]]:
    from repro.site import pages

    templates = environment(library)

    def page(name: str, template: str, **context: Any) -> tuple[str, str]:
        root = "../" * name.count("/")
        return name, templates.get_template(template).render(root=root, page=name, **context)

    yield page("index.html", "home.html", **pages.home(library))
    yield page("graph.html", "graph.html", **pages.graph(library))
    yield page("path.html", "path.html", **pages.path(library))
    yield page("verdicts.html", "text.html", **pages.judge_text())
    yield page("nightly.html", "nightly.html", **pages.nightly())
    yield page("environments/index.html", "environments.html")
    yield page("topics/index.html", "topics.html")
    for paper in library.papers.values():
        context = pages.paper(library, paper)
        yield page(f"papers/{paper.id}.html", "paper.html", **context)
    for env, slug in library.environment_slugs.items():
        context = pages.environment(library, env)
        yield page(f"environments/{slug}.html", "environment.html", **context)
    for section, slug in library.topic_slugs.items():
        yield page(f"topics/{slug}.html", "topic.html", section=section)
    for paper in library.papers.values():
        for result in paper.results:
            if result.drawn:
                picture = (result.folder / "plot.svg").read_text(encoding="utf-8")
                yield f"plots/{result.slug}.svg", charts.picture(picture)
                yield f"charts/{result.slug}.js", charts.chart_script(paper, result)
    style = (HERE / "static" / "style.css").read_text(encoding="utf-8")
    yield "static/style.css", style + code.stylesheet()
    yield "static/site.js", HERE / "static" / "site.js"
    yield "static/search.js", pages.search_script(library)
    yield "static/plotly.min.js", charts.plotly_script()


def environment(library: Library) -> Environment:
    """Templates with automatic escaping, and what every page needs."""
    found = Environment(
        loader=PackageLoader("repro.site"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        tone=words.tone,
        number=words.number,
        exact=words.exact,
        value=words.value,
        published=words.published,
        published_note=words.published_note,
        ours=text.ours,
        ours_note=words.ours_note,
        threads=words.threads,
    )
    found.globals.update(library=library, version=__version__)
    return found


def default_folder() -> Path:
    """Where `repro browse` builds: a cache, not in git."""
    return paths.CACHE / "site"
