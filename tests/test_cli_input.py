"""The command line with wrong input: one clear line, status 2, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys

import evidence_tools as tools
import pytest

from repro.cards import convert_hparams
from repro.cli import COMMANDS, main
from repro.commands.arguments import counts, seed_list, whole
from repro.errors import ReproError
from repro.training.choices import Convolutional


def typed(capsys, *arguments):
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


RUN = ("run", "ppo-2017", "--env", "CartPole", "--steps", "64")
# where a paper's bounds are tried, if not on CartPole
BOUNDED = {
    "ars-2018": ("--env", "Swimmer", "--steps", "512"),
    "ddpg-2015": ("--env", "Pendulum", "--steps", "512"),
    "dqn-2013": ("--env", "Breakout", "--steps", "512"),
    "td3-2018": ("--env", "Pendulum", "--steps", "512"),
    "truly-pg-2018": ("--env", "Hopper", "--steps", "2048"),
    "where-optimum-2018": ("--env", "Hopper", "--steps", "2048"),
    "deep-rl-matters-2017": ("--env", "TwoHalves"),
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("runn",), 'did you mean "run"?'),
        (("run", "ppo-2018", "--env", "CartPole"), 'did you mean "ppo-2017"?'),
        (("run", "trpo-2015", "--env", "Hopper"), "implement"),
        (("run", "--env", "CartPole"), "which paper?"),
        (("run", "ppo-2017"), "--env is missing"),
        (("run", "ppo-2017", "--env", "CartPol"), 'did you mean "CartPole"?'),
        (("run", "ppo-2017", "--env", "Hopper-v2"), "--env Hopper"),
        (("run", "ppo-2017", "--env", "Breakout"), "how ALE/Breakout-v5 is played"),
        (("run", "ppo-2017", "--env", "Breakout", "--hparams", "atari"), "cannot be run yet"),
        ((*RUN, "--hparams", "clasic"), 'did you mean "classic"?'),
        ((*RUN, "--ablation", "no-clp"), 'did you mean "no-clip"?'),
        ((*RUN, "--set", "gama=0.9"), 'did you mean "gamma"?'),
        ((*RUN, "--set", "gamma=fast"), "expected a number"),
        ((*RUN, "--set", "gamma"), "field=value"),
        ((*RUN, "--set", "gamma=[1"), "--set gamma=[1"),
        ((*RUN, "--seeds", "zero"), "--seeds zero"),
        ((*RUN, "--seeds", "0"), "--seeds 0"),
        ((*RUN, "--seeds", "4-1"), "backwards"),
        ((*RUN, "--seeds", "1,1"), "seed 1 stands there twice"),
        ((*RUN, "--seeds", "5,100"), "kept for evidence"),
        ((*RUN, "--sed", "1"), 'did you mean "--seeds"?'),
        (("run", "ppo-2017", "--env", "CartPole", "--steps", "many"), "whole number"),
        (("run", "ppo-2017", "--env", "CartPole", "--steps", "-1"), "--steps -1"),
        ((*RUN, "--device", "tpu"), "--device tpu"),
        ((*RUN, "--workers", "0"), "--workers 0"),
        (("run", "--plan", "nowhere/plan.json"), "no plan at"),
        (("run", "ppo-2017", "--plan", "x"), "leave out a paper"),
        (("plan", "ppo-2017"), "--env is missing"),
        (("plan", "ppo-2017", "--env", "CartPole", "--looks", "5,x"), "--looks 5,x"),
        (("plan", "ppo-2017", "--env", "CartPole", "--looks", "3,10"), "5,10,20,40"),
        (("show", "ppo"), None),
        (("show", "pop-2017"), 'did you mean "ppo-2017"?'),
        (("show", "ppo-2017", "--hparams", "mujoc"), 'did you mean "mujoco"?'),
        (("show", "dnq-2013"), 'did you mean "dqn-2013"?'),
        (("verify", "pop-2017"), 'did you mean "ppo-2017"?'),
        (("verify", "nope"), 'no paper "nope": nearest: '),
        (("show", "zzzz"), "nearest: horizon, "),
        (("show", "zzzz"), "see `repro papers`"),
        (("run", "zzzz", "--env", "CartPole"), "see `repro papers`"),
        (("plot", "ppo-2017", "--env", "CartPole", "--out", "x.gif"), ".svg, .png or .pdf"),
        (("plot", "ppo-2017", "--env", "Acrobot"), "no result in"),
        (("plot", "no/such/run"), "no finished run"),
        (("papers", "--topic", "polcy gradients"), "Policy Gradients"),
        (("papers", "--kind", "algoritm"), 'did you mean "algorithm"?'),
        (("papers", "--year", "17"), "--year"),
    ],
)
def test_wrong_input_gets_one_line(capsys, monkeypatch, tmp_path, arguments, expected):
    monkeypatch.setattr("repro.paths.RUNS", tmp_path / "runs")
    monkeypatch.setattr("repro.paths.RESULTS", tmp_path / "results")
    status, out, err = typed(capsys, *arguments)
    if expected is None:
        assert (status, err) == (0, "")
        return
    assert status == 2
    assert expected in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert out == ""
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("paper", "setting", "expected"),
    [
        ("ppo-2017", "minibatch_size=0", "minibatch_size: found 0, expected a whole number >= 1"),
        ("ppo-2017", "num_actors=0", "num_actors: found 0, expected a whole number >= 1"),
        ("ppo-2017", "epochs=-3", "epochs: found -3, expected a whole number >= 1"),
        ("ppo-2017", "gamma=5", "gamma: found 5, expected a number >= 0 and <= 1"),
        ("ppo-2017", "gamma=-1", "gamma: found -1, expected a number >= 0 and <= 1"),
        ("ppo-2017", "minibatch_size=5000", "minibatch_size: found 5000, expected at most "),
        ("ppo-2017", "adam.beta2=1", "adam.beta2: found 1, expected a number >= 0 and < 1"),
        ("ppo-2017", "network.hidden=[64,0]", "network.hidden[1]: found 0, expected a whole"),
        ("a3c-2016", "gamma=1.5", "gamma: found 1.5, expected a number >= 0 and <= 1"),
        ("ars-2018", "noise_std=0", "noise_std: found 0, expected a number > 0"),
        ("ars-2018", "top_directions={kind: best, count: 9000}", "count: found 9000, expected at"),
        ("ddpg-2015", "tau=2", "tau: found 2, expected a number >= 0 and <= 1"),
        ("ddpg-2015", "critic_network.action_layer=3", "action_layer: found 3, expected at most 2"),
        ("dqn-2013", "replay_capacity=5", "replay_capacity: found 5, expected at least 6"),
        ("dqn-2013", "atari.changes.stack=2000000", "expected at least 2000002"),
        ("dqn-2013", "exploration.steps=0", "exploration.steps: found 0, expected a whole"),
        ("pg-theorem-1999", "episodes=0", "episodes: found 0, expected a whole number >= 1"),
        ("td3-2018", "policy_delay=0", "policy_delay: found 0, expected a whole number >= 1"),
        ("truly-pg-2018", "measurement.estimates=1", "estimates: found 1, expected at least 2"),
        ("truly-pg-2018", "measurement.rollouts=[3,10]", "rollouts: found [3, 10], expected all"),
        ("where-optimum-2018", "optimizer.beta1=-0.5", "optimizer.beta1: found -0.5, expected"),
        ("deep-rl-matters-2017", "runs=7", "runs: found 7, expected an even number, at least 4"),
    ],
)
def test_a_value_out_of_bounds_gets_one_line(
    capsys, monkeypatch, tmp_path, paper, setting, expected
):
    monkeypatch.setattr("repro.paths.RUNS", tmp_path / "runs")
    options = BOUNDED.get(paper, ("--env", "CartPole", "--steps", "512"))
    status, out, err = typed(capsys, "run", paper, *options, "--seeds", "0,1", "--set", setting)
    assert (status, out) == (2, "")
    assert expected in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_network_has_its_numbers_for_each_layer():
    lists = {"channels": [16, 32], "kernels": [8], "strides": [4, 2], "padding": "same"}
    with pytest.raises(ReproError, match="found 2, 1, 2 numbers, expected one a layer"):
        convert_hparams({"kind": "conv", **lists, "hidden": 8}, Convolutional)


def test_wrong_seeds_are_said_before_anything_is_loaded():
    heavy = "any(name in sys.modules for name in ('torch', 'gymnasium', 'numpy'))"
    code = f"import sys; from repro.cli import main; main(sys.argv[1:]); print({heavy})"
    command = [sys.executable, "-c", code, *RUN, "--seeds", "zero"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert "--seeds zero" in done.stderr


def test_debug_shows_the_traceback(capsys):
    with pytest.raises(ReproError):
        main(["show", "pop-2017", "--debug"])


def test_an_internal_error_is_said_in_one_line_with_status_4(capsys, monkeypatch):
    def broken(args):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("repro.commands.env.execute", broken)
    status, _, err = typed(capsys, "env")
    assert status == 4
    assert err.startswith("repro: internal error: RuntimeError: two")
    assert err.count("\n") == 1


def test_ctrl_c_gives_status_130(capsys, monkeypatch):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("repro.commands.env.execute", interrupted)
    assert typed(capsys, "env")[0] == 130


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", [0, 1, 2]),
        ("0,2,5", [0, 2, 5]),
        ("0-4", [0, 1, 2, 3, 4]),
        ("7,", [7]),
        ("0-2,9", [0, 1, 2, 9]),
        ("5,1", [5, 1]),
    ],
)
def test_seeds_are_a_number_a_list_or_a_range(text, seeds):
    assert seed_list(text) == seeds


@pytest.mark.parametrize("text", ["", "-3", "1-", "a,b", "1,,2", "1.5", "0-99999999", "--"])
def test_other_seed_lists_are_refused(text):
    with pytest.raises(ReproError):
        seed_list(text)


def test_numbers_are_read_as_people_write_them():
    assert [whole(t) for t in ("1000000", "1_000_000", "1e6", "1,000,000")] == [1_000_000] * 4
    for wrong in ("1.5", "nan", "inf", "", "x"):
        with pytest.raises(ReproError):
            whole(wrong)
    assert counts("5,10,20") == [5, 10, 20]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda module: module.__name__)
def test_every_command_has_help_with_an_example(capsys, command):
    name = command.__name__.rpartition(".")[2]
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert f"repro {name}" in out
    assert "examples:" in out


def test_without_a_command_the_help_is_shown(capsys):
    status, out, _ = typed(capsys)
    assert status == 0
    assert "repro run ppo-2017 --env HalfCheetah" in out


def test_listing_imports_nothing_heavy():
    """papers, show, cite, related, --help in half a second: no torch, numpy, scipy, gymnasium."""
    program = """
import contextlib, io, sys
from repro.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    for words in (
        ["papers", "--kind", "theory"], ["show", "ppo"], ["show", "ppo", "--hparams", "mujoco"],
        ["cite", "ppo"], ["related", "trust", "region"],
    ):
        assert main(words) == 0
    with contextlib.suppress(SystemExit):
        main(["run", "--help"])
heavy = {"torch", "numpy", "scipy", "gymnasium", "mujoco", "matplotlib", "rich", "wandb"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tools.PROJECT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_outside_a_clone_it_says_so_in_one_line(tmp_path):
    done = tools.repro("papers", root=tmp_path)
    assert done.returncode == 2
    assert "works from a clone" in done.stderr
    assert done.stderr.count("\n") == 1
    assert tools.repro("env", "--json", root=tmp_path).returncode == 0


def test_it_works_from_any_folder(tmp_path):
    done = tools.repro("papers", "proximal", "policy", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert "ppo-2017" in [paper["id"] for paper in json.loads(done.stdout)]


def test_the_list_has_all_papers_and_can_be_filtered(capsys):
    listed = json.loads(typed(capsys, "papers", "--json")[1])
    assert len(listed) == 105
    some = json.loads(typed(capsys, "papers", "--topic", "policy gradients", "--json")[1])
    assert 0 < len(some) < 105
    assert all("Policy Gradients" in paper["section"] for paper in some)
    year = json.loads(typed(capsys, "papers", "--year", "2017", "--json")[1])
    assert {paper["year"] for paper in year} == {2017}


def test_a_closed_pipe_is_no_error():
    process = subprocess.run(
        f"{sys.executable} -m repro papers --json | head -1",
        shell=True,
        cwd=tools.PROJECT,
        capture_output=True,
        text=True,
    )
    assert process.stderr == ""
    assert process.stdout == "[\n"


def test_show_gives_every_value_of_a_set_with_its_source(capsys):
    status, out, _ = typed(capsys, "show", "ppo-2017", "--hparams", "mujoco")
    assert status == 0
    assert "gae_lambda" in out
    assert "Table 3" in out
    values = json.loads(typed(capsys, "show", "ppo-2017", "--hparams", "mujoco", "--json")[1])
    assert values["values"]["gamma"] == 0.99


def test_the_papers_page_lists_claims_sets_and_how_to_run(capsys):
    out = typed(capsys, "show", "ppo-2017")[1]
    for expected in ("halfcheetah-figure-3", "Figure 3", "no-clip", "mujoco-ppo2", "repro run ppo"):
        assert expected in out
    assert not [line for line in out.splitlines() if line.startswith("    inconclusive;")]


def test_env_names_versions_and_no_folders(capsys):
    facts = json.loads(typed(capsys, "env", "--json")[1])
    assert facts["mujoco-engine"]
    assert facts["torch"]
    assert str(tools.PROJECT) not in json.dumps(facts)
    told = dict(line.split(maxsplit=1) for line in typed(capsys, "env")[1].splitlines())
    assert told["changed"].removeprefix("files").strip() in ("yes", "no", "–")
