"""How seeds are divided into stacks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.errors import ReproError
from repro.launch.stacks import Stack, check_seeds, divide, remaining


def sizes(stacks):
    return [len(stack.seeds) for stack in stacks]


@pytest.mark.parametrize(
    ("seeds", "workers", "max_stack", "expected"),
    [
        (5, 2, None, [3, 2]),
        (10, 2, None, [5, 5]),
        (10, 1, None, [10]),
        (3, 8, None, [1, 1, 1]),
        (5, 2, 1, [1, 1, 1, 1, 1]),
        (10, 2, 4, [3, 3, 2, 2]),
        (0, 2, None, []),
    ],
)
def test_division(seeds, workers, max_stack, expected):
    stacks = divide(range(seeds), workers, max_stack)
    assert sizes(stacks) == expected
    assert [seed for stack in stacks for seed in stack.seeds] == list(range(seeds))


@settings(deadline=None, max_examples=50, derandomize=True, database=None)
@given(
    st.lists(st.integers(0, 10**9), unique=True, min_size=1, max_size=40),
    st.integers(1, 12),
    st.none() | st.integers(1, 9),
)
def test_division_is_balanced_complete_and_stable(seeds, workers, max_stack):
    stacks = divide(seeds, workers, max_stack)
    assert [seed for stack in stacks for seed in stack.seeds] == seeds
    assert max(sizes(stacks)) - min(sizes(stacks)) <= 1
    assert max(sizes(stacks)) <= (max_stack or len(seeds))
    assert stacks == divide(seeds, workers, max_stack)
    assert len({stack.name for stack in stacks}) == len(stacks)


def test_names_are_short_and_distinguish():
    assert Stack((4,)).name == "4"
    assert Stack((0, 1, 2)).name == "0-2"
    evidence = [Stack(tuple(range(s, s + 10**9, 10**8))) for s in (100, 101)]
    assert evidence[0].name.startswith("100x10-")
    assert evidence[0].name != evidence[1].name
    assert Stack((0, 2, 3)).name != Stack((0, 1, 3)).name
    assert all(len(stack.name) < 40 for stack in evidence)


def test_begun_stacks_keep_their_seeds_and_done_seeds_are_left_alone():
    stacks = remaining(range(8), {"0-2": [0, 1, 2]}, done={3, 4}, workers=2)
    assert [stack.seeds for stack in stacks] == [(0, 1, 2), (5, 6), (7,)]


def test_a_begun_stack_is_resumed_whole_or_not_at_all():
    begun = {"0-2": [0, 1, 2], "3-4": [3, 4]}
    assert [s.seeds for s in remaining([1], begun, set(), workers=2)] == [(0, 1, 2)]


@pytest.mark.parametrize(
    ("seeds", "says"), [([], "no seeds"), ([0, 1, 0], "seed 0 is given twice"), ([-1], "seed -1")]
)
def test_wrong_seeds_are_refused(seeds, says):
    with pytest.raises(ReproError, match=says):
        check_seeds(seeds)


def test_no_workers_is_refused():
    with pytest.raises(ReproError, match="--workers 0"):
        divide([0], 0)
