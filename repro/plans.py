"""Plans: what evidence was promised, written and committed before its run.

`repro plan` writes `results/<paper>/<env>/<set>[+ablation]/plan.json`. Its evidence seeds derive
from its digest, so nobody picks them; `attempts.jsonl` beside it is append-only.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from repro import git, paths
from repro.attempts import NAME as ATTEMPTS
from repro.attempts import log_attempt
from repro.errors import ReproError
from repro.experiment import Experiment, claims_about
from repro.files import digest, read_json, write_json

if TYPE_CHECKING:
    from repro.cards.models import Card

SCHEMA_VERSION = 1
DEVELOPMENT_SEEDS = 100  # seeds 0–99 are for development, never evidence
FIRST_EVIDENCE_SEED = 1000
LOOKS = (5, 10, 20, 40)  # the sequence that judge.md gives levels for; any single look is fine


class PlannedClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A claim that the plan's runs bear on: `id`, or `paper:id` where another paper's compares.

    judged: its metric will exist (evaluation is on where it needs evaluations). prefix: the run
    stops short of the claim's horizon, so the judge only says on track or behind.
    """

    id: str
    judged: bool
    prefix: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A promise: this experiment, these seeds, these claims, these looks.

    seeds: evidence seeds in the order in which looks take them. looks: how many seeds the judge
    sees each time. replaces: plan digest and reason, where an earlier plan stood here.
    """

    schema_version: int
    date: str
    experiment: Experiment
    experiment_digest: str
    card_digest: str
    hparams_digest: str
    claims: list[PlannedClaim]
    looks: list[int]
    seeds: list[int]
    replaces: dict[str, str] | None

    @property
    def digest(self) -> str:
        """sha256 (hex) of the plan's content but for its seeds, which derive from it."""
        return plan_digest(msgspec.to_builtins(self))

    @property
    def folder(self) -> Path:
        return result_folder(self.experiment)


def plan_digest(content: Mapping[str, Any]) -> str:
    return digest({key: value for key, value in content.items() if key != "seeds"})


def evidence_seeds(plan: str, count: int) -> list[int]:
    """`count` distinct integers in [1000, 2**31) that follow from a plan's digest."""
    seeds: list[int] = []
    index = 0
    while len(seeds) < count:
        word = hashlib.sha256(f"{plan}:{index}".encode()).digest()
        seed = FIRST_EVIDENCE_SEED + int.from_bytes(word[:8], "big") % (2**31 - FIRST_EVIDENCE_SEED)
        index += 1
        if seed not in seeds:
            seeds.append(seed)
    return seeds


def make_plan(
    experiment: Experiment,
    n_seeds: int,
    looks: Sequence[int] | None = None,
    *,
    because: str | None = None,
    today: str | None = None,
) -> Plan:
    """A plan for `n_seeds` evidence seeds, looked at once, or at the sequence 5, 10, 20, 40.

    because: why an earlier plan of the same experiment is replaced; required if there is one.
    """
    from repro.cards import card_digest, load_card, load_sets, set_digest

    if experiment.overrides:
        raise ReproError(
            f"--set {next(iter(experiment.overrides))}: a plan takes committed sets and "
            "ablations; run it without --plan to explore, or add the set to hparams/"
        )
    looks = list(looks) if looks else [n_seeds]
    if looks[-1] != n_seeds or (len(looks) > 1 and tuple(looks) != LOOKS[: len(looks)]):
        raise ReproError(
            f"looks {','.join(map(str, looks))} for {n_seeds} seeds: expected one look at all "
            f"seeds, or the start of {','.join(map(str, LOOKS))} ending at the number of seeds"
        )
    if n_seeds < 2:
        raise ReproError(f"a plan of {n_seeds} seed has no spread to judge by; plan two or more")
    card = load_card(experiment.paper)
    old = read_plan_if_any(result_folder(experiment))
    if old is not None and not because:
        raise ReproError(
            f"{shown(result_folder(experiment) / 'plan.json')} holds a plan of {old.date}; "
            'say why a new one replaces it: --because "..."'
        )
    content = {
        "schema_version": SCHEMA_VERSION,
        "date": today or datetime.date.today().isoformat(),
        "experiment": msgspec.to_builtins(experiment),
        "experiment_digest": experiment.digest,
        "card_digest": card_digest(card),
        "hparams_digest": set_digest(load_sets(card.id)[experiment.hparam_set], experiment.env),
        "claims": msgspec.to_builtins(planned_claims(card, experiment)),
        "looks": looks,
        "replaces": None if old is None else {"plan": old.digest, "because": because},
    }
    return msgspec.convert(content | {"seeds": evidence_seeds(plan_digest(content), n_seeds)}, Plan)


def planned_claims(card: Card, experiment: Experiment) -> list[PlannedClaim]:
    """The claims that this experiment speaks to, with what the run can say about each."""
    from repro.results import needs_evaluation

    e = experiment
    return [
        PlannedClaim(
            id=claim.id if other.id == card.id else f"{other.id}:{claim.id}",
            judged=e.evaluation is not None or not needs_evaluation(claim.metric),
            prefix=bool(claim.steps and e.steps < claim.steps),
        )
        for other, claim in claims_about(card, e.env, e.hparam_set, e.ablation)
    ]


def result_folder(experiment: Experiment) -> Path:
    """`results/<paper>/<env>/<set>[+ablation]`."""
    return paths.RESULTS / experiment.paper / experiment.env.replace("/", "-") / experiment.arm


def write_plan(plan: Plan) -> Path:
    """Write plan.json; an older plan's results leave with it (git keeps them)."""
    folder = plan.folder
    folder.mkdir(parents=True, exist_ok=True)
    if plan.replaces is not None:
        for path in folder.iterdir():
            if path.is_file() and path.name not in ("plan.json", ATTEMPTS):
                path.unlink()
    write_json(folder / "plan.json", msgspec.to_builtins(plan))
    log_attempt(folder, event="planned", plan=plan.digest, replaces=plan.replaces)
    return folder / "plan.json"


def read_plan(path: Path) -> Plan:
    """A plan file, checked: its digests, and that its seeds are those that follow from it."""
    if path.is_dir():
        path = path / "plan.json"
    if not path.is_file():
        raise ReproError(f"no plan at {path}; write one with `repro plan ID --env E --seeds 10`")
    content = read_json(path, SCHEMA_VERSION)
    try:
        plan = msgspec.convert(content, Plan)
    except msgspec.ValidationError as error:
        words = " ".join(str(error).split())
        raise ReproError(f"{path}: not a plan ({words}); write it with `repro plan`") from None
    if plan.experiment.digest != plan.experiment_digest:
        raise ReproError(f"{path}: its experiment was edited (digest differs); plan anew")
    if plan.seeds != evidence_seeds(plan.digest, len(plan.seeds)):
        raise ReproError(f"{path}: its seeds do not follow from its content; plan anew")
    return plan


def read_plan_if_any(folder: Path) -> Plan | None:
    return read_plan(folder / "plan.json") if (folder / "plan.json").exists() else None


def plan_commit(path: Path) -> str:
    """The commit that holds the plan as it stands; `ReproError` if it is not committed."""
    path = path / "plan.json" if path.is_dir() else path
    commit = git.last_commit(path)
    if commit is None:
        raise ReproError(
            f"{shown(path)} is not committed; commit the plan before its run: "
            f"git add {shown(path.parent)} && git commit -m 'Plan' -- {shown(path.parent)}"
        )
    return commit


def check_plan_current(plan: Plan) -> None:
    """Refuse a plan whose set or ablation says something else today."""
    from repro.experiment import resolve

    planned = plan.experiment
    now = resolve(
        planned.paper,
        planned.env,
        planned.hparam_set,
        planned.ablation,
        steps=planned.steps,
        evaluate=planned.evaluation is not None,
    )
    if now.digest != planned.digest:
        names = sorted(set(now.hparams) | set(planned.hparams))
        changed = [n for n in names if now.hparams.get(n) != planned.hparams.get(n)]
        raise ReproError(
            f"set {planned.arm} has changed since the plan ({', '.join(changed) or 'protocol'}); "
            'plan anew with --because "..."'
        )


def require_committed_code(paper: str) -> None:
    """Evidence comes from code, card and sets that git has: one line names what is not in it."""
    from repro.launch.origin import code_files

    files = [
        *code_files(paper).values(),
        paths.PAPERS / f"{paper}.yaml",
        paths.HPARAMS / f"{paper}.yaml",
    ]
    inside = [path for path in files if path.resolve().is_relative_to(paths.ROOT.resolve())]
    names = [str(path.resolve().relative_to(paths.ROOT.resolve())) for path in inside]
    known = set((git.git("ls-tree", "-r", "--name-only", "HEAD") or "").splitlines())
    changed = (git.git("diff", "--name-only", "HEAD", "--", *names) or "").splitlines()
    loose = sorted({name for name in names if name not in known} | set(changed))
    if loose:
        raise ReproError(
            f"evidence runs committed code only; commit {', '.join(loose[:3])}"
            + (f" and {len(loose) - 3} more" if len(loose) > 3 else "")
            + " first, or explore without --plan"
        )


def shown(path: Path) -> str:
    """A path as a person reads it: relative to where they stand or to the clone, else whole."""
    for base in (Path.cwd(), paths.ROOT):
        if path.resolve().is_relative_to(base.resolve()):
            return str(path.resolve().relative_to(base.resolve()))
    return str(path)
