"""Videos: what is drawn, the files, and which policy is shown."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from repro import evidence, paths, video
from repro.commands import watch
from repro.errors import ReproError
from repro.player import Player

RESULT = paths.RESULTS / "ppo-2017" / "Reacher-v4" / "mujoco-ppo2"
FRAMES = [np.full((96, 128, 3), 5 * i, dtype=np.uint8) for i in range(40)]


@pytest.fixture(scope="module")
def filmed():
    if not (RESULT / "policy.pt").is_file():
        pytest.skip("the result on Reacher is not in this tree")
    policy, seed = watch.stored_policy(RESULT, None)
    player = Player(policy, evidence.experiment_of(RESULT), seed, deterministic=True)
    try:
        found = video.film(player, "Reacher-v4", 2, 60, 96)
    except ReproError as lack:
        pytest.skip(str(lack))
    return found._replace(frames=list(found.frames))


def test_a_film_has_every_frame_of_whole_episodes(filmed):
    # Reacher's episodes have fifty steps, fifty a second: every second one is drawn.
    assert len(filmed.frames) == 2 * 25
    assert all(frame.shape == (96, 96, 3) for frame in filmed.frames)
    assert filmed.fps == pytest.approx(25.0)
    assert len(filmed.returns) == 2
    assert all(-25 < value < 0 for value in filmed.returns)
    assert not np.array_equal(filmed.frames[0], filmed.frames[20])
    assert filmed.frames[0].std() > 5  # something is to be seen


def test_a_gif_plays_at_its_speed(tmp_path):
    video.write(FRAMES, 50.0, tmp_path / "x.gif")
    with Image.open(tmp_path / "x.gif") as picture:
        assert picture.n_frames == 20  # every second frame at 25 a second
        assert picture.info["duration"] == 40
        assert picture.size == (128, 96)


def test_a_sheet_shows_frames_from_the_first_to_the_last(tmp_path):
    video.write(FRAMES, 50.0, tmp_path / "x.png")
    with Image.open(io.BytesIO((tmp_path / "x.png").read_bytes())) as sheet:
        assert sheet.size == (6 * 200, 3 * 200)
        assert sheet.getpixel((60, 60)) == (0, 0, 0)
        assert sheet.getpixel((5 * 200 + 60, 2 * 200 + 60)) == (195, 195, 195)


def test_mp4_that_cannot_be_written_says_why(monkeypatch, tmp_path):
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(video, "encoder", lambda required=False: str(broken))
    with pytest.raises(ReproError, match=r"could not write x\.mp4: no such codec"):
        video.write(FRAMES, 50.0, tmp_path / "x.mp4")
    assert list(tmp_path.glob("*.mp4")) == []
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert video.encoder() is None
    with pytest.raises(ReproError, match="pip install imageio-ffmpeg"):
        video.encoder(required=True)


def test_an_agent_that_sees_pictures_shows_what_it_sees():
    frame = np.arange(2 * 4 * 8 * 8, dtype=np.uint8).reshape(2, 4, 8, 8)[None, :1]
    shown = video._seen(64)(frame)
    assert shown.shape == (64, 64, 3)
    assert (shown[:8, :8] == frame[0, 0, -1, 0, 0]).all()


def test_the_policy_is_that_of_a_stacks_first_seed(tmp_path):
    stacks = {"one": [7, 8], "two": [3, 4]}
    manifest = {"schema_version": 1, "stacks": stacks, "seeds": [3, 4, 7, 8]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReproError, match="holds no policy"):
        watch.stored_policy(tmp_path, None)
    for name in stacks:
        (tmp_path / "stacks" / name).mkdir(parents=True)
        (tmp_path / "stacks" / name / "policy.pt").touch()
    assert watch.stored_policy(tmp_path, 3)[0].parent.name == "two"
    assert watch.stored_policy(tmp_path, None)[1] == 7
    with pytest.raises(ReproError, match="stored: 7, 3"):
        watch.stored_policy(tmp_path, 8)


def test_a_task_that_needs_pygame_says_so():
    def render():
        raise ImportError("pygame is not installed")

    inner = SimpleNamespace(unwrapped=SimpleNamespace(render=render, render_mode=None))
    with pytest.raises(ReproError, match="pip install pygame"):
        video._classic(inner, "CartPole-v1")(np.zeros(4))
