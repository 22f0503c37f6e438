"""Deep Reinforcement Learning that Matters (Henderson et al. 2017). arXiv:1709.06560.

Card: papers/deep-rl-matters-2017.yaml. `train` is PPO's own with the paper's settings; `measure`
asks how easily ten runs of one algorithm fall into two fives that a t-test tells apart. The trap:
which five runs are averaged must not be chosen by their results, nor by who looks at the curves.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from implementations import ppo_2017
from repro.training.choices import Off, ReturnStd, RewardFactor
from repro.training.hparams import Choice, Count, NonNegative
from repro.training.hparams import HParams as Strict
from repro.training.run import Run


class HParams(ppo_2017.HParams, frozen=True, kw_only=True):
    """PPO's, with a reward scale where it normalises rewards or does not."""

    reward_normalization: ReturnStd | RewardFactor | Off  # type: ignore[assignment]


WAITING = {
    "trpo": "TRPO has no implementation here yet; the set ppo runs",
    "ddpg": "our DDPG has no reward scale nor running statistics of observations; the set ppo runs",
    "acktr": "ACKTR has no implementation here yet; the set ppo runs",
}


class AsTheyCome(Choice, frozen=True, kw_only=True, tag="as-they-come"):
    """The first runs against the others: nobody has looked."""


class MostDifferent(Choice, frozen=True, kw_only=True, tag="most-different"):
    """Of all splits the one whose halves differ most."""


class TwoHalves(Strict, frozen=True, kw_only=True):
    """Hyperparameters of `measure`."""

    runs: Count  # of one algorithm, an even number; their scores are normal
    split: AsTheyCome | MostDifferent
    critical_t: NonNegative  # beyond it two halves are called different
    trials: Count

    def __post_init__(self) -> None:
        if self.runs < 4 or self.runs % 2:
            raise ValueError(f"runs: found {self.runs}, expected an even number, at least 4")


MEASURED = {"two-halves": TwoHalves}  # sets that `measure` takes, and their type


def train(run: Run[HParams]) -> None:
    """PPO's training, as it is."""
    of_ppo: Any = run
    ppo_2017.train(of_ppo)  # ppo-2017 alg.1


def halves(runs: int) -> NDArray[np.bool_]:
    """Every split of so many runs into two halves, once: which are in the first, [splits, runs].

    The first row is the first half against the second.
    """
    first = [c for c in itertools.combinations(range(runs), runs // 2) if c[0] == 0]
    splits = np.zeros((len(first), runs), bool)
    for row, members in zip(splits, first, strict=True):
        row[list(members)] = True
    return splits


def t_statistics(scores: NDArray[np.float64], splits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Student's t of each split's halves, with pooled variance; scores [runs], [splits]."""
    half = splits.shape[1] // 2
    groups = scores[np.argsort(~splits, axis=1, kind="stable")].reshape(len(splits), 2, half)
    mean, variance = groups.mean(2), groups.var(2, ddof=1)
    return (mean[:, 0] - mean[:, 1]) / np.sqrt(variance.sum(1) / half)


def measure(hp: TwoHalves, seed: int) -> dict[str, float]:
    """The share of trials in which the halves are called different, as `bound-violations`."""
    chance, splits, different = np.random.default_rng(seed), halves(hp.runs), 0
    if isinstance(hp.split, AsTheyCome):
        splits = splits[:1]
    for _ in range(hp.trials):
        found: Any = np.abs(t_statistics(chance.normal(size=hp.runs), splits)).max()
        different += bool(found > hp.critical_t)
    return {"bound-violations": different / hp.trials}
