"""A learner's path: seven algorithms in an order in which each adds one idea to one before."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from repro.site import code
from repro.site.library import Library, Paper


@dataclass(frozen=True)
class Stop:
    """name: as people say it. after: the stop whose code it is compared with, None to begin."""

    name: str
    paper: str
    after: str | None
    adds: str


PATH = (
    Stop(
        "VPG",
        "pg-theorem-1999",
        None,
        "Where everything begins: act, see how well it went, and make the actions that went well "
        "more likely. The theorem says why this needs no model of the environment.",
    ),
    Stop(
        "DQN",
        "dqn-2013",
        None,
        "The other root: learn what each action is worth and take the best. Replay makes the data "
        "look independent and lets each transition be used many times.",
    ),
    Stop(
        "A2C",
        "a3c-2016",
        "pg-theorem-1999",
        "A critic beside the policy: n-step returns replace whole episodes, several environments "
        "step side by side, and an entropy bonus keeps the policy from settling too soon.",
    ),
    Stop(
        "PPO",
        "ppo-2017",
        "a3c-2016",
        "Several epochs on one batch. The clipped ratio keeps the new policy near the one that "
        "acted, so that old data can be used again; advantages are estimated with GAE.",
    ),
    Stop(
        "DDPG",
        "ddpg-2015",
        "dqn-2013",
        "DQN for continuous actions: a deterministic policy takes the place of the maximum over "
        "actions and climbs the critic's gradient; target networks follow slowly.",
    ),
    Stop(
        "TD3",
        "td3-2018",
        "ddpg-2015",
        "Three cures for overestimated values: the smaller of two critics, a policy that moves "
        "only at every second update, and noise on the target action.",
    ),
    Stop(
        "SAC",
        "sac-2018",
        "td3-2018",
        "The policy is stochastic again and is paid for its entropy, so exploration is part of "
        "what is learnt. It shares with TD3 the smaller of two critics.",
    ),
)


@dataclass(frozen=True)
class Difference:
    """From one implementation to the next. borrowed: names imported from the earlier file."""

    earlier: str
    borrowed: list[str]
    added: list[str]
    removed: list[str]
    train: Markup


@dataclass(frozen=True)
class Step:
    stop: Stop
    paper: Paper
    before: Stop | None
    related: bool  # the card builds on the one before, directly or through others
    difference: Difference | None
    missing: list[str]  # of the two papers, those without an implementation


def steps(library: Library) -> list[Step]:
    """The path with what each stop's code changes, where both implementations exist."""
    stops = {stop.paper: stop for stop in PATH}
    found = []
    for stop in PATH:
        paper = library.papers[stop.paper]
        before = stops[stop.after] if stop.after else None
        if before is None:
            found.append(Step(stop, paper, None, False, None, []))
            continue
        earlier = library.papers[before.paper]
        pair = {p.id: p.implementation for p in (earlier, paper)}
        missing = [name for name, file in pair.items() if file is None]
        files = [file for file in pair.values() if file is not None]
        change = None if missing else difference(before.paper, files[0], files[1])
        related = library.builds_on(paper.id, before.paper)
        found.append(Step(stop, paper, before, related, change, missing))
    return found


def difference(earlier: str, old: Path, new: Path) -> Difference:
    """What `new` takes from `old`, which hyperparameters differ, and the diff of `train`."""
    before, after = code.read(old), code.read(new)
    fields_before, fields_after = _hparams(before), _hparams(after)
    lines = difflib.unified_diff(
        _train(before), _train(after), old.name, new.name, lineterm="", n=2
    )
    return Difference(
        earlier,
        _imported(after, old.stem),
        [name for name in fields_after if name not in fields_before],
        [name for name in fields_before if name not in fields_after],
        code.diff("\n".join(lines)),
    )


def _train(source: str) -> list[str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "train":
            return source.splitlines()[node.lineno - 1 : node.end_lineno]
    return []


def _hparams(source: str) -> list[str]:
    """The names of the fields of `HParams`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == "HParams":
            return [
                field.target.id
                for field in node.body
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            ]
    return []


def _imported(source: str, module: str) -> list[str]:
    return [
        name.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == f"implementations.{module}"
        for name in node.names
    ]
