"""Rules about values, gradients and the scale of rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repro.doctor.findings import Rule, Seen, clean, needs_log, unknown
from repro.doctor.history import WINDOW, RunHistory, mean, median, quantile
from repro.doctor.policy_rules import SCHULMAN

LEAST_EXPLAINED = 0.05
WORSE_THAN_NOTHING = -0.5
TOO_HIGH = 3.0  # times the greatest value that the returns seen allow
MANY_TIMES = 100.0  # the bound on a gradient's norm
LOSSES = ("critic_loss", "value_loss", "loss")  # of a value function, as the papers name it
LARGEST_SCALE, SMALLEST_SCALE = 1e4, 1e-3


def explained_variance(run: RunHistory) -> Seen:
    """Share of the targets' variance that the value function explains, over the second half."""
    found = run.medians("explained_variance", half=2)
    if not found:
        return needs_log(run, "explained_variance")
    figure = f"{min(found.values()):.2g}, median of the second half"
    # A state does not tell the time. Where the limit ends most episodes and counts as terminal,
    # targets vary with what is left of it, and nothing could explain that.
    hidden = run.kind("time_limit") is None and run.hparams.get("time_limit") == "terminal"
    bound = LEAST_EXPLAINED
    if hidden and run.capped():
        bound = WORSE_THAN_NOTHING
        if min(found.values()) < LEAST_EXPLAINED:
            figure += "; targets vary with the time left, which no state shows"
    low = [seed for seed, share in found.items() if share < bound]
    return Seen("warns", figure, low) if low else clean(figure)


def values_impossible(run: RunHistory) -> Seen:
    """Mean values far beyond what any policy seen so far could have earned."""
    seeds = [s for s in run.logging("value") if s.episodes.values and s.lengths]
    if not seeds:
        return needs_log(run, "value")
    gamma = run.number("gamma")
    if gamma is None:
        return unknown("the discount is not among the hyperparameters")
    scale = reward_factor(run)
    if scale is None:
        return unknown("rewards are normalised, so values have a unit of their own")
    most, ratio, high = 0.0, 0.0, []
    for seed in seeds:
        possible = scale * greatest_value(seed.episodes.values, seed.lengths, gamma)
        seen = max(abs(v) for v in seed.logged["value"].values)
        if possible > 0 and seen / possible >= ratio:
            most, ratio, limit = seen, seen / possible, possible
        if possible > 0 and seen > TOO_HIGH * possible:
            high.append(seed.seed)
    if not ratio:
        return unknown("every return is 0")
    figure = f"mean value {most:.3g}, {ratio:.2g} times what the returns allow ({limit:.3g})"
    return Seen("warns", figure, high) if high else clean(figure)


def greatest_value(returns: Sequence[float], lengths: Sequence[int], gamma: float) -> float:
    """The greatest mean value of any stretch of episodes, rewards spread evenly over them.

    The mean over an episode's states of their discounted rewards to go is at most
    |return| / length · (1 − γ^length) / (1 − γ) where rewards have one sign. Where the limit
    bootstraps, the sum goes on for ever.
    """
    pairs = list(zip(returns, lengths, strict=True))
    horizon = 1.0 / (1.0 - gamma) if gamma < 1.0 else float(max(n for _, n in pairs))
    greatest = 0.0
    size = min(10, len(pairs))
    for i in range(0, len(pairs) - size + 1, size):
        some = pairs[i : i + size]
        rate = sum(abs(r) for r, _ in some) / max(1, sum(n for _, n in some))
        greatest = max(greatest, rate * horizon)
    return greatest


def gradients_clipped(run: RunHistory) -> Seen:
    """Gradients that exceed their bound in nearly every iteration."""
    block = run.hparams.get("max_grad_norm")
    if not isinstance(block, Mapping) or "max" not in block:
        return unknown("gradients have no bound")
    seeds = run.logging("grad_norm")
    if not seeds:
        return needs_log(run, "grad_norm")
    bound = float(block["max"])
    # The log has the mean over an iteration's updates: twice the bound is clipped as good as ever.
    always, far, largest = [], [], 0.0
    for seed in seeds:
        norms = seed.logged["grad_norm"].values
        largest = max(largest, median(norms) / bound)
        if quantile(norms, 0.05) > 2 * bound:
            always.append(seed.seed)
        if median(norms) > MANY_TIMES * bound:
            far.append(seed.seed)
    figure = f"median norm {largest:.2g} times the bound {bound:g}"
    if far:
        return Seen("warns", figure, far)
    if always:
        return Seen("note", f"{figure}: clipped in nearly every iteration", always)
    return clean(figure)


def reward_factor(run: RunHistory) -> float | None:
    """What multiplies the rewards; None where running statistics do, so that it changes."""
    choice = run.hparams.get("reward_normalization")
    if isinstance(choice, Mapping) and choice.get("kind") == "factor":
        return float(choice["factor"])
    normalised = run.kind("reward_normalization") not in (None, "none")
    return None if normalised else abs(run.number("reward_scale") or 1.0)


def reward_scale(run: RunHistory) -> Seen:
    """Size of the discounted return that the value function has to fit."""
    scale = reward_factor(run)
    if scale is None:
        return clean("rewards are normalised")
    gamma = run.number("gamma")
    seeds = [s for s in run.trained if s.episodes.values and s.lengths]
    if not seeds or gamma is None:
        return unknown(run.missing.get("log", "no episode has ended, or no discount is known"))
    found = {s.seed: scale * greatest_value(s.episodes.values, s.lengths, gamma) for s in seeds}
    outside = [seed for seed, size in found.items()
               if size and not SMALLEST_SCALE <= size <= LARGEST_SCALE]  # fmt: skip
    if not any(found.values()):
        return unknown("every return is 0")
    figure = f"discounted returns up to {max(found.values()):.2g}"
    return Seen("warns", figure, outside) if outside else clean(figure)


def losses_grow(run: RunHistory) -> Seen:
    """A value function whose loss grows far beyond the growth of the squared returns."""
    name = next((name for name in LOSSES if run.logging(name)), LOSSES[0])
    seeds = [s for s in run.logging(name) if len(s.episodes.values) >= 20]
    if not seeds:
        return needs_log(run, name)
    grown, largest = [], 0.0
    for seed in seeds:
        losses = seed.logged[name].values
        tenth = max(1, len(losses) // 10)
        first, last = median(losses[tenth : 2 * tenth] or losses), median(losses[-tenth:])
        early = mean(abs(r) for r in seed.episodes.values[:WINDOW]) or 0.0
        late = mean(abs(r) for r in seed.episodes.values[-WINDOW:]) or 0.0
        squared = max(1.0, (late / early) ** 2 if early else 1.0)
        growth = last / first / squared if first > 0 else 0.0
        largest = max(largest, growth)
        if growth > 1000:
            grown.append(seed.seed)
    figure = f"{largest:.2g}-fold, less the growth of the squared returns"
    return Seen("warns", figure, grown) if grown else clean(figure)


RULES = (
    Rule(
        "explained-variance",
        f"above {LEAST_EXPLAINED}",
        "the value function predicts nothing: its loss has no weight or the wrong sign, its "
        "targets are shifted against its inputs, or rewards are on a scale it cannot reach",
        f"{SCHULMAN}; openai/baselines common/math_util.py: at 0 one might as well predict "
        "nothing; bound ours",
        explained_variance,
    ),
    Rule(
        "values-impossible",
        f"at most {TOO_HIGH:g} times what the returns allow",
        "values feed on themselves: no target network, bootstrapping through terminal states, "
        "a discount of 1, or overestimation by the maximum",
        "Fujimoto et al. 2018, section 4 and Figure 1; bound ours",
        values_impossible,
    ),
    Rule(
        "critic-loss-grows",
        "below a thousandfold growth",
        "the value function diverges: step size too large, targets that chase themselves",
        "van Hasselt et al. 2018, Deep RL and the Deadly Triad; bound ours",
        losses_grow,
    ),
    Rule(
        "gradients-clipped",
        f"not in every iteration; a warning from {MANY_TIMES:g} times the bound",
        "only the gradient's direction counts: the reward's scale or a coefficient is off, or the "
        "bound is so tight by intention",
        "Andrychowicz et al. 2020, What Matters In On-Policy RL; bound ours",
        gradients_clipped,
    ),
    Rule(
        "reward-scale",
        f"{SMALLEST_SCALE:g} to {LARGEST_SCALE:g}",
        "networks start near 0 and step sizes are meant for targets near 1: scale the rewards "
        "without shifting them",
        f"Henderson et al. 2017, section 4 (reward scale); {SCHULMAN}; bound ours",
        reward_scale,
    ),
)
