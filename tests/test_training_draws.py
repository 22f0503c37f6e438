"""Generators, schedules and minibatches of a stack."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from repro.training.minibatch import minibatches
from repro.training.rng import Streams, derived_seed
from repro.training.schedules import Constant, Linear, at

DRAWS = {
    "normal": lambda s, **of: s.normal(3, 2, **of),
    "uniform": lambda s, **of: s.uniform(3, 2, **of),
    "permutation": lambda s, **of: s.permutation(20, **of),
    "integers": lambda s, **of: s.integers(1000, 3, 2, **of),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seeds_draws_do_not_depend_on_its_company(draw):
    alone, together = Streams([5], "action"), Streams([1, 5, 9], "action")
    for _ in range(3):
        mine, ours = draw(alone), draw(together)
        assert torch.equal(ours[1], mine[0])
        assert not torch.equal(ours[0], ours[1])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seed_that_rests_draws_nothing(draw):
    """It gets zeros, and later what it would have drawn then."""
    streams = Streams([5, 9], "action")
    resting = draw(streams, active=np.array([True, False]))
    assert not resting[1].any()
    assert torch.equal(resting[0], draw(Streams([5], "action"))[0])
    assert torch.equal(draw(streams)[1], draw(Streams([9], "action"))[0])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_purposes_differ_and_draws_go_on(draw):
    assert not torch.equal(draw(Streams([5], "action")), draw(Streams([5], "minibatch")))
    streams = Streams([5], "action")
    assert not torch.equal(draw(streams), draw(streams))


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_streams_state_round_trip(draw):
    streams = Streams([1, 2], "action")
    draw(streams)
    state = streams.state_dict()
    expected = [draw(streams), draw(streams)]
    resumed = Streams([1, 2], "action")
    resumed.load_state_dict(state)
    assert torch.equal(draw(resumed), expected[0])
    assert torch.equal(draw(resumed), expected[1])


def test_integers_below_a_bound_of_each_seed():
    drawn = Streams([0, 1], "replay").integers([3, 5], 500)
    assert [sorted(set(row.tolist())) for row in drawn] == [[0, 1, 2], [0, 1, 2, 3, 4]]
    alone = Streams([1], "replay").integers(5, 500)
    assert torch.equal(drawn[1], alone[0])


def test_derived_seeds_are_apart_and_fit_a_generator():
    found = {
        derived_seed(seed, purpose)
        for seed in range(100)
        for purpose in ("initialization", "action", "minibatch", "evaluation")
    }
    assert len(found) == 400
    assert all(0 <= seed < 2**63 for seed in found)


def test_draws_have_their_distributions():
    normal, uniform = Streams([0], "a").normal(20_000), Streams([0], "a").uniform(20_000)
    # Five standard errors: 5/√20000 = 0.036 of the mean, and likewise of the deviation.
    assert normal.mean().item() == pytest.approx(0, abs=0.036)
    assert normal.std().item() == pytest.approx(1, abs=0.036)
    assert uniform.mean().item() == pytest.approx(0.5, abs=0.02)
    assert uniform.max() < 1


def test_schedules():
    linear = Linear(start=3.0, end=1.0)
    assert [at(linear, step, 100) for step in (0, 25, 100, 500)] == [3.0, 2.5, 1.0, 1.0]
    assert [at(Constant(value=0.2), step, 100) for step in (0, 100, 500)] == [0.2, 0.2, 0.2]


def test_minibatches_give_every_sample_once_an_epoch():
    index = torch.arange(10.0).repeat(2, 1) + torch.tensor([[0.0], [100.0]])
    streams = Streams([0, 1], "minibatch")
    batches = [[batch[0].clone()] for batch in minibatches([index], 5, 3, streams)]
    assert len(batches) == 6
    orders = []
    for epoch in range(3):
        order = torch.cat([b for (b,) in batches[2 * epoch : 2 * epoch + 2]], dim=1)
        assert torch.equal(order.sort(dim=1).values, index)
        orders.append(order)
    assert all(not torch.equal(a, b) for a, b in pairwise(orders))
    assert all(not torch.equal(order[0], order[1] - 100) for order in orders)


def test_last_minibatch_may_be_smaller():
    batches = list(minibatches([torch.arange(7.0)[None]], 3, 1, Streams([0], "minibatch")))
    assert [batch[0].shape[1] for batch in batches] == [3, 3, 1]
    found = torch.cat([batch[0] for batch in batches], dim=1)
    assert found.sort().values.tolist() == [[0, 1, 2, 3, 4, 5, 6]]


def test_samples_of_several_tensors_stay_together():
    seeds, samples = 2, 8
    scalar = torch.arange(16.0).reshape(seeds, samples)
    wide = torch.stack([scalar * 10, scalar * 100], dim=-1)
    single = (scalar * 1000).unsqueeze(-1)
    image = torch.stack([wide, -wide], dim=-2)
    tensors = [scalar, wide, single, image]
    for a, b, c, d in minibatches(tensors, 4, 2, Streams([0, 1], "minibatch")):
        assert (a.shape, b.shape, c.shape) == ((2, 4), (2, 4, 2), (2, 4, 1))
        assert torch.equal(d, torch.stack([b, -b], dim=-2))
        assert torch.equal(b, torch.stack([a * 10, a * 100], dim=-1))
        assert torch.equal(c.squeeze(-1), a * 1000)


def test_a_seeds_minibatches_do_not_depend_on_its_company():
    data = torch.randn(3, 9, 2)
    together = minibatches([data], 4, 2, Streams([1, 5, 9], "minibatch"))
    alone = minibatches([data[1:2]], 4, 2, Streams([5], "minibatch"))
    for (ours,), (mine,) in zip(together, alone, strict=True):
        assert torch.equal(ours[1], mine[0])
