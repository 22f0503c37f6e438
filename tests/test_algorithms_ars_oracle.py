"""ARS's iterations against a slow oracle: one direction after the other, in plain numpy.

The oracle takes the states that a real run's environments showed, their rewards and ends, draws the
directions anew from its seed, and nothing else: every action, the matrix after each iteration and
the statistics that evaluation uses must be its own.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from test_algorithms_ars import SETTINGS
from training_tools import make_run

from implementations import ars_2018
from repro.training.rng import Streams
from repro.training.run import Stopped
from repro.training.training_environments import TrainingEnvironments

SEEDS, N, B, ITERATIONS = [3, 8], 4, 2, 3
CASES = {
    "V1": {},
    "V2-t": {
        "top_directions": {"kind": "best", "count": B},
        "reward_scaling": {"kind": "std"},
        "observation_normalization": {"kind": "mean-std"},
        "alive_bonus": 1.0,
    },
}


class Record:
    """A real run's steps, one list an iteration, and what its evaluations would do."""

    def __init__(self, hparams, folder, monkeypatch):
        run = make_run(hparams, "Hopper-v4", folder, SEEDS, steps=10**9)
        self.iterations, self.evaluated = [], []
        reset, step = TrainingEnvironments.reset, TrainingEnvironments.step

        def noted_reset(envs, which=None):
            self.iterations.append([])
            return reset(envs, which)

        def noted_step(envs, actions, active=None):
            before = envs.observation.copy(), np.array(actions), np.array(active)
            found = step(envs, actions, active)
            ended = found.terminated | found.truncated
            self.iterations[-1].append((*before, found.reward.copy(), ended))
            return found

        def evaluate(act):
            shown = self.iterations[-1][0][0]
            matrix = run._kept["policy"].weight.detach().numpy().copy()
            begins = np.ones(shown.shape[:2], bool)
            self.evaluated.append((shown, act(shown, begins), act(shown, begins), matrix))
            if len(self.evaluated) == ITERATIONS:
                run.stop.set()

        monkeypatch.setattr(TrainingEnvironments, "reset", noted_reset)
        monkeypatch.setattr(TrainingEnvironments, "step", noted_step)
        run.evaluate = evaluate
        with pytest.raises(Stopped):
            ars_2018.train(run)


@pytest.mark.parametrize("case", CASES)
def test_iterations_against_the_oracle(case, tmp_path, monkeypatch):
    hp = msgspec.convert(
        SETTINGS | {"directions": N, "noise_std": 0.3} | CASES[case], ars_2018.HParams
    )
    record = Record(hp, tmp_path, monkeypatch)
    for s, seed in enumerate(SEEDS):
        chance, matrix, seen = Streams([seed], "direction"), np.zeros((3, 11)), []
        for steps, evaluated in zip(record.iterations, record.evaluated, strict=True):
            delta = chance.normal(N, 3, 11)[0].double().numpy()
            mean, std = moments(seen, hp)
            scores, met = np.zeros((2, N)), []
            for sign, row in ((1, 0), (-1, 1)):
                for k in range(N):
                    tried = matrix + sign * hp.noise_std * delta[k]
                    for state, action, reward in episode(steps, s, row * N + k):
                        expected = tried @ ((state - mean) / std)
                        np.testing.assert_allclose(action, expected, rtol=1e-6, atol=1e-9)
                        scores[row, k] += reward - hp.alive_bonus
                        met.append(state)
            seen += met
            matrix = matrix + hp.step_size * ascent(scores, delta, hp)
            mean, std = moments(seen, hp)
            shown, first, again, found = (part[s] for part in evaluated)
            np.testing.assert_allclose(found, matrix, rtol=1e-6, atol=1e-9)
            for acted in (first, again):  # a look at states changes nothing
                np.testing.assert_allclose(acted, (shown - mean) / std @ matrix.T, rtol=1e-6)


def episode(steps, s, e):
    """(state, action, reward) of one environment's only episode in an iteration."""
    found = [
        (seen[s, e], act[s, e], reward[s, e]) for seen, act, on, reward, _ in steps if on[s, e]
    ]
    assert [bool(ended[s, e]) for *_, on, _, ended in steps if on[s, e]][-1]
    return found


def moments(seen, hp):
    if not seen or not isinstance(hp.observation_normalization, ars_2018.MeanStd):
        return 0.0, 1.0
    return np.mean(seen, axis=0), np.std(seen, axis=0)


def ascent(scores, delta, hp):
    """Line 7 of algorithm 2."""
    best = sorted(range(N), key=lambda k: -max(scores[:, k]))
    used = best[:B] if isinstance(hp.top_directions, ars_2018.Best) else best
    deviation = np.std(scores[:, used]) if isinstance(hp.reward_scaling, ars_2018.Deviation) else 1
    return sum((scores[0, k] - scores[1, k]) * delta[k] for k in used) / (len(used) * deviation)
