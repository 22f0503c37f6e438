"""Where every wanted experiment stands: results, verdicts and earlier nights, read once."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repro import evidence, fingerprints, git, paths
from repro.cards import load_card
from repro.errors import ReproError
from repro.judge.case import FEW
from repro.launch import origin
from repro.nightly.night import Event, Report
from repro.nightly.schedule import Standing, State
from repro.nightly.wanted import Skipped, Wanted
from repro.plans import (
    LOOKS,
    Plan,
    check_plan_current,
    read_plan_if_any,
    result_folder,
    shown,
)
from repro.training.environments.names import is_mujoco


def standings(
    wanted: Iterable[Wanted], reports: Sequence[Report]
) -> tuple[list[Standing], list[Skipped]]:
    """Each wanted experiment's standing; what cannot be scheduled, with the reason."""
    looked = _looked(reports)
    verdicts: dict[str, list[Any]] = {}
    found, skipped = [], []
    for each in wanted:
        folder = result_folder(each.experiment)
        try:
            plan = read_plan_if_any(folder)
            if plan is None:
                found.append(_new(each))
                continue
            if git.last_commit(folder / "plan.json") is None:
                raise ReproError(f"{shown(folder / 'plan.json')} is not committed")
            paper = each.experiment.paper
            if (folder / "metrics.json").is_file() and paper not in verdicts:
                card = load_card(paper)
                verdicts[paper] = evidence.judge(card, evidence.speaking_to(card))
            seen = looked.get(folder.relative_to(paths.RESULTS).as_posix(), [])
            found.append(_planned(each, plan, seen, verdicts.get(paper, [])))
        except ReproError as error:
            skipped.append(Skipped(each.experiment.title, str(error)))
    return found, skipped


def _looked(reports: Sequence[Report]) -> Mapping[str, list[Event]]:
    """Result folder → its checks of earlier nights that came to an end, oldest first."""
    found: dict[str, list[Event]] = {}
    for report in reports:
        for event in report.events:
            if event.kind == "check" and event.outcome in ("as committed", "suspected", "worse"):
                found.setdefault(event.folder, []).append(event)
    return found


def _new(each: Wanted) -> Standing:
    return Standing(each.experiment, "new", "never planned", each.tests, each.central, looks=LOOKS)


def _planned(
    each: Wanted, plan: Plan, checks: Sequence[Event], verdicts: Sequence[Any]
) -> Standing:
    folder = plan.folder
    changed = _changed(plan)

    def standing(state: State, why: str, renew: bool = False, **more: Any) -> Standing:
        experiment = each.experiment if renew else plan.experiment
        looks = tuple(plan.looks)
        return Standing(
            experiment, state, why, each.tests, each.central, looks, renew=renew, **more
        )

    if not (folder / "metrics.json").is_file():
        if changed:
            return standing("stale", changed, renew=True)
        planned = datetime.date.fromisoformat(plan.date)
        return standing("promised", f"planned on {plan.date}, not run yet", checked=planned)
    have = len(evidence.read_result(folder).seeds)
    manifest = evidence.manifest_of(folder)
    ran = datetime.date.fromisoformat(str(manifest["started"])[:10])
    last = checks[-1] if checks else None
    checked = max([ran, *(datetime.date.fromisoformat(event.night) for event in checks)])
    known: dict[str, Any] = {"have": have, "checked": checked}
    if last and last.outcome == "suspected":
        return standing("suspected", f"looked worse on {last.night}; to be confirmed", **known)
    if changed:
        return standing("stale", changed, renew=True, **known)
    if last and last.outcome == "worse":
        return standing("stale", f"found worse on {last.night}", **known)
    if why := _stale(plan, manifest):
        # Compared first: a regression is told apart before new evidence takes the old one's place.
        compared = last is not None and last.code == origin.code_digest(plan.experiment.paper)
        return standing("stale", why, renew=compared, **known)
    open_ = _undecided(plan, verdicts) if have < plan.looks[-1] else None
    if open_:
        return standing("undecided", f"{open_} at {have} seeds", **known)
    return standing("decided", f"last looked at on {checked}", **known)


def _changed(plan: Plan) -> str | None:
    try:
        check_plan_current(plan)
    except ReproError as error:
        return str(error)
    return None


def _stale(plan: Plan, manifest: Mapping[str, Any]) -> str | None:
    """How its code behaves otherwise now, or that the engine is another; None where neither."""
    if changes := fingerprints.since(plan.folder):
        return f"run-stale: {changes[0]}"
    if not is_mujoco(plan.experiment.env):  # how others behave is in the fingerprints
        return None
    then, now = manifest["machine"].get("mujoco-engine"), origin.machine()["mujoco-engine"]
    return None if then == now else f"ran on MuJoCo {then}, here is {now}"


def _undecided(plan: Plan, verdicts: Sequence[Any]) -> str | None:
    """The first claim of this arm that more seeds may decide, in words."""
    for verdict in evidence.own_verdicts(
        load_card(plan.experiment.paper), plan.experiment, verdicts
    ):
        hopeful = verdict.settleable or verdict.reach == "undecided"
        if (verdict.answer == "inconclusive" and hopeful) or FEW in verdict.marks:
            return f"{verdict.claim} is {verdict.headline}"
    return None


def has_results(root: Path) -> bool:
    return any(root.glob("*/*/*/metrics.json"))
