"""How a set's agents are evaluated beside training: checked against the set, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.cards.models import Evaluation
from repro.errors import ReproError


def checked(said: Evaluation, values: Mapping[str, Any], name: str, where: str) -> Evaluation:
    """`said`, the protocol of set `name` with these values; one line where they do not fit.

    A game goes on for as long as nobody loses it, so an Atari set says when an evaluated one is
    cut: its training's cap is another thing. where: the file and line of the block or the set.
    """
    preset = values.get("atari")
    game = isinstance(preset, Mapping) and preset.get("kind") == "preset"
    if game and said.max_frames is None:
        problem = "max_frames is missing, expected after how many a game is cut (0: never)"
    elif not game and said.max_frames is not None:
        problem = "found max_frames, expected none: the set plays no Atari"
    else:
        return said
    raise ReproError(f"{where}: sets.{name}.evaluation: {problem}")


def words(protocol: Mapping[str, Any]) -> str:
    """`every 5,000 steps 10 whole episodes, by the policy's mode`."""
    how = "by the policy's mode" if protocol["deterministic"] else "by samples of the policy"
    said = f"every {protocol['period']:,} steps {protocol['episodes']} whole episodes, {how}"
    if (frames := protocol.get("max_frames")) is None:
        return said
    return f"{said}, a game {f'cut after {frames:,} frames' if frames else 'never cut'}"
