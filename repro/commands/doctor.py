"""look at a run's logs: what is suspicious, and what it usually means

examples:
  repro doctor ppo-2017 --env HalfCheetah           the result kept in git, or else the newest run
  repro doctor ppo-2017:mujoco-ppo2 --env Reacher
  repro doctor runs/ppo-2017/CartPole-v1/classic/1f0c9a2b3d4e --all
  repro doctor ppo-2017/Reacher-v4/mujoco-ppo2 --json

Rules look at the log of every seed and play the stored policy ten times. A rule that lacks what it
needs says so. A note is true but common; only warnings are suspicious.
Exit status: 0 whatever was found; 1 with --strict where a rule warns; 2 wrong input.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.commands import text

if TYPE_CHECKING:
    from repro.doctor.findings import Finding

COLOURS = {"warns": "red", "note": "yellow", "clean": "green", "not looked at": "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a folder, PAPER/ENV/SET, or PAPER[:SET]")
    parser.add_argument("--env", metavar="E", help="environment, where RUN does not name it")
    parser.add_argument("--all", action="store_true", help="also what is clean, with its figures")
    parser.add_argument("--no-play", action="store_true", help="do not play the stored policy")
    parser.add_argument("--json", action="store_true", help="every finding as JSON")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a rule warns")


def execute(args: argparse.Namespace) -> int:
    from repro.commands.arms import folder_of
    from repro.doctor.findings import document, examine, read_document
    from repro.doctor.read import read_history
    from repro.evidence import experiment_of

    folder = folder_of(args.run, args.env)
    experiment = experiment_of(folder)
    history = read_history(folder, replay=not args.no_play)
    findings = examine(history)
    if "log" in history.missing and (stored := read_document(folder)):
        findings = stored  # made when the log was there
    if args.json:
        found = document(experiment.digest, findings)
        print(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False))
    else:
        count = f"{len(history.seeds)} seed{'s' * (len(history.seeds) != 1)}"
        print(text.bold(f"{history.title}: {count} × {history.steps:,} steps"))
        print(page(findings, len(history.seeds), args.all, args.quiet))
    warned = any(finding.answer == "warns" for finding in findings)
    return 1 if args.strict and warned else 0


def page(findings: Sequence[Finding], seeds: int, every: bool = False, quiet: bool = False) -> str:
    """Warnings and notes with bound, meaning and source; the others by name."""
    lines = []
    for answer in ("warns", "note"):
        for finding in (f for f in findings if f.answer == answer):
            lines += explained(finding, seeds, quiet)
    for answer in ("clean", "not looked at"):
        rest = [finding for finding in findings if finding.answer == answer]
        if not rest:
            continue
        if every:
            lines += [f"{answer:<14}{f.rule}: {f.figure}" for f in rest]
        elif not quiet:
            names = ", ".join(finding.rule for finding in rest)
            lines += text.paragraph(names, " " * 14, f"{answer:<14}")
    return "\n".join(lines) if lines else "nothing suspicious"


def explained(finding: Finding, seeds: int, quiet: bool = False) -> list[str]:
    """One finding: its figure, bound and seeds; then what it usually means, and who says so."""
    from repro.doctor.findings import listed, rules

    who = listed(finding.seeds, seeds)
    head = f"{finding.rule}: {finding.figure}" + (f" ({who})" if who else "")
    head += f"; expected: {finding.bound}"
    lines = text.paragraph(head, " " * 7, f"{finding.answer:<7}")
    tint = COLOURS[finding.answer]
    lines[0] = text.coloured(finding.answer, tint) + lines[0][len(finding.answer) :]
    rule = rules().get(finding.rule)
    if rule is not None and not quiet:
        lines += text.paragraph(f"usually: {rule.meaning} [{rule.source}]", " " * 7, " " * 7)
    return lines
