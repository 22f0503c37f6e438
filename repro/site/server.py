"""A file server for one folder, on loopback only."""

from __future__ import annotations

import errno
import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from repro.errors import ReproError

LOOPBACK = "127.0.0.1"
# Nothing from other hosts; Plotly sets styles from its script.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Handler(SimpleHTTPRequestHandler):
    """Files below the folder; no listings, no links that lead out, no foreign Host."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        host = self.headers.get("Host", "").partition(":")[0]
        if host not in (LOOPBACK, "localhost"):  # another site's name that points at loopback
            self.send_error(403, "this server answers to 127.0.0.1 and localhost")
            return None
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """The file meant, or one that does not exist where a link leads out of the folder."""
        found = Path(super().translate_path(path)).resolve()
        folder = Path(self.directory).resolve()
        if found != folder and folder not in found.parents:
            return str(folder / "not-there")
        return str(found) + ("/" if path.split("?")[0].endswith("/") else "")

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        self.send_error(404, "no such page")

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of `folder` on 127.0.0.1, bound and not yet serving; port 0 is any free one."""
    handler = partial(Handler, directory=str(folder))
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), handler)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise ReproError(
                f"port {port} is not free ({os.strerror(error.errno)}); choose another --port, "
                "or none for any free one"
            ) from error
        raise
    server.daemon_threads = True
    return server
