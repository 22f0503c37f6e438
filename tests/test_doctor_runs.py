"""The doctor on real short runs of spoiled implementations, and on the sound one beside each."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from msgspec import convert
from msgspec.structs import replace as with_changes
from off_policy_tools import DDPG
from training_tools import make_run, ppo, trained

from implementations import ddpg_2015
from repro import evidence, paths
from repro.doctor.findings import examine
from repro.doctor.history import Actions, RunHistory
from repro.doctor.read import read_history, read_seed
from repro.doctor.replay import replay
from repro.errors import ReproError
from repro.experiment import resolve
from repro.player import Player, networks
from repro.runs import SeedState

STEPS = 10_240  # 40 iterations of 256
SETTINGS = {
    "num_actors": 8,
    "horizon": 32,
    "epochs": 10,
    "minibatch_size": 256,
    "gamma": 0.98,
    "step_size": {"kind": "constant", "value": 0.01},
    "network": {"kind": "mlp", "hidden": [32], "activation": "tanh"},
}


def history_of(folder: Path, settings: dict, steps: int, **known: object) -> RunHistory:
    """What the log of seed 0 says."""
    seed = read_seed(SeedState(0, "finished", steps, None, folder), steps)
    return RunHistory(title="a run", steps=steps, hparams=settings, seeds=[seed], **known)


def cartpole(
    folder: Path, planted: dict[str, object] | None = None, **changes: object
) -> RunHistory:
    """PPO on CartPole with changes. planted: values that no set may have, as a bug has them."""
    settings = SETTINGS | changes
    hparams = with_changes(ppo(**settings), **(planted or {}))
    trained(hparams, "CartPole-v1", folder, seeds=[0], steps=STEPS)
    known = {"random": 21.45, "random_std": 9.8, "reference": 475.0, "actions": Actions(choices=2)}
    return history_of(folder, settings, STEPS, **known)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return cartpole(tmp_path_factory.mktemp("sound"))


def warned(run: RunHistory) -> set[str]:
    return {finding.rule for finding in examine(run) if finding.answer == "warns"}


def test_a_sound_run_raises_no_alarm(sound):
    assert warned(sound) == set()


HUGE_STEPS = {
    "surrogate": {"kind": "none"},
    "step_size": {"kind": "constant", "value": 0.1},
}


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        pytest.param(
            {"policy-stands-still"},
            {"step_size": {"kind": "constant", "value": 0.0}},
            marks=pytest.mark.slow,
        ),
        ({"explained-variance"}, {"value_coefficient": 0.0}),
        ({"entropy-collapsed"}, {"planted": {"entropy_coefficient": -3.0}}),
        pytest.param({"kl-far-from-target", "kl-spikes"}, HUGE_STEPS, marks=pytest.mark.slow),
    ],
    ids=["no-step", "no-value-loss", "entropy-sign", "huge-steps"],
)
def test_a_spoiled_run_is_warned_of(expected, changes, tmp_path):
    assert expected <= warned(cartpole(tmp_path, **changes))


@pytest.mark.slow
def test_values_that_feed_on_themselves_are_found(tmp_path, monkeypatch):
    def ddpg(folder: Path) -> set[str]:
        hparams = DDPG | {"gamma": 0.9, "random_steps": 50, "minibatch_size": 16}
        run = make_run(convert(hparams, ddpg_2015.HParams), "Pendulum-v1", folder, [0], 300)
        ddpg_2015.train(run)
        return warned(history_of(folder, hparams, 300, random=-1205.0, random_std=284.0))

    monkeypatch.setattr("repro.training.experience.TICKS", 20)  # lines of the log
    assert "values-impossible" not in ddpg(tmp_path / "sound")
    target = ddpg_2015.bellman_target
    monkeypatch.setattr(ddpg_2015, "bellman_target", lambda r, t, v, g: target(r, t, v, 1.5))
    assert "values-impossible" in ddpg(tmp_path / "spoiled")


def test_seeds_that_share_a_generator_are_found(sound):
    twin = replace(sound.seeds[0], seed=1)
    assert "identical-seeds" in warned(replace(sound, seeds=[*sound.seeds, twin]))


RESULT = paths.RESULTS / "ppo-2017" / "Reacher-v4" / "mujoco-ppo2"


@pytest.fixture(scope="module")
def policy():
    if not (RESULT / "policy.pt").is_file():
        pytest.skip("the result on Reacher is not in this tree")
    return torch.load(RESULT / "policy.pt", weights_only=True)


def replayed(policy: dict, folder: Path, experiment=None):
    torch.save(policy, folder / "policy.pt")
    experiment = experiment or evidence.experiment_of(RESULT)
    return replay(folder / "policy.pt", experiment, 0)


def test_the_stored_policy_earns_again_what_it_earned(policy, tmp_path):
    found = replayed(policy, tmp_path)
    assert -12 < sum(found.returns) / len(found.returns) < -3
    assert found.saturated < 0.1
    assert set(found.dead.values()) == {0.0}
    again = replayed(policy, tmp_path)
    assert (again.returns, again.saturated) == (found.returns, found.saturated)


def test_a_policy_played_without_its_normaliser_is_found_out(policy, tmp_path):
    run = read_history(RESULT, replay=False)
    sound = replace(run, replay=replace(replayed(policy, tmp_path), seed=run.seeds[0].seed))
    assert "evaluation-below-training" not in warned(sound)
    pendulum = RESULT.parents[1] / "InvertedPendulum-v4" / "mujoco-ppo2"
    lost = torch.load(pendulum / "policy.pt", weights_only=True)
    moments = lost["collector"]["observations"]
    moments["mean"] += 10 * moments["variance"].sqrt()
    run = read_history(pendulum, replay=False)
    played = replayed(lost, tmp_path, evidence.experiment_of(pendulum))
    spoiled = replace(run, replay=replace(played, seed=run.seeds[0].seed))
    assert "evaluation-below-training" in warned(spoiled)


def test_dead_units_and_saturated_actions_are_found_in_the_policy(policy, tmp_path):
    dead = copy.deepcopy(policy)
    dead["model"]["policy.mean.layers.1.weight"][:, :, :40] = 0.0
    dead["model"]["policy.mean.layers.2.bias"] += 50.0
    found = replayed(dead, tmp_path)
    assert found.dead["model.policy.mean.layers.1"] == pytest.approx(40 / 64)
    assert found.dead["model.policy.mean.layers.0"] == 0.0
    assert found.saturated == 1.0


def test_a_policy_that_cannot_be_played_says_why(policy, tmp_path):
    experiment = evidence.experiment_of(RESULT)
    (tmp_path / "policy.pt").write_bytes(b"tensors")
    with pytest.raises(ReproError, match=r"policy\.pt cannot be read"):
        Player(tmp_path / "policy.pt", experiment, 0, True)
    nan = copy.deepcopy(policy)
    nan["model"]["policy.mean.layers.2.bias"] *= float("nan")
    with pytest.raises(ReproError, match="that seed diverged"):
        replayed(nan, tmp_path)
    other = copy.deepcopy(policy)
    other["model"]["policy.mean.layers.2.bias"] = torch.zeros(1, 1, 7)
    with pytest.raises(ReproError, match="does not fit the networks"):
        replayed(other, tmp_path)


def test_networks_are_counted_without_training(policy):
    found = networks(evidence.experiment_of(RESULT))
    assert found["model"]["policy.mean.layers.1.weight"] == (64, 64)
    assert list(found) == ["model"]


def test_hyperparameters_of_other_code_are_one_line():
    """A run from before a field was added can be read, and its policy no longer played."""
    experiment = resolve("ppo-2017", "CartPole")
    fewer = {name: value for name, value in experiment.hparams.items() if name != "gamma"}
    old = with_changes(experiment, hparams=fewer)
    with pytest.raises(ReproError, match=r"hyperparameters of other code.*gamma"):
        networks(old)
