"""A card, evidence and committed figures made for tests of the judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repro.cards.models import AnyCheck, Card, Claim, Level, Published
from repro.judge import Context, Evidence, RandomScore, ReferenceScore, SeedResult, Verdict
from repro.judge.verdict import judge_claim

ENV = "HalfCheetah-v4"
METRIC = "training-return-last-100"
STEPS = 1_000_000
CONTEXT = Context(
    random={ENV: RandomScore(mean=-280.0, std=80.0, episodes=100)},
    reference={ENV: ReferenceScore(mean=10_000.0, source="test")},
)


def published(mean: float | None = 1720.0, **fields: Any) -> Published:
    given: dict[str, Any] = {"how": "printed", "confidence": "verified", **fields}
    return Published(mean=mean, **given)


def claim(figure: Published | None = None, check: AnyCheck | None = None, **fields: Any) -> Claim:
    given: dict[str, Any] = {
        "id": "claim",
        "says": "a level",
        "source": "Table 1",
        "env": "HalfCheetah",
        "hparams": "mujoco",
        "steps": STEPS,
        "metric": METRIC,
        "protocol": "training episodes",
        "published": figure or published(std=100.0, band="std", seeds=10),
        "check": check or Level(),
        "central": True,
    }
    return Claim(**{**given, **fields})


def card(*claims: Claim, **fields: Any) -> Card:
    given: dict[str, Any] = {
        "schema_version": 1,
        "id": "ppo-2017",
        "title": "PPO",
        "authors": [],
        "year": 2017,
        "venue": None,
        "arxiv": None,
        "section": "policy gradients",
        "number": 10,
        "kind": "algorithm",
        "depth": "full",
        "tier": "full",
        "summary": "",
        "builds_on": [],
        "claims": list(claims),
    }
    return Card(**{**given, **fields})


def seed(number: int, value: float, status: str = "finished", **fields: Any) -> SeedResult:
    given: dict[str, Any] = {"steps": STEPS, "metrics": {METRIC: value}}
    return SeedResult(seed=number, status=status, **{**given, **fields})


def evidence(values: Sequence[float] | None = None, **fields: Any) -> Evidence:
    """A planned run with one look at all its seeds, unless told otherwise."""
    seeds = fields.pop("seeds", None) or [seed(1000 + k, v) for k, v in enumerate(values or [])]
    given: dict[str, Any] = {
        "paper": "ppo-2017",
        "env": ENV,
        "hparam_set": "mujoco",
        "steps": STEPS,
        "planned": True,
        "looks": [len(seeds)],
        "planned_seeds": [one.seed for one in seeds],
    }
    return Evidence(seeds=seeds, **{**given, **fields})


def spread(mean: float, std: float, n: int = 10) -> list[float]:
    """n values with exactly this mean and standard deviation (n even: half above, half below)."""
    step = std * ((n - 1) / n) ** 0.5
    return [mean + step if k % 2 else mean - step for k in range(n)]


def judge(
    one: Claim, *runs: Evidence, context: Context = CONTEXT, rest: Sequence[Claim] = ()
) -> Verdict:
    return judge_claim(one, list(runs), card(one, *rest), context)
