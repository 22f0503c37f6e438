"""From files back to the judge: the evidence in `results/`, and an ordinary run's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from repro import fingerprints, git, paths
from repro.errors import ReproError
from repro.files import canonical, digest, read_json, write_json
from repro.judge.types import Evidence, SeedResult, Totals
from repro.plans import Plan, read_plan, shown
from repro.results import SCHEMA_VERSION, Metrics, read_csv

if TYPE_CHECKING:
    from repro.cards.models import Card
    from repro.experiment import Experiment
    from repro.judge.types import Verdict


def need_returns(title: str, found: Iterable[object]) -> None:
    """`ReproError` where no seed has a curve: a number measured in closed form plays nothing."""
    if not any(found):
        raise ReproError(f"{title} has no returns to draw or compare: no episode ended in it")


def read_summary(folder: Path) -> tuple[dict[str, Any], dict[str, dict[int, Any]]]:
    """metrics.json of a folder, and its curves by file and seed, checked against each other."""
    metrics = read_json(folder / "metrics.json", SCHEMA_VERSION)
    try:
        msgspec.convert(metrics, Metrics)
    except msgspec.ValidationError as error:
        where = shown(folder / "metrics.json")
        words = " ".join(str(error).split())
        raise ReproError(f"{where}: not a result of ours ({words}); restore it from git") from None
    if "curves.csv" not in metrics["files"]:
        raise ReproError(f"{shown(folder / 'metrics.json')} names no curves.csv")
    curves: dict[str, dict[int, Any]] = {}
    for name, expected in metrics["files"].items():
        path = folder / name
        text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        if digest(text) != expected:
            raise ReproError(
                f"{shown(path)} does not belong to the metrics.json beside it (half-written or "
                "edited); restore it from git, or run the command that wrote it again"
            )
        curves[name] = read_csv(text)
    return metrics, curves


def evidence_of(
    folder: Path, experiment: Experiment, plan: Plan | None, looks: Sequence[int] | None = None
) -> Evidence:
    """The seeds of one summary, for the judge; exploration without a plan.

    looks: of exploration that adds seeds until it is decided; by default one look at all seeds.
    `ReproError` where the summary is another experiment's, or a planned seed is missing.
    """
    metrics, curves = read_summary(folder)
    if metrics["experiment"] != experiment.digest:
        raise ReproError(f"{shown(folder / 'metrics.json')} is another experiment's result")
    seeds = [entry["seed"] for entry in metrics["seeds"]]
    if plan is not None and (seeds != plan.seeds[: len(seeds)] or len(seeds) not in plan.looks):
        promised = " or ".join(map(str, plan.looks))
        raise ReproError(
            f"{shown(folder / 'metrics.json')} has {len(seeds)} seeds, the plan promised its "
            f"first {promised}: every planned seed must appear"
        )
    training, tests = curves["curves.csv"], curves.get("evaluations.csv", {})
    return Evidence(
        paper=experiment.paper,
        env=experiment.env,
        hparam_set=experiment.hparam_set,
        ablation=experiment.ablation,
        overrides=experiment.overrides,
        steps=experiment.steps,
        seeds=[
            SeedResult(
                seed=entry["seed"],
                status=entry["status"],
                steps=entry["steps"],
                metrics=entry["metrics"],
                curve=[(step, value) for step, value, _ in training.get(entry["seed"], [])],
                episodes=[number for *_, number in training.get(entry["seed"], [])],
                evaluations=[(step, value) for step, value, _ in tests.get(entry["seed"], [])],
            )
            for entry in metrics["seeds"]
        ],
        planned=plan is not None,
        looks=list(plan.looks) if plan else list(looks or [len(seeds)]),
        planned_seeds=list(plan.seeds) if plan else None,
        evaluation=experiment.evaluation,
    )


def has_result(plan: Plan, look: int) -> bool:
    """Whether the plan's folder holds a whole result of its first `look` seeds."""
    if not (plan.folder / "metrics.json").is_file():
        return False
    try:
        manifest = manifest_of(plan.folder)
        evidence = evidence_of(plan.folder, plan.experiment, plan)
    except ReproError:
        return False
    return manifest["plan"] == plan.digest and len(evidence.seeds) >= look


def result_folders(paper: str, tracked_only: bool = True) -> list[Path]:
    """Folders of a paper's results that hold metrics.json; in a git clone only committed ones."""
    root = paths.RESULTS / paper
    found = sorted(path.parent for path in root.glob("*/*/metrics.json"))
    tracked = git.tracked(root) if tracked_only else None
    if tracked is None:
        return found
    names = {path.resolve() for path in tracked}
    return [folder for folder in found if (folder / "metrics.json").resolve() in names]


def committed(paper: str, tracked_only: bool = True) -> list[Evidence]:
    """All planned evidence of a paper."""
    return [read_result(folder) for folder in result_folders(paper, tracked_only)]


def speaking_to(card: Card, tracked_only: bool = True) -> list[Evidence]:
    """All planned evidence that a card's claims ask for: its own, and its rivals'."""
    from repro.cards.arms import rivals

    papers = [card.id, *rivals(card)]
    return [run for paper in papers for run in committed(paper, tracked_only)]


def read_result(folder: Path) -> Evidence:
    """One planned result, checked against the plan beside it; stale where it is run-stale."""
    plan = read_plan(folder)
    found = evidence_of(folder, plan.experiment, plan)
    return msgspec.structs.replace(found, stale=bool(fingerprints.since(folder)))


def judge(card: Card, evidence: Iterable[Evidence]) -> list[Verdict]:
    """The judge's verdicts on every claim of the card, in the card's order."""
    from repro.judge import judge_paper

    return list(judge_paper(card, list(evidence)))


def verdicts_document(card: Card, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """verdicts.json: derived from results and the card alone, so it has no date."""
    from repro.cards import card_digest
    from repro.judge import paper_status

    status = paper_status(card, verdicts)
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "paper": card.id,
        "card_digest": card_digest(card),
        "status": status.status,
        "reason": status.reason,
        "totals": msgspec.to_builtins(status.totals),
        "verdicts": [verdict.to_dict() for verdict in verdicts],
    }
    # As read back from the file: lists, not tuples, so that two documents can be compared.
    plain: dict[str, Any] = json.loads(canonical(document))
    return plain


def write_verdicts(card: Card, document: dict[str, Any]) -> Path:
    path = paths.RESULTS / card.id / "verdicts.json"
    write_json(path, document)
    return path


def stored_verdicts(paper: str) -> dict[str, Any] | None:
    """verdicts.json as it stands; None where there is none."""
    path = paths.RESULTS / paper / "verdicts.json"
    if not path.is_file():
        return None
    return checked_verdicts(read_json(path, SCHEMA_VERSION), path)


class _Ours(msgspec.Struct):
    n: int
    mean: float
    std: float | None


class _Interval(msgspec.Struct):
    difference: float


class _Seed(msgspec.Struct):
    status: str


class _Verdict(msgspec.Struct):
    """What pages and commands show of a verdict; `repro.judge.types.Verdict` is the whole."""

    claim: str
    kind: str
    metric: str
    env: str
    hparam_set: str
    answer: str
    headline: str
    reach: str | None
    settleable: bool
    settled_by: str | None
    command: str | None
    answer_at_default_tolerance: str | None
    marks: list[str]
    warnings: list[str]
    reasons: list[str]
    seeds: list[_Seed]
    ours: _Ours | None
    interval: _Interval | None


class _Verdicts(msgspec.Struct):
    card_digest: str
    status: str
    reason: str
    totals: Totals
    verdicts: list[_Verdict]


def checked_verdicts(document: Any, path: Path) -> dict[str, Any]:
    """The document, if it has the shape of a verdicts.json; ReproError in one line otherwise."""
    try:
        msgspec.convert(document, _Verdicts)
    except msgspec.ValidationError as error:
        words = " ".join(str(error).split())
        raise ReproError(
            f"{shown(path)}: not verdicts of ours ({words}); `git checkout` it, or remove it and "
            "run `repro verify`"
        ) from None
    plain: dict[str, Any] = document
    return plain


def papers_with_results() -> list[str]:
    """Ids of the papers that have a folder with metrics in `results/`."""
    return sorted({path.parts[-4] for path in paths.RESULTS.glob("*/*/*/metrics.json")})


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a result or of a run; `ReproError` for one that is not ours."""
    manifest: dict[str, Any] = read_json(folder / "manifest.json", SCHEMA_VERSION)
    return manifest


def experiment_of(folder: Path) -> Experiment:
    """The experiment of a result's plan or of a run's manifest."""
    from repro.experiment import Experiment

    if (folder / "plan.json").is_file():
        return read_plan(folder).experiment
    manifest = manifest_of(folder)
    try:
        return msgspec.convert(manifest["experiment"]["content"], Experiment)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        words = " ".join(str(error).split())
        raise ReproError(f"{folder}: its manifest is not one of ours ({words})") from None


def own_verdicts(card: Card, experiment: Experiment, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that are about this experiment's environment and set and could be judged."""
    from repro.experiment import claims_of

    claims = claims_of(card, experiment.env, experiment.hparam_set)
    if experiment.ablation:
        claims += claims_of(card, experiment.env, experiment.hparam_set, experiment.ablation)
    about = {claim.id for claim in claims}
    return [v for v in verdicts if v.claim in about and v.answer != "not tested"]
