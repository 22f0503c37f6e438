"""ARS: which directions count, the step, the states' moments, and what the bonus changes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from training_tools import lines, make_run, statuses

from implementations import ars_2018
from implementations.ars_2018 import Best, Every, States, act, ascent, chosen
from repro.errors import ReproError

SETTINGS: dict[str, Any] = {
    "step_size": 0.1,
    "noise_std": 0.5,
    "directions": 3,
    "top_directions": {"kind": "all"},
    "reward_scaling": {"kind": "none"},
    "observation_normalization": {"kind": "none"},
    "alive_bonus": 0.0,
}
PLUS, MINUS = np.array([[1.0, 5.0, 2.0]]), np.array([[4.0, 0.0, 3.0]])
DELTA = np.array([[[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]]])  # [1 seed, 3 directions, 1, 2]


def ars(**changes):
    return msgspec.convert(SETTINGS | changes, ars_2018.HParams)


def trained(hparams, env, folder, **options):
    run = make_run(hparams, env, folder, **options)
    ars_2018.train(run)
    return run


def test_the_directions_whose_better_sign_scored_most():
    assert chosen(PLUS, MINUS, Best(count=2)).tolist() == [[True, True, False]]
    assert chosen(PLUS, MINUS, Every()).tolist() == [[True, True, True]]
    ties = chosen(np.ones((1, 4)), np.ones((1, 4)), Best(count=3))
    assert ties.tolist() == [[True, True, True, False]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # differences −3, 5, −1 along (1, 0), (0, 1), (1, 1)
        ({}, [-4 / 3, 4 / 3]),
        ({"top_directions": {"kind": "best", "count": 2}}, [-3 / 2, 5 / 2]),
        (
            {"top_directions": {"kind": "best", "count": 2}, "reward_scaling": {"kind": "std"}},
            np.array([-3 / 2, 5 / 2]) / np.std([1, 4, 5, 0]),
        ),
    ],
)
def test_the_step_by_hand(changes, expected):
    found = ascent(PLUS, MINUS, DELTA, ars(**changes))
    np.testing.assert_allclose(found, [[expected]])


def test_returns_that_are_all_alike_give_no_step():
    alike = np.full((1, 3), 7.0)
    found = ascent(alike, alike, DELTA, ars(reward_scaling={"kind": "std"}))
    assert not found.any()


def test_moments_of_the_states_that_were_met():
    """Of the two seeds one rests; the second component never varies."""
    chance = np.random.default_rng(0)
    seen = chance.normal(3.0, 2.0, (4, 2, 5, 2))
    seen[..., 1] = 1.5
    states = States(2, 2, normalized=True)
    assert [m.tolist() for m in states.moments()] == [[[[0, 0]]] * 2, [[[1, 1]]] * 2]
    playing = np.array([[True] * 5, [False] * 5])
    for block in seen:
        states.add(block, playing)
    mean, std = states.moments()
    assert mean[0, 0, 0] == pytest.approx(seen[:, 0, :, 0].mean())
    assert std[0, 0, 0] == pytest.approx(seen[:, 0, :, 0].std())
    assert std[0, 0, 1] == np.inf
    assert [mean[1].tolist(), std[1].tolist()] == [[[0, 0]], [[1, 1]]]
    weight = np.ones((2, 1, 1, 2))
    found = act(weight, np.full((2, 1, 2), 5.0), mean, std)
    assert found[0, 0, 0] == pytest.approx((5.0 - mean[0, 0, 0]) / std[0, 0, 0])
    assert found[1, 0, 0] == 10.0
    again = States(2, 2, normalized=True)
    again.load_state_dict(states.state_dict())
    assert np.array_equal(again.moments()[0], mean)
    plain = States(2, 2, normalized=False)
    plain.add(seen[0], playing)
    assert plain.moments()[1].tolist() == [[[1, 1]]] * 2


def test_the_bonus_is_taken_off_the_score_and_not_off_the_log(tmp_path):
    """One for each step that the pole stands: without the bonus all directions score nothing."""
    scores = {}
    for bonus in (0.0, 1.0):
        folder = tmp_path / str(bonus)
        run = trained(ars(alive_bonus=bonus), "InvertedPendulum-v4", folder, steps=1)
        scores[bonus] = [line["value"] for line in lines(folder, 0, "train")]
        assert all(line["return"] >= line["length"] - 1 for line in lines(folder, 0, "episode"))
        moved = bool(run._kept["policy"].weight.any())
        assert moved == (bonus == 0.0)
    assert scores[1.0] == [0.0]
    assert scores[0.0][0] > 1


def test_every_direction_is_played_both_ways_and_counted_once(tmp_path):
    run = trained(ars(), "InvertedPendulum-v4", tmp_path, steps=60)
    for seed in (0, 1):
        episodes, updates = (lines(tmp_path, seed, kind) for kind in ("episode", "train"))
        assert len(episodes) == 6 * len(updates)
        assert updates[-1]["step"] == sum(line["length"] for line in episodes)
    assert (run.steps_done >= 60).all()
    assert torch.isfinite(run._kept["policy"].weight).all()


def test_discrete_actions_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(ReproError, match="real-valued actions"):
        trained(ars(), "CartPole-v1", tmp_path)


def test_linear_policies_start_at_zero(tmp_path):
    run = trained(ars(step_size=0.0), "InvertedPendulum-v4", tmp_path, steps=1)
    assert statuses(tmp_path) == {"finished"}
    assert not run._kept["policy"].weight.any()
