"""Frames of a policy at play, and files of them: mp4 where there is an encoder, gif, or a sheet."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from repro.errors import ReproError
from repro.files import write_bytes

if TYPE_CHECKING:
    from repro.player import Player

Frame = NDArray[np.uint8]  # [height, width, 3]

GIF_FPS, GIF_SIDE = 25, 320  # a gif has no compression over time worth the name
SHEET = (3, 6)  # rows and columns of frames
BACKENDS = ("egl", "osmesa", "glfw")
# MuJoCo chooses its backend when these are first imported.
_CHOSEN_AT_IMPORT = ("mujoco.gl_context", "mujoco.egl", "mujoco.osmesa", "mujoco.glfw",
                     "mujoco.renderer", "mujoco.rendering")  # fmt: skip


class Film(NamedTuple):
    """Frames of the episodes one after the other, frames a second, and the returns of those that
    ended."""

    frames: list[Frame]
    fps: float
    returns: list[float]


def film(player: Player, env: str, episodes: int, steps: int, size: int) -> Film:
    """Play and draw. steps: at most so many an episode; size: pixels a side.

    Raises ReproError where the task cannot be drawn here.
    """
    envs = player.make_envs(1, "watch")
    observation = envs.reset()
    frames, returns = [], []
    with _camera(envs, env, size, observation) as (shoot, fps):
        for _ in range(episodes):
            begins = np.ones((1, 1), dtype=bool)
            frames.append(shoot(observation))
            for _ in range(steps):
                step = envs.step(player.act(observation, begins))
                begins[:] = False
                observation = step.observation  # already the next episode's where one ended
                if step.terminated[0, 0] or step.truncated[0, 0]:
                    returns.append(float(step.episode_return[0, 0]))
                    break
                frames.append(shoot(observation))
            else:
                observation = envs.reset()
    return Film(frames, fps, returns)


@contextlib.contextmanager
def _camera(envs: Any, env: str, size: int, observation: NDArray[Any]
            ) -> Iterator[tuple[Callable[[NDArray[Any]], Frame], float]]:  # fmt: skip
    """What draws the environment as it stands, and its frames a second."""
    inner = envs._stepper.envs  # drawing needs the bare environment, and nothing else does
    first: Any = inner[0] if len(inner) else None
    if type(getattr(first, "data", None)).__name__ == "MjData":
        renderer = _renderer(first.model, size)
        camera = "track" if _has_camera(first.model, "track") else -1
        try:
            yield _mujoco(renderer, first, camera), 1.0 / float(first.dt)
        finally:
            renderer.close()
    elif observation.dtype == np.uint8 and observation.ndim >= 4:
        yield _seen(size), 15.0  # what the agent sees: the last of its stacked images
    else:
        yield _classic(first, env), 30.0


def _mujoco(renderer: Any, env: Any, camera: Any) -> Callable[[NDArray[Any]], Frame]:
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


def _has_camera(model: Any, name: str) -> bool:
    import mujoco

    return bool(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, name) >= 0)


def _seen(size: int) -> Callable[[NDArray[Any]], Frame]:
    def shoot(observation: NDArray[Any]) -> Frame:
        image = observation[0, 0]
        while image.ndim > 2:
            image = image[-1]
        times = max(1, size // max(image.shape))
        large = np.kron(image, np.ones((times, times), dtype=np.uint8))
        return np.repeat(large[..., None], 3, axis=2)

    return shoot


def _classic(inner: Any, env: str) -> Callable[[NDArray[Any]], Frame]:
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
                raise ReproError(
                    f"{env} cannot be drawn here: {why} (pip install pygame)"
                ) from error
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


def write(frames: Sequence[Frame], fps: float, target: Path) -> None:
    """Write the frames atomically, in the format of the file's ending."""
    if target.suffix == ".mp4":
        _write_mp4(frames, fps, target)
    elif target.suffix == ".gif":
        write_bytes(target, _gif(frames, fps))
    else:
        write_bytes(target, _sheet(frames))


def _write_mp4(frames: Sequence[Frame], fps: float, target: Path) -> None:
    program = encoder(required=True)
    assert program is not None
    height, width = (side - side % 2 for side in frames[0].shape[:2])  # yuv420p takes even sides
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.stem}.part.mp4")
    command = [program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-", "-an"]
    command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(part)]
    raw = b"".join(np.ascontiguousarray(f[:height, :width]).tobytes() for f in frames)
    done = subprocess.run(command, input=raw, capture_output=True, check=False)
    if done.returncode:
        part.unlink(missing_ok=True)
        why = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise ReproError(
            f"ffmpeg could not write {target.name}: {why[0]}; try --out {target.stem}.gif"
        )
    part.replace(target)


def _gif(frames: Sequence[Frame], fps: float) -> bytes:
    from PIL import Image

    every = max(1, round(fps / GIF_FPS))
    pictures = []
    for frame in frames[::every]:
        picture = Image.fromarray(frame)
        picture.thumbnail((GIF_SIDE, GIF_SIDE))
        pictures.append(picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=64))
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, format="GIF", save_all=True, append_images=pictures[1:], loop=0,
        duration=round(1000 * every / fps), optimize=True,
    )  # fmt: skip
    return buffer.getvalue()


def _sheet(frames: Sequence[Frame]) -> bytes:
    """Frames at equal distances, row by row."""
    from PIL import Image

    rows, columns = SHEET
    count = min(len(frames), rows * columns)
    chosen = [frames[round(i * (len(frames) - 1) / max(1, count - 1))] for i in range(count)]
    side = 200
    rows = -(-count // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for place, frame in enumerate(chosen):
        picture = Image.fromarray(frame)
        picture.thumbnail((side - 4, side - 4))
        sheet.paste(picture, (place % columns * side + 2, place // columns * side + 2))
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
