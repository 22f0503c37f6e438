"""Repro's TD3."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks import settings
from benchmarks.contenders import measured
from implementations import td3_2018
from repro.experiment import resolve

OVERRIDES: dict[str, Any] = {
    "gamma": settings.GAMMA,
    "tau": settings.TD3_TAU,
    "minibatch_size": settings.TD3_BATCH,
    "replay_capacity": settings.TD3_CAPACITY,
    "random_steps": settings.TD3_STEPS,
    "learning_starts": settings.TD3_STEPS,
    "policy_delay": settings.TD3_DELAY,
    "target_noise.std": settings.TD3_TARGET_NOISE,
    "target_noise.clip": settings.TD3_TARGET_CLIP,
    "exploration.std": settings.TD3_NOISE,
    "policy_step_size.value": settings.TD3_STEP_SIZE,
    "critic_step_size.value": settings.TD3_STEP_SIZE,
    "policy_network.hidden": settings.TD3_HIDDEN,
    "critic_network.hidden": settings.TD3_HIDDEN,
}


def hparams() -> td3_2018.HParams:
    """The authors' set since 2019, which is the other libraries' too; it learns from early on."""
    experiment = resolve(
        "td3-2018",
        settings.ENV,
        hparams="author-2019",
        overrides=OVERRIDES,
        steps=settings.TD3_STEPS,  # the order says how many
    )
    return msgspec.convert(experiment.hparams, td3_2018.HParams)


if __name__ == "__main__":
    measured.main(td3_2018.train, hparams(), settings.TD3_STEPS)
