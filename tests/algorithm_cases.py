"""How each implementation is tried in `test_algorithms_invariants`: one entry a table."""

from __future__ import annotations

from typing import Any

import msgspec

from repro.experiment import implementation_of, resolve

TICKS = 16  # of an iteration, in place of experience.TICKS
OFF_POLICY: dict[str, Any] = {
    "minibatch_size": 8,
    "replay_capacity": 40,  # fewer than the steps: the oldest make room
    "random_steps": 12,
    "learning_starts": 8,
    "policy_network.hidden": [16, 8],
    "critic_network.hidden": [16, 8],
}

# paper -> changes of any of its sets; environment steps of a seed in one such iteration
TINY: dict[str, tuple[dict[str, Any], int]] = {
    "ppo-2017": ({"num_actors": 2, "horizon": 32, "epochs": 2, "minibatch_size": 32}, 64),
    "a3c-2016": ({"num_actors": 2, "horizon": 32}, 64),
    "pg-theorem-1999": ({"episodes": 2, "value_updates": 3}, 100),  # two episodes of Reacher
    "ddpg-2015": (OFF_POLICY, TICKS),
    "td3-2018": (OFF_POLICY, TICKS),
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
    "ddpg-2015": [("paper", "Reacher"), ("simplified", "InvertedPendulum")],
    "td3-2018": [("author-2019", "Reacher"), ("camera-ready", "InvertedPendulum")],
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
    "ddpg-2015": {
        "paper": "Pendulum",
        "simplified": "InvertedPendulum",
        "classic": "InvertedPendulum",
    },
    "td3-2018": {
        "camera-ready": "InvertedPendulum",
        "author-2019": "Hopper",
        "classic": "Pendulum",
    },
}
# no environments for it yet; or nothing to train
NOT_YET = {
    "ppo-2017": {"atari"},
    "a3c-2016": {"atari", "a2c-atari"},
    "pg-theorem-1999": {"exact"},
    "ddpg-2015": set(),
    "td3-2018": set(),
}
# paper -> a task that ends at its time limit alone, and changes with which it is reached
TIME_LIMIT: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "ppo-2017": ("mujoco", "Reacher", {"horizon": 64}, 128),
    "a3c-2016": ("a2c", "Reacher", {"horizon": 64}, 128),
    "pg-theorem-1999": ("mujoco", "Reacher", {}, 100),
    "ddpg-2015": ("paper", "Reacher", {}, 96),
    "td3-2018": ("author-2019", "Reacher", {}, 96),
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
    "ddpg-2015": ("simplified", "HalfCheetah", {"policy": "policy", "critic": "critic"}),
    "td3-2018": ("camera-ready", "HalfCheetah", {"policy": "policy", "critics": "critics"}),
}
# names under which implementations keep their networks
NETWORKS = ("model", "policy", "critic", "critics")
# sets that learn at episodes' ends: how many steps an iteration has depends on the episodes
UNEVEN = {("ddpg-2015", "simplified"), ("td3-2018", "camera-ready")}


def tiny(
    paper: str, hparams: str, env: str, whole_networks: bool = False, **changes: Any
) -> tuple[Any, str]:
    """The set's hyperparameters made small (its networks too, or not), and the environment's id."""
    small = {n: v for n, v in TINY[paper][0].items() if not (whole_networks and "network" in n)}
    found = resolve(paper, env, hparams=hparams, overrides=small | changes, steps=1)
    return msgspec.convert(found.hparams, implementation_of(paper).HParams), found.env
