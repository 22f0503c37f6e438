"""Arguments that several commands share."""

from __future__ import annotations

import argparse

from repro.errors import ReproError


def add_experiment(parser: argparse.ArgumentParser, paper: str | None = None) -> None:
    """paper, --env, --hparams, --ablation, --steps, --evaluate."""
    parser.add_argument("paper", nargs=paper, metavar="ID", help="a paper's id, such as ppo-2017")
    parser.add_argument("--env", metavar="E", help="environment, such as HalfCheetah")
    parser.add_argument("--hparams", metavar="SET", help="hparam set; default: the card's")
    parser.add_argument("--ablation", metavar="A", help="a change that the paper itself studies")
    parser.add_argument(
        "--steps", type=whole, help="environment steps a seed; default: as published"
    )
    parser.add_argument(
        "--evaluate",
        action=argparse.BooleanOptionalAction,
        help="play evaluation episodes beside training; default: where a claim is decided by them",
    )


def whole(text: str) -> int:
    """A whole number as people write it: 1000000, 1_000_000 or 1e6."""
    try:
        value = float(text.replace("_", "").replace(",", ""))
        if value == int(value):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise ReproError(f'found "{text}"; expected a whole number, such as 1000000 or 1e6')


def seed_list(text: str) -> list[int]:
    """`10` → ten seeds from 0; `0,3,7` → these; `0-4` → 0 to 4; mixed with commas.

    One seed k alone is written `k,`.
    """
    wrong = ReproError(
        f"--seeds {text}: expected a number of seeds (--seeds 5), a list (--seeds 0,1,2), "
        "or a range (--seeds 0-4)"
    )
    if text.isdecimal():
        if int(text) < 1:
            raise wrong
        return list(range(int(text)))
    seeds: list[int] = []
    for part in text.removesuffix(",").split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise wrong
        if dash and int(last) < int(first):
            raise ReproError(f"--seeds {text}: the range {part} runs backwards")
        if dash and int(last) - int(first) > 10_000:
            raise ReproError(f"--seeds {text}: that is more seeds than a run can hold")
        seeds += range(int(first), int(last if dash else first) + 1)
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise ReproError(f"--seeds {text}: seed {twice} stands there twice; name every seed once")
    return seeds


def counts(text: str) -> list[int]:
    """`5,10,20` → [5, 10, 20]."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ReproError(f"--looks {text}: expected numbers of seeds, such as 5,10,20")
    return [int(part) for part in parts]
