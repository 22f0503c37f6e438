"""Values that change over training, as hyperparameters.

A schedule runs over the experiment's `schedule_steps` (environment steps of one seed), whatever
`--steps` a run stops at: a shortened run is a prefix of the long one, with the same schedule.
"""

from __future__ import annotations

from repro.training.hparams import Choice, NonNegative


class Constant(Choice, frozen=True, kw_only=True, tag="constant"):
    """The same value throughout."""

    value: NonNegative


class Linear(Choice, frozen=True, kw_only=True, tag="linear"):
    """From `start` to `end` in a straight line over `schedule_steps`, `end` afterwards."""

    start: NonNegative
    end: NonNegative


class SignedConstant(Constant, frozen=True, kw_only=True, tag="constant"):
    """Of what may be negative, such as a logarithm."""

    value: float


class SignedLinear(Linear, frozen=True, kw_only=True, tag="linear"):
    """Of what may be negative, such as a logarithm."""

    start: float
    end: float


Schedule = Constant | Linear
SignedSchedule = SignedConstant | SignedLinear


def at(schedule: Schedule, step: float, schedule_steps: float) -> float:
    """The schedule's value at environment step `step` of a seed."""
    if isinstance(schedule, Constant):
        return schedule.value
    fraction = min(max(step / schedule_steps, 0.0), 1.0)
    return schedule.start + (schedule.end - schedule.start) * fraction
