"""How each implementation is tried in `test_algorithms_invariants`: one entry a table."""

from __future__ import annotations

from typing import Any

import msgspec

from repro.experiment import implementation_of, resolve

# paper -> changes of any of its sets; environment steps of a seed in one such iteration
TINY: dict[str, tuple[dict[str, Any], int]] = {
    "ppo-2017": ({"num_actors": 2, "horizon": 32, "epochs": 2, "minibatch_size": 32}, 64),
    "a3c-2016": ({"num_actors": 2, "horizon": 32}, 64),
    "pg-theorem-1999": ({"episodes": 2, "value_updates": 3}, 100),  # two episodes of Reacher
}
# paper -> (set, environment) that are trained
TRAINED = {
    "ppo-2017": [
        ("mujoco", "Reacher"),
        ("mujoco-ppo2", "HalfCheetah"),
        ("classic", "CartPole"),
        ("classic", "FrozenLake"),
    ],
    "a3c-2016": [("a2c", "Reacher"), ("classic", "CartPole")],
    "pg-theorem-1999": [("mujoco", "Reacher"), ("classic-actor-critic", "Reacher")],
}
# sets that are for environments we have, or can be tried on another one
SMOKE = {
    "ppo-2017": {
        "mujoco": "Hopper",
        "mujoco-ppo1": "Swimmer",
        "mujoco-ppo2": "InvertedPendulum",
        "roboschool": "HalfCheetah",
        "classic": "CartPole",
    },
    "a3c-2016": {"a2c": "Hopper", "classic": "Pendulum"},
    "pg-theorem-1999": {
        "mujoco": "Reacher",
        "mujoco-actor-critic": "Reacher",
        "classic": "Reacher",
        "classic-actor-critic": "Reacher",
    },
}
# no environments for it yet; or nothing to train
NOT_YET = {
    "ppo-2017": {"atari"},
    "a3c-2016": {"atari", "a2c-atari"},
    "pg-theorem-1999": {"exact"},
}
# paper -> a task that ends at its time limit alone, and changes with which it is reached
TIME_LIMIT: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "ppo-2017": ("mujoco", "Reacher", {"horizon": 64}, 128),
    "a3c-2016": ("a2c", "Reacher", {"horizon": 64}, 128),
    "pg-theorem-1999": ("mujoco", "Reacher", {}, 100),
}
# paper -> the task of the card's numbers, and where in what is kept each network lies
PARAMETERS = {
    "ppo-2017": ("mujoco", "HalfCheetah", {"policy": "model.policy", "value": "model.critic"}),
    "a3c-2016": ("a2c", "HalfCheetah", {"policy": "model.policy", "value": "model.critic"}),
    "pg-theorem-1999": (
        "mujoco",
        "HalfCheetah",
        {"policy": "model.policy", "value": "model.critic"},
    ),
}
NETWORKS = ("model", "policy")  # names under which implementations keep their networks


def tiny(paper: str, hparams: str, env: str, **changes: Any) -> tuple[Any, str]:
    """The set's hyperparameters made small, and the environment's id."""
    found = resolve(paper, env, hparams=hparams, overrides=TINY[paper][0] | changes)
    return msgspec.convert(found.hparams, implementation_of(paper).HParams), found.env
