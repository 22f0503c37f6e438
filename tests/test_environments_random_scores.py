"""The random policy's scores: measured over whole episodes, committed, and still true."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import gymnasium
import numpy as np
import pytest

from repro import paths
from repro.cards.yaml import read
from repro.training.environments import environment_seed, require_engine
from repro.training.environments.random_scores import (
    ATARI,
    ENVIRONMENTS,
    FILE,
    PURPOSE,
    main,
    measure,
)


def test_scores_equal_a_slow_oracle() -> None:
    """Three seeds, four whole episodes each, stepped by Gymnasium one after the other."""
    returns, lengths = [], []
    for seed in range(3):
        env = gymnasium.make("CartPole-v1")
        draw = np.random.default_rng([seed, crc32(PURPOSE.encode())])
        draw.integers(2)
        first: int | None = environment_seed(seed, PURPOSE, 0)
        for _ in range(4):
            env.reset(seed=first)
            first, total, length, ended = None, 0.0, 0, False
            while not ended:
                _, reward, terminated, truncated, _ = env.step(draw.integers(2))
                total, length, ended = total + float(reward), length + 1, terminated or truncated
            returns.append(total)
            lengths.append(length)
    found = measure("CartPole", 12, range(3))
    assert found["mean"] == pytest.approx(np.mean(returns), rel=1e-12)
    assert found["std"] == pytest.approx(np.std(returns, ddof=1), rel=1e-12)
    assert (found["episodes"], found["mean_length"]) == (12, pytest.approx(np.mean(lengths)))


def test_the_committed_file_is_whole_and_of_the_pinned_engine() -> None:
    content = read(paths.PAPERS / "data" / FILE).value
    assert set(content["scores"]) == {*ENVIRONMENTS, *ATARI}
    assert content["versions"]["mujoco"] == require_engine()
    for entry in content["scores"].values():
        assert entry["episodes"] >= 100
        assert entry["std"] >= 0.0


@pytest.mark.parametrize("env", ["CartPole-v1", "FrozenLake-v1", "InvertedPendulum-v4"])
def test_the_committed_scores_are_measured_again(env: str) -> None:
    committed = read(paths.PAPERS / "data" / FILE).value["scores"][env]
    found = measure(env, committed["episodes"], committed["seeds"])
    assert found == {
        key: pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        for key, value in committed.items()
    }


def test_the_command_writes_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from repro.training.environments import random_scores

    monkeypatch.setattr(random_scores.table, "__defaults__", (("FrozenLake-v1",),))
    main(["--episodes", "20", "--out", str(tmp_path / "scores.yaml")])
    written = read(tmp_path / "scores.yaml").value
    assert (written["schema_version"], written["scores"]["FrozenLake-v1"]["episodes"]) == (1, 20)
    assert "FrozenLake-v1" in capsys.readouterr().out
