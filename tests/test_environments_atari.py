"""Atari against the slow way, frame by frame; ends, lives, rewards, and a state that comes back."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import numpy as np
import pytest
from atari_oracle import Frames, Wrapped, uses_opencv
from test_environments_state import _through_torch as through_torch

from repro.errors import ReproError
from repro.training.choices import Off
from repro.training.environments import atari, make, resolve
from repro.training.environments.atari_presets import PRESETS, AtariPreset
from repro.training.environments.names import rom
from repro.training.evaluate import Evaluations, Protocol

STEPS = 220


def preset(name="nature-2015", **changes):
    return AtariPreset(name=name, changes=changes)


def games(monkeypatch):
    """The (seed, no-ops) of every new game that ALE is asked for, as they are asked."""
    started = []
    reset = atari.AtariVectorEnv.reset

    def noted(self, **arguments):
        image, info = reset(self, **arguments)
        seed = arguments.get("seed")
        no_ops = int(info["episode_frame_number"][0])
        started.append((None if seed is None else int(seed[0]), no_ops))
        return image, info

    monkeypatch.setattr(atari.AtariVectorEnv, "reset", noted)
    return started


CASES = [
    ("dqn-2013", "breakout", Frames, {}),
    ("nature-2015", "breakout", Wrapped, {}),
    ("machado-2018", "pong", Wrapped, {}),
    ("dopamine-2018", "breakout", Wrapped, {"max_frames": 402}),
    ("dopamine-2018", "seaquest", Frames, {}),
]


@pytest.mark.parametrize(("name", "rom", "oracle", "changes"), CASES)
def test_every_step_is_that_of_the_slow_way(monkeypatch, name, rom, oracle, changes):
    """All to the bit, but for the resizing where OpenCV, with which ALE resizes, is missing."""
    started = games(monkeypatch)
    chosen = preset(name, **changes)
    options = chosen.options()
    envs = make(resolve(rom.title()), [3], 1, atari=chosen)
    envs.reset()
    first_seed, _ = started[0]
    slow = oracle(rom, options, first_seed)
    stack = np.zeros(envs.observation_shape, np.uint8)
    start = slow.reset(started[0][1])
    stack[-1], lives = start.image, start.lives
    total, seen_ends, off = 0.0, 0, []
    for action in np.random.default_rng(1).integers(envs.action_space.n, size=STEPS):
        step = envs.step(np.full((1, 1), action))
        theirs = slow.step(int(action))
        total += theirs.reward
        ended = theirs.terminated or theirs.truncated
        lost = options.life_loss_ends and theirs.lives < lives
        assert step.terminated[0, 0] == theirs.terminated
        assert step.truncated[0, 0] == theirs.truncated
        assert step.terminal[0, 0] == (theirs.terminated or lost)
        assert step.reward[0, 0] == np.clip(theirs.reward, -1, 1)
        assert step.episode_return[0, 0] == total
        assert envs._stepper.envs[0].lives == theirs.lives or ended
        stack = np.concatenate([stack[1:], theirs.image[None]])
        off.append(difference(step.final_observation[0, 0], stack))
        lives = theirs.lives
        if ended:
            seen_ends += 1
            stack = np.zeros_like(stack)
            start = slow.reset(started[-1][1])
            stack[-1], lives, total = start.image, start.lives, 0.0
        elif lost:
            stack[:-1] = 0
        off.append(difference(step.observation[0, 0], stack))
    if rom == "breakout":
        assert seen_ends
    assert len(started) == 1 + seen_ends
    worst, share = np.array(off).max(axis=0)
    if oracle is Wrapped and uses_opencv():
        assert worst == 0
    else:
        assert worst <= 1
        assert share < 0.002


def difference(ours, theirs):
    """Largest difference of a pixel, and the share of pixels that differ."""
    apart = np.abs(ours.astype(int) - theirs.astype(int))
    return apart.max(), (apart > 0).mean()


def actions(envs, steps, seed):
    draw = np.random.default_rng(seed)
    return draw.integers(envs.action_space.n, size=(steps, envs.num_seeds, envs.per_seed))


def trace(envs, taken):
    return [[np.array(part) for part in envs.step(action)] for action in taken]


def test_a_saved_game_goes_on_to_the_bit(monkeypatch):
    """Through lost lives, new games, and seeds renewed when the log is long."""
    monkeypatch.setattr(atari, "LONGEST_LOG", 60)
    chosen = preset(sticky_actions=0.25)
    envs = make("Breakout", [0, 5], 1, atari=chosen)
    envs.reset()
    for number, action in enumerate(actions(envs, 230, seed=1)):
        envs.step(action)
        if number % 40 == 39:  # with 40 or 81 in the log: a new game, or a new seed
            envs.reset()
    saved = through_torch(envs.state_dict())
    assert all(game["seeds_used"] > 1 and 255 in game["log"] for game in saved["environments"])
    taken = actions(envs, 130, seed=2)
    expected = trace(envs, taken)
    assert sum(step[-1].sum() for step in expected) > 2  # lives were lost

    fresh = make("Breakout", [0, 5], 1, atari=chosen)
    fresh.load_state_dict(saved)
    for ours, theirs in zip(trace(fresh, taken), expected, strict=True):
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            assert ours_part.tobytes() == theirs_part.tobytes()

    saved["arrays"]["observation"][1, -1, 50] += 1  # as another emulator would leave it
    with pytest.raises(ReproError, match="ALE/Breakout-v5, played again from its seed"):
        fresh.load_state_dict(saved)


def test_a_seed_alone_plays_as_in_company_and_rests():
    chosen = preset("dopamine-2018")
    both, alone = make("Pong", [0, 5], 1, atari=chosen), make("Pong", [5], 1, atari=chosen)
    both.reset(), alone.reset()
    for number, action in enumerate(actions(both, 40, seed=3)):
        here = both.observation[0].copy()
        ours = both.step(action, np.array([number % 2 == 0, True]))
        theirs = alone.step(action[1:])
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            assert ours_part[1].tobytes() == theirs_part[0].tobytes()
        if number % 2:
            assert both.observation[0].tobytes() == here.tobytes()


def test_rewards_are_cut_for_learning_and_whole_in_the_return():
    envs = make("SpaceInvaders", [0], 1, atari=preset("dopamine-2018"))
    envs.reset()
    rewards = []
    for action in actions(envs, 120, seed=0):
        step = envs.step(action)
        rewards.append(step.reward.item())
    assert set(rewards) == {0.0, 1.0}
    assert step.episode_return.item() >= 5 * sum(rewards) > 0  # invaders are worth 5 to 30


def test_evaluation_plays_whole_games():
    nature = preset("nature-2015")
    train, evaluation = nature.options(), nature.evaluated(18_000).options()
    assert (train.life_loss_ends, train.clip_rewards, train.max_frames) == (True, True, 0)
    assert (evaluation.life_loss_ends, evaluation.clip_rewards) == (False, False)
    assert evaluation.max_frames == 18_000
    assert evaluation.noop_max == train.noop_max == 30
    shorter = preset("dopamine-2018", max_frames=400, life_loss_ends=True)
    for cap, frames in ((None, 400), (0, 0), (108_000, 108_000)):
        options = shorter.evaluated(cap).options()
        assert (options.max_frames, options.life_loss_ends) == (frames, False)


def test_presets_differ_where_the_papers_do():
    assert len({msgspec.json.encode(options) for options in PRESETS.values()}) == 4
    assert make("Breakout", [0], 1, atari=preset("machado-2018")).action_space.n == 18
    envs = make("Breakout", [0], 1, "evaluation", atari=preset("nature-2015").evaluated(18_000))
    assert (envs.action_space.n, envs.max_episode_steps) == (4, 4500)


def waits(observation, begins):
    return np.zeros(observation.shape[:2], np.int64)


def test_an_evaluated_game_is_cut_where_its_protocol_says():
    trained = preset("nature-2015", max_frames=400)
    for cap, steps in ((40, 10), (None, 100)):
        protocol = Protocol(period=1, episodes=2, deterministic=True, max_frames=cap)
        evaluations = Evaluations("Breakout", [0, 1], protocol, trained)
        _, lengths = evaluations.play(waits, np.array([True, False]), np.zeros(2, np.int64))
        assert lengths.tolist() == [[steps, steps], [0, 0]]  # without FIRE nothing is lost


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "nature"}, 'no Atari preset "nature": did you mean "nature-2015"'),
        ({"changes": {"frameskip": 3}}, 'no option "frameskip": did you mean "frame_skip"'),
        ({"changes": {"frame_skip": "3"}}, "Expected `int`, got `str`"),
        ({"changes": {"height": 100}}, "do not fit into 84: change resize_height too"),
        ({"names": 1}, "unknown field `names`"),
    ],
)
def test_a_wrong_preset_is_named_where_hyperparameters_are_read(given, message):
    block = {"kind": "preset", "name": "nature-2015", "changes": {}} | given
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(block, AtariPreset)


def test_a_game_needs_a_preset_and_a_preset_a_game():
    with pytest.raises(ReproError, match=r"ALE/Breakout-v5 can be played in several ways"):
        make("Breakout", [0], 1, atari=Off())
    with pytest.raises(ReproError, match="CartPole-v1 is no Atari game"):
        make("CartPole", [0], 1, atari=preset())


def test_names_of_games():
    assert resolve("MsPacman") == resolve("ALE/MsPacman-v5") == "ALE/MsPacman-v5"
    assert resolve("ALE/Adventure-v5") == "ALE/Adventure-v5"  # beyond the 57
    assert rom("ALE/KungFuMaster-v5").name == "kung_fu_master.bin"
    with pytest.raises(ReproError, match='did you mean "ALE/Breakout-v5"'):
        resolve("ALE/Breakout-v4")
    with pytest.raises(ReproError, match='did you mean "Breakout"'):
        resolve("Brekout")


def test_ale_is_imported_by_one_file_alone():
    """It is GPL-2.0 and slow to import."""
    training = Path(atari.__file__).parents[2]
    for path in training.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                if any(name.split(".")[0] == "ale_py" for name in names):
                    assert path.name == "atari.py", path
                assert not any(name.endswith("environments.atari") for name in names) or (
                    path.name == "build.py"
                )
