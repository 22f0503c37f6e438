"""build the index and serve it to this machine's browser

examples:
  repro browse
  repro browse --port 8080 --no-open

Serves on loopback only, and only the pages. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse

from repro.errors import ReproError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="by default any free one")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser window")


def execute(args: argparse.Namespace) -> int:
    from repro.site.build import build, default_folder
    from repro.site.server import serve

    if not 0 <= args.port <= 65535:
        raise ReproError(f"--port {args.port}: expected a number from 0 (any free one) to 65535")
    folder = default_folder()
    build(folder)
    with serve(folder, args.port) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"{address}  (Ctrl-C ends)" if not args.quiet else address, flush=True)
        if not args.no_open:
            import webbrowser

            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0
