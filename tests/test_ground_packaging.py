"""Versions, pins and the commands that set everything up agree with each other."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import repro

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
MOVES_RESULTS = ["torch", "gymnasium", "mujoco", "ale-py", "numpy"]


def pins(path: Path) -> dict[str, str]:
    """Canonical name → exact version, of a file of `name==version` lines."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{path.name}: {text} is not exact"
        assert name not in found, f"{path.name}: {name} twice"
        found[name] = specifier.version
    return found


def requirements() -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    return [Requirement(line) for line in lines]


CONSTRAINTS = pins(ROOT / "constraints.txt")


@pytest.mark.parametrize(
    "requirement", [r for r in requirements() if r.name != PROJECT["name"]], ids=lambda r: r.name
)
def test_every_range_holds_its_pin(requirement: Requirement) -> None:
    pin = CONSTRAINTS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin), f"{requirement} does not allow the pinned {pin}"


def test_ranges_end_below_versions_nobody_has_tried() -> None:
    for line in PROJECT["dependencies"]:
        operators = {s.operator for s in Requirement(line).specifier}
        assert operators & {"<", "=="}, f"{line} has no upper end"


def test_the_engine_is_one_exact_version() -> None:
    (mujoco,) = [r for r in requirements() if r.name == "mujoco"]
    assert str(mujoco.specifier) == f"=={CONSTRAINTS['mujoco']}"


def test_the_pins_hold_all_that_is_needed() -> None:
    """What the pinned packages themselves require is pinned too."""
    from importlib.metadata import requires

    environment = {"extra": ""}
    for name in CONSTRAINTS:
        try:
            needed = requires(name) or []
        except ModuleNotFoundError:
            continue
        for line in needed:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                assert canonicalize_name(requirement.name) in CONSTRAINTS, f"{name} needs {line}"


def test_peers_run_on_the_same_task() -> None:
    peers = pins(ROOT / "benchmarks" / "peers.txt")
    for name in set(MOVES_RESULTS) & set(peers):
        assert peers[name] == CONSTRAINTS[name], f"benchmarks/peers.txt: {name}"


def test_python_versions_agree() -> None:
    supported = SpecifierSet(PROJECT["requires-python"])
    named = {c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if ":: Python :: 3." in c}
    assert named == {f"3.{minor}" for minor in range(6, 30) if f"3.{minor}.0" in supported}
    readme = (ROOT / "README.md").read_text()
    assert all(version in readme for version in named)


def test_version_strings_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changelog = re.findall(r"^## \[(\d\S*)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert PROJECT["version"] == repro.__version__ == str(citation["version"]) == changelog[0]


def commands() -> list[str]:
    """The commands at the top of the README: indented lines that set up an environment."""
    lines = (ROOT / "README.md").read_text().splitlines()
    return [line.strip() for line in lines if line.startswith("    python3 -m venv")]


def test_readme_has_two_commands_and_ci_runs_the_second() -> None:
    run, test = commands()
    assert run.endswith(".venv/bin/repro run ppo-2017 --env HalfCheetah")
    assert test.endswith(".venv/bin/tox")
    script = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert test in script


def test_commands_install_the_pins() -> None:
    for command in commands():
        assert "-c constraints.txt" in command
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    for section in ("testenv", "pkgenv"):
        assert "PIP_CONSTRAINT = {tox_root}/constraints.txt" in tox[section]["set_env"]


def test_tox_runs_tests_style_and_types_by_default() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    default = tox[f"testenv:{tox['tox']['env_list']}"]["commands"].split("\n")
    tests = tox["testenv:tests"]["commands"].split("\n")
    lint = tox["testenv:lint"]["commands"].split("\n")
    assert [c for c in default if c] == [c for c in lint + tests if c]
    assert {"ruff", "mypy", "pytest"} <= {c.split()[0] for c in default if c}


def test_command_line_is_where_the_package_says() -> None:
    module, _, function = PROJECT["scripts"]["repro"].partition(":")
    assert (ROOT / f"{module.replace('.', '/')}.py").exists()
    assert function == "main"
