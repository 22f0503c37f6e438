"""write the index as static pages, for publishing

examples:
  repro site build                         into site/
  repro site build --out public

The pages need no server and load nothing from other hosts. `repro browse` shows them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from repro import paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["build"], metavar="build", help="write the pages")
    parser.add_argument("--out", metavar="DIR", help="a new or empty folder, or an earlier build")


def execute(args: argparse.Namespace) -> int:
    from repro.site.build import build

    out = Path(args.out) if args.out else paths.ROOT / "site"
    begun = time.monotonic()
    made = build(out)
    if not args.quiet:
        print(f"{len(made)} files in {time.monotonic() - begun:.0f} s; open {out / 'index.html'}")
    return 0
