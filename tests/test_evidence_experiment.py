"""Experiments: names become one immutable thing with a digest, or one clear line."""

from __future__ import annotations

import dataclasses
import re

import msgspec
import pytest

from repro.cards import load_card, load_sets
from repro.errors import ReproError
from repro.experiment import (
    EVALUATION,
    Experiment,
    claims_of,
    implemented,
    merged,
    parse_overrides,
    protocol,
    resolve,
    same_env,
)
from repro.judge.metrics import metric


def test_an_alias_means_the_living_task_and_the_cards_default_set():
    experiment = resolve("ppo-2017", "HalfCheetah")
    assert (experiment.env, experiment.hparam_set) == ("HalfCheetah-v4", "mujoco")
    assert experiment.steps == 1_000_000
    assert experiment.hparams["surrogate"]["kind"] == "clip"
    assert resolve("ppo", "HalfCheetah-v4") == experiment


def test_small_tasks_take_the_star_of_the_cards_defaults():
    assert resolve("ppo-2017", "CartPole").hparam_set == "classic"


def test_the_digest_depends_on_every_field_and_on_nothing_else():
    base = resolve("ppo-2017", "HalfCheetah")
    others = [
        resolve("ppo-2017", "Hopper"),
        resolve("ppo-2017", "HalfCheetah", "mujoco-ppo2"),
        resolve("ppo-2017", "HalfCheetah", ablation="no-clip"),
        resolve("ppo-2017", "HalfCheetah", steps=10),
        resolve("ppo-2017", "HalfCheetah", evaluate=True),
        resolve("ppo-2017", "HalfCheetah", overrides={"gamma": 0.9}),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == len(others) + 1
    again = msgspec.json.decode(msgspec.json.encode(base), type=Experiment)
    assert again.digest == base.digest


def test_evaluation_is_on_where_a_claim_is_decided_by_it():
    assert resolve("td3-2018", "Hopper").evaluation == EVALUATION
    assert resolve("td3-2018", "Hopper", ablation="no-delay").evaluation == EVALUATION
    assert resolve("td3-2018", "Hopper", evaluate=False).evaluation is None
    assert resolve("td3-2018", "Pendulum").evaluation is None  # its quick tests are of training
    # A maximum over time is shown beside the claims that decide, and costs no evaluations.
    assert resolve("ppo-2017", "HalfCheetah", "mujoco-ppo2").evaluation is None


def test_a_set_is_evaluated_as_its_claims_say():
    nature = resolve("dqn-2013", "Breakout", "nature-2015").evaluation
    assert nature == {
        "period": 250_000, "episodes": 30, "deterministic": True, "max_frames": 18_000
    }  # fmt: skip
    sampled = resolve("a3c-2016", "Breakout", "atari").evaluation
    assert sampled is not None
    assert (sampled["deterministic"], sampled["max_frames"]) == (False, 108_000)
    assert resolve("a3c-2016", "Pong", "atari-lstm", evaluate=True).evaluation == sampled
    # A set without a word of its own, and those of other tasks that extend one for Atari
    assert resolve("dqn-2013", "CartPole", "classic", evaluate=True).evaluation == EVALUATION
    for name, env in (("classic", "CartPole"), ("a2c", "Reacher"), ("mujoco", "Reacher")):
        assert resolve("a3c-2016", env, name, evaluate=True).evaluation == EVALUATION
    silent = dataclasses.replace(load_sets("dqn-2013")["nature-2015"], evaluation=None)
    with pytest.raises(ReproError, match="nature-2015 does not say how a game is evaluated"):
        protocol(silent, "ALE/Breakout-v5")


def test_words_of_claims_and_the_protocol_of_their_set_agree():
    """An hour of the emulator is 216,000 frames."""
    numbers, seen = {"five": 5, "thirty": 30}, 0
    for paper in implemented():
        for claim in load_card(paper).claims:
            played = load_sets(paper)[claim.hparams].environments
            if metric(claim.metric).needs != "evaluation" or "Atari" not in played:
                continue
            said = resolve(paper, claim.env, claim.hparams).evaluation
            assert said is not None
            if minutes := re.search(r"(\w+) minutes", claim.protocol):
                most = numbers.get(minutes[1]) or int(minutes[1])
                assert said["max_frames"] == 3600 * most, claim.id
                seen += 1
            if episodes := re.search(r"(\d+) episodes", claim.protocol):
                assert said["episodes"] == int(episodes[1]), claim.id
    assert seen >= 6


def test_a_whole_number_where_a_float_is_meant_is_the_same_experiment():
    one = resolve("ppo-2017", "CartPole", overrides={"gamma": 1})
    assert one.hparams["gamma"] == 1.0
    assert isinstance(one.hparams["gamma"], float)


def test_overrides_are_typed_and_a_kind_replaces_its_block():
    overrides = parse_overrides(
        ["surrogate.kind=fixed-kl", "surrogate.beta=3e-1", "minibatch_size=32"]
    )
    assert overrides == {"surrogate.kind": "fixed-kl", "surrogate.beta": 0.3, "minibatch_size": 32}
    hparams = resolve("ppo-2017", "CartPole", overrides=overrides).hparams
    assert hparams["surrogate"] == {"kind": "fixed-kl", "beta": 0.3}
    assert hparams["minibatch_size"] == 32


def test_the_order_of_overrides_does_not_matter():
    items = ["surrogate.beta=0.3", "surrogate.kind=fixed-kl"]
    forwards = resolve("ppo-2017", "CartPole", overrides=parse_overrides(items))
    backwards = resolve("ppo-2017", "CartPole", overrides=parse_overrides(items[::-1]))
    assert forwards.digest == backwards.digest


def test_an_ablation_is_merged_over_the_set():
    plain = resolve("ppo-2017", "HalfCheetah").hparams
    ablated = resolve("ppo-2017", "HalfCheetah", ablation="no-clip").hparams
    assert ablated["surrogate"] == {"kind": "none"}
    assert {k for k in plain if plain[k] != ablated[k]} == {"surrogate"}


def test_merging_goes_key_by_key_but_replaces_tagged_blocks():
    base = {"adam": {"beta1": 0.9, "beta2": 0.99}, "clip": {"kind": "clip", "range": 0.2}}
    assert merged(base, {"adam": {"beta1": 0.5}}, "here")["adam"] == {"beta1": 0.5, "beta2": 0.99}
    assert merged(base, {"clip": {"kind": "none"}}, "here")["clip"] == {"kind": "none"}
    assert merged(base, {"clip": {"range": 0.1}}, "here")["clip"] == {"kind": "clip", "range": 0.1}
    preset = {"atari": {"kind": "preset", "changes": {}}}  # free names within a tagged block
    assert merged(preset, {"atari": {"changes": {"noop_max": 0}}}, "here") == {
        "atari": {"kind": "preset", "changes": {"noop_max": 0}}
    }
    assert base["clip"] == {"kind": "clip", "range": 0.2}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"paper": "ppo-2018"}, 'did you mean "ppo-2017"?'),
        ({"paper": "trpo-2015"}, "trpo-2015 has no implementation"),
        ({"env": "HalfCheeta"}, 'did you mean "HalfCheetah"?'),
        ({"env": "HalfCheetah-v2"}, "HalfCheetah-v4"),
        ({"hparams": "mujocco"}, 'did you mean "mujoco"?'),
        ({"ablation": "noclip"}, 'did you mean "no-clip"?'),
        ({"overrides": {"gama": 0.9}}, 'did you mean "gamma"?'),
        ({"overrides": {"adam.beta3": 0.9}}, 'did you mean "beta'),
        ({"overrides": {"surrogate.rnge": 0.9}}, 'did you mean "range"?'),
        ({"overrides": {"gamma": "high"}}, "expected a number"),
        ({"overrides": {"surrogate.kind": "clipp"}}, 'did you mean "clip"?'),
        ({"overrides": {"time_limit": "terminl"}}, 'did you mean "terminal"?'),
        ({"overrides": {"gamma.x": 1}}, "gamma"),
        ({"steps": 0}, "positive"),
    ],
)
def test_a_wrong_name_gets_one_line_with_the_nearest_valid_one(arguments, expected):
    arguments = {"paper": "ppo-2017", "env": "HalfCheetah"} | arguments
    with pytest.raises(ReproError) as error:
        resolve(**arguments)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(ReproError, match="field=value"):
        parse_overrides(["gamma"])


def test_claims_are_those_of_the_environment_set_and_ablation():
    from repro.cards import load_card

    card = load_card("ppo-2017")
    claims = claims_of(card, "HalfCheetah-v4", "mujoco")
    assert "halfcheetah-figure-3" in [claim.id for claim in claims]
    assert all(same_env(claim.env, "HalfCheetah-v4") for claim in claims)
    assert claims_of(card, "HalfCheetah-v4", "classic") == []


def test_only_files_that_train_are_called_implemented():
    assert "ppo-2017" in implemented()
    assert "gae-2015" not in implemented()
