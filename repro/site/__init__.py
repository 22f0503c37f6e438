"""The index as static pages: cards, evidence and code, readable without a server."""
