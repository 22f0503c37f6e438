"""The index of the 105 papers: what `papers`, `show`, `cite` and `related` look things up in."""

from repro.index.entry import NO_EVIDENCE, STATUSES, Entry
from repro.index.find import Index, Related, open_index

__all__ = ["NO_EVIDENCE", "STATUSES", "Entry", "Index", "Related", "open_index"]
