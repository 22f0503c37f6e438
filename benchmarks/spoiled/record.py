"""benchmarks/spoiled.json: what the pilot and the runs found, one row a job, append-only."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from benchmarks.spoiled.faults import NONE
from benchmarks.spoiled.jobs import PAPER, Job, Task
from repro import fingerprints
from repro.cards import load_card
from repro.errors import ReproError
from repro.evidence import own_verdicts, read_result, result_folders, stored_verdicts
from repro.experiment import claims_of, resolve
from repro.files import read_json, write_json
from repro.judge import Evidence, SeedResult, Verdict, judge_paper
from repro.paths import ROOT
from repro.plans import result_folder
from repro.results import needs_evaluation

RECORD = ROOT / "benchmarks" / "spoiled.json"
SCHEMA_VERSION = 1
KEPT = (
    "claim", "answer", "headline", "reach", "settleable", "power_ceiling", "margin", "warnings",
    "ours", "theirs", "interval",
)  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    """The record, or an empty one; `pilot` and `runs` are lists of rows."""
    if not path.exists():
        return {"schema_version": SCHEMA_VERSION, "pilot": [], "runs": []}
    record: dict[str, Any] = read_json(path, SCHEMA_VERSION)
    return record


def done(path: Path, part: str, job: Job) -> bool:
    """Whether the record has this very job: same fault, task, length, seeds and code."""
    return any(job.key.items() <= row.items() for row in read(path)[part])


def append(path: Path, part: str, row: dict[str, Any]) -> None:
    record = read(path)
    record[part].append(row)
    write_json(path, record)


def full_length(job: Job, metrics: dict[str, Any]) -> Verdict:
    """What the judge would say were a pilot's numbers those of the claim's horizon.

    Read from it: mean and deviation (a diverged seed scores as the random policy), the margin,
    and whether the claim can be settled.
    """
    card = load_card(PAPER)
    experiment = resolve(PAPER, job.task.env, job.task.hparams)
    steps = experiment.steps
    seeds = [
        SeedResult(seed=s["seed"], status=s["status"], steps=steps, metrics=s["metrics"])
        for s in metrics["seeds"]
    ]
    evidence = Evidence(
        paper=PAPER, env=job.task.env, hparam_set=job.task.hparams, steps=steps, seeds=seeds,
        looks=[len(seeds)],
    )  # fmt: skip
    found = own_verdicts(card, experiment, judge_paper(card, [evidence]))
    return next(verdict for verdict in found if verdict.kind == "level")


def require_level(task: Task) -> None:
    """Refuse a task on which the paper claims no level that training alone can be judged by."""
    claims = claims_of(load_card(PAPER), task.env, task.hparams)
    if not any(c.published and not needs_evaluation(c.metric) for c in claims):
        raise ReproError(f"--task {task}: {PAPER} claims no level there; choose another task")


def pilot_row(job: Job, metrics: dict[str, Any]) -> dict[str, Any]:
    verdict = full_length(job, metrics)
    assert verdict.ours is not None
    return about(job, metrics) | {
        "mean": verdict.ours.mean,
        "std": verdict.ours.std,
        "claim": verdict.claim,
        "margin": verdict.margin,
        "settleable": verdict.settleable,
        "power_ceiling": verdict.power_ceiling,
    }


def run_row(job: Job, metrics: dict[str, Any], verdicts: dict[str, Any]) -> dict[str, Any]:
    """The row of a run, with the verdicts that the run itself wrote for its task."""
    return about(job, metrics) | {"verdicts": judged(job, verdicts)}


def committed_row(job: Job) -> dict[str, Any] | None:
    """The row of the unmodified code from the result that stands in results/, None without one.

    It must have the job's length and number of seeds, and today's code its behaviour fingerprint.
    """
    folder = result_folder(resolve(PAPER, job.task.env, job.task.hparams))
    if not job.planned or job.fault is not NONE or folder not in result_folders(PAPER):
        return None
    result, verdicts = read_result(folder), stored_verdicts(PAPER)
    alike = (result.steps, len(result.seeds)) == (job.steps, job.seeds)
    if verdicts is None or not alike or fingerprints.since(folder) != []:
        return None
    manifest = read_json(folder / "manifest.json", SCHEMA_VERSION)
    return job.key | {
        "commit": manifest["code"]["commit"],
        "date": manifest["started"][:10],
        "seeds": manifest["seeds"],
        "verdicts": judged(job, verdicts),
    }


def judged(job: Job, verdicts: dict[str, Any]) -> list[dict[str, Any]]:
    """What verdicts.json says of the job's task, in short."""
    found = [
        {name: verdict.get(name) for name in KEPT}
        for verdict in verdicts["verdicts"]
        if verdict["env"] in (job.task.env, job.task.env.rpartition("-")[0])
        and verdict["hparam_set"] == job.task.hparams
        and verdict["answer"] != "not tested"
    ]
    if not found:
        raise ReproError(f"{job.fault.name} on {job.task}: the run judged no claim")
    return found


def about(job: Job, metrics: dict[str, Any]) -> dict[str, Any]:
    """What a row says of its job."""
    return job.key | {
        "commit": job.commit,
        "date": datetime.date.today().isoformat(),
        "seeds": [entry["seed"] for entry in metrics["seeds"]],
        "seconds": round(sum(session["seconds"] for session in job.manifest()["sessions"])),
    }
