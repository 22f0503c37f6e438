"""Rules about the policy: how far an update moves it, and what it has become."""

from __future__ import annotations

import math

from repro.doctor.findings import Rule, Seen, clean, needs_log, unknown
from repro.doctor.history import RunHistory, SeedHistory, Series, mean

SCHULMAN = "Schulman, The Nuts and Bolts of Deep RL Research (2016)"
OFF_TARGET = 4.0  # a controller keeps the divergence within 1.5 or 2 of its target
LARGEST_KL = 0.1  # twice the largest that Spinning Up calls usual
SPIKE = 1.0  # nats; forty seeds of ppo1's and ppo2's settings stay below 0.06
FALL = 0.25  # of what had been gained over the random policy
AFTER = 0.03  # of the steps, before and after a spike
CLIP = 0.2  # what the log counts ratios beyond, whatever the clip range
HIGH_CLIP = 0.7  # the printed settings reach 0.45 on HalfCheetah
LOW_CLIP = 0.005  # a step size a hundred times too small clips nothing
STILL = 1e-6
LEAST_NOISE = 0.05  # of half the action's range, or of the largest entropy
HALF_WAY = 0.5
MOST_SATURATED = 0.5
MOST_DEAD = 0.5


def kl_far_from_target(run: RunHistory) -> Seen:
    """Median divergence of an update over the second half, against its target."""
    found = run.medians("approx_kl", half=2)
    if not found:
        return needs_log(run, "approx_kl")
    target = _target(run)
    if target is None:
        outside = [seed for seed, kl in found.items() if kl > LARGEST_KL]
    else:
        low, high = target / OFF_TARGET, target * OFF_TARGET
        outside = [seed for seed, kl in found.items() if not low <= kl <= high]
    most = max(found.values(), key=lambda kl: abs(math.log(max(kl, 1e-12) / (target or 1e-9))))
    aim = "no target" if target is None else f"target {target:g}"
    figure = f"{max(most, 0.0):.2g} nats an update ({aim})"
    return Seen("warns", figure, outside) if outside else clean(figure)


def kl_spikes(run: RunHistory) -> Seen:
    """Single updates that threw the policy far away, and whether the return fell with them."""
    seeds = run.logging("approx_kl")
    if not seeds:
        return needs_log(run, "approx_kl")
    largest, spiked, fell = 0.0, [], []
    for seed in seeds:
        kls = seed.logged["approx_kl"]
        largest = max(largest, *kls.values)
        steps = [step for step, kl in zip(kls.steps, kls.values, strict=True) if kl > SPIKE]
        if steps:
            spiked.append(seed.seed)
        if any(_falls(seed, step, run) for step in steps):
            fell.append(seed.seed)
    figure = f"largest {largest:.2g} nats"
    if fell:
        return Seen("warns", f"{figure}; the return fell after it", fell)
    if spiked:
        return Seen("note", f"{figure}; the return did not fall after it", spiked)
    return clean(figure)


def clip_fraction_high(run: RunHistory) -> Seen:
    """Most ratios lie more than 0.2 from 1: epochs or step size are too many or too large."""
    found = run.medians("clip_fraction", half=2)
    if not found:
        return needs_log(run, "clip_fraction")
    above = [seed for seed, share in found.items() if share > HIGH_CLIP]
    figure = f"{max(found.values()):.2f} of the samples, median of the second half"
    return Seen("warns", figure, above) if above else clean(figure)


def clip_fraction_low(run: RunHistory) -> Seen:
    """Hardly a sample reaches the clip range, while the step size has not yet been annealed."""
    if run.kind("surrogate") != "clip":
        return unknown("the surrogate does not clip")
    if run.hparams["surrogate"].get("range") != {"kind": "constant", "value": CLIP}:
        return unknown(f"the log counts ratios beyond {CLIP}, which is not the clip range here")
    found = run.medians("clip_fraction", half=1)
    if not found:
        return needs_log(run, "clip_fraction")
    below = [seed for seed, share in found.items() if share < LOW_CLIP]
    figure = f"{min(found.values()):.2g} of the samples, median of the first half"
    return Seen("note", figure, below) if below else clean(figure)


def policy_stands_still(run: RunHistory) -> Seen:
    """Updates that do not move the policy, while steps are still to be taken."""
    found = run.medians("approx_kl", half=1)
    if not found:
        return needs_log(run, "approx_kl")
    still = [seed for seed, kl in found.items() if kl < STILL]
    figure = f"{min(found.values()):.2g} nats an update, median of the first half"
    return Seen("warns", figure, still) if still else clean(figure)


def entropy_collapsed(run: RunHistory) -> Seen:
    """The noise is gone before half of what can be gained was gained."""
    seeds = run.logging("entropy")
    if not seeds:
        return needs_log(run, "entropy")
    if run.actions is None or (not run.actions.choices and not run.actions.half_ranges):
        return unknown("the action space is not known here")
    if run.random is None:
        return unknown("no score of the random policy is known for this task")
    if not all(math.isfinite(half) for half in run.actions.half_ranges):
        return unknown("the actions have no bounds to measure the noise by")
    best = max((r for s in run.seeds if (r := s.last_return()) is not None), default=run.random)
    goal = max(best, run.reference if run.reference is not None else best)
    collapsed, least = [], math.inf
    for seed in seeds:
        noise = [noise_of(h, run) for h in seed.logged["entropy"].values]
        least = min(least, *noise)
        at = _first_below(Series(seed.logged["entropy"].steps, noise))
        if at is None or goal <= run.random:
            continue
        then = mean(seed.episodes.between(at - 0.05 * run.steps, at + 0.05 * run.steps))
        last = seed.last_return()
        gained = [(r - run.random) / (goal - run.random) for r in (then, last) if r is not None]
        if gained and max(gained) < HALF_WAY:
            collapsed.append(seed.seed)
    unit = "log n" if run.actions.choices else "half the action's range"
    figure = f"least noise {least:.2g} of {unit}"
    return Seen("warns", figure, collapsed) if collapsed else clean(figure)


def actions_saturated(run: RunHistory) -> Seen:
    """Actions at or beyond their bounds, when the stored policy is played."""
    if run.replay is None:
        return unknown(run.missing.get("replay", "no policy was played"))
    if run.replay.saturated is None:
        return unknown("the actions are discrete")
    figure = f"{run.replay.saturated:.0%} of the action components"
    if run.replay.saturated <= MOST_SATURATED:
        return clean(figure)
    if _earns_well(run, mean(run.replay.returns)):
        return Seen("note", f"{figure}; the policy earns well with it", [run.replay.seed])
    return Seen("warns", figure, [run.replay.seed])


def dead_units(run: RunHistory) -> Seen:
    """Units of the policy that never change over the states visited."""
    if run.replay is None:
        return unknown(run.missing.get("replay", "no policy was played"))
    if not run.replay.dead:
        return unknown("no hidden layer was found in the stored policy")
    layer, share = max(run.replay.dead.items(), key=lambda item: item[1])
    figure = f"{share:.0%} of the units of {layer}"
    return clean(figure) if share <= MOST_DEAD else Seen("warns", figure, [run.replay.seed])


def noise_of(entropy: float, run: RunHistory) -> float:
    """An entropy in nats as a share: of log n for n choices; for a Gaussian the geometric mean
    of its standard deviations, each over half of its action's range."""
    assert run.actions is not None
    if run.actions.choices:
        return entropy / math.log(run.actions.choices) if run.actions.choices > 1 else 1.0
    halves = run.actions.half_ranges
    log_std = entropy / len(halves) - 0.5 * math.log(2 * math.pi * math.e)
    return math.exp(log_std - sum(math.log(half) for half in halves) / len(halves))


def _target(run: RunHistory) -> float | None:
    for name in ("surrogate", "step_size"):
        block = run.hparams.get(name)
        if isinstance(block, dict) and "target" in block:
            return float(block["target"])
    return None


def _earns_well(run: RunHistory, earned: float | None) -> bool:
    """Whether a return is more than half of the way from the random policy to a good one."""
    if earned is None or run.random is None or run.reference is None:
        return False
    return earned - run.random > HALF_WAY * (run.reference - run.random) > 0


def _falls(seed: SeedHistory, step: int, run: RunHistory) -> bool:
    if run.random is None:
        return False
    before = mean(seed.episodes.between(step - AFTER * run.steps, step))
    after = mean(seed.episodes.between(step, step + AFTER * run.steps))
    if before is None or after is None or before <= run.random:
        return False
    return before - after > FALL * (before - run.random)


def _first_below(noise: Series) -> int | None:
    """The first step from which five values in a row lie below the least noise."""
    run = 0
    for step, value in zip(noise.steps, noise.values, strict=True):
        run = run + 1 if value < LEAST_NOISE else 0
        if run == 5:
            return step
    return None


RULES = (
    Rule(
        "kl-far-from-target",
        f"a quarter to four times its target; without one at most {LARGEST_KL} nats",
        "the step size or the penalty's weight does not get the divergence under control; "
        "check sign and scale of the penalty, epochs, and which policy is the old one",
        f"{SCHULMAN}; Spinning Up, PPO: usually 0.01 to 0.05; bound ours",
        kl_far_from_target,
    ),
    Rule(
        "kl-spikes",
        f"no update above {SPIKE:g} nat; a warning where a quarter of the gain is lost after it",
        "one batch threw the policy away: step size too large, an outlier among the advantages, "
        "or a stale log-probability",
        f"{SCHULMAN}: a spike comes with a drastic loss; bound ours",
        kl_spikes,
    ),
    Rule(
        "clip-fraction-high",
        f"ratios farther than {CLIP} from 1 on at most {HIGH_CLIP} of the samples",
        "the policy moves far beyond the usual clip range in one iteration: too many epochs, too "
        "large a step size, or old log-probabilities that are not those of the actor",
        "Schulman et al. 2017, eq. 7; bound ours, from the committed runs",
        clip_fraction_high,
    ),
    Rule(
        "clip-fraction-low",
        f"ratios farther than {CLIP} from 1 on at least {LOW_CLIP} of the samples",
        "no update reaches the clip range, so that nothing is bounded: step size or epochs are far "
        "too small, or the ratio is that of the policy with itself",
        "Schulman et al. 2017, eq. 7; bound ours, from the committed runs",
        clip_fraction_low,
    ),
    Rule(
        "policy-stands-still",
        f"above {STILL:g} nats an update",
        "no gradient reaches the policy: detached log-probability, advantages that are all zero, "
        "a step size of zero, or a mask that is never set",
        f"{SCHULMAN}; bound ours",
        policy_stands_still,
    ),
    Rule(
        "entropy-collapsed",
        f"noise above {LEAST_NOISE:g} until half of the gain is there",
        "the policy became deterministic before it learnt: entropy bonus of the wrong sign, "
        "advantages not centred, step size too large",
        f"{SCHULMAN}: a premature drop in entropy means no learning; bound ours",
        entropy_collapsed,
    ),
    Rule(
        "actions-saturated",
        f"at most {MOST_SATURATED:.0%} of the components at a bound; more is a note where it earns",
        "the policy wants more than the bounds allow: missing scaling of actions, a pre-tanh "
        "output that ran away, or noise far wider than the range (bang-bang control can be right)",
        "Fujimoto et al. 2018 (noise clipped to the bounds); bound ours",
        actions_saturated,
    ),
    Rule(
        "dead-units",
        f"at most {MOST_DEAD:.0%} of a layer",
        "units that say nothing: step size too large, inputs not normalised, saturated tanh",
        "Sokar et al. 2023, The Dormant Neuron Phenomenon; bound ours",
        dead_units,
    ),
)
