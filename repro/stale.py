"""What is stale: results whose code behaves otherwise now, and verdicts that are no longer given.

Stale evidence still counts, marked. *Run-stale* follows from the stored fingerprints alone
(`repro.fingerprints`); here they are measured, and brought up to date.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from repro import fingerprints, git, paths
from repro.cards.sets import alias
from repro.errors import ReproError
from repro.evidence import experiment_of, manifest_of, result_folders
from repro.experiment import (
    Experiment,
    environment_id,
    implementation_of,
    merged,
    same_env,
    waiting_sets,
)
from repro.fingerprints import Fingerprint
from repro.launch import origin

# Tried after the environments of a set's claims: real-valued actions, choices, pictures.
OTHERWISE = ("InvertedPendulum", "CartPole", "Breakout")


def arms_of(paper: str) -> list[str]:
    """Every set of the paper, and every set+ablation that has a plan."""
    from repro.cards import load_sets

    planned = {path.parent.name for path in (paths.RESULTS / paper).glob("*/*/plan.json")}
    return sorted({*load_sets(paper), *planned})


def environments(paper: str, arm: str) -> list[str]:
    """Environments on which an arm may be tried, the best one first; resolved ids."""
    from repro.cards import load_card

    hparams = arm.partition("+")[0]
    named = [claim.env for claim in load_card(paper).claims if claim.hparams == hparams]
    found: dict[str, None] = {}
    for name in (*named, *OTHERWISE):
        try:
            found[environment_id(name)] = None
        except ReproError:  # "several", or a task that we do not have
            continue
    return list(found)


def exempt(paper: str, arm: str) -> str | None:
    """Why an arm has no fingerprint by its nature; None where it should have one."""
    from repro.cards import load_card, load_sets

    hparams, _, ablation = arm.partition("+")
    if hparams in getattr(implementation_of(paper), "MEASURED", {}):
        return "a measurement in closed form: nothing is trained"
    if why := waiting_sets(implementation_of(paper)).get(hparams):
        return f"cannot be run yet: {why}"
    values = load_sets(paper)[hparams].values()
    if ablation:
        values = merged(
            values, load_card(paper).ablations[ablation].changes, f"ablation {ablation}"
        )
    why = origin.declared(paper, values, "not_deterministic")
    return f"not deterministic: {why}" if why else None


def measured(paper: str, arm: str, env: str | None = None) -> Fingerprint | str:
    """The arm's fingerprint by the code as it stands, or why there is none.

    env: resolved; by default the first environment on which the arm trains.
    """
    from repro.behaviour import measure

    if why := exempt(paper, arm):
        return why
    why = "no environment for it"
    for candidate in [env] if env else environments(paper, arm):
        try:
            return Fingerprint(env=candidate, values=measure(paper, arm, candidate))
        except (ReproError, AssertionError, ImportError, TypeError, ValueError) as error:
            why = f"{candidate}: {error}".splitlines()[0]
    return why


def measured_at(commit: str, paper: str, arm: str, env: str) -> Fingerprint:
    """The arm's fingerprint by the code of a commit, in a copy of its tree."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        git.unpack(commit, copy)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("REPRO_")}
        script = Path(__file__).with_name("behaviour.py")
        done = subprocess.run(
            [sys.executable, "-P", str(script), paper, arm, env],
            cwd=copy,
            env=inherited | {"REPRO_ROOT": str(copy), "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ReproError(f"{paper} {arm} cannot be measured at commit {commit[:12]}: {last}")
    return Fingerprint(env=env, values=json.loads(done.stdout))


def update(paper: str) -> tuple[fingerprints.File, list[str]]:
    """The paper's fingerprints brought up to date, and what changed, in words; writes nothing.

    Values that are the same but for rounding stay as they are stored.
    """
    old = fingerprints.read(paper)
    arms: dict[str, Fingerprint] = {}
    without: dict[str, str] = {}
    said: list[str] = []
    for arm in arms_of(paper):
        stored = old.arms.get(arm)
        now = measured(paper, arm, stored.env if stored else None)
        if isinstance(now, str):
            without[arm] = now
            if stored or old.without.get(arm) != now:
                said.append(f"{arm}: none ({now})")
            continue
        changes = fingerprints.differences(stored, now) if stored else ["new"]
        arms[arm] = now if changes or stored is None else stored
        said += [f"{arm}: {change}" for change in changes]
    said += [f"{arm}: gone" for arm in old.arms.keys() - arms.keys() - without.keys()]
    results: dict[str, dict[str, Fingerprint]] = {}
    for folder in result_folders(paper):
        arm, code = folder.name, fingerprints.result_code(folder)
        if arm not in arms:
            continue
        then = old.results.get(code, {}).get(arm)
        if then is None or then.env != arms[arm].env:
            then = of_result(folder, arms[arm])
            said.append(f"{arm}: code {code}, which a result was made with")
        results.setdefault(code, {})[arm] = then
    file = fingerprints.File(
        schema_version=fingerprints.SCHEMA_VERSION, arms=arms, without=without, results=results
    )
    return file, said


def of_result(folder: Path, now: Fingerprint) -> Fingerprint:
    """How a committed result's code behaved; `now` where that code is today's."""
    paper, arm = folder.parts[-3], folder.name
    code = manifest_of(folder)["code"]
    if code["digest"] == origin.code_digest(paper):
        return now
    return measured_at(code["commit"], paper, arm, now.env)


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """A stale result: what is about it, why, and the command that renews it."""

    result: str
    why: list[str]
    command: str


def run_stale(paper: str) -> tuple[list[Stale], list[str], dict[str, str]]:
    """Results of a paper that behave otherwise by the code as it stands; those not known; and
    those that no fingerprint can tell of, with the reason."""
    stored = fingerprints.read(paper)
    folders = result_folders(paper)
    now: dict[str, Fingerprint] = {}
    for arm in sorted({folder.name for folder in folders} & stored.arms.keys()):
        found = measured(paper, arm, stored.arms[arm].env)
        if isinstance(found, Fingerprint):
            now[arm] = found
    stale, unknown, untold = [], [], {}
    for folder in folders:
        experiment = experiment_of(folder)
        changes = fingerprints.since(folder, now)
        if changes is None and (why := exempt(paper, folder.name)):
            untold[experiment.title] = why
        elif changes is None:
            unknown.append(experiment.title)
        elif changes:
            stale.append(
                Stale(result=experiment.title, why=changes, command=planning(experiment, folder))
            )
    return stale, unknown, untold


def planning(experiment: Experiment, folder: Path) -> str:
    """The command that plans a stale result anew, with as many seeds and looks."""
    from repro.plans import read_plan

    plan = read_plan(folder)
    words = [f"repro plan {experiment.paper} --env {short(experiment.env)}"]
    words += [f"--hparams {experiment.hparam_set}"]
    words += [f"--ablation {experiment.ablation}"] if experiment.ablation else []
    words += [f"--steps {experiment.steps}"]
    words += ["--evaluate"] if experiment.evaluation else []
    words += [f"--looks {','.join(map(str, plan.looks))}"] if len(plan.looks) > 1 else []
    return " ".join([*words, f'--seeds {len(plan.seeds)} --because "run-stale"'])


def short(env: str) -> str:
    """`HalfCheetah-v4` as people type it, where that means the same."""
    name = alias(env)
    return name if same_env(name, env) else env


def judge_stale(paper: str) -> Stale | None:
    """What the judge says otherwise of a paper than its stored verdicts.json."""
    from repro import evidence
    from repro.cards import load_card
    from repro.commands.verify import differences

    card = load_card(paper)
    stored = evidence.stored_verdicts(paper)
    fresh = evidence.verdicts_document(card, evidence.judge(card, evidence.speaking_to(card)))
    if stored == fresh:
        return None
    return Stale(result=paper, why=differences(stored, fresh), command=f"repro verify {paper}")


def plain(found: Iterable[Stale]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(one) for one in found]
