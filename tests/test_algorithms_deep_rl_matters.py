"""PPO with the paper's settings, and ten equal runs in two halves."""

from __future__ import annotations

import json

import evidence_tools as tools
import msgspec
import numpy as np
import pytest
import torch
from algorithm_cases import tiny
from scipy import stats
from training_tools import make_run

from implementations import deep_rl_matters_2017, ppo_2017
from implementations.deep_rl_matters_2017 import TwoHalves, halves, measure, t_statistics
from repro.cards import load_card, load_sets
from repro.errors import ReproError
from repro.evidence import read_result, result_folders
from repro.experiment import resolve

PAPER = "deep-rl-matters-2017"
CARD = load_card(PAPER)
CLAIMS = [claim for claim in CARD.claims if claim.hparams == "two-halves"]


def test_every_split_comes_once():
    assert halves(4).tolist() == [
        [True, True, False, False],
        [True, False, True, False],
        [True, False, False, True],
    ]
    splits = halves(10)
    assert len(splits) == 126
    assert (splits.sum(1) == 5).all()
    assert len({row.tobytes() for row in splits} | {row.tobytes() for row in ~splits}) == 252


def test_t_of_a_split_is_scipys():
    scores, splits = np.random.default_rng(0).normal(size=10), halves(10)
    found = t_statistics(scores, splits)
    for k in (0, 7, 125):
        expected = stats.ttest_ind(scores[splits[k]], scores[~splits[k]]).statistic
        assert found[k] == pytest.approx(expected)


def test_the_sets_bound_is_the_tests_level():
    values = load_sets(PAPER)["two-halves"].values()
    assert values["critical_t"] == pytest.approx(stats.t.ppf(0.975, values["runs"] - 2), abs=1e-3)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_on_two_halves_hold(claim):
    values = load_sets(PAPER)["two-halves"].values()
    if claim.ablation:
        values |= CARD.ablations[claim.ablation].changes
    found = measure(msgspec.convert(values | {"trials": 400}, TwoHalves), seed=3)
    low, high = claim.check.at_least, claim.check.at_most
    assert (low or 0.0) <= found["bound-violations"] <= (1.0 if high is None else high)
    assert (low, high) != (None, None)
    if claim.ablation:  # the level of the test, five in a hundred
        assert found["bound-violations"] > 0.02


def test_every_seed_makes_trials_of_its_own_and_equal_halves_differ_at_the_tests_level():
    values = load_sets(PAPER)["two-halves"].values() | CARD.ablations["as-they-come"].changes
    hp = msgspec.convert(values | {"trials": 2000}, TwoHalves)
    found = [measure(hp, seed)["bound-violations"] for seed in range(4)]
    assert len(set(found)) > 1
    assert np.mean(found) == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 8000) ** 0.5)


def test_the_card_says_how_our_own_seeds_of_ppo_fall_into_halves():
    """Of the committed results; the note is to be renewed with them."""
    splits, found = halves(10), {}
    for folder in result_folders("ppo-2017"):
        if folder.parent.name == "HalfCheetah-v4" and "+" not in folder.name:  # ten seeds each
            seeds = read_result(folder).seeds
            scores = np.array([seed.metrics["training-return-last-100"] for seed in seeds])
            found[folder.name] = int((np.abs(t_statistics(scores, splits)) > 2.306).sum())
    said = (
        f"{found['mujoco']} different with the set mujoco, {found['mujoco-ppo1']} with "
        f"mujoco-ppo1, {found['mujoco-ppo2']} with mujoco-ppo2."
    )
    assert any(said in note for note in CARD.notes), said


def test_training_is_ppos(tmp_path):
    hp, env = tiny(PAPER, "ppo", "Reacher")
    assert isinstance(hp, ppo_2017.HParams)
    for name, module in (("ppo", ppo_2017), ("here", deep_rl_matters_2017)):
        module.train(make_run(hp, env, tmp_path / name, steps=128))
    for seed in (0, 1):
        ours, theirs = (tmp_path / name / f"seed-{seed}.jsonl" for name in ("here", "ppo"))
        assert ours.read_text() == theirs.read_text()


def test_a_reward_scale_changes_what_is_learnt_and_not_what_is_reported(tmp_path):
    logs = {}
    for name, factor in (("none", None), ("one", 1.0), ("tenth", 0.1)):
        chosen = {"kind": "none"} if factor is None else {"kind": "factor", "factor": factor}
        hp, env = tiny(PAPER, "ppo", "Reacher", reward_normalization=chosen)
        deep_rl_matters_2017.train(make_run(hp, env, tmp_path / name, [0], 256))
        lines = (tmp_path / name / "seed-0.jsonl").read_text().splitlines()
        logs[name] = [json.loads(line) for line in lines]
    assert logs["one"] == logs["none"]  # and with it every return that was reported
    first, last = ({name: log[k] for name, log in logs.items()} for k in (1, -1))
    assert first["tenth"] == first["none"]  # of the task, before anything is learnt
    assert first["tenth"]["kind"] == "episode"
    assert last["tenth"] != last["none"]


def test_the_wide_arm_is_wide(tmp_path):
    changes = CARD.ablations["policy-400-300"].changes
    hp, env = tiny(PAPER, "ppo", "HalfCheetah", whole_networks=True, **changes)
    run = make_run(hp, env, tmp_path, [0], 1)
    deep_rl_matters_2017.train(run)
    policy = run._kept["model"].policy
    shapes = [tuple(p.shape) for p in policy.parameters() if p.ndim == 3 and p.shape[1] > 1]
    assert shapes == [(1, 17, 400), (1, 400, 300), (1, 300, 6)]
    assert torch.isfinite(run._kept["optimizer"].parameters.data).all()


def test_as_typed(tmp_path):
    clone = tools.make_clone(tmp_path)
    command = ("run", PAPER, "--seeds", "2", "--workers", "1")
    for more, shown in (
        (("--env", "TwoHalves"), "five-equal-runs-can-look-different"),
        (("--env", "TwoHalves", "--ablation", "as-they-come"), "five-equal-runs-do-not-differ"),
        (("--env", "Hopper", "--ablation", "policy-400-300", "--steps", "64",
          "--set", "horizon=64", "--set", "epochs=1"), "ppo+policy-400-300"),
    ):  # fmt: skip
        done = tools.main(*command, *more, root=clone)
        assert done.returncode == 0, done.stderr
        assert shown in done.stdout


def test_the_sets_that_wait_are_one_line():
    with pytest.raises(ReproError, match="ddpg cannot be run yet: our DDPG has no reward scale"):
        resolve(PAPER, "Hopper", "ddpg")
