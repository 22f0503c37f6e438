"""Arms by name: other sets, ablations, other papers; what the paper prints of two arms."""

from __future__ import annotations

import pytest
from judge_tools import CONTEXT, METRIC, card, claim, evidence, judge, published, seed, spread

from repro.cards.arms import Arm, arm_of, rivals
from repro.cards.models import Ablation, Level, NotWorse, Ordering, TimeTo
from repro.judge.metrics import other_arm
from repro.judge.verdict import judge_claim
from repro.judge.words import say_published_arms

NO_CLIP = {"no-clip": Ablation(changes={}, source="Table 1")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("paper", ("ppo-2017", "mujoco", None)),
        ("no-clip", ("ppo-2017", "mujoco", "no-clip")),
        ("a3c-2016", ("a3c-2016", None, None)),
        ("a3c-2016/a2c", ("a3c-2016", "a2c", None)),
        ("ppo-2017/mujoco-ppo2", ("ppo-2017", "mujoco-ppo2", None)),
        ("td3-2018/classic+myopic", ("td3-2018", "classic", "myopic")),
    ],
)
def test_an_arm_by_name(name, expected):
    one = claim(check=Ordering(better="paper", than=name))
    assert arm_of(name, one, card(one, ablations=NO_CLIP)) == Arm(*expected)
    assert rivals(card(one, ablations=NO_CLIP)) == sorted({expected[0]} - {"ppo-2017"})


def rival_run(values, hparam_set="a2c", paper="a3c-2016", **fields):
    return evidence(values, paper=paper, hparam_set=hparam_set, **fields)


def test_another_papers_result_is_an_arm():
    rule = claim(check=Ordering(better="paper", than="a3c-2016/a2c"))
    ours, theirs = evidence(spread(1500.0, 100.0)), rival_run(spread(1000.0, 100.0))
    verdict = judge(rule, ours, theirs)
    assert (verdict.answer, verdict.counts) == ("reproduced", True)
    assert verdict.interval.difference == pytest.approx(500.0)
    other_set = judge(rule, ours, rival_run(spread(1000.0, 100.0), "atari"))
    assert other_set.answer == "not tested"
    assert other_set.command == "repro plan a3c-2016 --env HalfCheetah --hparams a2c --seeds 10"
    any_set = claim(check=Ordering(better="paper", than="a3c-2016"))
    assert judge(any_set, ours, rival_run(spread(1000.0, 100.0), "atari")).answer == "reproduced"


def test_two_sets_of_one_paper_are_compared():
    rule = claim(check=NotWorse(arm="paper", than="ppo-2017/mujoco-ppo2"))
    ours = evidence(spread(1700.0, 100.0))
    other = evidence(spread(1720.0, 100.0), hparam_set="mujoco-ppo2")
    assert judge(rule, ours, other).answer == "reproduced"
    assert judge(rule, ours).command.endswith("--hparams mujoco-ppo2 --seeds 10")


@pytest.mark.parametrize(
    ("better", "than", "mean", "rival", "effect", "words"),
    [
        ("paper", "no-clip", 434.0, 223.0, 211.0, "paper 434, no-clip 223, an effect of 211"),
        ("no-clip", "paper", -8.25, -4.76, 3.49, "no-clip −4.76, paper −8.25, an effect of 3.49"),
        ("paper", "no-clip", 434.0, None, None, "paper 434"),
    ],
)
def test_published_levels_belong_to_arms(better, than, mean, rival, effect, words):
    figure = published(mean, rival=rival, seeds=1)
    rule = claim(figure, Ordering(better=better, than=than))
    runs = [evidence(spread(1500.0, 100.0)), evidence(spread(1000.0, 90.0), ablation="no-clip")]
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), CONTEXT)
    assert verdict.published_effect == (None if effect is None else pytest.approx(effect))
    assert f"Published: {words}." in verdict.reasons


def test_lower_is_better_in_a_published_effect():
    figure = published(1_420_000, rival=3_340_000)
    rule = claim(figure, Ordering(better="paper", than="no-clip"), metric="steps-to-threshold@475")
    name = "steps-to-threshold@475"
    runs = [
        evidence(seeds=[seed(1000 + k, 0.0, metrics={name: v}) for k, v in enumerate(values)],
                 ablation=ablation)
        for ablation, values in ((None, spread(2e5, 1e4)), ("no-clip", spread(6e5, 1e4)))
    ]  # fmt: skip
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), CONTEXT)
    assert (verdict.answer, verdict.published_effect) == ("reproduced", 1_920_000)


def test_a_diverged_seed_counts_with_the_longest_time_of_the_wall():
    """Not with its budget, which is in steps."""
    name = "seconds-to-threshold@475"
    rule = claim(check=Ordering(better="paper", than="no-clip"), metric=name)
    runs = [
        evidence(seeds=[*(seed(1000 + k, 0.0, metrics={name: v}) for k, v in enumerate(values)),
                        seed(1009, 0.0, status="diverged", metrics={})],
                 ablation=ablation)
        for ablation, values in ((None, spread(20.0, 1.0, 9)), ("no-clip", spread(40.0, 1.0, 9)))
    ]  # fmt: skip
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), CONTEXT)
    assert verdict.answer == "reproduced"
    longest = max(found.value for found in verdict.seeds)
    assert verdict.seeds[-1].value == longest == max(spread(20.0, 1.0, 9))


def test_nothing_is_said_where_nothing_is_printed():
    rule = claim(published(None), Ordering(better="paper", than="no-clip"))
    assert say_published_arms(rule, "paper", "no-clip", None) == []


@pytest.mark.parametrize("check", [Level(), Ordering(better="paper", than="no-clip"),
                                   TimeTo(threshold=475.0)])  # fmt: skip
def test_without_steps_on_the_card_no_run_is_long_enough(check):
    metrics = {METRIC: 1720.0, "steps-to-threshold@475": 10.0}
    seeds = [seed(1000 + k, 1720.0 + k, metrics=metrics) for k in range(10)]
    rule = claim(check=check, steps=None)
    runs = [evidence(seeds=seeds), evidence(seeds=seeds, ablation="no-clip")]
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), CONTEXT)
    assert verdict.answer == "not tested"
    assert "gives no steps" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("at_least", "answer"),
    [
        (None, "reproduced"),
        (200.0, "reproduced"),
        (300.0, "inconclusive"),
        (500.0, "not reproduced"),
    ],
)
def test_an_effect_said_beforehand_must_be_reached(at_least, answer):
    """300 apart, give or take 94."""
    rule = claim(check=Ordering(better="paper", than="no-clip", at_least=at_least))
    runs = [evidence(spread(1300.0, 100.0)), evidence(spread(1000.0, 100.0), ablation="no-clip")]
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), CONTEXT)
    assert (verdict.answer, verdict.at_least) == (answer, at_least)


@pytest.mark.parametrize(
    ("mean", "warned"), [(-320.0, True), (-240.0, True), (-180.0, False), (1500.0, False)]
)
def test_a_better_arm_that_is_no_better_than_random_is_warned_of(mean, warned):
    """Random is −280; a mean of ten with spread 100 is known to 72."""
    rule = claim(check=Ordering(better="paper", than="no-clip"))
    runs = [evidence(spread(mean, 100.0)), evidence(spread(-9000.0, 100.0), ablation="no-clip")]
    verdict = judge_claim(rule, runs, card(rule, ablations=NO_CLIP), CONTEXT)
    assert verdict.answer == "reproduced"
    assert any("no better than the random policy" in line for line in verdict.warnings) == warned


def test_the_other_arms_mean_follows_from_the_difference():
    assert other_arm("ordering", METRIC, 715.0, 545.0) == 170.0
    assert other_arm("not-worse", "steps-to-threshold@475", 900.0, 100.0) == 1000.0
    assert other_arm("level", METRIC, 715.0, 545.0) is None
    assert other_arm("ordering", METRIC, 715.0, None) is None
