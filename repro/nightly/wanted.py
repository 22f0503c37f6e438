"""The experiments that the cards' claims call for, as far as they can be run here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from repro.cards import card_ids, load_card
from repro.cards.arms import Arm, arms_of
from repro.cards.models import Aggregate, Card, Claim, Curve
from repro.errors import ReproError
from repro.experiment import Experiment, implemented, resolve, task_id

AREA = "training-return-area"  # stands in for a curve, which is not one number a seed
SEVERAL = "several"  # a claim over tasks that its check does not name
LEVEL = "training-return-last-100"  # what every result has


@dataclass(frozen=True)
class Wanted:
    """An experiment and why it is wanted. tests: numbers a seed that its claims lean on."""

    experiment: Experiment
    central: bool
    claims: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """An experiment that cannot be run here, and the reason."""

    title: str
    reason: str


def wanted(only: Sequence[str] = ()) -> tuple[list[Wanted], list[Skipped]]:
    """What the claims of every card need, in the order of the list and of each card's claims.

    An experiment that several claims need runs as long as the longest of them asks. only: words of
    which its title must hold one.
    """
    runnable = set(implemented())
    needed: dict[tuple[str, Arm], list[Claim]] = {}
    skipped: dict[str, Skipped] = {}
    for paper in card_ids():
        card = load_card(paper)
        for claim in card.claims:
            for env, arm in _needed(card, claim):
                if arm.paper not in runnable or env == SEVERAL:
                    continue
                try:
                    key = (task_id(arm.paper, env), arm)
                except ReproError as error:
                    title = f"{arm.paper} · {env}"
                    skipped[title] = Skipped(title, str(error))
                    continue
                if _meant(*key, only):
                    needed.setdefault(key, []).append(claim)
    found: dict[str, Wanted] = {}
    for (env, arm), claims in needed.items():
        try:
            experiment = _experiment(env, arm, claims)
        except ReproError as error:
            title = f"{arm.paper} · {env} · {arm.hparams or 'default'}"
            skipped[title] = Skipped(title, str(error))
            continue
        central = any(claim.central for claim in claims)
        names = tuple(dict.fromkeys(claim.id for claim in claims))
        found.setdefault(experiment.digest, Wanted(experiment, central, names, tests_of(claims)))
    return list(found.values()), list(skipped.values())


def _meant(env: str, arm: Arm, only: Sequence[str]) -> bool:
    ablation = f"+{arm.ablation}" if arm.ablation else ""
    title = f"{arm.paper} · {env} · {arm.hparams or 'default'}{ablation}".lower()
    return not only or any(word.lower() in title for word in only)


def _needed(card: Card, claim: Claim) -> Iterator[tuple[str, Arm]]:
    check = claim.check
    environments = check.environments if isinstance(check, Aggregate) else [claim.env]
    for env in environments:
        for arm in dict.fromkeys(arms_of(claim, card)):
            yield env, arm


def tests_of(claims: list[Claim]) -> tuple[str, ...]:
    """Numbers a seed that stand for these claims: their metrics, a curve's area."""
    from repro.judge.metrics import metric, metrics_of

    names = [name for claim in claims for name in metrics_of(claim)]
    names += [AREA for c in claims if isinstance(c.check, Curve) and "training" in c.metric]
    kept = [n for n in dict.fromkeys(names) if metric(n).needs != "manifest"]
    return tuple(n for n in kept if not n.startswith("never-reached")) or (LEVEL,)


def _experiment(env: str, arm: Arm, claims: list[Claim]) -> Experiment:
    from repro.results import needs_evaluation

    steps = max((claim.steps for claim in claims if claim.steps), default=None)
    evaluate = any(needs_evaluation(claim.metric) for claim in claims)
    return resolve(arm.paper, env, arm.hparams, arm.ablation, steps=steps, evaluate=evaluate)
