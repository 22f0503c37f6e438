"""The index as static pages: cards, evidence and code, readable without a server."""

from repro.site.build import build

__all__ = ["build"]
