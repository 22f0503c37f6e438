"""The doctor: what is suspicious in a run's logs, and what it usually means.

    history = read_history(folder)
    findings = examine(history)

Every rule is a small pure function of the histories that a run left behind (`policy_rules`,
`value_rules`, `return_rules`). A rule that misses what it needs says so; it never guesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro.doctor.findings import Finding, examine
    from repro.doctor.history import RunHistory
    from repro.doctor.read import read_history

__all__ = ["Finding", "RunHistory", "examine", "read_history"]

_HOME = {
    "Finding": "findings",
    "RunHistory": "history",
    "examine": "findings",
    "read_history": "read",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"repro.doctor.{_HOME[name]}"), name)
