"""JSON schemas for the YAML files, from the same types that check them.

`python -m repro.cards.schema` writes them; editors with a YAML language server complete and check
cards by the comment in each file's first line. A test keeps them up to date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from repro import paths
from repro.cards.models import Card, DataFile, HParamFile, ReferenceScores, Topics


def schemas() -> dict[Path, dict[str, Any]]:
    """Each schema file with its content."""
    return {
        paths.PAPERS / "schema.json": _schema(Card, "A card: what a paper says, as data"),
        paths.PAPERS / "topics.schema.json": _schema(Topics, "The list of key papers"),
        paths.PAPERS / "data" / "schema.json": _schema(DataFile, "Published tables of a paper"),
        paths.PAPERS / "data" / "reference-scores.schema.json": _schema(
            ReferenceScores, "Reference scores of environments"
        ),
        paths.HPARAMS / "schema.json": _schema(HParamFile, "A paper's hyperparameter sets"),
    }


def text(schema: dict[str, Any]) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _schema(kind: type, title: str) -> dict[str, Any]:
    schema = msgspec.json.schema(kind)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def main() -> None:
    """Write every schema file."""
    for file, schema in schemas().items():
        file.write_text(text(schema), encoding="utf-8")
        print(file.relative_to(paths.ROOT))


if __name__ == "__main__":
    main()
