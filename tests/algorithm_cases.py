"""How each implementation is tried in `test_algorithms_invariants`: one entry a table."""

from __future__ import annotations

from typing import Any

import msgspec
import probes  # noqa: F401 - registers its environments

from repro.cards import load_card, load_sets
from repro.cards.sets import set_file
from repro.experiment import implementation_of, implemented, resolve

TICKS = 16  # of an iteration, in place of experience.TICKS
OFF_POLICY: dict[str, Any] = {
    "minibatch_size": 8,
    "replay_capacity": 40,  # fewer than the steps: the oldest make room
    "random_steps": 12,
    "learning_starts": 8,
    "policy_network.hidden": [16, 8],
    "critic_network.hidden": [16, 8],
}

CONV: dict[str, Any] = {
    "network": {
        "kind": "conv", "channels": [4], "kernels": [8], "strides": [8], "padding": [0],
        "hidden": 8,
    },
}  # fmt: skip
# (paper, set) -> changes beside those of any of its sets. Short games: without FIRE none ends.
SETS: dict[tuple[str, str], dict[str, Any]] = {
    ("dqn-2013", "classic"): {"network.hidden": [16, 8]},
    **{
        (paper, name): CONV
        | {"atari": {"kind": "preset", "name": preset, "changes": {"max_frames": 80}}}
        for paper, name, preset in (
            ("dqn-2013", "atari-2013", "dqn-2013"),
            ("dqn-2013", "nature-2015", "nature-2015"),
            ("dqn-2013", "dopamine-2018", "dopamine-2018"),
            ("a3c-2016", "a2c-atari", "nature-2015"),
        )
    },
}
# paper -> changes of any of its sets; environment steps of a seed in one such iteration
TINY: dict[str, tuple[dict[str, Any], int]] = {
    "ppo-2017": ({"num_actors": 2, "horizon": 32, "epochs": 2, "minibatch_size": 32}, 64),
    "a3c-2016": ({"num_actors": 2, "horizon": 32}, 64),
    "pg-theorem-1999": ({"episodes": 2, "value_updates": 3}, 100),  # two episodes of Reacher
    "ddpg-2015": (OFF_POLICY, TICKS),
    "td3-2018": (OFF_POLICY, TICKS),
    "dqn-2013": ({"minibatch_size": 8, "replay_capacity": 40, "learning_starts": 8}, TICKS),
}
# paper -> (set, environment) that are trained
TRAINED = {
    "ppo-2017": [
        ("mujoco", "Reacher"),
        ("mujoco-ppo2", "HalfCheetah"),
        ("classic", "CartPole"),
        ("classic", "FrozenLake"),
    ],
    "a3c-2016": [("a2c", "Reacher"), ("classic", "CartPole"), ("classic-lstm", "CartPole")],
    "pg-theorem-1999": [("mujoco", "Reacher"), ("classic-actor-critic", "Reacher")],
    "ddpg-2015": [("paper", "Reacher"), ("simplified", "InvertedPendulum")],
    "td3-2018": [("author-2019", "Reacher"), ("camera-ready", "InvertedPendulum")],
    "dqn-2013": [("classic", "CartPole"), ("dopamine-2018", "Breakout")],
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
    "a3c-2016": {
        "a2c": "Hopper",
        "a2c-atari": "Pong",
        "classic": "Pendulum",
        "classic-lstm": "Pendulum",
    },
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
    "dqn-2013": {
        "atari-2013": "SpaceInvaders",
        "nature-2015": "Pong",
        "dopamine-2018": "Breakout",
        "classic": "FrozenLake",
    },
}
# no environments for it yet; or nothing to train
NOT_YET = {
    "ppo-2017": {"atari"},
    "a3c-2016": set(),
    "pg-theorem-1999": {"exact"},
    "ddpg-2015": set(),
    "td3-2018": set(),
    "dqn-2013": set(),
}
# sets whose runs do not repeat bit for bit: tried by distribution, in a file of the paper's own
BY_DISTRIBUTION = {"a3c-2016": {"atari", "atari-lstm", "mujoco", "classic-asynchronous"}}
# paper -> a task that ends at its time limit alone, and changes with which it is reached
TIME_LIMIT: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "ppo-2017": ("mujoco", "Reacher", {"horizon": 64}, 128),
    "a3c-2016": ("a2c", "Reacher", {"horizon": 64}, 128),
    "pg-theorem-1999": ("mujoco", "Reacher", {}, 100),
    "ddpg-2015": ("paper", "Reacher", {}, 96),
    "td3-2018": ("author-2019", "Reacher", {}, 96),
    "dqn-2013": ("classic", "ProbeTurns-v0", {}, 96),
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
    "dqn-2013": ("nature-2015", "Breakout", {"network": "model"}),
}
# names under which implementations keep their networks
NETWORKS = ("model", "policy", "critic", "critics")
# sets that learn at episodes' ends: how many steps an iteration has depends on the episodes
UNEVEN = {("ddpg-2015", "simplified"), ("td3-2018", "camera-ready")}


def take_trials() -> None:
    """The papers that say how they are tried themselves: `trial` in hparams/<id>.yaml."""
    for paper in implemented():
        trial = set_file(paper)[0].trial
        if trial is None:
            continue
        TINY[paper] = (trial.changes, trial.steps)
        TRAINED[paper], SMOKE[paper] = list(trial.tasks.items()), trial.tasks
        NOT_YET[paper] = set(load_sets(paper)) - set(trial.tasks)
        UNEVEN.update((paper, name) for name in trial.uneven)
        first, task = TRAINED[paper][0]
        PARAMETERS[paper] = (first, "HalfCheetah", {n: n for n in load_card(paper).parameters})
        if bootstraps(paper):
            TIME_LIMIT[paper] = (first, task, {}, 2 * trial.steps)


def bootstraps(paper: str) -> bool:
    """Whether a paper has a choice of what a time limit is."""
    return "time_limit" in implementation_of(paper).HParams.__struct_fields__


take_trials()


def tiny(
    paper: str, hparams: str, env: str, whole_networks: bool = False, **changes: Any
) -> tuple[Any, str]:
    """The set's hyperparameters made small (its networks too, or not), and the environment's id."""
    small = TINY[paper][0] | SETS.get((paper, hparams), {})
    small = {n: v for n, v in small.items() if not (whole_networks and "network" in n)}
    found = resolve(paper, env, hparams=hparams, overrides=small | changes, steps=1)
    return msgspec.convert(found.hparams, implementation_of(paper).HParams), found.env
