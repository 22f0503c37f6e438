"""DQN against hand-computed cases and the authors' own loops; every choice on probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import probes
import pytest
import torch
from training_tools import lines, make_run, statuses

from implementations import dqn_2013 as dqn
from repro.cards import load_sets
from repro.training.evaluate import Protocol
from repro.training.optim import FlatParameters
from repro.training.run import Run

STEPS = 400
ADAM = {"kind": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "epsilon_hat": False}
NATURE: dict[str, Any] = {
    "gamma": 0.5,
    "minibatch_size": 32,
    "replay_capacity": 1000,
    "learning_starts": 32,
    "update_period": 2,
    "target_network": {"kind": "periodic", "period": 16},
    "exploration": {"kind": "epsilon-greedy", "start": 1.0, "end": 0.5, "steps": 100},
    "evaluation_epsilon": 0.0,
    "td_error": {"kind": "clipped", "bound": 1.0},
    "loss_reduction": "mean",
    "step_size": {"kind": "constant", "value": 0.02},
    "optimizer": ADAM,
    "network": {"kind": "mlp", "hidden": [16], "activation": "tanh"},
    "initialization": {"kind": "fan-in"},
    "time_limit": "bootstrap",
    "atari": {"kind": "none"},
}
# The paper of 2013: no copy, the error as it is, summed; RMSProp with ε inside the root.
FIRST: dict[str, Any] = {
    "target_network": {"kind": "none"},
    "td_error": {"kind": "squared"},
    "loss_reduction": "sum",
    "step_size": {"kind": "constant", "value": 0.005},
    "optimizer": {
        "kind": "rmsprop", "decay": 0.95, "epsilon": 0.01, "epsilon_inside": True,
        "initial_square": 0.0, "centered": True,
    },
    "initialization": {"kind": "glorot"},
}  # fmt: skip
VARIANTS = {"nature": {}, "first": FIRST}
variants = pytest.mark.parametrize("variant", VARIANTS)


def settings(**changes: Any) -> dqn.HParams:
    return msgspec.convert(NATURE | changes, dqn.HParams)


def trained(env: str, folder: Path, steps: int = STEPS, **changes: Any) -> Run:
    run = make_run(settings(**changes), env, folder, steps=steps)
    dqn.train(run)
    return run


def values_at(run: Run, observation: Any) -> np.ndarray:
    """Q of every action there, [S, A]."""
    with torch.no_grad():
        seen = torch.as_tensor(observation).expand(len(run.seeds), 1, *np.shape(observation))
        return run._kept["model"](seen)[:, 0].numpy()


def close(found, expected, within=0.12):
    np.testing.assert_allclose(found, np.full(len(found), expected), rtol=0, atol=within)


def test_epsilon_is_the_authors():
    """NeuralQLearner.lua's formula, and Dopamine's, which is the same line."""
    choice = dqn.EpsilonGreedy(start=1.0, end=0.1, steps=1000)
    for n in (0, 99, 100, 101, 600, 1099, 1100, 5000):
        nature = 0.1 + max(0, (1 - 0.1) * (1000 - max(0, n - 100)) / 1000)
        dopamine = 0.1 + np.clip((1 - 0.1) * (1000 + 100 - n) / 1000, 0, 1 - 0.1)
        assert dqn.epsilon(choice, n, 100) == pytest.approx(nature)
        assert dqn.epsilon(choice, n, 100) == pytest.approx(dopamine)
    assert dqn.epsilon(choice, 600, 100) == pytest.approx(0.55)


def test_target_by_hand():
    """γ = 1/2; the second transition is terminal: its next values do not count."""
    found = dqn.bellman_target(
        reward=torch.tensor([[1.0, 2.0]]),
        terminal=torch.tensor([[0.0, 1.0]]),
        next_values=torch.tensor([[[-3.0, 8.0, 2.0], [99.0, 0.0, 0.0]]]),
        gamma=0.5,
    )
    assert found.tolist() == [[5.0, 2.0]]


@pytest.mark.parametrize(
    ("kind", "loss", "slope"),
    [
        (dqn.Squared(), [4.5, 0.125, 0.0, 8.0], [-3.0, 0.5, 0.0, 4.0]),
        (dqn.Clipped(bound=1.0), [2.5, 0.125, 0.0, 3.5], [-1.0, 0.5, 0.0, 1.0]),
        (dqn.Clipped(bound=2.0), [4.0, 0.125, 0.0, 6.0], [-2.0, 0.5, 0.0, 2.0]),
    ],
)
def test_error_and_its_slope_by_hand(kind, loss, slope):
    """The slope is the error itself, cut to ± bound: what getQUpdate calls delta."""
    value = torch.tensor([[0.0, 1.0, 2.0, 5.0]], requires_grad=True)
    target = torch.tensor([[3.0, 0.5, 2.0, 1.0]])
    found = dqn.td_loss(kind, value, target)
    assert found.tolist() == [loss]
    found.sum().backward()
    assert value.grad.tolist() == [slope]


@pytest.mark.parametrize(("period", "update_period"), [(10, 1), (12, 4), (10, 4), (3, 4), (1, 4)])
def test_copies_are_renewed_when_the_authors_renew_them(period, update_period):
    """Each update looks at the copy that the released code would have given it.

    There, at every step: an update if the step is a multiple, then a copy if it is one of the
    other's; ours copies late, before the next update.
    """
    online = theirs = ours = 0  # how often the network was updated
    for step in range(1, 200):
        if step % update_period == 0:
            if dqn.renewal_due(np.array([step]), period, update_period)[0]:
                ours = online
            assert ours == theirs
            online += 1
        if step % period == 0:
            theirs = online


def test_natures_copy_in_numbers():
    """C = 10,000 steps at an update every 4: the copy is renewed every 2500 updates.

    The update at step 60,000 still looks at the copy of step 50,000.
    """
    due = dqn.renewal_due(np.array([59_996, 60_000, 60_004, 60_008, 70_004]), 10_000, 4)
    assert due.tolist() == [False, False, True, False, True]


def test_periods_in_frames():
    """Dopamine's own table of its periods and Nature's is in frames, four to a step."""
    table = {
        "dopamine-2018": (1_000_000, 80_000, 32_000),
        "nature-2015": (4_000_000, 200_000, 40_000),
    }
    for name, expected in table.items():
        hparam_set = load_sets("dqn-2013")[name]
        hp = msgspec.convert(hparam_set.values("Breakout"), dqn.HParams)
        skip = hp.atari.options().frame_skip
        steps = (hp.exploration.steps, hp.learning_starts, hp.target_network.period)
        assert tuple(skip * n for n in steps) == expected
        units = {field: origin["unit"] for field, origin in hparam_set.provenance().items()}
        for field in ("learning_starts", "update_period", "replay_capacity"):
            assert units[field] == "environment steps"


def test_natures_rmsprop_is_the_authors():
    """Three steps against qLearnMinibatch: g, g2 from 0 with 0.95, 0.01 inside the root."""
    hp = msgspec.convert(load_sets("dqn-2013")["nature-2015"].values(), dqn.HParams)
    layer = torch.nn.Module()
    layer.weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0, 0.5]]))
    parameters = FlatParameters(layer)
    optimizer = hp.optimizer.make(parameters)
    w, g, g2 = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.zeros(3)
    for step in range(3):
        dw = np.array([0.3, -4.0, 0.0]) * (step + 1)  # the direction of ascent
        g, g2 = 0.95 * g + 0.05 * dw, 0.95 * g2 + 0.05 * dw * dw
        w = w + 2.5e-4 * dw / np.sqrt(g2 - g * g + 0.01)
        parameters.grad.copy_(torch.from_numpy(-dw))
        optimizer.step(hp.step_size.value)
    np.testing.assert_allclose(parameters.data[0].numpy(), w, rtol=1e-6)


@variants
def test_constant_reward_is_the_value(variant, tmp_path):
    run = trained("ProbeConstant-v0", tmp_path, **VARIANTS[variant])
    assert statuses(tmp_path) == {"finished"}
    for action in (0, 1):
        close(values_at(run, [0.0])[:, action], 2.0)


@variants
def test_discounting_counts_the_steps(variant, tmp_path):
    run = trained("ProbeDiscount-v0", tmp_path, **VARIANTS[variant])
    close(values_at(run, [0.0]).max(1), 0.5)
    close(values_at(run, [1.0]).max(1), 1.0)


@variants
def test_values_depend_on_observation_and_action(variant, tmp_path):
    run = trained("ProbeBoth-v0", tmp_path, **VARIANTS[variant])
    for x, better in ((1.0, 1), (-1.0, 0)):
        found = values_at(run, [x])
        close(found[:, better], 1.0)
        close(found[:, 1 - better], -1.0)


def test_pictures_are_seen(tmp_path):
    small = probes.CONV | {"channels": [8], "hidden": 16}
    run = trained("ProbeImage-v0", tmp_path, steps=240, network=small)
    for x, better in ((1, 1), (-1, 0)):
        close(values_at(run, probes.picture(x))[:, better], 1.0)


@pytest.mark.parametrize(("time_limit", "value"), [("terminal", 1.0), ("bootstrap", 2.0)])
def test_time_limit_ends_the_value_or_not(time_limit, value, tmp_path):
    """Reward 1 a step, cut off after each: r, or r/(1 − γ) with γ = 1/2."""
    run = trained("ProbeForever-v0", tmp_path, time_limit=time_limit)
    close(values_at(run, [1.0]).max(1), value)


def test_bootstrap_takes_the_value_of_the_state_cut_off(tmp_path):
    """1 + γ V(−) = V(+) and γ V(+) = V(−): 4/3 and 2/3, whatever the place of the cut."""
    run = trained("ProbeTurns-v0", tmp_path)
    close(values_at(run, [1.0]).max(1), 4 / 3)
    close(values_at(run, [-1.0]).max(1), 2 / 3)


@pytest.mark.parametrize("period", [1000, 40])
def test_targets_come_from_the_copy(period, tmp_path):
    """While the copy is the network of the beginning, what is learnt is one step's reward.

    The first copy's values are near 0, so V = 1 + γ · (about 0), not 1/(1 − γ).
    """
    target = {"kind": "periodic", "period": period}
    run = trained("ProbeForever-v0", tmp_path, target_network=target)
    first = run._kept["target_network"](torch.ones(2, 1, 1))[:, 0].max(1).values.detach().numpy()
    if period == 1000:
        np.testing.assert_allclose(values_at(run, [1.0]).max(1), 1 + 0.5 * first, atol=0.1)
    else:
        close(values_at(run, [1.0]).max(1), 2.0)
        np.testing.assert_allclose(first, values_at(run, [1.0]).max(1), atol=0.05)


def test_actions_are_random_as_often_as_epsilon_says(tmp_path):
    """ProbeAction pays 1 for the better action, −1 else: a mean of 1 − ε once it is known."""
    quiet = {"kind": "epsilon-greedy", "start": 1.0, "end": 0.2, "steps": 1}
    rest = {"exploration": quiet, "learning_starts": 200, "update_period": 4}
    trained("ProbeAction-v0", tmp_path, steps=800, **rest)
    returns = [np.array([e["return"] for e in lines(tmp_path, s, "episode")]) for s in (0, 1)]
    found = np.mean([r[:200].mean() for r in returns]), np.mean([r[500:].mean() for r in returns])
    assert abs(found[0]) < 0.2
    assert abs(found[1] - 0.8) < 0.08
    assert lines(tmp_path, 0, "train")[-1]["epsilon"] == pytest.approx(0.2)


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_evaluation_has_an_epsilon_of_its_own(chance, expected, tmp_path):
    run = make_run(
        settings(evaluation_epsilon=chance), "ProbeAction-v0", tmp_path, steps=STEPS,
        evaluation=Protocol(period=STEPS, episodes=100, deterministic=True),
    )  # fmt: skip
    dqn.train(run)
    last = lines(tmp_path, 0, "evaluation")[-1]
    assert last["step"] == STEPS
    assert np.mean(last["returns"]) == pytest.approx(expected, abs=0.3)


def test_evaluations_of_a_seed_do_not_see_the_others(tmp_path):
    """Games of other seeds last longer or shorter: a seed's own numbers stay as they are."""
    protocol = Protocol(period=50, episodes=2, deterministic=True)
    found = {}
    for seeds in ((0, 1), (0, 5)):
        folder = tmp_path / str(seeds[1])
        hp = settings(evaluation_epsilon=0.5, learning_starts=1000)
        dqn.train(make_run(hp, "CartPole-v1", folder, seeds, steps=101, evaluation=protocol))
        found[seeds] = (folder / "seed-0.jsonl").read_text()
    assert found[0, 1] == found[0, 5]
    assert found[0, 1].count('"evaluation"') >= 3
