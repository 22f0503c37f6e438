"""The catalogue of errors (catalogue.yaml), and the tests that are tried on each file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.spoiled.faults import Edit, Fault
from repro import files
from repro.cards.yaml import read as read_yaml
from repro.errors import ReproError, nearest

CATALOGUE = Path(__file__).with_name("catalogue.yaml")


@dataclass(frozen=True)
class Tried:
    """What is tried on a file: test files, the likely catcher first, for a run ends with the first
    failure; last those about every implementation, of which only the cases of `papers`."""

    files: tuple[str, ...]
    papers: tuple[str, ...]

    def after(self, *files: str) -> Tried:
        """These files first."""
        return Tried((*(f"tests/test_{file}.py" for file in files), *self.files), self.papers)


EVERY = ("tests/test_algorithms_trials.py", "tests/test_algorithms_invariants.py")
_A2C = Tried(EVERY, ("a3c-2016",)).after("algorithms_a2c")
_VPG = Tried(EVERY, ("pg-theorem-1999",)).after("algorithms_vpg", "algorithms_pg_theorem")
_PPO = Tried(EVERY, ("ppo-2017",)).after(
    "algorithms_formulas", "algorithms_ppo", "algorithms_probes"
)
_DDPG = Tried(EVERY, ("ddpg-2015",)).after(
    "algorithms_off_policy_formulas",
    "algorithms_off_policy_oracle",
    "algorithms_explorer",
    "algorithms_off_policy",
)
_TD3 = Tried(_DDPG.files, ("td3-2018",))
_DQN = Tried(EVERY, ("dqn-2013",)).after("algorithms_dqn_oracle", "algorithms_dqn")
_ATARI = _DQN.after("environments_atari")
TESTS: dict[str, Tried] = {
    "implementations/gae_2015.py": _PPO,
    "implementations/ppo_2017.py": _PPO,
    "implementations/a3c_2016.py": _A2C,
    "implementations/pg_theorem_1999.py": _VPG,
    "implementations/ddpg_2015.py": _DDPG,
    "implementations/td3_2018.py": _TD3,
    "implementations/dqn_2013.py": _DQN,
    "implementations/ars_2018.py": Tried(EVERY, ("ars-2018",)).after(
        "algorithms_ars", "algorithms_ars_oracle"
    ),
    "implementations/truly_pg_2018.py": Tried(EVERY, ("truly-pg-2018",)).after(
        "algorithms_truly_pg"
    ),
    "implementations/deep_rl_matters_2017.py": Tried(EVERY, ("deep-rl-matters-2017",)).after(
        "algorithms_deep_rl_matters"
    ),
    "implementations/where_optimum_2018.py": Tried(EVERY, ("where-optimum-2018",)).after(
        "algorithms_where_optimum"
    ),
    "repro/training/policies.py": _PPO.after("training_policies"),
    "repro/training/deterministic.py": _DDPG,
    "repro/training/experience.py": _TD3.after("training_experience"),
    "repro/training/replay.py": _TD3.after("training_replay"),
    "repro/training/frames.py": _DQN.after("training_frames"),
    "repro/training/environments/atari.py": _ATARI,
    "repro/training/environments/atari_presets.py": _ATARI,
    "repro/training/environments/episodes.py": _ATARI.after("environments_episodes"),
    "repro/training/rows.py": _TD3.after("training_replay", "training_frames"),
    "repro/training/rollout.py": _PPO.after("training_run", "training_rollout"),
    "repro/training/episodes.py": _VPG,
    "repro/training/normalise.py": _PPO.after("training_normalise"),
    "repro/training/optim.py": _PPO.after("training_optim"),
    "repro/training/minibatch.py": _PPO.after("training_draws"),
    "repro/training/rng.py": _PPO.after("training_draws"),
    "repro/training/schedules.py": _PPO.after("training_draws"),
    "repro/training/networks.py": _PPO.after("training_networks"),
}


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    about: str
    file: str
    old: str
    new: str
    seen: list[str]
    first: str | None = None


@dataclass(frozen=True)
class Mutant:
    """One error: a fault of a single edit. seen: where such an error was found in public.

    first: the test to try before those of the file.
    """

    fault: Fault
    seen: tuple[str, ...]
    first: str | None = None

    @property
    def name(self) -> str:
        return self.fault.name

    @property
    def edit(self) -> Edit:
        return self.fault.edits[0]

    @property
    def digest(self) -> str:
        """12 hex digits of what is changed and where."""
        return files.digest([self.edit.file, self.edit.old, self.edit.new])[:12]

    @property
    def tests(self) -> Tried:
        tried = TESTS[self.edit.file]
        return Tried((self.first, *tried.files), tried.papers) if self.first else tried


def read(path: Path = CATALOGUE) -> dict[str, Mutant]:
    """Name → mutant, in the catalogue's order; ReproError names what is wrong with an entry."""
    found: dict[str, Mutant] = {}
    for content in read_yaml(path).value:
        try:
            entry = msgspec.convert(content, _Entry)
        except msgspec.ValidationError as error:
            raise ReproError(f"{path.name}, {content.get('name')}: {error}") from None
        if entry.name in found:
            raise ReproError(f"{path.name}: {entry.name} stands there twice; name it otherwise")
        if entry.file not in TESTS:
            raise ReproError(
                f"{path.name}, {entry.name}: no tests are named for {entry.file}; "
                f"add it to TESTS of benchmarks/mutants/catalogue.py"
            )
        edit = Edit(entry.file, entry.old, entry.new)
        fault = Fault(entry.name, entry.about, (edit,))
        found[entry.name] = Mutant(fault, tuple(entry.seen), entry.first)
    return found


def chosen(names: list[str]) -> list[Mutant]:
    """These mutants, or all."""
    known = read()
    for name in names:
        if name not in known:
            raise ReproError(f'no mutant "{name}"; {nearest(name, known)}')
    return [known[name] for name in names or known]
