"""Normalisers against slow re-implementations of what the papers' code describes."""

from __future__ import annotations

import numpy as np
import pytest

from repro.training.normalise import (
    ObservationNormalizer,
    RewardNormalizer,
    RewardScale,
    RunningMoments,
)

SEEDS, SHAPE = 2, (3,)


@pytest.fixture
def chance():
    return np.random.default_rng(0)


def batches(chance, sizes=(5, 1, 1, 8)):
    """Observations of unequal batches, [S, B, 3], far from mean 0 and variance 1."""
    return [chance.normal(3.0, 2.0, (SEEDS, size, *SHAPE)) for size in sizes]


def weighted_moments(seen, prior_count):
    """Mean and variance of everything at once, the prior (0, 1) as `prior_count` samples."""
    total = prior_count + len(seen)
    mean = seen.sum(axis=0) / total
    second = (prior_count * 1.0 + np.square(seen).sum(axis=0)) / total
    return mean, second - np.square(mean)


@pytest.mark.parametrize("prior_count", [1e-4, 1e-2, 10.0])
def test_moments_are_those_of_all_data_at_once(chance, prior_count):
    moments = RunningMoments(SEEDS, SHAPE, prior_count)
    data = batches(chance)
    for batch in data:
        moments.update(batch)
    for seed in range(SEEDS):
        mean, variance = weighted_moments(
            np.concatenate([batch[seed] for batch in data]), prior_count
        )
        np.testing.assert_allclose(moments.mean[seed], mean, rtol=1e-10)
        np.testing.assert_allclose(moments.variance[seed], variance, rtol=1e-8)
    np.testing.assert_allclose(moments.count, 15 + prior_count)


def test_moments_start_at_the_prior():
    moments = RunningMoments(SEEDS, SHAPE, 0.01)
    assert (moments.mean == 0).all()
    assert (moments.variance == 1).all()


def test_moments_stay_exact_far_from_zero(chance):
    """E[x²] − E[x]² would lose every digit here."""
    moments = RunningMoments(1, (), 1e-4)
    data = 1e8 + chance.normal(0.0, 1.0, (1, 1000))
    moments.update(data[:, :400])
    moments.update(data[:, 400:])
    # The prior's own part is known: its weight times the distance of the means.
    between = np.square(data.mean()) * 1e-4 * 1000 / np.square(1000 + 1e-4)
    assert moments.variance[0] - between == pytest.approx(data.var(), rel=1e-2)


def test_inactive_seed_keeps_every_bit(chance):
    data = batches(chance)
    masked, plain = RunningMoments(SEEDS, SHAPE, 1e-4), RunningMoments(SEEDS, SHAPE, 1e-4)
    for moments in (masked, plain):
        moments.update(data[0])
    before = {name: value.numpy().copy() for name, value in masked.state_dict().items()}
    for batch in data[1:]:
        plain.update(batch)
        batch[0] = np.nan
        masked.update(batch, np.array([False, True]))
    for name, value in masked.state_dict().items():
        assert np.array_equal(value[0], before[name][0]), name
        assert np.array_equal(value[1], plain.state_dict()[name][1]), name


def test_observations_as_in_vec_normalize(chance):
    """(x − mean)/√(var + ε), clipped, with population variance; statistics first, then use."""
    normalizer = ObservationNormalizer(
        SEEDS, SHAPE, clip=1.5, prior_count=1e-4, variance_floor=0.0, epsilon=1e-8
    )
    data, clipped = batches(chance, sizes=(1, 1, 4)), 0
    for i, batch in enumerate(data):
        normalizer.update(batch)
        found = normalizer(batch)
        for seed in range(SEEDS):
            seen = np.concatenate([b[seed] for b in data[: i + 1]])
            mean, variance = weighted_moments(seen, 1e-4)
            expected = np.clip((batch[seed] - mean) / np.sqrt(variance + 1e-8), -1.5, 1.5)
            np.testing.assert_allclose(found[seed], expected, rtol=1e-6)
            clipped += (np.abs(expected) == 1.5).sum()
    assert clipped > 0


def test_observations_as_in_ppo1(chance):
    """Std = √max(E[x²] − E[x]², 1e-2), sums begun at 0 and 1e-2 over a count of 1e-2; clip 5."""
    normalizer = ObservationNormalizer(
        SEEDS, SHAPE, clip=5.0, prior_count=0.01, variance_floor=0.01, epsilon=0.0
    )
    data = batches(chance)
    for batch in data:
        batch[..., 2] = 0.4 + 1e-3 * batch[..., 2]  # hardly varies: the floor holds
        normalizer.update(batch)
    probe = np.array([[[3.0, -9.0, 0.5]], [[30.0, 1.0, 0.4]]])
    assert (normalizer.moments.variance[:, 2] < 0.01).all()
    found = normalizer(probe)
    for seed in range(SEEDS):
        seen = np.concatenate([batch[seed] for batch in data])
        total, squares, count = np.zeros(3), np.full(3, 1e-2), 1e-2
        for row in seen:
            total, squares, count = total + row, squares + row**2, count + 1
        deviation = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 1e-2))
        expected = np.clip((probe[seed] - total / count) / deviation, -5.0, 5.0)
        np.testing.assert_allclose(found[seed], expected, rtol=1e-6)


def test_normalising_changes_no_statistic(chance):
    normalizer = ObservationNormalizer(SEEDS, SHAPE, 5.0, 1e-4, 0.0, 1e-8)
    normalizer.update(batches(chance)[0])
    raw = batches(chance)[1]
    kept = raw.copy()
    first = normalizer(raw)
    assert np.array_equal(raw, kept)
    assert np.array_equal(normalizer(raw), first)


class SlowVecNormalize:
    """One seed's rewards as baselines' VecNormalize scales them, from its description."""

    def __init__(self, envs, gamma, clip, prior_count, epsilon, reset):
        self.returns, self.seen = [0.0] * envs, []
        self.gamma, self.clip, self.prior_count = gamma, clip, prior_count
        self.epsilon, self.reset = epsilon, reset

    def step(self, rewards, done):
        scaled = []
        for e, reward in enumerate(rewards):
            self.returns[e] = self.returns[e] * self.gamma + reward
        self.seen += self.returns
        _, variance = weighted_moments(np.array(self.seen), self.prior_count)
        for e, reward in enumerate(rewards):
            value = reward / np.sqrt(variance + self.epsilon)
            scaled.append(min(max(value, -self.clip), self.clip))
            if done[e] and self.reset:
                self.returns[e] = 0.0
        return scaled


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("envs", [1, 3])
def test_rewards_as_in_vec_normalize(chance, reset, envs):
    normalizer = RewardNormalizer(SEEDS, envs, 0.9, 2.0, 1e-4, 1e-8, reset=reset)
    slow = [SlowVecNormalize(envs, 0.9, 2.0, 1e-4, 1e-8, reset) for _ in range(SEEDS)]
    for _ in range(60):
        reward = chance.normal(1.0, 1.0, (SEEDS, envs))
        done = chance.random((SEEDS, envs)) < 0.2
        expected = [
            one.step(r, d) for one, r, d in zip(slow, reward.tolist(), done.tolist(), strict=True)
        ]
        np.testing.assert_allclose(normalizer(reward, done), expected, rtol=1e-7)


def test_the_terminal_reward_enters_before_the_return_is_zeroed():
    normalizer = RewardNormalizer(1, 1, 0.5, 100.0, 1e-4, 1e-8, reset=True)
    normalizer(np.array([[1.0]]), np.array([[False]]))
    normalizer(np.array([[1.0]]), np.array([[True]]))  # return 1.5, then zeroed
    assert normalizer.returns.tolist() == [[0.0]]
    _, variance = weighted_moments(np.array([1.0, 1.5]), 1e-4)
    assert normalizer.moments.variance[0] == pytest.approx(variance)
    normalizer(np.array([[1.0]]), np.array([[False]]))
    assert normalizer.returns.tolist() == [[1.0]]


def test_inactive_seeds_rewards_leave_no_trace(chance):
    normalizer = RewardNormalizer(SEEDS, 2, 0.9, 10.0, 1e-4, 1e-8, reset=True)
    done = np.zeros((SEEDS, 2), dtype=bool)
    normalizer(chance.normal(size=(SEEDS, 2)), done)
    variance = normalizer.moments.variance.copy()
    normalizer(chance.normal(size=(SEEDS, 2)), done, np.array([True, False]))
    assert normalizer.moments.variance[1] == variance[1]
    assert normalizer.moments.variance[0] != variance[0]


def test_state_round_trips(chance):
    first = RewardNormalizer(SEEDS, 2, 0.9, 10.0, 1e-4, 1e-8, reset=True)
    observations = ObservationNormalizer(SEEDS, SHAPE, 5.0, 1e-4, 0.0, 1e-8)
    done = chance.random((SEEDS, 2)) < 0.5
    first(chance.normal(size=(SEEDS, 2)), done)
    observations.update(batches(chance)[0])
    second = RewardNormalizer(SEEDS, 2, 0.9, 10.0, 1e-4, 1e-8, reset=True)
    copy = ObservationNormalizer(SEEDS, SHAPE, 5.0, 1e-4, 0.0, 1e-8)
    second.load_state_dict(first.state_dict())
    copy.load_state_dict(observations.state_dict())
    reward, probe = chance.normal(size=(SEEDS, 2)), batches(chance)[1]
    assert np.array_equal(first(reward, done), second(reward, done))
    assert np.array_equal(observations(probe), copy(probe))
    observations.update(probe)
    copy.update(probe)
    assert np.array_equal(observations(probe), copy(probe))


def test_a_reward_scale_is_the_same_whatever_came_before(chance):
    normalizer = RewardScale(0.25)
    for _ in range(3):
        reward, done = chance.normal(size=(SEEDS, 2)), chance.random((SEEDS, 2)) < 0.5
        assert np.array_equal(normalizer(reward, done, np.array([True, False])), reward / 4)
        assert np.array_equal(normalizer.scaled(reward), reward / 4)
    assert normalizer.state_dict() == {}
