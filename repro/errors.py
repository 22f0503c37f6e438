"""The errors a user can cause, said in one line that tells how to go on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ReproError(Exception):
    """Wrong input or an impossible request; the command line prints it without a traceback.

    The message is one line: what was found, what was expected, how to go on.
    """

    exit_code = 2

    def __init__(self, message: str = ""):
        """One line, also where it quotes a stranger's line breaks or control characters."""
        super().__init__("".join(c if c.isprintable() else " " for c in str(message)))


class Unfinished(ReproError):
    """Work is left over (interrupted worker, prefix of a plan); the same command resumes it."""

    exit_code = 3


def nearest(found: str, valid: Iterable[str], see: str = "") -> str:
    """A hint naming the valid name nearest to `found`, or a list of the valid ones.

    Of more than twelve the list has the five nearest. see: the command that lists them all.
    Returns text that completes an error line, for example `did you mean "ppo-2017"?`.
    """
    names = sorted(set(valid))
    folded = {name.lower(): name for name in names}
    close = difflib.get_close_matches(found.lower(), list(folded), n=1, cutoff=0.6)
    if close:
        return f'did you mean "{folded[close[0]]}"?'
    if len(names) <= 12:
        return f"valid: {', '.join(names)}" if names else "nothing is valid here"
    near = difflib.get_close_matches(found.lower(), list(folded), n=5, cutoff=0.0)
    listed = ", ".join(folded[name] for name in near)
    return f"nearest: {listed}, …" + (f"; see `{see}`" if see else "")
