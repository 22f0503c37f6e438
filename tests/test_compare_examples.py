"""What `--help` of compare and plot shows works on the results in git; what is missing is said."""

from __future__ import annotations

import re
import shlex
import shutil

import evidence_tools as tools
import pytest

from repro.commands import compare, plot

EXAMPLES = [
    shlex.split(line.strip().split("   ")[0])[1:]
    for module in (compare, plot)
    for line in re.findall(r"^  repro .*$", module.__doc__ or "", re.MULTILINE)
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The cards and sets as they are, and a copy of the results, beside which plots are drawn."""
    root = tmp_path_factory.mktemp("project")
    for name in ("papers", "hparams", "implementations"):
        (root / name).symlink_to(tools.PROJECT / name)
    left_out = shutil.ignore_patterns("td3-2018")  # so that a paper has none
    shutil.copytree(tools.PROJECT / "results", root / "results", ignore=left_out)
    return root


@pytest.mark.parametrize("arguments", EXAMPLES, ids=" ".join)
def test_the_examples_of_help_work_today(project, arguments):
    done = tools.main(*arguments, root=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert (project / done.stdout.split()[-1]).stat().st_size > 1000


def test_both_commands_have_examples():
    assert {arguments[0] for arguments in EXAMPLES} == {"compare", "plot"}


@pytest.mark.parametrize("command", ["compare", "plot"])
def test_a_run_that_played_nothing_is_called_that(project, command):
    runs = ("deep-rl-matters-2017", "deep-rl-matters-2017+as-they-come")
    done = tools.main(command, *runs, "--env", "TwoHalves", root=project)
    assert done.returncode == 2
    assert "has no returns to draw or compare: no episode ended in it" in done.stderr
    assert "diverged" not in done.stderr


@pytest.mark.parametrize("command", ["compare", "plot"])
def test_without_a_result_those_of_the_task_are_named_first(project, command):
    done = tools.main(command, "ppo-2017", "td3-2018", "--env", "Hopper", root=project)
    assert done.returncode == 2
    assert "no result and no run of td3-2018 · Hopper-v4" in done.stderr
    named = re.findall(r"results/[\w-]+/([\w-]+)/", done.stderr)
    hoppers = [task == "Hopper-v4" for task in named]
    assert hoppers[0]
    assert hoppers == sorted(hoppers, reverse=True)
