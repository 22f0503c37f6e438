"""Rules and what they find, as plain frozen types, and `doctor.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from repro.doctor.history import RunHistory
from repro.errors import ReproError

SCHEMA_VERSION = 1
NAME = "doctor.json"

Answer = Literal["warns", "note", "clean", "not looked at"]


@dataclass(frozen=True)
class Seen:
    """What a rule saw: its answer, the figure in words, and the seeds it is about."""

    answer: Answer
    figure: str
    seeds: Sequence[int] = field(default_factory=list)


@dataclass(frozen=True)
class Rule:
    """One thing that the doctor looks at.

    bound: what is still fine, in words. meaning: what it usually means where it is not. source:
    who says so; a bound that nobody published says "bound ours".
    """

    name: str
    bound: str
    meaning: str
    source: str
    look: Callable[[RunHistory], Seen]


@dataclass(frozen=True)
class Finding:
    """A rule's answer on one run."""

    rule: str
    answer: Answer
    figure: str
    seeds: Sequence[int]
    bound: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "answer": self.answer,
            "seen": self.figure,
            "seeds": list(self.seeds),
            "bound": self.bound,
        }


def rules() -> dict[str, Rule]:
    """Every rule by name, in the order in which they are printed."""
    from repro.doctor import policy_rules, return_rules, value_rules

    every = (*return_rules.RULES, *policy_rules.RULES, *value_rules.RULES)
    return {rule.name: rule for rule in every}


def examine(run: RunHistory) -> list[Finding]:
    """What every rule says about a run."""
    found = []
    for rule in rules().values():
        seen = rule.look(run)
        found.append(Finding(rule.name, seen.answer, seen.figure, list(seen.seeds), rule.bound))
    return found


def clean(figure: str) -> Seen:
    return Seen("clean", figure)


def unknown(why: str) -> Seen:
    return Seen("not looked at", why)


def needs_log(run: RunHistory, name: str) -> Seen:
    """The answer where no seed's log has `name`."""
    return unknown(run.missing.get("log") or f"{name} is not in the log five times or more")


def listed(seeds: Iterable[int], of: int) -> str:
    """`seeds 3, 7` (or how many of how many, where they are more than three)."""
    numbers = list(seeds)
    if of == 1:
        return ""
    if len(numbers) > 3:
        return f"{len(numbers)} of {of} seeds"
    return f"seed{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def document(experiment: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """doctor.json. experiment: digest."""
    return {
        "schema_version": SCHEMA_VERSION,
        "experiment": experiment,
        "findings": [finding.to_dict() for finding in findings],
    }


def read_document(folder: Path) -> list[Finding] | None:
    """The findings stored beside a result; None where there are none."""
    from repro.files import read_json

    path = folder / NAME
    if not path.is_file():
        return None
    content: Mapping[str, Any] = read_json(path, SCHEMA_VERSION)
    try:
        return [
            Finding(row["rule"], row["answer"], row["seen"], row["seeds"], row["bound"])
            for row in content["findings"]
        ]
    except (KeyError, TypeError):
        raise ReproError(
            f"{path} is no doctor's file; run `repro doctor` on the run again"
        ) from None


def warnings_line(findings: Sequence[Finding], seeds: int) -> str:
    """`kl-spikes (seed 3), entropy-collapsed (4 of 10 seeds)`; empty without warnings."""
    parts = []
    for finding in findings:
        if finding.answer == "warns":
            who = listed(finding.seeds, seeds)
            parts.append(finding.rule + (f" ({who})" if who else ""))
    return ", ".join(parts)
