"""Tonight's plan: what stands where, what it costs, what fits; written and committed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from repro import git, paths
from repro.errors import ReproError
from repro.launch import origin
from repro.nightly import alarms, night, observed
from repro.nightly.cost import Estimate, Observation, estimate
from repro.nightly.night import Job, Night
from repro.nightly.schedule import Chosen, Standing, choose, order
from repro.nightly.standing import has_results, standings
from repro.nightly.wanted import Skipped, Wanted, wanted
from repro.plans import Plan, make_plan, read_plan, result_folder, write_plan
from repro.runs import RunFolder, run_path

REHEARSED_LOOKS = (5, 10)


@dataclass(frozen=True)
class Options:
    """How a night is made. budget: seconds of wall time on each of the `machines`. only: words of
    which an experiment's title must hold one. rehearse: steps a seed at most, for a trial."""

    date: str
    budget: float
    workers: int
    machines: int = 1
    only: tuple[str, ...] = ()
    rehearse: int | None = None


@dataclass(frozen=True)
class Proposal:
    """A night not yet written. plans: to be written with it. skipped: cannot be run, and why."""

    night: Night
    plans: list[Plan]
    skipped: list[Skipped]


def propose(options: Options) -> Proposal:
    """What tonight would do; writes nothing."""
    reports = night.reports()
    needed, skipped = wanted(options.only)
    needed = [_rehearsed(each, options.rehearse) for each in needed]
    if options.only and not needed:
        raise ReproError(
            f"--only {','.join(options.only)}: no claim's experiment has that in its title; "
            "`repro nightly --dry-run` lists them"
        )
    stands, more = standings(needed, reports)
    if options.rehearse and has_results(paths.RESULTS):
        long = [s for s in stands if s.have and s.experiment.steps > options.rehearse]
        if long:
            raise ReproError(
                f"--rehearse would mix with results that count ({long[0].experiment.title}); "
                "`repro nightly --smoke` makes a clone for it"
            )
    costs = _Costs(observed.observations(reports), options.workers)
    today = datetime.date.fromisoformat(options.date)
    ordered = order(stands, today)
    taken, left = choose(ordered, lambda s: costs.of(s).seconds, options.budget, options.machines)
    return _proposal(options, taken, left, costs, [*skipped, *more])


def commit(proposal: Proposal) -> Night:
    """Write the night and the plans that it makes, and commit them: promised before it is run."""
    tonight = proposal.night
    written = [write_plan(plan).parent for plan in proposal.plans]
    night.write(tonight.folder / night.NIGHT, tonight)
    git.commit(f"Nightly {tonight.date}: plans", [*written, tonight.folder])
    return tonight


class _Costs:
    """Estimates for standings, from everything that was observed."""

    def __init__(self, seen: Sequence[Observation], workers: int):
        self._seen, self._workers = seen, workers
        self._cpu = origin.machine()["cpu"]

    def of(self, standing: Standing) -> Estimate:
        """A check is counted with the share of its confirmation that chance alone asks for."""
        if standing.look is not None:
            begun = standing.state != "new" and not standing.renew
            done = _done(standing) if begun else 0
            return self._seeds(standing, max(standing.look - done, 1))
        screen, confirm = check_sizes(standing, alarms.confirmation_level(20))
        if not screen:
            return self._seeds(standing, confirm)
        first, second = self._seeds(standing, screen), self._seeds(standing, confirm)
        return Estimate(first.seconds + alarms.SCREEN_LEVEL * second.seconds, first.basis)

    def _seeds(self, standing: Standing, seeds: int) -> Estimate:
        limit = origin.stack_limit(standing.experiment)
        return estimate(standing.experiment, seeds, self._seen, self._cpu, self._workers, limit)


def check_sizes(standing: Standing, level: float) -> tuple[int, int]:
    """Seeds to look with, and seeds to confirm with; a suspicion is confirmed at once."""
    screen = 0 if standing.state == "suspected" else alarms.SCREEN_SEEDS
    return screen, alarms.confirming_seeds(standing.have, level)


def _proposal(
    options: Options,
    taken: Sequence[Chosen],
    left: Sequence[Standing],
    costs: _Costs,
    skipped: list[Skipped],
) -> Proposal:
    checks = [chosen.standing for chosen in taken if chosen.standing.look is None]
    level = alarms.confirmation_level(sum(len(standing.tests) for standing in checks))
    jobs, plans = [], []
    for chosen in taken:
        standing = chosen.standing
        folder = result_folder(standing.experiment)
        if standing.kind in ("begin", "renew"):
            looks = REHEARSED_LOOKS if options.rehearse else standing.looks
            because = f"nightly: {standing.why}" if standing.kind == "renew" else None
            plan = make_plan(
                standing.experiment,
                looks[-1],
                looks,
                because=because,
                today=options.date,
            )
            plans.append(plan)
        else:
            plan = read_plan(folder)
        screen, confirm = (0, 0) if standing.look is not None else check_sizes(standing, level)
        parts = folder.relative_to(paths.RESULTS).parts
        jobs.append(
            Job(
                name=night.slug(*parts),
                kind=standing.kind,
                why=standing.why,
                folder="/".join(parts),
                plan=plan.digest,
                look=standing.look,
                screen=screen,
                confirm=confirm,
                tests=list(standing.tests) if standing.look is None else [],
                seconds=round(chosen.seconds, 1),
                part=chosen.part,
                basis=costs.of(standing).basis,
            )
        )
    tonight = Night(
        schema_version=1,
        date=options.date,
        commit=git.head(),
        budget=options.budget,
        workers=options.workers,
        level=level,
        jobs=jobs,
        left=[f"{s.kind} {s.experiment.title}" for s in left],
    )
    return Proposal(tonight, plans, skipped)


def _done(standing: Standing) -> int:
    """Seeds that this machine's run folder holds already."""
    folder = RunFolder(run_path(standing.experiment))
    if not folder.manifest_file.is_file():
        return 0
    try:
        return sum(state.done for state in folder.seeds().values())
    except (ReproError, KeyError, TypeError):
        return 0


def _rehearsed(each: Wanted, steps: int | None) -> Wanted:
    if steps is None:
        return each
    short = msgspec.structs.replace(each.experiment, steps=min(steps, each.experiment.steps))
    return Wanted(short, each.central, each.claims, each.tests)
