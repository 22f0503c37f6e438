"""The command line: thin. Each command is one file of `repro/commands` and calls the library.

Exit status: 0 done, whatever was found; 1 with --strict, a claim not reproduced or undecided;
2 wrong input; 3 unfinished (the same command goes on); 4 internal error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from repro import __version__
from repro.commands import (
    ablate,
    browse,
    cite,
    compare,
    doctor,
    env,
    nightly,
    papers,
    plan,
    plot,
    related,
    run,
    runs,
    show,
    site,
    stale,
    verify,
    watch,
)
from repro.errors import ReproError, nearest

COMMANDS = (
    run,
    plan,
    papers,
    show,
    related,
    cite,
    verify,
    stale,
    doctor,
    compare,
    ablate,
    watch,
    plot,
    runs,
    nightly,
    browse,
    site,
    env,
)

INTERNAL_ERROR = 4
INTERRUPTED = 130

EPILOG = """\
examples:
  repro run ppo-2017 --env HalfCheetah         train five seeds and judge them (minutes)
  repro show ppo-2017                          what the paper claims, and what we found
  repro papers --topic "policy gradients"      browse the list

`repro COMMAND --help` shows each command's options and examples.
"""


class Parser(argparse.ArgumentParser):
    """One line for wrong input, with the nearest valid choice."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: -"):
            option = message.split()[2].partition("=")[0]
            message = f"no option {option}; {nearest(option, self._option_string_actions)}"
        raise ReproError(f"{message}  ({self.prog} --help shows examples)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = action.metavar or action.dest
            raise ReproError(
                f'no {what} "{value}": {nearest(str(value), map(str, action.choices))}'
            )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """A command reports its own unknown options, so that the hint names that command's."""
        namespace, rest = super().parse_known_args(args, namespace)
        if rest and self.prog != "repro":
            self.error("unrecognized arguments: " + " ".join(rest))
        return namespace, rest


def build_parser() -> Parser:
    parser = Parser(
        prog="repro",
        description="The key papers of deep reinforcement learning as data, code and evidence.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"repro {__version__}")
    common = Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks")
    common.add_argument("--quiet", action="store_true", help="only results and errors")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=Parser)
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        about, *examples = (module.__doc__ or "").strip().split("\n\n", 1)
        command = commands.add_parser(
            name, help=about, description=about, epilog="\n\n".join(examples), parents=[common]
        )
        module.add_arguments(command)
        command.set_defaults(execute=module.execute)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status and prints no traceback without --debug."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        parser = build_parser()
        args = parser.parse_args(arguments)
        if args.command is None:
            parser.print_help()
            return 0
        for before, word in itertools.pairwise(["repro", *arguments]):
            if word == "":
                raise ReproError(f'found "" after {before}; say which, or leave it out')
        if args.command != "env":
            from repro.paths import require_clone

            require_clone()
        status: int = args.execute(args)
        sys.stdout.flush()
        return status
    except ReproError as error:
        if debug:
            raise
        say(f"repro: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        if debug:
            raise
        say("repro: interrupted; the same command goes on from here")
        return INTERRUPTED
    except BrokenPipeError:  # `repro papers | head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"repro: internal error: {what}  (--debug shows where; please report it)")
        return INTERNAL_ERROR


def say(line: str) -> None:
    """One line on standard error."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
