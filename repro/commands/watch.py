"""a video of the trained policy: one file, and what the episodes returned

examples:
  repro watch ppo-2017 --env HalfCheetah                 the result kept in git, or the newest run
  repro watch ppo-2017:mujoco-ppo2 --env Reacher --episodes 5
  repro watch runs/ppo-2017/Hopper-v4/mujoco/1f0c9a2b3d4e --out hopper.gif
  repro watch ppo-2017/HalfCheetah-v4/mujoco --out poses.png

The policy plays with its stored normaliser and without its exploration noise (--noise keeps it).
.mp4 needs ffmpeg or `pip install imageio-ffmpeg`; .gif and .png (a sheet of frames) need nothing
else. MuJoCo draws without a screen: MUJOCO_GL is egl, osmesa or glfw, by default whichever works.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from repro.commands import text
from repro.commands.arguments import whole
from repro.errors import ReproError

KINDS = (".mp4", ".gif", ".png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a folder, PAPER/ENV/SET, or PAPER[:SET]")
    parser.add_argument("--env", metavar="E", help="environment, where RUN does not name it")
    parser.add_argument("--seed", type=whole, help="which seed's policy; default: the first stored")
    parser.add_argument("--episodes", type=whole, default=1, help="default: 1")
    parser.add_argument("--steps", type=whole, default=1000, help="at most so many; default: 1000")
    parser.add_argument("--noise", action="store_true", help="act as in training, with noise")
    parser.add_argument("--size", type=whole, default=320, help="pixels a side; default: 320")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".mp4, .gif or .png")


def execute(args: argparse.Namespace) -> int:
    from repro.commands.arms import folder_of
    from repro.evidence import experiment_of
    from repro.plans import shown
    from repro.player import Player
    from repro.video import encoder, film, write

    if args.out is not None and args.out.suffix not in KINDS:
        raise ReproError(f"--out {args.out}: expected a name ending in .mp4, .gif or .png")
    if args.episodes < 1 or args.steps < 1 or not 64 <= args.size <= 2048:
        raise ReproError("--episodes and --steps start at 1, --size goes from 64 to 2048")
    if args.out is not None and args.out.suffix == ".mp4":
        encoder(required=True)
    folder = folder_of(args.run, args.env)
    experiment = experiment_of(folder)
    policy, seed = stored_policy(folder, args.seed)
    player = Player(policy, experiment, seed, deterministic=not args.noise)
    recorded = film(player, experiment.env, args.episodes, args.steps, args.size)
    target = args.out or _target(folder, seed)
    write(recorded.frames, recorded.fps, target)
    if not args.quiet:
        listed = ", ".join(text.number(value) for value in recorded.returns) or "none ended"
        print(f"{experiment.title}, seed {seed}; returns: {listed}")
    print(shown(target))
    return 0


def stored_policy(folder: Path, seed: int | None) -> tuple[Path, int]:
    """The policy.pt of a result or of a run's stack, and the seed that it is of.

    Each stack stores the policy of its first seed.
    """
    from repro.evidence import manifest_of
    from repro.plans import shown

    manifest = manifest_of(folder)
    stacks: dict[str, list[int]] = manifest["stacks"]
    if (folder / "policy.pt").is_file():
        first = manifest["seeds"][0]
        own = next((members[0] for members in stacks.values() if first in members), first)
        found = {own: folder / "policy.pt"}
    else:
        places = {m[0]: folder / "stacks" / name / "policy.pt" for name, m in stacks.items()}
        found = {number: path for number, path in places.items() if path.is_file()}
    if not found:
        raise ReproError(
            f"{shown(folder)} holds no policy; one is stored when a stack is finished, and kept "
            "beside a result where it has at most 200 KB"
        )
    if seed is None:
        seed = next(iter(found))
    if seed not in found:
        listed = ", ".join(map(str, found))
        raise ReproError(f"--seed {seed}: no policy of it is stored here; stored: {listed}")
    return found[seed], seed


def _target(folder: Path, seed: int) -> Path:
    """`videos/` below the run; a result's go to runs/, for git keeps no videos."""
    from repro import paths
    from repro.video import encoder

    kind = ".mp4" if encoder() else ".gif"
    name = f"seed-{seed}{kind}"
    if (folder / "stacks").is_dir():
        return folder / "videos" / name
    return paths.RUNS / "videos" / Path(*folder.resolve().parts[-3:]) / name
