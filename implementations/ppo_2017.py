"""Proximal Policy Optimization Algorithms (Schulman et al. 2017). arXiv:1707.06347.

Card: papers/ppo-2017.yaml. The trap: three sets of hyperparameters go by the name of PPO (as
printed, the authors' code of 2017, their later code), and their curves differ by a factor of two.
"""

from __future__ import annotations

from repro.training.hparams import Choice, HParams
from repro.training.schedules import Schedule


class Clip(Choice, frozen=True, kw_only=True, tag="clip"):
    range: Schedule  # ε of eq. 7


class AdaptiveKL(Choice, frozen=True, kw_only=True, tag="adaptive-kl"):
    target: float  # d_targ of eq. 8
    initial_beta: float


class FixedKL(Choice, frozen=True, kw_only=True, tag="fixed-kl"):
    beta: float


class NoPenalty(Choice, frozen=True, kw_only=True, tag="none"):
    """Neither clipping nor penalty (eq. 6)."""


class ConstantOrLinear(Choice, frozen=True, kw_only=True, tag="schedule"):
    schedule: Schedule


class KLTarget(Choice, frozen=True, kw_only=True, tag="kl-target"):
    """Adam's step size adjusted so that the KL divergence stays near its target (Table 4)."""

    initial: float
    target: float


class Normc(Choice, frozen=True, kw_only=True, tag="normc"):
    """Gaussian columns scaled to a norm (ppo1)."""

    hidden: float
    policy: float
    value: float


class Orthogonal(Choice, frozen=True, kw_only=True, tag="orthogonal"):
    hidden: float
    policy: float
    value: float


class LearntStd(Choice, frozen=True, kw_only=True, tag="learnt"):
    initial: float


class AnnealedStd(Choice, frozen=True, kw_only=True, tag="annealed"):
    schedule: Schedule


class NoNormalization(Choice, frozen=True, kw_only=True, tag="none"):
    """Observations or rewards as the environment gives them."""


class RunningObservation(Choice, frozen=True, kw_only=True, tag="running"):
    update: str  # "step" (ppo2's VecNormalize) or "iteration" (ppo1's RunningMeanStd)
    clip: float
    epsilon: float


class ReturnStd(Choice, frozen=True, kw_only=True, tag="return-std"):
    """Rewards divided by the running standard deviation of the discounted return (ppo2)."""

    clip: float
    epsilon: float


class NoClip(Choice, frozen=True, kw_only=True, tag="none"):
    """No clipping."""


class ValueClip(Choice, frozen=True, kw_only=True, tag="clip"):
    range: Schedule


class GlobalNorm(Choice, frozen=True, kw_only=True, tag="global-norm"):
    max: float


class MLP(Choice, frozen=True, kw_only=True, tag="mlp"):
    """Separate policy and value networks (section 6.1)."""

    hidden: list[int]
    activation: str


class ConvNet(Choice, frozen=True, kw_only=True, tag="conv"):
    """A convolutional torso shared by policy and value (section 6.4)."""

    channels: list[int]
    kernels: list[int]
    strides: list[int]
    hidden: int


class Adam(HParams, frozen=True, kw_only=True):
    beta1: float
    beta2: float
    epsilon: float


class HParams_(HParams, frozen=True, kw_only=True):
    """Placeholder name; see HParams in the finished file."""
