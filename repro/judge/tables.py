"""The simulated tables of `docs/judge.md`, written between markers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from repro import files, paths
from repro.judge import samplers
from repro.judge import simulation as sim
from repro.judge.statistics import ceiling_assumed, ceiling_printed

DOCS = paths.ROOT / "docs" / "judge.md"
BEGIN, END = "<!-- simulated:{} -->", "<!-- /simulated:{} -->"
# Data of one spread that are not normal.
KINDS: dict[str, Callable[[float], samplers.Sampler]] = {
    "normal": samplers.normal,
    "gamma (skewness 1)": samplers.gamma,
    "gamma (−1)": lambda std: samplers.mirrored(samplers.gamma(std)),
    "exponential (−2)": lambda std: samplers.mirrored(samplers.gamma(std, 1.0)),
    "lognormal (2.3)": samplers.lognormal,
    "lognormal (−2.3)": lambda std: samplers.mirrored(samplers.lognormal(std)),
}
PAIRS = ((5, 5), (10, 3), (10, 6), (10, 10), (20, 10))
STEPS = (0.0, 0.25, 1.0, 3.0)  # between arms, in standard deviations
EVERY_FIVE = (5, 10, 15, 20, 25, 30, 35, 40)


def _generator(name: str) -> np.random.Generator:
    """Every table has a generator of its own, so that one may change alone."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def errors_printed() -> str:
    """Largest wrong *reproduced* and wrong *not reproduced* at δ = −m over spreads of 0.5–2×."""
    g = _generator("errors-printed")
    rows = []
    for n in sim.SEEDS:
        row = [str(n)]
        for n_pub in sim.PUBLISHED_SEEDS:
            rates = [sim.printed(g, -sim.MARGIN, n, n_pub, 0.15, 0.15 * r) for r in sim.RATIOS]
            worst = (max(r.reproduced for r in rates), max(r.not_reproduced for r in rates))
            row.append(" / ".join(map(_percent, worst)))
        rows.append(row)
    return _table(["our seeds", *(f"n_pub = {k}" for k in sim.PUBLISHED_SEEDS)], rows)


def errors_assumed() -> str:
    """The same with an assumed spread, theirs being 1, 1.5 and 2 times ours."""
    g = _generator("errors-assumed")
    rows = []
    for n_pub in sim.PUBLISHED_SEEDS:
        row = [str(n_pub)]
        for ratio in (1.0, 1.5, 2.0):
            for n in (5, 10, 20):
                rates = sim.assumed(g, -sim.MARGIN, n, n_pub, 0.1, 0.1 * ratio)
                row.append(_percent(max(rates.reproduced, rates.not_reproduced)))
        rows.append(row)
    head = [f"theirs {r:g}×, n = {n}" for r in (1.0, 1.5, 2.0) for n in (5, 10, 20)]
    return _table(["n_pub", *head], rows)


def power() -> str:
    """Share of *reproduced* where there is no difference, as judged (gate included)."""
    g = _generator("power")
    rows = []
    for n_pub in sim.PUBLISHED_SEEDS:
        for n in sim.SEEDS:
            rates = [sim.printed(g, 0.0, n, n_pub, s, s) for s in sim.SPREADS]
            cells = [f"{_percent(r.judged_reproduced)} ({_percent(r.reproduced)})" for r in rates]
            rows.append([str(n_pub), str(n), *cells])
    return _table(["n_pub", "our seeds", *(f"{s:g}" for s in sim.SPREADS)], rows)


def ceilings() -> str:
    """Power ceilings by formula, and the largest spread over scale that can be settled."""
    rows = []
    for n_pub in sim.PUBLISHED_SEEDS:
        cells = [
            f"{_percent(float(ceiling_printed(s, n_pub, sim.MARGIN)))} / "
            f"{_percent(float(ceiling_assumed(s, n_pub, sim.MARGIN)))}"
            for s in sim.SPREADS
        ]
        limits = (sim.largest_spread(n_pub), sim.largest_spread(n_pub, assumed=True))
        rows.append([str(n_pub), *cells, " / ".join(f"{limit:.3f}" for limit in limits)])
    head = ["n_pub", *(f"spread {s:g}" for s in sim.SPREADS), "can be settled up to"]
    return _table(head, rows)


def looks() -> str:
    """Error rates in all at δ = −m when looking more than once."""
    g = _generator("looks")
    rows = []
    sides: list[tuple[str, int | None]] = [("our seeds alone", None)]
    sides += [(f"n_pub = {k}", k) for k in sim.PUBLISHED_SEEDS]
    for name, n_pub in sides:
        row = [name]
        for plan, level in ((sim.PLANNED_LOOKS, 0.0075), (EVERY_FIVE, 0.025)):
            rates = sim.planned_looks(g, -sim.MARGIN, n_pub, samplers.normal(0.15), plan, level)
            row.append(f"{_percent(rates.passed)} / {_percent(rates.failed)}")
        rows.append(row)
    head = ["published side", "5, 10, 20, 40 at 0.75 %", "every five seeds at 2.5 %"]
    return _table(head, rows)


def bootstrap() -> str:
    """Coverage of the 95 % percentile bootstrap of a mean."""
    g = _generator("bootstrap")
    rows = [[str(n), _percent(sim.bootstrap_coverage(g, n))] for n in (3, 5, 10, 20)]
    return _table(["seeds", "covers"], rows)


def curves() -> str:
    """Curve claims with spread 0.1 all along."""
    g = _generator("curves")
    rows = []
    for memory in (0.1, 1.0):
        for n, n_pub in ((5, 5), (10, 3), (10, 6), (10, 10), (20, 10)):
            edge = sim.curves(g, -sim.MARGIN, n, n_pub, 0.1, memory)
            same = sim.curves(g, 0.0, n, n_pub, 0.1, memory)
            rows.append([f"{memory:g}", str(n), str(n_pub), *map(_percent, (*edge, same[0]))])
    head = ["memory", "our seeds", "n_pub", "wrong reproduced", "wrong not reproduced", "power"]
    return _table(head, rows)


def spoiled() -> str:
    """Error rates at δ = −m and power where seeds are skewed, fail, or spread unequally."""
    g = _generator("spoiled")
    rows = []
    for name, make in KINDS.items():
        for n, n_pub in PAIRS:
            cells = []
            for ratio in (0.5, 1.0, 2.0):
                theirs = make(0.15 * ratio)
                rates = sim.sampled(g, -sim.MARGIN, n, n_pub, make(0.15), theirs)
                cells.append(f"{_percent(rates.reproduced)} / {_percent(rates.not_reproduced)}")
            same = sim.sampled(g, 0.0, n, n_pub, make(0.15))
            cells.append(f"{_percent(same.judged_reproduced)} ({_percent(same.reproduced)})")
            rows.append([name, str(n), str(n_pub), *cells])
    head = ["data", "our seeds", "n_pub", "theirs 0.5×", "theirs 1×", "theirs 2×", "power"]
    return _table(head, rows)


def failures() -> str:
    """The same where a fifth of the seeds score the random policy: on both sides, on one."""
    g = _generator("failures")
    fails, alike = samplers.failing(0.2, 0.05), samplers.normal(0.05)
    sides = {"both": (fails, fails), "ours": (fails, alike), "theirs": (alike, fails)}
    rows = []
    for name, (ours, theirs) in sides.items():
        for n, n_pub in PAIRS:
            edge = sim.sampled(g, -sim.MARGIN, n, n_pub, ours, theirs)
            same = sim.sampled(g, 0.0, n, n_pub, ours, theirs)
            rows.append(
                [name, str(n), str(n_pub), _percent(edge.reproduced), _percent(edge.not_reproduced),
                 f"{_percent(same.judged_reproduced)} ({_percent(same.reproduced)})"]
            )  # fmt: skip
    head = ["where seeds fail", "our seeds", "n_pub", "wrong reproduced", "wrong not reproduced",
            "power"]  # fmt: skip
    return _table(head, rows)


def looks_spoiled() -> str:
    """Planned looks with skewed and failing seeds: errors in all, power, seeds used."""
    g = _generator("looks-spoiled")
    kinds = {name: make(0.15) for name, make in KINDS.items()}
    kinds["a fifth fails"] = samplers.failing(0.2, 0.05)
    rows = []
    for name, sampler in kinds.items():
        for n_pub in (None, 5, 10):
            edge = sim.planned_looks(g, -sim.MARGIN, n_pub, sampler)
            same = sim.planned_looks(g, 0.0, n_pub, sampler)
            cells = [edge.passed, edge.failed, same.passed]
            seeds = [f"{edge.seeds:.0f}", f"{same.seeds:.0f}"]
            rows.append([name, str(n_pub or "–"), *map(_percent, cells), *seeds])
    head = ["data", "n_pub", "wrong reproduced", "wrong not reproduced", "power",
            "seeds at −m", "seeds at 0"]  # fmt: skip
    return _table(head, rows)


def curves_spoiled() -> str:
    """Curve claims where a fifth of the seeds never learns, or seeds' levels are skewed."""
    g = _generator("curves-spoiled")
    levels = {
        "a fifth fails": samplers.failing(0.2, 0.05),
        "long lower tail": samplers.mirrored(samplers.lognormal(0.15)),
    }
    rows = []
    for name, level in levels.items():
        for n, n_pub in ((5, 5), (10, 6), (10, 10), (20, 10)):
            edge = sim.curves(g, -sim.MARGIN, n, n_pub, 0.05, 0.3, level=level)
            same = sim.curves(g, 0.0, n, n_pub, 0.05, 0.3, level=level)
            rows.append([name, str(n), str(n_pub), *map(_percent, (*edge, same[0]))])
    head = ["seeds", "our seeds", "n_pub", "wrong reproduced", "wrong not reproduced", "power"]
    return _table(head, rows)


def recommended() -> str:
    """Whether as many seeds as *inconclusive* recommends decide as often as it says."""
    g = _generator("recommended")
    rows = []
    for delta in (0.0, -0.1, -0.3, -0.5):
        for pilot, s, n_pub in ((5, 0.15, 10), (10, 0.3, 10), (10, 0.3, 20)):
            found = sim.recommended(g, delta, pilot, n_pub, s, 0.15)
            cells = [_percent(found.told), f"{found.seeds:.0f}"]
            cells += [_percent(found.as_seemed), _percent(found.in_truth)]
            rows.append([f"{delta:g}", str(pilot), f"{s:g}", str(n_pub), *cells])
    head = ["δ", "seeds so far", "our spread", "n_pub", "told a number", "median",
            "decided, as it seemed", "decided, in truth"]  # fmt: skip
    return _table(head, rows)


def noisy_margin() -> str:
    """The margin is itself computed from the printed figure: errors at both of its edges."""
    g = _generator("noisy-margin")
    rows = []
    for n_pub in sim.PUBLISHED_SEEDS:
        row = [str(n_pub)]
        for s in (0.1, 0.25):
            low = sim.printed(g, -sim.MARGIN, 10, n_pub, s, s, noisy_margin=True)
            high = sim.printed(g, sim.MARGIN, 10, n_pub, s, s, noisy_margin=True)
            row += map(_percent, (low.reproduced, low.not_reproduced, high.exceeds))
        rows.append(row)
    kinds = ("wrong reproduced", "wrong not reproduced", "wrong exceeds")
    head = [f"{kind}, spread {s:g}" for s in (0.1, 0.25) for kind in kinds]
    return _table(["n_pub", *head], rows)


def orderings() -> str:
    """Chance that an ordering is decided the right way, by effect (in standard deviations)."""
    g = _generator("orderings")
    rows = [
        [str(n), *(_percent(sim.ordering(g, effect, n)[0]) for effect in (0.0, 0.5, 1.0, 1.5, 2.0))]
        for n in (5, 10, 20, 40)
    ]
    return _table(["seeds an arm", "0", "0.5", "1", "1.5", "2"], rows)


def scores() -> str:
    """Scores of a table of eleven arms: how often an interval covers, and how much is missing."""
    g = _generator("scores")
    rows = []
    for n in (3, 10):
        for tasks in (1, 7):
            found = [sim.scores(g, step, n, tasks) for step in STEPS]
            cells = [f"{_percent(covers)} ({round(low, 2) + 0.0:.2f})" for covers, low in found]
            rows.append([str(n), str(tasks), *cells])
    return _table(["seeds an arm", "tasks", *(f"{step:g}" for step in STEPS)], rows)


def false_orderings() -> str:
    """How often two arms that are alike are told apart, on one task and over seven."""
    g = _generator("false-orderings")
    rows = []
    for n in (3, 5, 10):
        row = [str(n)]
        for tasks, dominant in ((1, None), (7, None), (7, 0.5)):
            rates = sim.false_orderings(g, n, tasks, dominant, (0.05, 0.005))
            row.append(" / ".join(map(_percent, rates)))
        rows.append(row)
    head = ["seeds an arm", "one task", "seven tasks", "seven, one spreading 5×"]
    return _table(head, rows)


TABLES = {
    "errors-printed": errors_printed,
    "errors-assumed": errors_assumed,
    "ceilings": ceilings,
    "power": power,
    "looks": looks,
    "bootstrap": bootstrap,
    "curves": curves,
    "curves-spoiled": curves_spoiled,
    "spoiled": spoiled,
    "failures": failures,
    "looks-spoiled": looks_spoiled,
    "recommended": recommended,
    "noisy-margin": noisy_margin,
    "orderings": orderings,
    "scores": scores,
    "false-orderings": false_orderings,
}


def stored(text: str, name: str) -> str:
    """The table that stands between the markers of `name`."""
    return files.parted(text, BEGIN.format(name), END.format(name), DOCS.name)[1].strip()


def rewrite(file: Path = DOCS) -> str:
    """Put every table between its markers; returns a line that says so."""
    for name, build in TABLES.items():
        old, new = stored(file.read_text(encoding="utf-8"), name), build()
        files.fill(file, BEGIN.format(name), END.format(name), new)
        print(f"{name}: {'as before' if new == old else 'changed'}")
    return f"{len(TABLES)} tables in {file.name}"
