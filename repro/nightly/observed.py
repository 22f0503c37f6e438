"""What earlier runs took: results' manifests, outcomes in `runs/`, events of earlier nights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from repro import paths
from repro.errors import ReproError
from repro.files import read_json
from repro.nightly.cost import Observation
from repro.nightly.night import Event, Report
from repro.plans import read_plan
from repro.results import SCHEMA_VERSION
from repro.runs import RunFolder, run_folders


def observations(reports: Iterable[Report]) -> list[Observation]:
    """All of them; a file that cannot be read is passed over, as it costs an estimate only."""
    events = [of_event(e) for report in reports for e in report.events if e.seeds and e.seconds]
    return [*_of_results(), *_of_runs(), *events]


def of_event(event: Event) -> Observation:
    paper, env, arm = event.folder.split("/")
    return Observation(paper, env, arm, event.seeds, event.steps, event.seconds, event.cpu)


def _of_results() -> Iterator[Observation]:
    for file in sorted(paths.RESULTS.glob("*/*/*/manifest.json")):
        try:
            manifest = read_json(file, SCHEMA_VERSION)
            steps = read_plan(file.parent).experiment.steps
            seconds = sum(float(part) for part in manifest["seconds"].values())
            cpu, seeds = manifest["machine"].get("cpu"), len(manifest["seeds"])
        except (ReproError, KeyError, TypeError, ValueError, AttributeError):
            continue
        if seeds and seconds > 0:
            paper, env, arm = file.parts[-4:-1]
            yield Observation(paper, env, arm, seeds, steps, seconds, cpu)


def _of_runs() -> Iterator[Observation]:
    for folder in run_folders():
        run = RunFolder(folder)
        paper, env, arm = folder.parts[-4:-1]
        try:
            manifest = run.manifest()
            content: dict[str, Any] = manifest["experiment"]["content"]
            for name, seeds in manifest["stacks"].items():
                outcome = run.outcome(name)
                if outcome and not content["overrides"] and outcome.get("seconds", 0.0) > 0:
                    yield Observation(
                        paper,
                        env,
                        arm,
                        len(seeds),
                        int(content["steps"]),
                        float(outcome["seconds"]) + float(outcome.get("evaluation_seconds", 0.0)),
                        manifest["machine"].get("cpu"),
                    )
        except (ReproError, KeyError, TypeError, ValueError, AttributeError):
            continue
