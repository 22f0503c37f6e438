"""Frames of a policy at play, and files of them: mp4 where there is an encoder, gif, or a sheet."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from repro.errors import ReproError
from repro.files import write_bytes

if TYPE_CHECKING:
    from repro.player import Player
    from repro.training.environments import Environments

Frame = NDArray[np.uint8]  # [height, width, 3]
Shoot = Callable[[NDArray[Any]], Frame]  # an observation [1, 1, …] -> a picture

MOST_FPS = 30.0
NEARER = 0.5
GIF_FPS, GIF_SIDE = 25, 320  # a gif has no compression over time worth the name
SHEET, SHEET_SIDE = (3, 6), 200  # rows and columns of frames; pixels of each
BACKENDS = ("egl", "osmesa", "glfw")
# MuJoCo chooses its backend when these are first imported.
_CHOSEN_AT_IMPORT = ("mujoco.gl_context", "mujoco.egl", "mujoco.osmesa", "mujoco.glfw",
                     "mujoco.renderer", "mujoco.rendering")  # fmt: skip


class Film(NamedTuple):
    """frames: of the episodes one after the other, drawn as they are asked for. fps: frames a
    second. returns: of the episodes that ended, filled in meanwhile."""

    frames: Iterator[Frame]
    fps: float
    returns: list[float]


def film(player: Player, env: str, episodes: int, steps: int, size: int) -> Film:
    """Play and draw. steps: at most so many an episode; size: pixels a side.

    Raises ReproError where the task cannot be drawn here.
    """
    envs = player.make_envs(1, "watch")
    envs.reset()
    shoot, native = _camera(envs, env, size)
    every = max(1, round(native / MOST_FPS))
    returns: list[float] = []
    return Film(_frames(player, envs, shoot, episodes, steps, every, returns), native / every,
                returns)  # fmt: skip


def _frames(
    player: Player,
    envs: Environments,
    shoot: Shoot,
    episodes: int,
    steps: int,
    every: int,
    returns: list[float],
) -> Iterator[Frame]:
    observation = envs.observation
    for _ in range(episodes):
        begins = np.ones((1, 1), dtype=bool)
        yield shoot(observation)
        for number in range(1, steps + 1):
            step = envs.step(player.act(observation, begins))
            begins[:] = False
            observation = step.observation  # already the next episode's where one ended
            if step.terminated[0, 0] or step.truncated[0, 0]:
                returns.append(float(step.episode_return[0, 0]))
                break
            if number % every == 0:
                yield shoot(observation)
        else:
            observation = envs.reset()


def _camera(envs: Environments, env: str, size: int) -> tuple[Shoot, float]:
    """What draws the environment as it stands, and how many steps a second it takes."""
    inner = envs._stepper.envs  # drawing needs the bare environment, and nothing else does
    first: Any = inner[0] if len(inner) else None
    if type(getattr(first, "data", None)).__name__ == "MjData":
        renderer = _renderer(first.model, size)
        return _mujoco(renderer, first, _viewpoint(first)), 1.0 / float(first.dt)
    if envs.observation.dtype == np.uint8 and envs.observation.ndim >= 4:
        return _seen(size), 15.0  # what the agent sees: the last of its stacked images
    return _classic(first, env), 30.0


def _mujoco(renderer: Any, env: Any, camera: Any) -> Shoot:
    def shoot(observation: NDArray[Any]) -> Frame:
        del observation
        renderer.update_scene(env.data, camera)
        return np.array(renderer.render())

    return shoot


def _renderer(model: Any, size: int) -> Any:
    """A MuJoCo renderer without a screen; the first backend that works, unless one is asked for."""
    import mujoco

    model.vis.global_.offwidth = max(model.vis.global_.offwidth, size)
    model.vis.global_.offheight = max(model.vis.global_.offheight, size)
    asked = os.environ.get("MUJOCO_GL")
    reasons = []
    for backend in [asked] if asked else BACKENDS:
        os.environ["MUJOCO_GL"] = backend
        for name in [name for name in sys.modules if name.startswith(_CHOSEN_AT_IMPORT)]:
            sys.modules.pop(name)
        try:
            from mujoco.renderer import Renderer

            return Renderer(model, size, size)
        except Exception as error:  # each backend fails in its own way
            reasons.append(f"{backend}: {str(error).splitlines()[0] if str(error) else error!r}")
    if not asked:
        os.environ.pop("MUJOCO_GL", None)
    raise ReproError(
        f"MuJoCo {mujoco.mj_versionString()} cannot draw here ({'; '.join(reasons)}); install "
        "libegl1 and libgl1 (or libosmesa6), or set MUJOCO_GL"
    )


def _viewpoint(env: Any) -> Any:
    """The camera that follows the body where the task has one, else a free one, as Gymnasium sets
    it for the task, or else nearer than MuJoCo's, which shows the whole of the ground."""
    import mujoco

    if mujoco.mj_name2id(env.model, mujoco.mjtObj.mjOBJ_CAMERA, "track") >= 0:
        return "track"
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(env.model, camera)
    settings = getattr(getattr(env, "mujoco_renderer", None), "default_cam_config", None) or {}
    for name in ("distance", "azimuth", "elevation"):
        if name in settings:
            setattr(camera, name, settings[name])
    if "lookat" in settings:
        camera.lookat[:] = settings["lookat"]
    if "distance" not in settings:
        camera.distance *= NEARER
    return camera


def _seen(size: int) -> Shoot:
    def shoot(observation: NDArray[Any]) -> Frame:
        image = observation[0, 0]
        while image.ndim > 2:
            image = image[-1]
        times = max(1, size // max(image.shape))
        large = np.kron(image, np.ones((times, times), dtype=np.uint8))
        return np.repeat(large[..., None], 3, axis=2)

    return shoot


def _classic(inner: Any, env: str) -> Shoot:
    """Gymnasium's own drawing of classic control and toy text, which needs pygame."""

    def shoot(observation: NDArray[Any]) -> Frame:
        del observation
        inner.unwrapped.render_mode = "rgb_array"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                frame = inner.unwrapped.render()
            except Exception as error:
                why = str(error).splitlines()[0] if str(error) else repr(error)
                how = "" if "pip install" in why else " (pip install pygame)"
                raise ReproError(f"{env} cannot be drawn here: {why}{how}") from error
        if not isinstance(frame, np.ndarray):
            raise ReproError(f"{env} draws no pictures; watch a MuJoCo task or an Atari game")
        return frame

    return shoot


def encoder(required: bool = False) -> str | None:
    """The ffmpeg to use: imageio-ffmpeg's, else the system's; None (or a ReproError) without."""
    with contextlib.suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    found = shutil.which("ffmpeg")
    if found is None and required:
        raise ReproError(
            "mp4 needs ffmpeg: install it, or `pip install imageio-ffmpeg`; .gif and .png need "
            "nothing else"
        )
    return found


def write(frames: Iterable[Frame], fps: float, target: Path) -> None:
    """Write the frames atomically, in the format of the file's ending."""
    if target.suffix == ".mp4":
        _write_mp4(iter(frames), fps, target)
    elif target.suffix == ".gif":
        write_bytes(target, _gif(frames, fps))
    else:
        write_bytes(target, _sheet(frames))


def _write_mp4(frames: Iterator[Frame], fps: float, target: Path) -> None:
    program = encoder(required=True)
    assert program is not None
    first = next(frames)
    height, width = (side - side % 2 for side in first.shape[:2])  # yuv420p takes even sides
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.stem}.part.mp4")
    command = [program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-", "-an"]
    command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(part)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it says below why it stopped
            for frame in itertools.chain([first], frames):
                process.stdin.write(np.ascontiguousarray(frame[:height, :width]).tobytes())
            process.stdin.close()
        status = process.wait()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    if status:
        part.unlink(missing_ok=True)
        why = lines[-1] if lines else f"exit status {status}"
        raise ReproError(f"ffmpeg could not write {target.name}: {why}; try .gif")
    part.replace(target)


def _gif(frames: Iterable[Frame], fps: float) -> bytes:
    from PIL import Image

    every = max(1, round(fps / GIF_FPS))
    pictures = []
    for frame in itertools.islice(frames, 0, None, every):
        picture = Image.fromarray(frame)
        picture.thumbnail((GIF_SIDE, GIF_SIDE))
        pictures.append(picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=64))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, format="GIF", save_all=True, append_images=pictures[1:], loop=0,
        duration=round(1000 * every / fps), optimize=True,
    )  # fmt: skip
    return buffer.getvalue()


def _sheet(frames: Iterable[Frame]) -> bytes:
    """Frames at equal distances, row by row."""
    from PIL import Image

    small = []
    for frame in frames:
        picture = Image.fromarray(frame)
        picture.thumbnail((SHEET_SIDE - 4, SHEET_SIDE - 4))
        small.append(picture)
    rows, columns = SHEET
    count = min(len(small), rows * columns)
    size = (columns * SHEET_SIDE, -(-count // columns) * SHEET_SIDE)
    sheet = Image.new("RGB", size, "white")
    for place in range(count):
        picture = small[round(place * (len(small) - 1) / max(1, count - 1))]
        row, column = divmod(place, columns)
        sheet.paste(picture, (column * SHEET_SIDE + 2, row * SHEET_SIDE + 2))
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
