"""Autoreset, time limits, masks, seeds, names and the engine's version."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from repro.errors import ReproError
from repro.training.environments import (
    Box,
    Discrete,
    environment_seed,
    make,
    require_engine,
    resolve,
    versions,
)
from repro.training.environments.episodes import NonFiniteAction
from repro.training.environments.names import is_mujoco, simulator

CLASSIC = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0"]
OTHERS = [*CLASSIC, "Pendulum-v1", "FrozenLake-v1", "CliffWalking-v1", "Taxi-v4", "Humanoid-v4"]


@pytest.mark.parametrize("env_id", OTHERS)
def test_the_generic_path_equals_gymnasium(env_id: str) -> None:
    envs = make(env_id, [2], 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = gymnasium.make(env_id)
    first, _ = theirs.reset(seed=environment_seed(2, "train", 0))
    size = envs.observation_shape[0]

    def as_vector(seen: object) -> np.ndarray:
        if isinstance(theirs.observation_space, gymnasium.spaces.Discrete):
            return np.eye(size)[seen]
        return np.asarray(seen, np.float64)

    np.testing.assert_array_equal(envs.reset()[0, 0], as_vector(first))
    theirs.action_space.seed(0)
    for _ in range(700):
        action = theirs.action_space.sample()
        step = envs.step(np.asarray(action)[None, None])
        seen, reward, terminated, truncated, _ = theirs.step(action)
        np.testing.assert_array_equal(step.final_observation[0, 0], as_vector(seen))
        assert step.reward[0, 0] == reward
        assert (step.terminated[0, 0], step.truncated[0, 0]) == (
            terminated,
            truncated and not terminated,
        )
        if terminated or truncated:
            seen, _ = theirs.reset()
        np.testing.assert_array_equal(step.observation[0, 0], as_vector(seen))


def test_shapes_and_spaces() -> None:
    envs = make("HalfCheetah", [4, 9, 11], 2)
    assert (envs.id, envs.num_seeds, envs.per_seed) == ("HalfCheetah-v4", 3, 2)
    assert (envs.observation_shape, envs.max_episode_steps) == ((17,), 1000)
    assert isinstance(envs.action_space, Box)
    assert envs.action_space.shape == (6,)
    assert (envs.action_space.low == -1).all()
    assert envs.reset().shape == (3, 2, 17)
    step = envs.step(np.zeros((3, 2, 6), np.float32))
    assert step.final_observation.shape == (3, 2, 17)
    for part in step[1:4]:
        assert part.shape == (3, 2)
    assert make("CartPole", [0], 1).action_space == Discrete(2)
    assert make("FrozenLake", [0], 1).observation_shape == (16,)
    assert make("CliffWalking", [0], 1).max_episode_steps is None


def test_same_step_autoreset_and_accumulators() -> None:
    envs = make("CartPole", [0, 1], 2)
    envs.reset()
    lengths = np.zeros((2, 2), np.int64)
    for _ in range(200):
        step = envs.step(np.ones((2, 2), np.int64))  # always to the right: falls in ten steps
        lengths += 1
        np.testing.assert_array_equal(step.episode_length, lengths)
        np.testing.assert_array_equal(step.episode_return, lengths.astype(float))
        ended = step.terminated | step.truncated
        same = (step.final_observation == step.observation).all(axis=-1)
        np.testing.assert_array_equal(same, ~ended)
        assert (np.abs(step.observation[ended]) <= 0.05).all()  # CartPole's start states
        lengths[ended] = 0
    assert not step.truncated.any()


def test_the_time_limit_truncates_and_does_not_terminate() -> None:
    envs = make("Pendulum", [0], 1)
    envs.reset()
    for index in range(1, 401):
        step = envs.step(np.zeros((1, 1, 1), np.float32))
        assert step.truncated[0, 0] == (index % 200 == 0)
        assert not step.terminated.any()


def test_termination_at_the_time_limit_is_not_a_truncation() -> None:
    probe = make("CartPole", [0], 1)
    probe.reset()
    length = 1
    while not probe.step(np.ones((1, 1), np.int64)).terminated[0, 0]:
        length += 1
    envs = make("CartPole", [0], 1)
    envs._limit = length  # the pole falls in the very step of the limit
    envs.reset()
    for _ in range(length):
        step = envs.step(np.ones((1, 1), np.int64))
    assert step.terminated[0, 0]
    assert not step.truncated[0, 0]


@pytest.mark.parametrize("env_id", ["Hopper-v4", "CartPole-v1", "Humanoid-v4"])
def test_a_seed_does_not_depend_on_the_stack(env_id: str) -> None:
    """Seed 7 alone equals seed 7 among others that pause or whose actions are NaN."""
    alone, among = make(env_id, [7], 2), make(env_id, [3, 7, 1], 2)
    assert alone.reset()[0].tobytes() == among.reset()[1].tobytes()
    space, draw = alone.action_space, np.random.default_rng(0)
    for index in range(150):
        if isinstance(space, Discrete):
            actions = draw.integers(space.n, size=(3, 2))
        else:
            actions = draw.uniform(-0.4, 0.4, (3, 2, *space.shape)).astype(np.float32)
        active = np.array([index % 3 == 0, True, index < 60])
        if not isinstance(space, Discrete):
            actions[~active] = np.nan
        expected, step = alone.step(actions[1:2]), among.step(actions, active)
        for ours, theirs in zip(step, expected, strict=True):
            assert ours[1].tobytes() == theirs[0].tobytes()


@pytest.mark.parametrize("env_id", ["Hopper-v4", "Reacher-v4", "CartPole-v1"])
def test_an_inactive_seed_stays_as_it_is(env_id: str) -> None:
    """Seed 0 pauses for a while and then goes on as if it had not."""
    paused, expected = make(env_id, [0, 1], 1), make(env_id, [0, 1], 1)
    paused.reset(), expected.reset()
    space, draw = paused.action_space, np.random.default_rng(3)
    shape = (120, 2, 1, *space.shape)
    actions = (
        draw.integers(2, size=shape)
        if isinstance(space, Discrete)
        else draw.uniform(-0.5, 0.5, shape)
    )
    for index, action in enumerate(actions):
        if index % 2:
            before = paused.step(action, [False, True])
            assert before.reward[0, 0] == 0.0
            assert not (before.terminated | before.truncated)[0, 0]
        step, wanted = paused.step(action), expected.step(action)
        for name in ("observation", "reward", "terminated", "final_observation"):
            assert getattr(step, name)[0].tobytes() == getattr(wanted, name)[0].tobytes()
        assert step.episode_return[0].tobytes() == wanted.episode_return[0].tobytes()


def test_nothing_happens_where_no_seed_is_active() -> None:
    for name in ("Reacher", "FrozenLake"):
        envs = make(name, [0, 1], 1)
        before = envs.reset().copy()
        step = envs.step(np.zeros((2, 1, *envs.action_space.shape)), [False, False])
        assert step.observation.tobytes() == before.tobytes()
        assert not step.episode_length.any()


def test_a_later_reset_starts_other_episodes() -> None:
    envs, again = make("CartPole", [0], 1), make("CartPole", [0], 1)
    first, second = envs.reset().copy(), envs.reset().copy()
    assert (first != second).any()
    assert first.tobytes() == again.reset().tobytes()
    assert second.tobytes() == again.reset().tobytes()


def test_purposes_seeds_and_places_have_their_own_generators() -> None:
    found = {
        environment_seed(seed, purpose, index)
        for seed in range(5)
        for purpose in ("train", "evaluation")
        for index in range(5)
    }
    assert len(found) == 50
    assert (
        make("CartPole", [0], 1, "evaluation").reset().tobytes()
        != make("CartPole", [0], 1).reset().tobytes()
    )


def test_nan_is_refused_and_names_the_seed() -> None:
    envs = make("HalfCheetah", [4, 9], 1)
    envs.reset()
    actions = np.zeros((2, 1, 6), np.float32)
    actions[1, 0, 2] = np.nan
    with pytest.raises(NonFiniteAction, match="seed 9 is NaN") as caught:
        envs.step(actions)
    assert caught.value.seeds == [9]
    envs.step(actions, [True, False])
    envs.step(np.full((2, 1, 6), 1e15, np.float32))  # large is not infinite


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("HalfCheetah", "HalfCheetah-v4"),
        ("CartPole", "CartPole-v1"),
        ("Taxi", "Taxi-v4"),
        ("Hopper-v5", "Hopper-v5"),
        ("CartPole-v0", "CartPole-v0"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert resolve(name) == expected


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_dead_names_point_to_the_living_one(version: int) -> None:
    with pytest.raises(ReproError, match="nearest living task is Walker2d-v4"):
        resolve(f"Walker2d-v{version}")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HalfCheeta", 'did you mean "HalfCheetah"'),
        ("halfcheetah", 'did you mean "HalfCheetah"'),
        ("CartPole-v2", 'did you mean "CartPole-v'),
        ("Hoper-v4", 'did you mean "Hopper-v4"'),
    ],
)
def test_wrong_names_get_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ReproError) as caught:
        make(name, [0], 1)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ("HalfCheetah-v4", "MuJoCo"),
        ("Pusher-v5", "MuJoCo"),
        ("Taxi-v4", "Gymnasium"),  # its version says nothing of physics
        ("Pendulum-v1", "Gymnasium"),
        ("ALE/Breakout-v5", "ALE"),
        ("random-mdp", "Gymnasium"),
    ],
)
def test_what_simulates_a_task(env: str, name: str) -> None:
    assert simulator(env)[0] == name
    assert is_mujoco(env) == (name == "MuJoCo")


def test_unsupported_spaces_are_refused() -> None:
    with pytest.raises(ReproError, match="Blackjack-v1 has observations of kind"):
        make("Blackjack-v1", [0], 1)


def test_another_engine_is_refused_unless_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    import mujoco

    assert require_engine() == "3.6.0"
    monkeypatch.setattr(mujoco, "mj_versionString", lambda: "4.0.0")
    with pytest.raises(ReproError, match=r"4\.0\.0 is loaded, expected 3\.6\.0.*--accept-engine"):
        make("Reacher", [0], 1)
    assert require_engine(accept=True) == "4.0.0"
    make("Reacher", [0], 1, accept_engine=True)


def test_versions_do_not_import_ale() -> None:
    code = (
        "import sys; from repro.training.environments import versions; v = versions();"
        "assert set(v) == {'python', 'torch', 'numpy', 'gymnasium', 'mujoco', 'ale-py'}, v;"
        "assert not {'ale_py', 'torch', 'mujoco', 'gymnasium', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert versions()["mujoco"] == "3.6.0"


def test_nothing_foreign_is_printed_or_written(tmp_path: Path) -> None:
    """Gymnasium's deprecation lines and MuJoCo's warnings (unstable physics here) stay away."""
    code = (
        "import numpy as np; from repro.training.environments import make\n"
        "for name in ('HalfCheetah', 'InvertedPendulum', 'Humanoid'):\n"
        "    e = make(name, [0], 1); e.reset()\n"
        "    e._stepper.envs[0].data.qvel[:] = 1e12\n"
        "    e.step(np.zeros((1, 1, *e.action_space.shape)))\n"
        "    assert np.abs(e._stepper.envs[0].data.qvel).max() < 1e3, 'MuJoCo did not warn'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []
