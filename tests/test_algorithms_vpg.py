"""VPG: returns, masked means, weights of states; unequal episodes; tasks with known values."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import numpy as np
import probes
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_tools import lines, make_run, policy_at, statuses, value_at

from implementations import pg_theorem_1999
from implementations.pg_theorem_1999 import (
    action_values,
    masked_mean,
    returns_to_go,
    standardized,
    state_weights,
)
from repro.training.episodes import EpisodeCollector, Episodes
from repro.training.run import Run, Stopped

SETTINGS: dict[str, Any] = {
    "episodes": 24,
    "gamma": 0.5,
    "critic": {"kind": "value-baseline"},
    "state_weight": "undiscounted",
    "step_size": {"kind": "linear", "start": 0.05, "end": 0.0},
    "value_step_size": {"kind": "linear", "start": 0.03, "end": 0.0},
    "value_updates": 10,
    "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "epsilon_hat": False},
    "advantage_normalization": {"kind": "none"},
    "network": {"kind": "mlp", "hidden": [16], "activation": "tanh"},
    "initialization": {"kind": "normc", "hidden": 1.0, "policy": 0.1, "value": 1.0},
    "log_std": {"kind": "learnt", "initial": -0.5},
    "clip_actions": False,
    "time_limit": "terminal",
    "schedule_steps": 1200,
}
STEPS = 1200
BASELINE, NONE, ONE_STEP = ({"kind": k} for k in ("value-baseline", "none", "one-step"))
critics = pytest.mark.parametrize(
    "critic", [BASELINE, ONE_STEP], ids=["value-baseline", "one-step"]
)
every = pytest.mark.parametrize(
    "critic", [BASELINE, NONE, ONE_STEP], ids=["value-baseline", "none", "one-step"]
)


def vpg(**changes):
    return msgspec.convert(SETTINGS | changes, pg_theorem_1999.HParams)


def trained(hparams, env, folder, **options):
    run = make_run(hparams, env, folder, **({"steps": STEPS} | options))
    pg_theorem_1999.train(run)
    return run


def close(found, expected, within=0.1):
    np.testing.assert_allclose(found, np.full(len(found), expected), rtol=0, atol=within)


def ragged():
    """Two episodes of one seed: two steps to a termination, three to the time limit."""
    flags = np.zeros((1, 2, 3), dtype=bool)
    terminated, truncated, mask = flags.copy(), flags.copy(), ~flags
    terminated[0, 0, 1] = truncated[0, 1, 2] = True
    mask[0, 0, 2] = False
    return Episodes(
        observation=np.zeros((1, 2, 4, 1), np.float32),
        action=np.zeros((1, 2, 3), np.int64),
        reward=np.array([[[1, 2, 0], [4, 8, 16]]], np.float32),
        mask=mask,
        terminated=terminated,
        truncated=truncated,
    )


VALUE = np.array([[[1, 2, 3, 99], [10, 20, 30, 40]]], np.float32)


@pytest.mark.parametrize(
    ("critic", "time_limit", "expected"),
    [
        (BASELINE, "terminal", [[2, 2, 0], [12, 16, 16]]),
        (BASELINE, "bootstrap", [[2, 2, 0], [17, 26, 36]]),
        (NONE, "bootstrap", [[2, 2, 0], [17, 26, 36]]),
        (ONE_STEP, "terminal", [[2, 2, 0], [14, 23, 16]]),
        (ONE_STEP, "bootstrap", [[2, 2, 0], [14, 23, 36]]),
    ],
)
def test_action_values_by_hand(critic, time_limit, expected):
    """γ = 1/2. A termination is worth nothing, a cut its value where it bootstraps."""
    found = action_values(ragged(), VALUE, vpg(critic=critic, time_limit=time_limit))
    assert found.tolist() == [expected]
    assert found.dtype == np.float32


@given(seed=st.integers(0, 2**32 - 1), gamma=st.sampled_from([0.0, 0.5, 0.99, 1.0]))
def test_returns_against_the_sum_forwards(seed, gamma):
    chance = np.random.default_rng(seed)
    lengths = chance.integers(1, 8, size=(2, 3))
    steps = lengths.max()
    reward = np.where(np.arange(steps) < lengths[..., None], chance.normal(size=(2, 3, steps)), 0)
    done = np.arange(steps) == lengths[..., None] - 1
    final = chance.normal(size=(2, 3))
    found = returns_to_go(reward.astype(np.float32), final[..., None] * done, done, gamma)
    for place, length in np.ndenumerate(lengths):
        for t in range(steps):
            left = range(t, length)
            expected = sum(gamma ** (k - t) * reward[place][k] for k in left)
            expected += gamma ** len(left) * final[place] if left else 0.0
            assert found[place][t] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_state_weights():
    mask = np.array([[[True, True, True], [True, False, False]]])
    assert state_weights(mask, 0.5, "discounted").tolist() == [[[1, 0.5, 0.25], [1, 0, 0]]]
    assert state_weights(mask, 0.5, "undiscounted").tolist() == [[[1, 1, 1], [1, 0, 0]]]


def test_masked_means_see_nothing_beyond_the_mask():
    x = torch.tensor([[1.0, 3.0, 77.0], [float("nan")] * 3, [2.0, float("nan"), 4.0]])
    mask = torch.tensor([[True, True, False], [False] * 3, [True, False, True]])
    assert masked_mean(x, mask).tolist() == [2.0, 0.0, 3.0]


def test_standardized_over_what_counts():
    x = torch.tensor([[1.0, 3.0, 77.0], [5.0, 5.0, 9.0]])
    mask = torch.tensor([[True, True, False], [True, True, False]])
    found = standardized(x, mask, 0.0)
    assert found[0, :2].tolist() == [-1.0, 1.0]
    assert standardized(x, mask, 1e-8)[1, :2].tolist() == [0.0, 0.0]


@critics
def test_constant_reward_is_the_value(critic, tmp_path):
    run = trained(vpg(critic=critic), "ProbeConstant-v0", tmp_path)
    assert statuses(tmp_path) == {"finished"}
    close(value_at(run, 0.0), 2.0)


@critics
def test_discounting_counts_the_steps(critic, tmp_path):
    run = trained(vpg(critic=critic), "ProbeDiscount-v0", tmp_path)
    close(value_at(run, 0.0), 0.5)
    close(value_at(run, 1.0), 1.0)


@every
def test_better_choice_depends_on_the_observation(critic, tmp_path):
    run = trained(vpg(critic=critic), "ProbeBoth-v0", tmp_path)
    assert (policy_at(run, 1.0).log_probs[:, 0, 1].exp() > 0.9).all()
    assert (policy_at(run, -1.0).log_probs[:, 0, 0].exp() > 0.9).all()


@critics
def test_better_action_depends_on_the_observation(critic, tmp_path):
    run = trained(vpg(critic=critic), "ProbeBothBox-v0", tmp_path)
    close(policy_at(run, 1.0).mean[:, 0, 0], probes.BEST, within=0.15)
    close(policy_at(run, -1.0).mean[:, 0, 0], -probes.BEST, within=0.15)


@critics
@pytest.mark.parametrize(("time_limit", "value"), [("terminal", 1.0), ("bootstrap", 2.0)])
def test_time_limit_ends_the_value_or_not(critic, time_limit, value, tmp_path):
    hp = vpg(critic=critic, time_limit=time_limit)
    close(value_at(trained(hp, "ProbeForever-v0", tmp_path), 1.0), value)


@critics
def test_bootstrap_takes_the_value_of_the_state_cut_off(critic, tmp_path):
    """1 + γ V(−) = V(+) and γ V(+) = V(−): 4/3 and 2/3, whatever the place of the cut."""
    hp = vpg(critic=critic, time_limit="bootstrap", schedule_steps=2400)
    run = trained(hp, "ProbeTurns-v0", tmp_path, steps=2400)
    close(value_at(run, 1.0), 4 / 3, within=0.07)
    close(value_at(run, -1.0), 2 / 3, within=0.07)


@pytest.mark.parametrize("clip_actions", [True, False])
def test_actions_are_clipped_where_asked(clip_actions, tmp_path):
    """The environment rewards the size of what it got; its bounds are ±1."""
    hp = vpg(clip_actions=clip_actions, log_std={"kind": "learnt", "initial": 1.0})
    trained(hp, "ProbeBounds-v0", tmp_path, steps=100)
    largest = max(line["return"] for line in lines(tmp_path, 0, "episode"))
    assert (largest == 1.0) if clip_actions else (largest > 2.0)


# Unequal episodes


def test_every_update_is_of_whole_episodes(tmp_path):
    """The steps between two updates are the lengths of that many episodes, seed by seed."""
    trained(vpg(episodes=3), "CartPole-v1", tmp_path, steps=200)
    ends = {}
    for seed in (0, 1):
        episodes = lines(tmp_path, seed, "episode")
        updates = lines(tmp_path, seed, "train")
        lengths = [line["length"] for line in episodes]
        assert len(lengths) == 3 * len(updates)
        sizes = [sum(lengths[k : k + 3]) for k in range(0, len(lengths), 3)]
        assert [line["samples"] for line in updates] == sizes
        assert [line["step"] for line in updates] == np.cumsum(sizes).tolist()
        ends[seed] = [line["step"] for line in updates]
    assert ends[0] != ends[1]


def test_seed_with_its_steps_rests_while_the_other_goes_on(tmp_path):
    """And it trained as it does alone, though the other's episodes differ in length."""
    together = trained(vpg(episodes=3), "CartPole-v1", tmp_path / "both", steps=150)
    data = together._kept["optimizer"].parameters.data
    for i, seed in enumerate((0, 1)):
        folder = tmp_path / str(seed)
        alone = trained(vpg(episodes=3), "CartPole-v1", folder, seeds=[seed], steps=150)
        both = [line["step"] for line in lines(tmp_path / "both", seed, "train")]
        assert both == [line["step"] for line in lines(folder, seed, "train")]
        assert both[-1] >= 150 > both[-2]
        torch.testing.assert_close(
            alone._kept["optimizer"].parameters.data[0], data[i], rtol=1e-3, atol=1e-4
        )


def test_critic_none_leaves_the_value_out_of_the_advantage(tmp_path):
    """The first gradients with and without a baseline differ; the episodes are the same."""
    first = {}
    for critic in (BASELINE, NONE):
        folder = tmp_path / critic["kind"]
        trained(vpg(critic=critic), "ProbeDiscount-v0", folder, steps=1)
        (first[critic["kind"]],) = lines(folder, 0, "train")
    one, other = first["value-baseline"], first["none"]
    assert one["samples"] == other["samples"] == 48
    assert one["value_loss"] == other["value_loss"]
    assert one["grad_norm"] != other["grad_norm"]


@pytest.mark.parametrize("state_weight", ["undiscounted", "discounted"])
@every
def test_the_gain_is_the_sum_over_steps_that_happened(critic, state_weight, tmp_path, monkeypatch):
    """The first update's policy loss, step by step: γ^t · log π · (what stands for Q − V)."""
    seen, collect = {}, EpisodeCollector.collect

    def recorded(collector, model):
        seen.update(batch=collect(collector, model), model=copy.deepcopy(model))
        return seen["batch"]

    monkeypatch.setattr(EpisodeCollector, "collect", recorded)
    hp = vpg(critic=critic, state_weight=state_weight, gamma=0.9, episodes=3)
    trained(hp, "CartPole-v1", tmp_path, steps=1, seeds=[4])
    batch, model = seen["batch"], seen["model"]
    with torch.no_grad():
        observation = torch.from_numpy(batch.observation).flatten(1, 2)
        value = model.value(observation).view(batch.observation.shape[:3])[0].numpy()
        chances = model.act(observation).log_probs.view(*batch.observation.shape[:3], -1)[0]
    total, count = 0.0, 0
    for e, length in enumerate(batch.mask[0].sum(-1)):
        for t in range(length):
            reward = batch.reward[0, e]
            worth = sum(0.9 ** (k - t) * reward[k] for k in range(t, length))
            if critic == ONE_STEP:
                following = 0.0 if t == length - 1 else value[e, t + 1]
                worth = reward[t] + 0.9 * following
            baseline = 0.0 if critic == NONE else value[e, t]
            weight = 0.9**t if state_weight == "discounted" else 1.0
            chance = float(chances[e, t, batch.action[0, e, t]])
            total += weight * chance * (worth - baseline)
            count += 1
    (line,) = lines(tmp_path, 4, "train")
    assert line["policy_loss"] == pytest.approx(-total / count, rel=1e-4)
    assert line["samples"] == count


def first_update(folder, **changes):
    """What the first update on two-step episodes logs, and the value function after it."""
    # An odd number: as many of one action as of the other would cancel in the first state.
    hp = vpg(**{"episodes": 23} | changes)
    run = trained(hp, "ProbeDiscount-v0", folder, steps=1, seeds=[0])
    (line,) = lines(folder, 0, "train")
    return line, run._kept["value_optimizer"].parameters.data.clone()


def test_what_the_first_update_depends_on(tmp_path):
    plain, _ = first_update(tmp_path / "plain")
    for changes in (
        {"state_weight": "discounted"},
        {"advantage_normalization": {"kind": "batch", "epsilon": 1e-8}},
        {"gamma": 0.9},
        {"critic": ONE_STEP},
    ):
        changed, _ = first_update(tmp_path / next(iter(changes)), **changes)
        assert changed["samples"] == plain["samples"]
        assert changed["grad_norm"] != plain["grad_norm"], changes


def test_value_function_learns_as_often_as_asked(tmp_path):
    untouched = first_update(tmp_path / "none", value_updates=0)
    assert untouched[0]["value_loss"] == 0.0
    ends = [first_update(tmp_path / str(n), value_updates=n)[1] for n in (0, 1, 2)]
    assert torch.equal(ends[0], untouched[1])
    # Adam's first step is the step size, whatever the gradient.
    assert (ends[1] - ends[0]).abs().max().item() == pytest.approx(0.03, rel=1e-3)
    assert not torch.equal(ends[1], ends[2])


class StopsAtThird(Run):
    def log(self, *args, **values):
        super().log(*args, **values)
        if self._iteration == 2:
            self.stop.set()


def test_stopped_and_resumed_with_unequal_seeds(tmp_path):
    """By then the seeds stand at different steps; one has its steps, the other goes on."""
    whole = trained(vpg(episodes=2), "CartPole-v1", tmp_path / "whole", steps=120)
    with pytest.raises(Stopped):
        trained(vpg(episodes=2), "CartPole-v1", tmp_path / "parts", steps=120, kind=StopsAtThird)
    resumed = trained(vpg(episodes=2), "CartPole-v1", tmp_path / "parts", steps=120)
    for seed in (0, 1):
        names = [tmp_path / part / f"seed-{seed}.jsonl" for part in ("whole", "parts")]
        assert names[0].read_text() == names[1].read_text()
    for name in ("optimizer", "value_optimizer"):
        ends = [run._kept[name].parameters.data for run in (whole, resumed)]
        assert torch.equal(*ends)
