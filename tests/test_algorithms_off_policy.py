"""DDPG and TD3, with every choice, on tasks whose values and best actions are known."""

from __future__ import annotations

import msgspec
import numpy as np
import probes
import pytest
from off_policy_tools import VARIANTS, action_at, settings, trained, value_at
from training_tools import lines, make_run, statuses

variants = pytest.mark.parametrize("variant", VARIANTS)
both = pytest.mark.parametrize("variant", ["ddpg", "td3"])


def close(found, expected, within=0.12):
    np.testing.assert_allclose(found, np.full(len(found), expected), rtol=0, atol=within)


@both
def test_constant_reward_is_the_value(variant, tmp_path):
    run = trained(variant, "ProbeConstantBox-v0", tmp_path)
    assert statuses(tmp_path) == {"finished"}
    close(value_at(run, [0.0]), 2.0)


@variants
def test_discounting_counts_the_steps(variant, tmp_path):
    run = trained(variant, "ProbeDiscountBox-v0", tmp_path)
    close(value_at(run, [0.0]), 0.5)
    close(value_at(run, [1.0]), 1.0)


@variants
def test_better_action_depends_on_the_observation(variant, tmp_path):
    run = trained(variant, "ProbeBothBox-v0", tmp_path)
    for x in (1.0, -1.0):
        close(action_at(run, x), x * probes.BEST, within=0.2)
        close(value_at(run, [x], x * probes.BEST), 0.0)
        close(value_at(run, [x], -x * probes.BEST), -1.0, within=0.3)


@both
@pytest.mark.parametrize(("time_limit", "value"), [("terminal", 1.0), ("bootstrap", 2.0)])
def test_time_limit_ends_the_value_or_not(variant, time_limit, value, tmp_path):
    """Reward 1 a step, cut off after each: r, or r/(1 − γ) with γ = 1/2."""
    run = trained(variant, "ProbeForeverBox-v0", tmp_path, time_limit=time_limit)
    close(value_at(run, [1.0]), value)


@pytest.mark.parametrize("variant", ["ddpg", "td3", "td3-single"])
def test_bootstrap_takes_the_value_of_the_state_cut_off(variant, tmp_path):
    """1 + γ V(−) = V(+) and γ V(+) = V(−): 4/3 and 2/3, whatever the place of the cut."""
    run = trained(variant, "ProbeTurnsBox-v0", tmp_path)
    close(value_at(run, [1.0]), 4 / 3)
    close(value_at(run, [-1.0]), 2 / 3)


@both
def test_actions_stay_within_the_bounds(variant, tmp_path):
    """The environment rewards the size of what it got; its bounds are ±1."""
    loud = {"kind": "gaussian", "std": 3.0, "scaled": True}
    trained(variant, "ProbeBounds-v0", tmp_path, steps=300, exploration=loud)
    assert max(line["return"] for line in lines(tmp_path, 0, "episode")) == 1.0


@both
def test_random_steps_are_uniform_and_then_the_policy_acts(variant, tmp_path):
    quiet = {"kind": "gaussian", "std": 0.0, "scaled": True}
    rest = {"learning_starts": 10_000, "exploration": quiet}
    run = trained(variant, "ProbeBounds-v0", tmp_path, steps=300, random_steps=200, **rest)
    found = np.array([line["return"] for line in lines(tmp_path, 0, "episode")])
    assert np.abs(np.quantile(found[:200], [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.12
    assert np.ptp(found[200:]) == 0
    assert found[-1] == pytest.approx(abs(action_at(run, 0.0)[0]))


def test_the_policy_waits_for_the_critics(tmp_path):
    """With a delay of 50, 68 updates move the policy once, and the targets with it."""
    _, hparams = settings("td3", policy_delay=50)
    module = VARIANTS["td3"][0]
    before = make_run(hparams, "ProbeActionBox-v0", tmp_path / "before", steps=1)
    module.train(before)  # 100 ticks, 68 updates
    steps = [float(t) for t in before._kept["policy_optimizer"].t]
    assert steps == [1.0, 1.0]
    assert [float(t) for t in before._kept["critic_optimizer"].t] == [68.0, 68.0]


def test_a_delay_counts_from_each_episodes_end(tmp_path):
    """One update an episode, each the episode's first: a delay of 50 is never noticed."""
    _, hparams = settings("td3", policy_delay=50, updates={"kind": "after-episode"})
    run = make_run(hparams, "ProbeActionBox-v0", tmp_path, steps=1)
    VARIANTS["td3"][0].train(run)
    assert run._kept["policy_optimizer"].t.tolist() == run._kept["critic_optimizer"].t.tolist()


def test_weight_decay_shrinks_the_critic(tmp_path):
    norms = {}
    for decay in (0.0, 1.0):
        folder = tmp_path / str(decay)
        run = trained("ddpg", "ProbeConstantBox-v0", folder, critic_weight_decay=decay)
        weights = [layer.weight.detach() for layer in run._kept["critic"].network.layers]
        norms[decay] = sum(float(w.square().sum()) for w in weights)
    assert norms[1.0] < 0.1 * norms[0.0]


def test_variants_cover_every_choice():
    """A kind that no variant takes would go untested."""
    for name in ("ddpg", "td3"):
        module = VARIANTS[name][0]
        taken = [msgspec.to_builtins(settings(v)[1]) for v in VARIANTS if v.startswith(name)]
        for field in msgspec.structs.fields(module.HParams):
            parts = getattr(field.type, "__args__", ())
            for kind in (part for part in parts if hasattr(part, "__struct_config__")):
                tag = kind.__struct_config__.tag
                wanted = {"fan-in-last"} if name == "td3" else set()
                assert tag in wanted or tag in {v[field.name]["kind"] for v in taken}, tag
