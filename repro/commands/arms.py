"""What a user means by a run: a folder, a result kept in git, or the newest run of an experiment.

ppo-2017                        the card's own set for --env
ppo-2017:mujoco-ppo2            another set
ppo-2017:mujoco+no-clip         with an ablation
ppo-2017/HalfCheetah-v4/mujoco  as a result's folder is called below results/
runs/ppo-2017/…/1f0c9a2b3d4e    any folder
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import ReproError

if TYPE_CHECKING:
    from repro.experiment import Experiment


def folder_of(name: str, env: str | None, summary: str = "manifest.json") -> Path:
    """The folder that a name means: a result if there is one, else the newest run.

    summary: the file that must be in it. `ReproError` with what there is, where none has it.
    """
    from repro import paths
    from repro.cards import resolve_id
    from repro.plans import result_folder

    place = Path(name)
    for folder in (place, paths.RESULTS / name):
        if (folder / summary).is_file():
            return folder
    if place.is_dir() or name.count("/") > 2 or name.startswith((".", "/", "runs/", "results/")):
        missing = "finished run" if summary == "metrics.json" else "run"
        raise ReproError(
            f"{name} holds no {missing} ({summary} is missing); {there_are(None, env)}"
        )
    if "/" in name:
        name, env = _parted(name, env)
    if not env:
        paper = resolve_id(name.partition(":")[0].partition("+")[0])
        raise ReproError(f"--env is missing: which task of {paper}? {there_are(paper, None)}")
    experiment = experiment_named(name, env)
    result = result_folder(experiment)
    if (result / summary).is_file():
        return result
    runs = runs_of(experiment, summary)
    if runs:
        return runs[-1]
    have = there_are(experiment.paper, experiment.env)
    raise ReproError(f"no result and no run of {experiment.title}; {have}")


def experiment_named(name: str, env: str) -> Experiment:
    """The experiment that `paper[:set][+ablation]` means on a task."""
    from repro.experiment import resolve

    paper, _, arm = name.partition(":")
    if "+" in paper:
        paper, _, ablation = paper.partition("+")
        arm = f"{arm}+{ablation}"
    hparams, _, ablation = arm.partition("+")
    return resolve(paper, env, hparams or None, ablation or None)


def runs_of(experiment: Experiment, summary: str = "metrics.json") -> list[Path]:
    """Run folders of this paper, task, set and ablation without overrides, the newest last."""
    from repro import paths
    from repro.evidence import experiment_of

    root = paths.RUNS / experiment.paper / experiment.env.replace("/", "-") / experiment.arm
    found = sorted(root.glob(f"*/{summary}"), key=lambda path: path.stat().st_mtime)
    return [path.parent for path in found if not experiment_of(path.parent).overrides]


def _parted(name: str, env: str | None) -> tuple[str, str | None]:
    """`paper/env/arm` → `paper:arm`, env."""
    paper, task, *arm = name.split("/")
    if env and env != task:
        raise ReproError(f"{name} names {task} already; leave out --env {env}")
    return f"{paper}:{arm[0]}" if arm else paper, task


def there_are(paper: str | None, env: str | None) -> str:
    """What could be named instead, in words: of this paper if it has any, this task's first."""
    from repro import paths
    from repro.experiment import same_env
    from repro.plans import shown

    kept = sorted(paths.RESULTS.glob("*/*/*/metrics.json"))
    kept += sorted(paths.RUNS.glob("*/*/*/*/metrics.json"))
    if env:
        folder = env.replace("/", "-")
        kept.sort(key=lambda path: not same_env(folder, _task(path)))
    names = [shown(path.parent) for path in kept]
    mine = [n for n in names if paper and f"/{paper}/" in f"/{n}"] or names
    if not mine:
        return "there is no result and no run yet; `repro run` makes one"
    more = f" and {len(mine) - 6} more" if len(mine) > 6 else ""
    return f"there are: {', '.join(mine[:6])}{more}"


def _task(summary: Path) -> str:
    """The task that a summary below results/ or runs/ is of."""
    from repro import paths

    root = paths.RESULTS if summary.is_relative_to(paths.RESULTS) else paths.RUNS
    return summary.relative_to(root).parts[1]
