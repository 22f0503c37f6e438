"""A run stopped before the claim's horizon: on track, behind or undecided, never more."""

from __future__ import annotations

import numpy as np

from repro.judge.case import Case, Prepared
from repro.judge.compare import compare
from repro.judge.published import curve_of
from repro.judge.published import theirs as side
from repro.judge.statistics import scale_of
from repro.judge.types import Answer, Theirs, Verdict
from repro.judge.words import headline, number, say_interval, say_ours

TOLERANCE = 0.2  # of a claim that states none


def judge_prefix(case: Case, ours: Prepared, final: Theirs) -> Verdict:
    """Our seeds at the step they reached against the published curve there.

    Without a published curve the final level is all there is: a prefix that already reaches it
    is on track, any other is undecided. The margin is that of the claim's horizon, and no more
    than the tolerance times what the published curve has learned by then: early in training the
    whole of it may lie within the horizon's margin of the random policy.
    """
    reached = ours.reached or 0
    env = ours.evidence.env
    random = case.random(env)
    known = case.context.reference.get(env)
    scale = scale_of(final.mean, random.mean, None if known is None else known.mean)
    tolerance = getattr(case.claim.check, "tolerance", TOLERANCE)
    absolute = getattr(case.claim.check, "absolute_tolerance", None)
    margin = tolerance * scale if absolute is None else absolute
    curve = curve_of(case.claim, case.context.curves)
    here, what = final, "the published level at the horizon"
    if curve is not None and curve.step[0] <= reached:
        here = side(float(np.interp(reached, curve.step, curve.mean)), final.n, None, None,
                    final.reading_error)  # fmt: skip
        what = f"the published curve at {reached:,} steps"
        learned = case.sign * (here.mean - random.mean)
        margin = min(margin, tolerance * max(learned, 0.0))
    result = compare(ours.sample, here, margin, ours.level, case.sign)
    answer: Answer = "undecided"
    if margin > 0 and result.reach == "reaches":
        answer = "on track"
    elif margin > 0 and result.reach == "misses" and here is not final:
        answer = "behind"
    reasons = [
        say_ours(case, ours),
        *ours.reasons,
        f"A prefix: {reached:,} of {case.claim.steps or ours.evidence.steps:,} steps, compared "
        f"with {what} ({number(here.mean)}), margin {number(margin)}.",
    ]
    if margin == 0:
        reasons.append("By then the published curve is no better than the random policy.")
    if result.own_interval is not None:
        reasons.append(f"Our seeds only: d = {say_interval(result.own_interval)}: {answer}.")
    return case.verdict(
        answer,
        headline(answer, None),
        env=env,
        marks=ours.marks,
        warnings=ours.warnings,
        reasons=reasons,
        seeds=ours.seeds,
        ours=ours.sample,
        theirs=here,
        random=random.mean,
        scale=scale,
        margin=margin,
        tolerance=tolerance if absolute is None else None,
        own_interval=result.own_interval,
        level=ours.level,
    )
