"""Whatever is trained can be played again from its policy.pt, and its networks counted."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from algorithm_cases import PARAMETERS, TRAINED, tiny
from training_tools import make_run

from repro.cards import load_card
from repro.doctor.replay import Watching
from repro.experiment import Experiment, implementation_of, resolve
from repro.player import Player, networks

pytestmark = pytest.mark.slow
CASES = [(paper, name, env) for paper, pairs in TRAINED.items() for name, env in pairs]


@pytest.mark.parametrize(("paper", "hparams", "env"), CASES)
def test_a_stored_policy_acts_as_it_was_trained_to(paper, hparams, env, tmp_path):
    settings, env_id = tiny(paper, hparams, env)
    experiment = Experiment(
        paper=paper,
        env=env_id,
        hparam_set=hparams,
        ablation=None,
        overrides={},
        steps=1,
        hparams=msgspec.to_builtins(settings),
        evaluation=None,
    )
    acts = []
    for number in (3, 4):
        run = make_run(settings, env_id, tmp_path / str(number), [number], 1)
        implementation_of(paper).train(run)
        for _ in range(2):
            player = Player(tmp_path / str(number) / "policy.pt", experiment, number, True)
            assert player.modules
            envs = player.make_envs(2, "doctor")
            observation = envs.reset()
            observation = np.zeros_like(observation) if number == 4 else observation
            with Watching(player.modules) as watching:
                action = player.act(observation, np.ones((1, 2), dtype=bool))
            # Hidden units are seen; a linear policy has none, and acting calls no critic.
            layers = [name for name in watching.names.values() if "critic" not in name]
            assert bool(watching.ranges) == bool(layers)
            assert action.shape[:2] == (1, 2)
            assert np.isfinite(action).all()
            envs.step(action)
            acts.append(np.array(action))
    assert np.array_equal(acts[0], acts[1])
    assert np.array_equal(acts[2], acts[3])


@pytest.mark.parametrize("paper", PARAMETERS)
def test_trainable_numbers_are_those_of_the_card(paper):
    hparams, env, _ = PARAMETERS[paper]
    found = networks(resolve(paper, env, hparams, steps=1000))
    count = sum(math.prod(shape) for parts in found.values() for shape in parts.values())
    assert count == sum(load_card(paper).parameters.values())
