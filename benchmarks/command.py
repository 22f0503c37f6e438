"""The frame of `python -m benchmarks.<suite>`: its commands, and its errors as one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from repro.errors import ReproError, Unfinished

Execute = Callable[[argparse.Namespace], int]


class Suite:
    """A parser to which commands are added; each shares `--record FILE`."""

    def __init__(self, name: str, about: str | None, record: Path) -> None:
        self.name = name
        self.parser = argparse.ArgumentParser(
            prog=f"python -m benchmarks.{name}",
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._commands = self.parser.add_subparsers(dest="command", required=True)
        self._common = argparse.ArgumentParser(add_help=False)
        self._common.add_argument("--record", type=Path, default=record, metavar="FILE")

    def command(self, name: str, execute: Execute, **defaults: Any) -> argparse.ArgumentParser:
        """A command that `execute` carries out; it returns the exit status."""
        made = self._commands.add_parser(name, parents=[self._common])
        made.set_defaults(execute=execute, **defaults)
        return made

    def report(self, execute: Execute, page: Path) -> None:
        """`report`, which writes `page`."""
        made = self.command("report", execute)
        made.add_argument("--page", type=Path, default=page, metavar="FILE")

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Carry out what was typed. Exit status: the command's; 2 wrong input, 3 interrupted."""
        try:
            arguments = self.parser.parse_args(argv)
            return int(arguments.execute(arguments))
        except ReproError as error:
            print(f"{self.name}: {error}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print(f"{self.name}: interrupted; the same command goes on from here", file=sys.stderr)
            return Unfinished.exit_code
