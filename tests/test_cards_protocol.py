"""How a set says that its agents are evaluated: strict, inherited, and shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro import paths
from repro.cards import load_sets
from repro.cards.protocol import words
from repro.cli import main
from repro.errors import ReproError

NATURE = "      period: 250_000\n      episodes: 30\n"


@pytest.mark.parametrize(
    ("paper", "old", "new", "expected"),
    [
        ("dqn-2013", NATURE, NATURE.replace("30", "0"), "episodes: found 0, expected a whole numb"),
        ("dqn-2013", NATURE, NATURE.replace("250_000", "often"), 'period: found "often", expected'),
        ("dqn-2013", NATURE, NATURE.replace("period", "perid"), 'did you mean "period"?'),
        ("dqn-2013", NATURE, NATURE[: NATURE.index("\n") + 1], 'the field "episodes" is missing'),
        ("dqn-2013", "      max_frames: 18_000\n", "", "evaluation: max_frames is missing, expec"),
        ("dqn-2013", "max_frames: 18_000", "max_frames: -1", "expected a whole number >= 0"),
        ("dqn-2013", 'source: "lua: run_gpu (every', 'source: "lau:run_gpu (every', "no key of"),
        (
            "a3c-2016",
            "      deterministic: true\n",
            "      deterministic: true\n      max_frames: 1\n",
            "sets.mujoco.evaluation: found max_frames, expected none: the set plays no Atari",
        ),
    ],
)
def test_errors_are_one_line(paper, old, new, expected, tmp_path, monkeypatch):
    text = (paths.HPARAMS / f"{paper}.yaml").read_text(encoding="utf-8")
    assert old in text
    monkeypatch.setattr(paths, "HPARAMS", tmp_path)
    (tmp_path / f"{paper}.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ReproError) as error:
        load_sets(paper)
    assert expected in str(error.value)
    assert Path(str(error.value).split(":")[0]).name == f"{paper}.yaml"
    assert "\n" not in str(error.value)


def test_what_a_set_extends_says_it_too():
    sets = load_sets("a3c-2016")
    assert sets["atari-lstm"].evaluation == sets["atari"].evaluation is not None
    assert sets["atari"].evaluation.source.startswith("pfnet/pfrl@")  # the short name, written out
    assert sets["classic-lstm"].evaluation == sets["a2c"].evaluation


def test_in_words():
    protocol = {"period": 5000, "episodes": 10, "deterministic": True}
    assert words(protocol) == "every 5,000 steps 10 whole episodes, by the policy's mode"
    assert words(protocol | {"max_frames": 18_000}).endswith(", a game cut after 18,000 frames")
    sampled = protocol | {"deterministic": False, "max_frames": 0}
    assert words(sampled).endswith(", by samples of the policy, a game never cut")


def test_it_is_shown(capsys):
    assert main(["show", "dqn-2013", "--hparams", "nature-2015"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "evaluated every 250,000 steps 30 whole episodes" in said
    assert main(["show", "dqn-2013", "--hparams", "classic"]) == 0
    assert "evaluated every" not in capsys.readouterr().out
