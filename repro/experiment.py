"""An experiment: paper × environment × hparam set × ablation × steps, immutable, with a digest.

`resolve` turns the names a user types into one, or says in one line which name is wrong.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from repro import paths
from repro.errors import ReproError, nearest
from repro.files import digest

if TYPE_CHECKING:
    from repro.cards import HParamSet
    from repro.cards.models import Card, Claim

# Evaluation beside training by a set that says no protocol: TD3's, which later papers took over.
EVALUATION = {"period": 5000, "episodes": 10, "deterministic": True}

MEASUREMENT = 1  # what a measured experiment has instead of environment steps


_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:-]{0,99}")


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be run, but for the seeds.

    env: resolved id (HalfCheetah-v4), or the name of a problem that the implementation measures
    in closed form. steps: environment steps of one seed; one measurement, for such a problem.
    hparams: every value, nested, in the implementation's own types. overrides: dotted field →
    value as typed by the user; an experiment with overrides is exploration. evaluation: period
    (environment steps), episodes, deterministic, of Atari max_frames; None without.
    """

    paper: str
    env: str
    hparam_set: str
    ablation: str | None
    overrides: dict[str, Any]
    steps: int
    hparams: dict[str, Any]
    evaluation: dict[str, Any] | None

    def __post_init__(self) -> None:
        """Names become folders, also those of a stranger's plan: none may lead out of its own."""
        for name in (self.paper, self.env.replace("/", "-"), self.hparam_set, self.ablation):
            if name is not None and not _FOLDER.fullmatch(name):
                raise ValueError(f"found the name {name[:60]!r}, expected letters, digits, . _ -")
        if self.steps < 1:
            raise ValueError("expected at least one step")

    @property
    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON of all fields."""
        return digest(msgspec.to_builtins(self))

    @property
    def arm(self) -> str:
        """The set, with its ablation: `mujoco` or `mujoco+no-clip`; a folder's name."""
        return self.hparam_set + (f"+{self.ablation}" if self.ablation else "")

    @property
    def title(self) -> str:
        """`ppo-2017 · HalfCheetah-v4 · mujoco`, with overrides where there are any."""
        changed = "".join(f" · {name}={value}" for name, value in sorted(self.overrides.items()))
        return f"{self.paper} · {self.env} · {self.arm}{changed}"


def resolve(
    paper: str,
    env: str,
    hparams: str | None = None,
    ablation: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    steps: int | None = None,
    evaluate: bool | None = None,
) -> Experiment:
    """The experiment that these names mean; `ReproError` with the nearest valid name otherwise.

    hparams: name of a set; by default the card's `default` for the environment. steps:
    environment steps a seed; by default those of the claims on this environment and set. evaluate:
    play evaluation episodes beside training; by default where a claim here is decided by them.
    """
    from repro.cards import convert_hparams, load_card, load_sets

    card = load_card(paper)
    implementation, sets = implementation_of(card.id), load_sets(card.id)
    measured = measured_sets(implementation)
    env, problems = task_id(card.id, env), problems_of(card.id)
    name = hparams or default_set(card, env, sets)
    if name not in sets:
        raise ReproError(f'{card.id} has no hparam set "{name}": {nearest(name, sets)}')
    if why := waiting_sets(implementation).get(name):
        raise ReproError(f"{card.id}'s set {name} cannot be run yet: {why}")
    if (env in problems) != (name in measured):
        fits = [other for other in sets if (other in measured) == (env in problems)]
        raise ReproError(f"the set {name} is not for {env}; choose --hparams {'|'.join(fits)}")
    values = sets[name].values(env)
    places: Any = sets[name].provenance(env)
    if ablation is not None:
        if ablation not in card.ablations:
            hint = nearest(ablation, card.ablations) if card.ablations else "its card lists none"
            raise ReproError(f'{card.id} has no ablation "{ablation}": {hint}')
        values = merged(values, card.ablations[ablation].changes, f"ablation {ablation}")
        places = f"{card.id}, ablation {ablation}"
    overrides = dict(overrides or {})
    kinds_first = sorted(overrides.items(), key=lambda item: not item[0].endswith("kind"))
    for field, value in kinds_first:
        values = merged(values, _nested(field, value), f"--set {field}")
        places = "--set"
    _require_preset(card.id, env, name, values)
    kind = measured.get(name, implementation.HParams)
    values = msgspec.to_builtins(convert_hparams(values, kind, places))
    if name in measured:
        if evaluate or steps not in (None, MEASUREMENT):
            raise ReproError(f"{env} is measured in closed form; leave out --steps and --evaluate")
        steps = MEASUREMENT
    if steps is None:
        steps = default_steps(card, env, name, values)
    if evaluate is None:
        evaluate = wants_evaluation(card, env, name)
    if steps < 1:
        raise ReproError(f"--steps {steps}: expected a positive number of environment steps a seed")
    return Experiment(
        paper=card.id,
        env=env,
        hparam_set=name,
        ablation=ablation,
        overrides=overrides,
        steps=steps,
        hparams=values,
        evaluation=protocol(sets[name], env) if evaluate else None,
    )


def protocol(hparam_set: HParamSet, env: str) -> dict[str, Any]:
    """How agents of a set are evaluated: as the set says, else as `EVALUATION` does."""
    from repro.training.environments.names import is_atari

    if hparam_set.evaluation is not None:
        return hparam_set.evaluation.protocol
    if is_atari(env):
        raise ReproError(
            f"{hparam_set.paper}'s set {hparam_set.name} does not say how a game is evaluated, "
            "which may never end; give it `evaluation: {…, max_frames: …}` in its file"
        )
    return dict(EVALUATION)


def _require_preset(paper: str, env: str, name: str, values: Mapping[str, Any]) -> None:
    """A game is played by a preset's rules, which only a set for Atari names."""
    from repro.training.environments.names import is_atari

    if is_atari(env) and (values.get("atari") or {}).get("kind", "none") == "none":
        raise ReproError(
            f"{paper}'s set {name} does not say how {env} is played (its frames, lives and "
            "rewards: `atari: {kind: preset, …}`); choose another set with --hparams"
        )


def implementation_of(paper: str) -> Any:
    """The module `implementations.<id with _>`; `ReproError` where the paper has none."""
    module = paper.replace("-", "_")
    found = implemented()
    if paper not in found:
        raise ReproError(f"{paper} has no implementation to run; implemented: {', '.join(found)}")
    return importlib.import_module(f"implementations.{module}")


def measured_sets(implementation: Any) -> dict[str, type]:
    """The sets whose problems an implementation's `measure` takes, with their types."""
    found: dict[str, type] = getattr(implementation, "MEASURED", {})
    return found


def waiting_sets(implementation: Any) -> dict[str, str]:
    """The sets that an implementation does not run yet, with the reason."""
    found: dict[str, str] = getattr(implementation, "WAITING", {})
    return found


def implemented() -> list[str]:
    """Ids of the papers that can be run: their files define `train`; read, not imported."""
    return sorted(
        path.stem.replace("_", "-")
        for path in paths.IMPLEMENTATIONS.glob("*_[12][09]*.py")
        if "\ndef train(" in path.read_text(encoding="utf-8")
    )


def problems_of(paper: str) -> set[str]:
    """The problems in closed form that a paper's implementation measures, as its sets name them."""
    from repro.cards import load_sets

    sets = load_sets(paper)
    measured = measured_sets(implementation_of(paper))
    return {env for name in measured for env in sets[name].environments}


def task_id(paper: str, name: str) -> str:
    """`HalfCheetah` → `HalfCheetah-v4`; a problem that the paper measures keeps its name."""
    problems = problems_of(paper)
    return name if name in problems else environment_id(name, problems)


def environment_id(name: str, problems: Iterable[str] = ()) -> str:
    """`HalfCheetah` → `HalfCheetah-v4`; a wrong name is refused with the nearest valid one.

    problems: names that are right as well, for the message.
    """
    from repro.training.environments import names

    try:
        return names.resolve(name)
    except ReproError:
        if problem := next((p for p in problems if p.lower() == name.lower()), None):
            raise ReproError(
                f'no environment is called "{name}"; did you mean "{problem}"?'
            ) from None
        raise


def same_env(name: str, env: str) -> bool:
    """Whether a card's alias (`HalfCheetah`) or id means the resolved environment."""
    from repro.training.environments.names import ALIASES

    return name == env or ALIASES.get(name) == env


def claims_of(card: Card, env: str, hparam_set: str, ablation: str | None = None) -> list[Claim]:
    """The card's claims on this environment, set and ablation, in the card's order."""
    return [
        claim
        for claim in card.claims
        if claim.hparams == hparam_set and claim.ablation == ablation and same_env(claim.env, env)
    ]


def claims_about(
    card: Card, env: str, hparam_set: str, ablation: str | None = None
) -> list[tuple[Card, Claim]]:
    """Every claim that this run speaks to, also as the other arm of a comparison.

    The card's own claims come first, then those of other papers that compare with it.
    """
    from repro.cards import card_ids, load_card
    from repro.cards.arms import Arm, arms_of

    run = Arm(card.id, hparam_set, ablation)
    names = [n for n in card_ids() if n != card.id and _mentions(n, card.id)]
    return [
        (other, claim)
        for other in [card, *map(load_card, names)]
        for claim in other.claims
        if any(same_env(e, env) for e in _environments(claim))
        and run
        in {a if a.hparams else a._replace(hparams=hparam_set) for a in arms_of(claim, other)}
    ]


def wants_evaluation(card: Card, env: str, hparam_set: str) -> bool:
    """Whether a claim on this environment and set is decided by evaluation episodes."""
    from repro.judge.metrics import metric

    needed = [metric(claim.metric) for claim in claims_of(card, env, hparam_set)]
    return any(m.needs == "evaluation" and m.per_seed for m in needed)


def _mentions(card_id: str, paper: str) -> bool:
    """Whether a card's file holds another paper's id; spares checking all the others."""
    return paper in (paths.PAPERS / f"{card_id}.yaml").read_text(encoding="utf-8")


def _environments(claim: Claim) -> list[str]:
    """The tasks of a claim: over several they are those that its check names, if any."""
    if claim.env != "several":
        return [claim.env]
    found: list[str] = getattr(claim.check, "environments", [])
    return found


def default_set(card: Card, env: str, sets: Iterable[str]) -> str:
    """The set that `repro run` takes there: the card's `default`, else the only set."""
    for alias, name in card.default.items():
        if alias != "*" and same_env(alias, env):
            return name
    if "*" in card.default:
        return card.default["*"]
    sets = list(sets)
    if len(sets) == 1:
        return sets[0]
    raise ReproError(f"{card.id} names no default set for {env}; choose --hparams {'|'.join(sets)}")


def default_steps(card: Card, env: str, hparam_set: str, values: Mapping[str, Any]) -> int:
    """The published steps: the longest claim of this environment and set, else of the set."""
    claims = [claim for claim in card.claims if claim.hparams == hparam_set and claim.steps]
    here = [claim for claim in claims if same_env(claim.env, env)]
    steps = [claim.steps for claim in here or claims if claim.steps]
    if steps:
        return max(steps)
    if values.get("schedule_steps"):
        return int(values["schedule_steps"])
    others = [claim.steps for claim in card.claims if claim.steps]
    longest = f" (its other sets run up to {max(others)})" if others else ""
    raise ReproError(
        f"no claim of {card.id} says how many steps {hparam_set} takes on {env}; give "
        f"--steps N{longest}, and --evaluate if its policy is to be evaluated"
    )


def parse_overrides(items: Iterable[str]) -> dict[str, Any]:
    """`["gamma=0.9", "surrogate.kind=none"]` → {"gamma": 0.9, "surrogate.kind": "none"}.

    Values are read as YAML, with the reader of cards: `3e-4` is a number.
    """
    from repro.cards.yaml import parse

    overrides: dict[str, Any] = {}
    for item in items:
        field, equals, text = item.partition("=")
        if not equals or not field.strip():
            raise ReproError(f"--set {item}: expected field=value, as in --set surrogate.range=0.1")
        overrides[field.strip()] = parse(text, f"--set {item}").value
    return overrides


def merged(
    base: Mapping[str, Any], changes: Mapping[str, Any], where: str, tagged: bool = False
) -> dict[str, Any]:
    """`changes` over `base`, key by key; a tagged block (one with `kind`) is replaced whole.

    A key that `base` lacks is refused with the nearest one, but in a tagged block, whose keys
    depend on its kind, and in mappings within it (`tagged`): those are checked with the types.
    """
    result, tagged = dict(base), tagged or "kind" in base
    for key, change in changes.items():
        if key not in base and not tagged:
            raise ReproError(f'{where}: no hyperparameter "{key}"; {nearest(key, base)}')
        old = base.get(key)
        if isinstance(change, Mapping) and isinstance(old, Mapping) and "kind" not in change:
            change = merged(old, change, where, tagged)
        result[key] = change
    return result


def _nested(field: str, value: Any) -> dict[str, Any]:
    for key in reversed(field.split(".")):
        value = {key: value}
    return value
