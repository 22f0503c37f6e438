"""PPO killed anywhere and resumed equals PPO left alone: logs, outcomes, final state, every bit.

The tests plant SIGKILL at calls inside the worker or its parent (tests/faults), run the same
command again, and compare with a run that nobody disturbed. A checkpoint is written at every
iteration, so that its writing is hit as well.
"""

from __future__ import annotations

import random

import msgspec
import pytest
from runner_tools import Command, assert_same, trace

from repro.experiment import resolve

# Two seeds, five iterations of 64 steps each; Reacher evaluates beside training.
OVERRIDES = {"num_actors": 2, "horizon": 32, "epochs": 2, "minibatch_size": 32}
STEPS = 320
SETS = {
    "Reacher": "mujoco",
    "HalfCheetah": "mujoco-ppo2",
    "CartPole": "classic",
    "FrozenLake": "classic",
}

WORKER, PARENT = "repro.launch.worker", "launch_command.py"
RESET = f"{WORKER} repro.training.environments.episodes:Environments.reset"
STEP = f"{WORKER} repro.training.environments.episodes:Environments.step"
UPDATE = f"{WORKER} repro.training.optim:Adam.step"
EVALUATION = f"{WORKER} repro.training.evaluate:play"
CHECKPOINT = f"{WORKER} repro.training.checkpoint:save"
FLUSH = f"{WORKER} repro.training.log:SeedLog.flush"
SYNC, RENAME = f"{WORKER} os:fsync", f"{WORKER} os:replace"
FINISH = f"{WORKER} repro.training.run:Run._finish"
MANIFEST = f"{PARENT} repro.files:write_json"

# Each chain is one run's faults, one per start of the same command. The checkpoint of an
# iteration flushes two logs and itself (three fsyncs) and renames once or twice.
CHAINS = {
    "Reacher": [f"{RESET}:1 kill", f"{EVALUATION}:2 kill", f"{RENAME}:2 kill-after"],
    "HalfCheetah": [f"{STEP}:50 kill", f"{UPDATE}:3 kill", f"{SYNC}:3 kill"],
    "CartPole": [f"{CHECKPOINT}:2 interrupt", f"{FLUSH}:3 kill-after", f"{FINISH}:1 kill"],
    "FrozenLake": [f"{MANIFEST}:2 kill", f"{SYNC}:5 full", f"{FINISH}:1 kill-after"],
}


def experiment(env):
    found = resolve("ppo-2017", env, hparams=SETS[env], overrides=OVERRIDES, steps=STEPS)
    if env == "Reacher":
        protocol = {"period": 128, "episodes": 2, "deterministic": True}
        found = msgspec.structs.replace(found, evaluation=protocol)
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The trace of an undisturbed run of an environment; made once."""
    traces = {}

    def make(env):
        if env not in traces:
            command = Command(tmp_path_factory.mktemp(env), experiment(env), [0, 1])
            status, said = command.run()
            assert status == 0, said
            traces[env] = trace(command.folder)
        return traces[env]

    return make


@pytest.mark.parametrize("env", SETS)
def test_killed_and_resumed_equals_uninterrupted(env, undisturbed, tmp_path):
    command = Command(tmp_path, experiment(env), [0, 1])
    for fault in CHAINS[env]:
        status, said = command.run(fault)
        struck = (0,) if fault == f"{FINISH}:1 kill-after" else (3, 130, -9)
        assert status in struck, f"{fault}: {said}"
    status, said = command.run()
    assert status == 0, said
    assert_same(trace(command.folder), undisturbed(env))


def test_the_runs_compared_hold_what_they_should(undisturbed):
    found = undisturbed("Reacher")
    for seed in (0, 1):
        log = found[f"0-1 seed-{seed}.jsonl"]
        assert log.count(b'"kind": "evaluation"') == 3  # at steps 0, 128 and 256
        assert log.count(b'"kind": "train"') == 5
        assert log.count(b'"kind": "episode"') == 6  # of 50 steps, in two environments
    assert found["0-1 checkpoint"]["iteration"] == 5
    assert {"kept", "envs", "streams", "evaluations"} <= found["0-1 checkpoint"].keys()


def test_runs_differ_where_they_should(undisturbed, tmp_path):
    """The comparison is not blind: another seed or set gives another trace."""
    other = Command(tmp_path, experiment("CartPole"), [0, 2])
    assert other.run()[0] == 0
    found = trace(other.folder)
    with pytest.raises(AssertionError):
        assert_same(found, undisturbed("CartPole"))
    log = next(value for name, value in found.items() if name.endswith("seed-2.jsonl"))
    assert log.count(b"\n") > 5 + 1


def random_fault(chance):
    """A fault somewhere in the first one or two iterations after a start."""
    place, most = chance.choice(
        [
            (RESET, 2), (STEP, 70), (UPDATE, 8), (EVALUATION, 2), (CHECKPOINT, 3), (FLUSH, 6),
            (SYNC, 9), (RENAME, 5), (MANIFEST, 4), (FINISH, 1),
        ]
    )  # fmt: skip
    return f"{place}:{chance.randint(1, most)} {chance.choice(['kill', 'kill', 'kill-after'])}"


@pytest.mark.slow
@pytest.mark.parametrize("env", SETS)
@pytest.mark.parametrize("draw", range(2))
def test_many_random_kills(env, draw, undisturbed, tmp_path):
    chance, kills, runs = random.Random(f"{env} {draw}"), 0, 0
    while kills < 13:
        command = Command(tmp_path / str(runs), experiment(env), [0, 1])
        while kills < 13:
            status, _ = command.run(random_fault(chance))
            if status == 0:
                break
            kills += 1
        status, said = command.run()
        assert status == 0, said
        assert_same(trace(command.folder), undisturbed(env))
        runs += 1
