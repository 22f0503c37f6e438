"""what a bug report needs: versions, machine, commit

examples:
  repro env
  repro env --json
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from repro.commands import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable")


def execute(args: argparse.Namespace) -> int:
    facts = gather()
    if args.json:
        print(json.dumps(facts, indent=1))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {'–' if value is None else text.plain(value)}")
    return 0


def gather() -> dict[str, Any]:
    """Versions and hardware, without names of users, hosts or folders."""
    import os

    from repro import __version__
    from repro.launch import origin

    commit = origin.commit()
    return {
        "repro": __version__,
        "commit": commit["commit"],
        "changed files": commit["dirty"],
        **origin.machine(),
        "cores": os.cpu_count(),
    }
