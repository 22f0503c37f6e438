"""Times to a threshold, and properties with a bound."""

from __future__ import annotations

from repro.cards.models import Property, TimeTo
from repro.judge import metrics
from repro.judge.case import FEW, Case, Untestable, prepare
from repro.judge.compare import compare
from repro.judge.published import curve_of, published_side, undecidable
from repro.judge.statistics import half_width, own_error
from repro.judge.types import DECIDED, Answer, Interval, Verdict
from repro.judge.words import headline, number, say_comparison, say_interval, say_sample, say_theirs


def judge_time_to(case: Case) -> Verdict:
    """Time to a threshold, lower is better; margin = tolerance × the published time.

    A seed that never got there counts with the whole budget: a restricted mean, which is at most
    the true one, so *misses* stands and *reaches* is about the budget only.
    """
    check, run, figure = case.claim.check, case.find(), case.claim.published
    assert isinstance(check, TimeTo)
    name, never = metrics.metrics_of(case.claim)
    if run is None:
        return case.not_tested("No run of this claim's own hparam set and task.")
    if not any(name in seed.metrics for seed in run.seeds):
        return case.not_tested(f"The result does not record {name}.")
    try:
        ours = prepare(case, run, name)
    except Untestable as lack:
        return case.not_tested(str(lack))
    theirs = published_side(case.claim, curve_of(case.claim, case.context.curves))
    if theirs is None or figure is None:
        return case.not_tested("The card prints no time for this claim.")
    horizon = case.claim.steps or run.steps
    censored = [
        value.value
        for seed, value in zip(run.seeds, ours.seeds, strict=True)
        if seed.metrics.get(never, 1.0) > 0 or (check.unit == "steps" and value.value >= horizon)
    ]
    margin = check.tolerance * abs(theirs.mean)
    result = compare(ours.sample, theirs, margin, ours.level, sign=-1)
    refused = undecidable(figure)
    passes = result.answer in ("reproduced", "exceeds")
    if passes and censored and min(censored) <= theirs.mean + margin:
        # A seed that never got there would pass for one that did.
        refused = "The whole budget is no longer than the published time and the margin."
    settleable = result.settleable and refused is None
    answer: Answer = result.answer if settleable else "inconclusive"
    if ours.reached is not None:
        answer = "undecided"
    marks = [*ours.marks, *(["assumed spread"] if theirs.spread == "assumed" else [])]
    reasons = [
        f"Ours: {say_sample(ours.sample)} {check.unit} until the threshold {check.threshold:g}; "
        f"{len(censored)} of {ours.sample.n} seeds never got there and count with the whole "
        "budget.",
        *ours.reasons,
        say_theirs(figure, theirs),
        f"Margin: {check.tolerance:g} × the published time = {number(margin)}; sooner is better.",
        *say_comparison(ours.sample, theirs, margin, result, settleable),
        *([refused] if refused else []),
    ]
    admissible = settleable and ours.admissible
    return case.verdict(
        answer,
        headline(answer, result.reach, settleable, refused, result.ceiling),
        env=run.env,
        reach=result.reach,
        settleable=settleable,
        judged=admissible,
        counts=admissible and answer in DECIDED,
        marks=marks,
        warnings=ours.warnings,
        reasons=reasons,
        seeds=ours.seeds,
        ours=ours.sample,
        theirs=theirs,
        tolerance=check.tolerance,
        scale=abs(theirs.mean),
        margin=margin,
        own_interval=result.own_interval,
        interval=result.interval,
        power_ceiling=result.ceiling,
        seeds_needed=result.seeds_needed if answer == "inconclusive" and settleable else None,
        level=ours.level,
    )


def judge_property(case: Case) -> Verdict:
    """A measured number, with its interval over seeds, against a bound."""
    check, run = case.claim.check, case.find()
    assert isinstance(check, Property)
    if run is None:
        return case.not_tested("No run of this claim's own hparam set and task.")
    if check.at_least is None and check.at_most is None:
        return case.not_tested("The card gives no bound for this property.")
    try:
        ours = prepare(case, run, check.measure)
    except Untestable as lack:
        return case.not_tested(str(lack))
    exact = metrics.metric(check.measure).exact
    sample, interval = ours.sample, None
    if sample.std is not None or exact:
        error, df = own_error(sample.std or 0.0, sample.n) if sample.n > 1 else (0.0, 1.0)
        half = float(half_width(error, df, ours.level))
        interval = Interval(
            difference=sample.mean,
            low=sample.mean - half,
            high=sample.mean + half,
            half_width=half,
            standard_error=float(error),
            df=float(df),
            level=ours.level,
        )
    low = float("-inf") if check.at_least is None else check.at_least
    high = float("inf") if check.at_most is None else check.at_most
    answer: Answer = "inconclusive"
    if interval is not None and low <= interval.low and interval.high <= high:
        answer = "reproduced"
    elif interval is not None and (interval.high < low or interval.low > high):
        answer = "not reproduced"
    if ours.reached is not None and not exact:
        answer = "undecided"
    marks = [mark for mark in ours.marks if not (exact and mark == FEW)]
    bound = " and ".join(
        f"at {word} {number(value)}"
        for word, value in (("least", check.at_least), ("most", check.at_most))
        if value is not None
    )
    reasons = [f"Measured: {say_sample(sample)} of {check.measure}; bound: {bound}."]
    if interval is not None:
        reasons.append(f"Interval: {say_interval(interval)}: {answer}.")
    admissible = ours.admissible or (exact and ours.evidence.planned)
    return case.verdict(
        answer,
        headline(answer, None),
        env=run.env,
        judged=admissible,
        counts=admissible and answer in DECIDED,
        marks=marks,
        warnings=ours.warnings,
        reasons=[*reasons, *ours.reasons],
        seeds=ours.seeds,
        ours=sample,
        interval=interval,
        level=ours.level,
        at_least=check.at_least,
        at_most=check.at_most,
    )
