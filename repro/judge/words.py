"""The sentences of a verdict: every number, so that a student can check it by hand."""

from __future__ import annotations

from repro.cards.models import Claim, Level, Published
from repro.judge.case import Case, Prepared
from repro.judge.compare import Comparison
from repro.judge.published import band_in_words, critical, published_arms
from repro.judge.types import Answer, Interval, Reach, Sample, Theirs


def number(value: float) -> str:
    """Five significant digits, thousands apart: 1,668.6 · −0.39 · 0.0123."""
    text = f"{value:,.5g}"
    if "e" in text:
        text = f"{value:,.0f}" if abs(value) >= 1 else text
    return text.replace("-", "−", 1) if text.startswith("-") else text


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def say_ours(case: Case, ours: Prepared) -> str:
    steps = ours.reached or case.claim.steps or ours.evidence.steps
    return (
        f"Ours: {say_sample(ours.sample)} of {case.claim.metric} at {steps:,} steps, "
        f"{ours.evidence.env}, set {ours.evidence.hparam_set}."
    )


def say_sample(sample: Sample) -> str:
    seeds = "1 seed" if sample.n == 1 else f"{sample.n} seeds"
    spread = "" if sample.std is None else f", standard deviation {number(sample.std)}"
    return f"{seeds}, mean {number(sample.mean)}{spread}"


def say_theirs(figure: Published, theirs: Theirs) -> str:
    seeds = "an unknown number of" if theirs.n is None else f"{theirs.n}"
    spread = "" if theirs.std is None else f" {number(theirs.std)}"
    read = f", reading error {number(theirs.reading_error)}" if theirs.reading_error else ""
    return (
        f"Published: mean {number(theirs.mean)} from {seeds} seeds; spread between them{spread} "
        f"({band_in_words(figure, theirs)}){read}; {figure.how}, {figure.confidence}."
    )


def say_published_arms(claim: Claim, first: str, second: str, effect: float | None) -> list[str]:
    """What the paper prints of two arms, and their difference where it prints both."""
    levels = zip((first, second), published_arms(claim, first, second), strict=True)
    printed = [f"{name} {number(level)}" for name, level in levels if level is not None]
    if not printed:
        return []
    difference = "" if effect is None else f", an effect of {number(effect)}"
    return [f"Published: {', '.join(printed)}{difference}."]


def say_scale(
    published: float, random: float, reference: float | None, scale: float, margin: float,
    check: Level,
) -> str:  # fmt: skip
    """How scale and margin were come by."""
    if check.absolute_tolerance is not None:
        why = f" ({check.reason})" if check.reason else ""
        return f"Margin: {number(margin)} in the metric's own unit{why}."
    zero = number(random) if random >= 0 else f"({number(random)})"
    floor = "" if reference is None else f", 0.1·|{number(reference)} − {zero}|"
    why = f" ({check.reason})" if check.reason and check.tolerance != 0.2 else ""
    return (
        f"Scale: max(|{number(published)} − {zero}|{floor}) = {number(scale)}, from the "
        f"random policy's {number(random)}; margin m = {check.tolerance:g} × scale = "
        f"{number(margin)}{why}."
    )


def say_interval(interval: Interval) -> str:
    """difference ± t × standard error (+ reading error) = [low, high]."""
    t = critical(interval.df, interval.level)
    reading = interval.half_width - t * interval.standard_error
    extra = f" + {number(reading)}" if reading > 1e-9 * max(interval.half_width, 1e-300) else ""
    return (
        f"{number(interval.difference)} ± ({t:.3f} × {number(interval.standard_error)}{extra}) = "
        f"[{number(interval.low)}, {number(interval.high)}] (t with {interval.df:.1f} degrees of "
        f"freedom, one-sided level {100 * interval.level:g} %)"
    )


def say_comparison(
    ours: Sample, theirs: Theirs, margin: float, result: Comparison, settleable: bool
) -> list[str]:
    """Both questions, the power ceiling, and the seeds that would settle it."""
    lines = []
    if result.own_interval is None:
        return ["One seed has no spread: neither question can be answered."]
    lines.append(
        f"First question (our seeds only): d = {say_interval(result.own_interval)} against "
        f"−m = {number(-margin)}: {result.reach}."
    )
    if result.interval is None:
        why = (
            "the number of the paper's seeds is not known"
            if theirs.spread == "unknown"
            else "our seeds show no spread at all, so none can be assumed for the paper's"
        )
        lines.append(f"Second question: not asked, {why}.")
        return lines
    assumed = "s·√(1/n + 1/n_pub) (their spread assumed equal to ours)"
    how = assumed if theirs.spread == "assumed" else "√(s²/n + s_pub²/n_pub)"
    lines.append(
        f"Second question (our seeds and theirs), standard error {how}: "
        f"d = {say_interval(result.interval)} against ±m = ±{number(margin)}: "
        f"{result.interval_says}."
    )
    if result.ceiling is not None:
        thin = "" if result.settleable else "; below 80 %, so our seeds cannot settle the claim"
        lines.append(
            "Power ceiling (infinitely many seeds of ours, no true difference): "
            f"{percent(result.ceiling)}{thin}."
        )
    if settleable and result.answer == "inconclusive":
        lines.append(
            f"About {result.seeds_needed} seeds would settle it with a chance of 80 %, were mean "
            "and spread in truth as they seem."
            if result.seeds_needed
            else "The difference lies too near a margin for any affordable number of seeds."
        )
    return lines


def headline(
    answer: Answer,
    reach: Reach | None,
    settleable: bool = True,
    refused: str | None = None,
    ceiling: float | None = None,
) -> str:
    """One line for a page; the marks stand beside it. ceiling: the power ceiling, a share."""
    reaching = {
        "reaches": "our seeds reach the printed figure",
        "misses": "our seeds miss the printed figure",
        "undecided": "undecided whether our seeds reach the printed figure",
    }.get(reach or "", "")
    if refused is not None:
        words: str = "not decided by this figure"
    elif not settleable:
        why = "" if ceiling is None else f" (power ceiling {percent(ceiling)})"
        words = f"cannot be settled by our seeds{why}"
    elif answer == "inconclusive":
        words = "inconclusive"
    else:
        return answer
    return f"{words}; {reaching}" if reaching else words


def pointing(line: str, claim: str | None) -> str:
    """A headline that names the claim by which the question can be settled."""
    return f"{line}; see {claim}" if claim else line
