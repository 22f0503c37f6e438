"""Human-normalised scores, and the rules under which the papers' printed summaries come out.

100 · (score − random) / (human − random): random play is 0, a human expert 100. Papers differ in
whose random and human scores these are, in one game's random score, and in the sign of the
denominator where the human is below random play; so one agent has several correct medians.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from repro.cards.models import Table
from repro.errors import ReproError
from repro.judge.compare import sums
from repro.judge.types import Sample, Score

Statistic = Literal["median", "mean"]
References = Mapping[str, tuple[float, float]]  # game -> random, human


@dataclass(frozen=True)
class Rule:
    """How a paper normalises.

    paper, table: in `papers/data/`, with the columns `random` and `human`
    replaced: random scores that the printed summaries take in place of the printed ones
    absolute: the denominator is |human − random|
    """

    paper: str
    table: str
    random: str
    human: str
    replaced: Mapping[str, float] = field(default_factory=dict)
    absolute: bool = False


_DUELING = ("dueling-dqn-2015", "random-and-human")
_NO_OP = (*_DUELING, "random, no-op", "human, no-op")
_HUMAN_STARTS = (*_DUELING, "random, human starts", "human, human starts")
# Nowhere printed; found by recomputing the summaries from the rows (tests/test_judge_normalised).
_PINBALL = {"video_pinball": 0.0}
RULES: dict[str, Rule] = {
    # Nature's DQN; Double DQN, Table 1
    "nature": Rule("dqn-2013", "nature-table", "random", "human"),
    # up to 30 no-ops: Dueling, Prioritised (no-op), C51, QR-DQN
    "no-op": Rule(*_NO_OP, replaced=_PINBALL),
    # human starts: Dueling, A3C
    "human-starts": Rule(*_HUMAN_STARTS, replaced=_PINBALL),
    # human starts: Double DQN, Table 2; Prioritised Replay, Table 1
    "human-starts-absolute": Rule(*_HUMAN_STARTS, absolute=True),
}


def human_normalised(score: float, random: float, human: float, absolute: bool = False) -> float:
    """In per cent: 0 is random play, 100 the human."""
    gap = human - random
    return 100 * (score - random) / (abs(gap) if absolute else gap)


def references(rule: Rule, table: Table) -> dict[str, tuple[float, float]]:
    """Random and human score of each game of `rule`'s table, as the rule takes them."""
    places = [table.columns.index(name) for name in (rule.random, rule.human)]
    found = {}
    for game, cells in table.rows.items():
        random, human = (cells[place] for place in places)
        if isinstance(random, int | float) and isinstance(human, int | float):
            found[game] = (float(rule.replaced.get(game, random)), float(human))
    return found


@cache
def load_references(name: str) -> dict[str, tuple[float, float]]:
    """Those of the rule of that name, read from `papers/data/`."""
    from repro.cards import load_data

    rule = RULES[name]
    return references(rule, load_data(rule.paper)[rule.table])


def game(env: str) -> str:
    """A table's name of an environment: `ALE/SpaceInvaders-v5` and `SpaceInvaders` alike."""
    name = re.sub(r"-v\d+$", "", env.rpartition("/")[2])
    return re.sub(r"(?<=.)(?=[A-Z])", "_", name).lower()


def summary(
    samples: Mapping[str, Sample], statistic: Statistic, name: str, known: References
) -> Score:
    """The median or mean over games of the human-normalised mean over seeds, in per cent.

    samples: environment → its seeds; name: of a rule; known: its random and human scores. The
    error of a median is that of the one or two games in the middle.
    """
    parts = []
    for env, sample in samples.items():
        if game(env) not in known:
            raise ReproError(f"{env}: the tables of rule {name} have no human score of this game")
        random, human = known[game(env)]
        absolute = RULES[name].absolute
        value = human_normalised(sample.mean, random, human, absolute)
        unit = 100 / abs(human - random)
        error = unit * (sample.std or 0.0) / math.sqrt(sample.n)
        parts.append((value, error**2, max(sample.n - 1, 1)))
    by_task = dict(zip(samples, (value for value, _, _ in parts), strict=True))
    if statistic == "median":
        parts = sorted(parts)[(len(parts) - 1) // 2 : len(parts) // 2 + 1]
    value, variance, df = sums(parts)
    return Score(value=value, error=math.sqrt(variance), df=df, by_task=by_task)
