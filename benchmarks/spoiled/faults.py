"""The faults, each an exact replacement of text in the code that trains.

A text that is not found exactly once is an error: a refactoring must not turn a fault silently
into none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro.errors import ReproError, nearest

GAE = "implementations/gae_2015.py"
PPO = "implementations/ppo_2017.py"
ENVIRONMENTS = "repro/training/training_environments.py"


@dataclass(frozen=True)
class Edit:
    """`old` becomes `new` in one file of the clone."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """What was planted; `none` has no edits and must not be refused, the others must not pass."""

    name: str
    about: str
    edits: tuple[Edit, ...] = ()


NONE = Fault("none", "the code as it is")
DONE_MASK = Fault(
    "done-mask",
    "done mask missing: values and advantages flow over the end of an episode",
    (
        Edit(GAE, "gamma * next_value * ~terminated - value", "gamma * next_value - value"),
        Edit(
            GAE,
            "decay = (gamma * gae_lambda) * ~done",
            "decay = np.full_like(reward, gamma * gae_lambda)",
        ),
    ),
)
GAMMA_SQUARED = Fault(
    "gamma-squared",
    "advantages are estimated with γ² in place of γ",
    (
        Edit(
            PPO,
            "rollout.reward, value, next_value, terminal, done, hp.gamma, hp.gae_lambda",
            "rollout.reward, value, next_value, terminal, done, hp.gamma**2, hp.gae_lambda",
        ),
    ),
)
HALVED_RETURNS = Fault(
    "halved-returns",
    "reported returns are halved; training is as it should be",
    (
        Edit(
            ENVIRONMENTS,
            "int(s), float(step.episode_return[s, e]), int(step.episode_length[s, e])",
            "int(s), 0.5 * float(step.episode_return[s, e]), int(step.episode_length[s, e])",
        ),
    ),
)
FAULTS = {fault.name: fault for fault in (NONE, DONE_MASK, GAMMA_SQUARED, HALVED_RETURNS)}


def fault_named(name: str) -> Fault:
    if name not in FAULTS:
        raise ReproError(f'no fault "{name}"; {nearest(name, FAULTS)}')
    return FAULTS[name]


def plant(fault: Fault, root: Path) -> None:
    """Write the fault into the code under `root`; ReproError where a text is not there once."""
    for edit in fault.edits:
        path = root / edit.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        found = text.count(edit.old)
        if found != 1:
            raise ReproError(
                f"fault {fault.name}: found {found} times in {edit.file}, expected once: "
                f"{edit.old!r}; bring the fault up to date"
            )
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
