"""Progress of a whole plan: what is counted, and how it is shown."""

from __future__ import annotations

import io

import pytest

from repro.launch import state as state_module
from repro.launch.progress import Display, count, duration, number, summary
from repro.launch.stacks import Stack
from repro.launch.state import PlanState, StackState


class Clock:
    """time.monotonic under the test's control."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(state_module.time, "monotonic", lambda: self.now)


def message(seeds, steps, returns=None, diverged=()):
    return {
        "seeds": list(seeds),
        "steps": list(steps),
        "returns": returns or [None] * len(seeds),
        "diverged": list(diverged),
    }


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def plan(clock):
    """Five seeds of 1000 steps in stacks of two, two and one, on two workers."""
    stacks = [StackState(Stack(seeds), 1000) for seeds in ((0, 1), (2, 3), (4,))]
    return PlanState("ppo-2017 HalfCheetah-v4", stacks, workers=2, started=clock.now)


def begin(plan, clock):
    """Ten seconds in: the first stack has done 400 of 1000 steps a seed, the second 200."""
    for stack in plan.stacks[:2]:
        stack.status = "running"
        stack.update(message(stack.stack.seeds, [0, 0]))
    clock.now += 10
    plan.stacks[0].update(message([0, 1], [400, 400], [10.0, 30.0]))
    plan.stacks[1].update(message([2, 3], [200, 200], [None, 50.0]))


def test_steps_and_speed_are_those_of_all_seeds(plan, clock):
    begin(plan, clock)
    assert plan.total_steps == 5000
    assert plan.done_steps == 2 * 400 + 2 * 200
    assert plan.steps_per_second == pytest.approx(2 * 40 + 2 * 20)
    assert plan.elapsed == 10


def test_time_left_covers_stacks_that_still_wait(plan, clock):
    begin(plan, clock)
    # First stack: 600 steps at 40 = 15 s, then the third: 1000 at the usual 30 = 33.3 s.
    # Second stack: 800 steps at 20 = 40 s.
    assert plan.time_left == pytest.approx(15 + 1000 / 30)
    plan.stacks[2].status = "finished"
    plan.stacks[2].steps = 1000
    assert plan.time_left == pytest.approx(40)


def test_time_left_is_unknown_before_the_first_steps(plan):
    assert plan.time_left is None


def test_mean_return_is_over_running_stacks(plan, clock):
    begin(plan, clock)
    assert plan.stacks[0].mean_return == 20.0
    assert plan.mean_return == pytest.approx((2 * 20 + 2 * 50) / 4)
    assert plan.step == 300


def test_a_diverged_seed_counts_as_done(plan, clock):
    begin(plan, clock)
    plan.stacks[0].update(message([0, 1], [400, 20], diverged=[1]))
    assert plan.stacks[0].steps == (400 + 1000) // 2
    assert plan.diverged == [1]


def test_a_resumed_stack_is_not_taken_to_be_fast(plan, clock):
    stack = plan.stacks[0]
    stack.status = "running"
    stack.update(message([0, 1], [900, 900]))
    assert stack.rate is None
    clock.now += 1
    stack.update(message([0, 1], [910, 910]))
    assert stack.rate == pytest.approx(10)


def test_one_line_says_all(plan, clock):
    begin(plan, clock)
    plan.stacks[0].diverged = (1,)
    line = summary(plan, lambda step: (2.0 * step, f"at step {step}, Figure 3"))
    assert line == (
        "ppo-2017 HalfCheetah-v4: 1.2k of 5k steps (24 %), 120 steps/s, 48 s left, return 35.0 "
        "(published 600 at step 300, Figure 3), diverged: seeds 1"
    )
    assert "published" not in summary(plan, lambda step: None)


def test_plain_lines_come_now_and_then_and_at_the_end(plan, clock):
    stream = io.StringIO()
    with Display(stream=stream, interval=30) as display:
        for _ in range(100):
            clock.now += 0.5
            display.update(plan)
        plan.stacks[0].steps = 1000
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "(40 %)" in lines[-1]
    assert "\x1b" not in stream.getvalue()


def test_quiet_shows_only_what_must_be_read(plan):
    stream = io.StringIO()
    with Display(stream=stream, quiet=True) as display:
        display.update(plan)
        display.say("seed 3 diverged")
    assert stream.getvalue() == "seed 3 diverged\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_table_of_stacks(plan, clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    begin(plan, clock)
    stream = Terminal()
    with Display(published=lambda step: (float(step), "Figure 3"), stream=stream) as display:
        display.update(plan)
        display.say("seed 3 [diverged]")
    text = stream.getvalue()
    for expected in ("0-1", "2-3", "400 of 1k", "20.0", "waiting", "published", "48 s left"):
        assert expected in text
    assert "seed 3 [diverged]" in text


def test_no_color_is_heeded(plan, clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    colour = "\x1b[3"  # the escape sequences of foreground colours
    begin(plan, clock)
    texts = {}
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        stream = Terminal()
        with Display(stream=stream) as display:
            display.update(plan)
        texts[value] = stream.getvalue()
    assert colour in texts[""]
    assert "\x1b[38;" not in texts["1"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (45_678, "45.7k"),
        (999_900, "1M"),
        (1_250_000, "1.25M"),
    ],
)
def test_counts(steps, expected):
    assert count(steps) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(1942.4, "1,942"), (-12.34, "-12.3"), (0.5, "0.50"), (None, "")]
)
def test_numbers(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(45, "45 s"), (420, "7 min"), (12_000, "3 h 20 min")]
)
def test_durations(seconds, expected):
    assert duration(seconds) == expected
