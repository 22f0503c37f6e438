"""How long a job takes: as the nearest earlier runs did; a stated prior where there are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from repro.experiment import MEASUREMENT, Experiment

# Seconds of one worker for one environment step of one seed, where nothing was run yet:
# PPO in stacks of five took 2,718 s for ten seeds of a million steps (its HalfCheetah manifest);
# DDPG and TD3 make about 82 updates a second, one a step (docs/decisions.md).
PRIOR_STACKED, PRIOR_ALONE = 2.7e-4, 1.2e-2
START_SECONDS = 15.0  # of a worker, and of merging and judging afterwards


@dataclass(frozen=True)
class Observation:
    """What a finished stack, run or job took. seconds: of its workers, all together."""

    paper: str
    env: str
    arm: str
    seeds: int
    steps: int  # of one seed
    seconds: float
    cpu: str | None

    @property
    def hparam_set(self) -> str:
        """The arm's, without its ablation."""
        return self.arm.partition("+")[0]

    @property
    def rate(self) -> float:
        """Worker seconds a step of one seed."""
        return self.seconds / (self.seeds * self.steps)


@dataclass(frozen=True)
class Estimate:
    """seconds: wall time. basis: what it rests on, in words."""

    seconds: float
    basis: str


def estimate(
    experiment: Experiment,
    seeds: int,
    observations: Iterable[Observation],
    cpu: str | None,
    workers: int,
    max_stack: int | None = None,
) -> Estimate:
    """Wall time of `seeds` seeds on this machine's `workers` processes.

    max_stack: the implementation's, for the prior.
    """
    prior = PRIOR_ALONE if max_stack == 1 else PRIOR_STACKED
    rate, basis = measured(experiment, observations, cpu) or (
        prior, "a prior: nothing of this set was run yet",
    )  # fmt: skip
    busy = max(min(workers, seeds), 1)
    return Estimate(START_SECONDS + rate * experiment.steps * seeds / busy, basis)


def measured(
    experiment: Experiment, observations: Iterable[Observation], cpu: str | None
) -> tuple[float, str] | None:
    """Worker seconds a step of one seed, and what that rests on; None where nothing is near.

    The median of the nearest earlier runs: the same arm on the same task, then another arm of its
    set there, then its set on other tasks; this CPU before others. Another set says nothing: a
    small network's step costs a hundredth of what an image's does.
    """
    measures = experiment.steps == MEASUREMENT  # its one step says nothing of a training's
    alike = [
        o
        for o in observations
        if o.paper == experiment.paper
        and o.hparam_set == experiment.hparam_set
        and o.seeds
        and o.steps
        and (o.steps == MEASUREMENT) == measures
    ]
    task = [o for o in alike if o.env == experiment.env]
    arm = [o for o in task if o.arm == experiment.arm]
    for found, words in ((arm, "this arm"), (task, "this task"), (alike, "other tasks")):
        here = [o for o in found if o.cpu == cpu]
        if here or found:
            where = "" if here else ", on another CPU"
            chosen = here or found
            runs = f"{len(chosen)} earlier run{'s' * (len(chosen) > 1)}"
            return median(o.rate for o in chosen), f"{runs} of {words}{where}"
    return None


def drifted(now: Observation, before: Iterable[Observation]) -> float | None:
    """How many times as long a step takes as the median of the same set on the same CPU.

    None where it is between two thirds and one and a half, or nothing comparable was run: the
    time of a machine that does other work too says no more.
    """
    same = [
        o.rate
        for o in before
        if (o.paper, o.env, o.arm, o.cpu) == (now.paper, now.env, now.arm, now.cpu)
        and o.seeds == now.seeds
        and o.steps
    ]
    if not same or not now.seeds or not now.steps:
        return None
    ratio = now.rate / median(same)
    return None if 2 / 3 <= ratio <= 3 / 2 else ratio
