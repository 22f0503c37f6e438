"""A paper's ablations beside its standard set: which experiments, what is there, what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import ReproError, nearest

if TYPE_CHECKING:
    from repro.cards.models import Card
    from repro.experiment import Experiment
    from repro.judge.types import Evidence, Sample

STANDARD = "paper"
TRAINING, EVALUATION = "training-return-last-100", "evaluation-last-10"


@dataclass(frozen=True)
class Arm:
    """One row of the table. same: ablations that are the standard set under another name; unfit:
    why others cannot be laid over this set (both of the standard set's row)."""

    name: str
    says: str
    experiment: Experiment
    same: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()

    @property
    def ablation(self) -> str | None:
        return None if self.name == STANDARD else self.name


def arms_of(
    card: Card,
    env: str,
    hparams: str | None = None,
    only: Sequence[str] = (),
    steps: int | None = None,
    evaluate: bool = False,
) -> list[Arm]:
    """The standard set and every ablation that the card lists (or `only` those), on one task.

    An ablation that changes nothing on this set is the standard set, and is not run twice; one
    that contradicts it is left out, unless it was asked for.
    """
    from repro.experiment import resolve

    if not card.ablations:
        raise ReproError(f"the card of {card.id} lists no ablations; repro show {card.id}")
    for name in only:
        if name not in card.ablations:
            raise ReproError(f'{card.id} has no ablation "{name}": {nearest(name, card.ablations)}')
    standard = resolve(card.id, env, hparams, None, None, steps, evaluate)
    same, unfit, arms = [], [], []
    for name, entry in card.ablations.items():
        try:
            changed = resolve(card.id, env, hparams, name, None, steps, evaluate)
        except ReproError as why:
            if name in only:
                raise
            unfit.append(str(why))
            continue
        if changed.hparams == standard.hparams:
            same.append(name)
        elif not only or name in only:
            arms.append(Arm(name, entry.says or ", ".join(entry.changes), changed))
    return [Arm(STANDARD, "the set as it stands", standard, tuple(same), tuple(unfit)), *arms]


def evidence_for(experiment: Experiment, seeds: Sequence[int] = ()) -> tuple[Path, Evidence] | None:
    """What was run of an experiment: its planned result, else the newest run as long as it.

    seeds: those that an ordinary run must have, all that it has by default.
    """
    from repro.commands.arms import runs_of
    from repro.evidence import evidence_of, experiment_of, read_result
    from repro.plans import result_folder

    folder = result_folder(experiment)
    if (folder / "metrics.json").is_file():
        found = read_result(folder)
        if found.steps == experiment.steps:
            return folder, found
    for run in reversed(runs_of(experiment)):
        own = experiment_of(run)
        if own.digest == experiment.digest:
            found = evidence_of(run, own, None)
            if set(seeds) <= {seed.seed for seed in found.seeds}:
                return run, found
    return None


def steps_run(experiment: Experiment) -> int | None:
    """The steps of the experiment's planned result, where those are others than its own."""
    from repro.evidence import experiment_of
    from repro.plans import result_folder

    folder = result_folder(experiment)
    if not (folder / "metrics.json").is_file():
        return None
    steps = experiment_of(folder).steps
    return steps if steps != experiment.steps else None


def kind_of(seeds: Sequence[int], planned: bool) -> str:
    """Which seeds: `planned` ones, which derive from their plan, or the numbers themselves."""
    if planned:
        return "planned"
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]}–{ordered[-1]}"
    return ", ".join(map(str, ordered))


def metric_of(found: Sequence[Evidence]) -> str:
    """The last ten evaluations where every seed of every arm has them, else training episodes."""
    seeds = [seed for evidence in found for seed in evidence.seeds if seed.status != "diverged"]
    if seeds and all(EVALUATION in seed.metrics for seed in seeds):
        return EVALUATION
    return TRAINING


def sample(evidence: Evidence, metric: str, random: float | None) -> Sample:
    """Numbers over seeds; one that diverged, or finished no episode, scores the random policy.

    `ReproError` where a seed needs that score and it was not measured (None).
    """
    from repro.judge.published import sample_of

    values = [
        random if seed.status == "diverged" else seed.metrics.get(metric, random)
        for seed in evidence.seeds
    ]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        raise ReproError(
            f"{evidence.paper} on {evidence.env}: a seed without {metric} scores the random "
            "policy, which was not measured; add it to papers/data/random-scores.yaml"
        )
    return sample_of(known)


@dataclass(frozen=True)
class Printed:
    """What a paper prints of the rows.

    figures: arm → figure, the standard set's as `paper`. scores: they are of all its tasks
    together, not returns of one. metric, steps: of the claim that has the standard set's return.
    worse, better: arms that claims put below and above the standard set.
    """

    figures: dict[str, float]
    scores: bool = False
    metric: str | None = None
    steps: int | None = None
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()


def printed_of(card: Card, arms: Sequence[Arm], env: str | None) -> Printed:
    """What the card has of these arms, on a task or (None) over all tasks together.

    Returns of the task go before a score over all tasks, which alone says only how arms are
    ordered. A return is the ablation's own figure or that of a claim on the same set and task, by
    one of the two metrics that the table has; claims that compare two arms come first.
    """
    from repro.cards.models import Level, Ordering
    from repro.experiment import same_env
    from repro.judge.published import published_arms, published_side

    names = {arm.name: arm.name for arm in arms} | dict.fromkeys(arms[0].same, STANDARD)
    entries = [(name, card.ablations[name].published or {}) for name in names if name != STANDARD]
    claims = [
        claim
        for claim in card.claims
        if claim.hparams == arms[0].experiment.hparam_set
        and (env is None or same_env(claim.env, env))
    ]
    scores = {names[name]: float(p["score"]) for name, p in entries if _number(p.get("score"))}
    returns: dict[str, float] = {}
    for name, figures in entries:
        for key, value in figures.items() if env else ():
            if same_env(key, env or "") and _number(value):
                returns.setdefault(names[name], float(value))
    metric, steps = None, None
    for claim in sorted(claims, key=lambda claim: not isinstance(claim.check, Ordering)):
        check, levels = claim.check, {}
        if env is None or claim.metric not in (TRAINING, EVALUATION):
            continue
        if isinstance(check, Ordering):
            pair = (check.better, check.than)
            levels = dict(zip(pair, published_arms(claim, *pair), strict=True))
        elif isinstance(check, Level) and (side := published_side(claim, None)):
            levels = {claim.ablation or STANDARD: side.mean}
        for name, level in levels.items():
            if name in names and level is not None and names[name] not in returns:
                returns[names[name]] = level
                if names[name] == STANDARD:
                    metric, steps = claim.metric, claim.steps
    pairs = [
        (names[claim.check.better], names[claim.check.than])
        for claim in claims
        if isinstance(claim.check, Ordering)
        and claim.check.better in names
        and claim.check.than in names
    ]
    worse = tuple(than for better, than in pairs if better == STANDARD)
    better = tuple(better for better, than in pairs if than == STANDARD)
    if env is None or (scores and not set(returns) - {STANDARD}):
        return Printed(scores, True, worse=worse, better=better)
    return Printed(returns, False, metric, steps, worse, better)


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def table_environments(card: Card) -> list[str]:
    """The tasks of the paper's own aggregate over ablations, else those of the card."""
    from repro.cards.models import Aggregate
    from repro.experiment import environment_id, problems_of

    for claim in card.claims:
        if isinstance(claim.check, Aggregate) and claim.check.arms:
            return [environment_id(env) for env in claim.check.environments]
    measured = problems_of(card.id)  # in closed form: nothing is trained on them
    return [environment_id(env) for env in card.environments if env not in measured]
