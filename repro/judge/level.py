"""Level claims: our mean against the printed one, in the metric's unit."""

from __future__ import annotations

from repro.cards.models import Level
from repro.judge.case import Case, Prepared, Untestable, prepare
from repro.judge.compare import Comparison, compare
from repro.judge.prefix import judge_prefix
from repro.judge.published import curve_of, near_random, published_side, undecidable
from repro.judge.shown import shown_only
from repro.judge.statistics import DEFAULT_TOLERANCE, scale_of
from repro.judge.types import DECIDED, Theirs, Verdict
from repro.judge.words import headline, number, say_comparison, say_ours, say_scale, say_theirs


def judge_level(case: Case) -> Verdict:
    """Both answers for a level claim."""
    run = case.find()
    if run is None:
        return case.not_tested("No run of this claim's own hparam set and task.")
    if not case.metric.per_seed:
        return shown_only(case, run)
    if case.metric.never != "random":
        return case.not_tested(f"{case.metric.name} is no return: it needs a check of kind time-to "
                               "or property.")  # fmt: skip
    try:
        ours = prepare(case, run)
    except Untestable as lack:
        return case.not_tested(str(lack))
    theirs = published_side(case.claim, curve_of(case.claim, case.context.curves))
    if theirs is None:
        return case.not_tested("The card prints no figure for this claim.")
    if ours.reached is not None:
        return judge_prefix(case, ours, theirs)
    return against(case, ours, theirs)


def against(case: Case, ours: Prepared, theirs: Theirs) -> Verdict:
    """The verdict of a whole run against the published side."""
    check, figure = case.claim.check, case.claim.published
    assert isinstance(check, Level)
    assert figure is not None
    env = ours.evidence.env
    random = case.random(env)
    known = case.context.reference.get(env)
    reference = None if known is None else known.mean
    scale = scale_of(theirs.mean, random.mean, reference)
    absolute = check.absolute_tolerance
    margin = check.tolerance * scale if absolute is None else absolute
    result = compare(ours.sample, theirs, margin, ours.level, case.sign)
    refused = undecidable(figure)
    noise = near_random(theirs, random)
    if noise is not None:
        refused = (
            f"The published figure lies within noise ({number(noise)}) of the random policy "
            f"({number(random.mean)}): no level can be claimed from it."
        )
    settleable = result.settleable and refused is None
    answer = result.answer if settleable else "inconclusive"
    plain = absolute is None and check.tolerance == DEFAULT_TOLERANCE
    default = None
    if not plain and refused is None:
        usual = DEFAULT_TOLERANCE * scale
        default = compare(ours.sample, theirs, usual, ours.level, case.sign).answer
    marks = [*ours.marks, *(["assumed spread"] if theirs.spread == "assumed" else [])]
    reasons = [
        say_ours(case, ours),
        *ours.reasons,
        say_theirs(figure, theirs),
        say_scale(theirs.mean, random.mean, reference, scale, margin, check),
        *say_comparison(ours.sample, theirs, margin, result, settleable),
    ]
    if refused:
        reasons.append(refused)
    if default is not None:
        reasons.append(f"At the usual tolerance of 0.2 × scale it would be: {default}.")
    return case.verdict(
        answer,
        headline(answer, result.reach, settleable, refused, result.ceiling),
        env=env,
        reach=result.reach,
        settleable=settleable,
        judged=settleable and ours.admissible,
        counts=settleable and ours.admissible and answer in DECIDED,
        marks=marks,
        warnings=ours.warnings,
        reasons=reasons,
        seeds=ours.seeds,
        ours=ours.sample,
        theirs=theirs,
        random=random.mean,
        reference=reference,
        tolerance=check.tolerance if absolute is None else None,
        scale=scale,
        margin=margin,
        own_interval=result.own_interval,
        interval=result.interval,
        answer_at_default_tolerance=default,
        power_ceiling=result.ceiling,
        seeds_needed=_wanted(result) if settleable else None,
        level=ours.level,
    )


def _wanted(result: Comparison) -> int | None:
    return result.seeds_needed if result.answer == "inconclusive" else None
