"""Rules about what the seeds earned: whether they learn, agree, and keep what they learnt."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from repro.doctor.findings import Rule, Seen, clean, unknown
from repro.doctor.history import WINDOW, RunHistory, SeedHistory, mean
from repro.doctor.policy_rules import SCHULMAN

SHORT = 0.5  # of the steps of the card's claims; a scaled claim's are its own
LOST = 0.5  # of the best gain over the random policy
FAR = 0.5  # of the gain over the random policy
SAME_EPISODES = 20


def diverged(run: RunHistory) -> Seen:
    """Seeds that ended in numbers that are none."""
    lost = [seed for seed in run.seeds if seed.status == "diverged"]
    if not lost:
        return clean(f"{len(run.seeds)} seeds ran to their end")
    return Seen("warns", f"{lost[0].diagnosis}", [seed.seed for seed in lost])


def no_better_than_random(run: RunHistory) -> Seen:
    """The last hundred episodes against the random policy's."""
    if run.random is None:
        return unknown("no score of the random policy is known for this task")
    scored = {s.seed: r for s in run.trained if (r := s.last_return()) is not None}
    if not scored:
        return unknown("no episode has ended")
    if run.full_steps and run.steps < SHORT * run.full_steps:
        return unknown(f"the run is short: {run.steps:,} of {run.full_steps:,} steps")
    limit = run.random + 2.0 * run.random_std / math.sqrt(WINDOW)
    low = [seed for seed, value in scored.items() if value <= limit]
    worst = min(scored.values())
    figure = f"worst seed {worst:.4g}, the random policy {run.random:.4g}"
    return Seen("warns", figure, low) if low else clean(figure)


def return_collapsed(run: RunHistory) -> Seen:
    """The last tenth of a run against its best tenth."""
    if run.random is None:
        return unknown("no score of the random policy is known for this task")
    left, lost = {}, []
    for seed in run.trained:
        tenths = [seed.episodes.between(run.steps * i / 10, run.steps * (i + 1) / 10)
                  for i in range(10)]  # fmt: skip
        known = [(sum(values) / len(values), _error(values)) for values in tenths if values]
        best, noise = max(known, default=(run.random, 0.0))
        # A gain within the noise of a few random episodes is none to lose.
        if len(known) < 3 or best <= run.random + 2.0 * run.random_std:
            continue
        last, last_noise = known[-1]
        left[seed.seed] = (last - run.random) / (best - run.random)
        beyond_noise = best - last > 3.0 * math.hypot(noise, last_noise)
        if left[seed.seed] < 1.0 - LOST and beyond_noise:
            lost.append(seed.seed)
    if not left:
        return unknown("nothing was gained that could be lost")
    figure = f"at least {min(left.values()):.0%} of the best gain is left"
    return Seen("warns", figure, lost) if lost else clean(figure)


def identical_seeds(run: RunHistory) -> Seen:
    """Seeds whose episodes are the same, one by one."""
    seen: dict[tuple[object, ...], int] = {}
    same = []
    usable = [s for s in run.seeds if len(s.episodes.values) >= SAME_EPISODES]
    if len(usable) < 2:
        return unknown(f"fewer than two seeds with {SAME_EPISODES} episodes")
    for seed in usable:
        key = (*seed.episodes.values, *seed.lengths)
        if len(set(key)) <= 2:
            continue  # a task where nothing varies yet, such as MountainCar's -200
        if key in seen:
            same += [n for n in (seen[key], seed.seed) if n not in same]
        seen.setdefault(key, seed.seed)
    if same:
        return Seen("warns", "the same returns, episode by episode", same)
    return clean(f"{len(usable)} seeds differ")


def evaluation_below_training(run: RunHistory) -> Seen:
    """Evaluations, or the stored policy played again, against the training episodes."""
    if run.random is None:
        return unknown("no score of the random policy is known for this task")
    pairs = [(s.seed, "evaluations", *pair, 0.0) for s in run.trained if (pair := _evaluated(s))]
    if run.replay is not None and run.replay.returns:
        own = {s.seed: s.last_return() for s in run.trained}.get(run.replay.seed)
        again = mean(run.replay.returns)
        if own is not None and again is not None:
            slack = 3 * _error(run.replay.returns)  # a few episodes vary
            pairs.append((run.replay.seed, "the stored policy", own, again, slack))
    if not pairs:
        return unknown(run.missing.get("replay") or "no evaluation, and no stored policy")
    below, worst, words = [], math.inf, ""
    for seed, what, training, test, slack in pairs:
        gain = training - run.random
        if gain <= 2 * run.random_std:
            continue
        share = (test - run.random) / gain
        if share < worst:
            worst, words = share, f"{what} earned {share:.0%} of the training episodes' gain"
        if share + slack / gain < 1.0 - FAR and seed not in below:
            below.append(seed)
    if not words:
        return unknown("training gained nothing to compare with")
    return Seen("warns", words, below) if below else clean(words)


def _evaluated(seed: SeedHistory) -> tuple[float, float] | None:
    """Means of training and evaluation over the last tenth of the evaluations."""
    if len(seed.evaluations.values) < 10:
        return None
    number = max(5, len(seed.evaluations.values) // 10)
    start = seed.evaluations.steps[-number] - 1
    training = mean(seed.episodes.between(start, math.inf))
    test = mean(seed.evaluations.values[-number:])
    return None if training is None or test is None else (training, test)


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean; 0 of a single value."""
    if len(values) < 2:
        return 0.0
    return statistics.stdev(values) / math.sqrt(len(values))


RULES = (
    Rule(
        "diverged",
        "no seed",
        "a loss, a gradient or an action was no number: step size, reward scale, a logarithm or "
        "square root at 0",
        "the run itself",
        diverged,
    ),
    Rule(
        "no-better-than-random",
        "two standard errors above the random policy at the end",
        "nothing is learnt: start with the rules below, then probe environments",
        f"{SCHULMAN}: look for signs of life",
        no_better_than_random,
    ),
    Rule(
        "return-collapsed",
        f"at least {1 - LOST:.0%} of the best gain is left at the end",
        "what was learnt was lost again: steps too large late in the run, a replay that forgot, "
        "a schedule that ran out",
        f"{SCHULMAN}; bound ours",
        return_collapsed,
    ),
    Rule(
        "identical-seeds",
        "no two seeds alike",
        "seeds share a generator, or the seed is not used at all",
        "Henderson et al. 2017, section 4 (random seeds)",
        identical_seeds,
    ),
    Rule(
        "evaluation-below-training",
        f"at least {1 - FAR:.0%} of training's gain",
        "the policy that is tested is not the one that was trained: normaliser not frozen, not "
        "saved or not loaded, actions scaled twice, or noise that did the work",
        "vwxyzjn/cleanrl#425, #525; bound ours",
        evaluation_below_training,
    ),
)
