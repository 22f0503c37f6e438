"""The whole site built once for all test processes, a server of it, and a browser to read it."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from repro.site.build import MANIFEST, build
from repro.site.server import serve

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def built_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site, shared by the processes of one pytest run."""
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):  # pytest-xdist: one folder a worker below the run's
        shared = shared.parent
    folder, done = shared / "site", shared / "site-is-built"
    with FileLock(str(shared / "site.lock")):
        if not done.exists():
            build(folder)
            assert (folder / MANIFEST).is_file()
            done.touch()
    return folder


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of `folder`, ended afterwards."""
    with serve(folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium; the test is skipped where none is installed."""
    found = next(filter(None, map(shutil.which, ["chromium", "chromium-browser"])), None)
    if found is None:
        pytest.skip("no chromium on the PATH (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
