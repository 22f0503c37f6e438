"""What `--help` of compare and plot shows works on the results in git; what is missing is said."""

from __future__ import annotations

import re
import shlex
import shutil

import evidence_tools as tools
import pytest

from repro.commands import compare, plot
from repro.figures import cut

EXAMPLES = [
    shlex.split(line.strip().split("   ")[0])[1:]
    for module in (compare, plot)
    for line in re.findall(r"^  repro .*$", module.__doc__ or "", re.MULTILINE)
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The cards and sets as they are, and a copy of the results."""
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
    for kept in (project / "results").rglob("plot.svg"):  # a picture of ours is never drawn over
        assert kept.read_bytes() == (tools.PROJECT / kept.relative_to(project)).read_bytes()


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


def test_a_run_that_would_flatten_the_others_is_cut_off_at_the_bottom():
    def flat(*values):
        return {0: [(10 * i, value) for i, value in enumerate(values)]}

    learns, idles = flat(-300.0, 100.0), flat(-300.0, -200.0)
    low, lower = flat(-300.0, -30_000.0), flat(-300.0, -1e6)
    assert cut({"a": learns, "b": idles}) == (None, {})
    # the others span 400: from 20,000 below their lowest on, they would be a line
    assert cut({"a": learns, "b": flat(0.0, -20_300.0)}) == (None, {})
    limits, below = cut({"a": learns, "b": low, "c": idles, "d": lower})
    assert limits == pytest.approx((-320.0, 120.0))
    assert below == {"b": -30_000.0, "d": -1e6}
    # a run that rises far above one that stays where it was is not hidden, nor is that one
    assert cut({"a": flat(0.0, 1e6), "b": flat(0.0, 1.0)}) == (None, {})
    assert cut({"a": flat(0.0, 0.0), "b": {}}) == (None, {})


def test_the_legend_says_which_run_leaves_the_axis(project):
    runs = ("where-optimum-2018", "where-optimum-2018+step-size-large")
    done = tools.main("plot", *runs, "--env", "HalfCheetah", "--out", "cut.svg", root=project)
    assert done.returncode == 0, done.stderr
    (line,) = re.findall("[^<>]*off the axis[^<>]*", (project / "cut.svg").read_text())
    assert re.fullmatch(
        r"where-optimum-2018\+step-size-large: 10 seeds, mean; "
        r"off the axis of HalfCheetah-v4, down to −[\d,]{7,}",
        line,
    )
