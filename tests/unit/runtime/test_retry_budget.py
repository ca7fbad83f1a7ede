"""Retries are a part of the calls, whatever happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.call_window import CallWindow
from constructs_lib.runtime.retry_budget import RetryBudget


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.01, 0.5, 7.0])), max_size=200))
def test_retries_never_multiply_the_load(plan: list[tuple[bool, float]]) -> None:
    """At any time: no more than what was saved, a fifth of the first calls and the least that time brings."""
    budget = RetryBudget(per_second=0.2, most=10)
    now, firsts, retries = 1_800_000_000.0, 0, 0
    start = now
    for is_first, seconds in plan:
        now += seconds
        if is_first:
            budget.first_call()
            firsts += 1
        elif budget.take(now) == 0:
            retries += 1
        assert retries <= 10 + 0.2 * firsts + 0.2 * (now - start) + 1e-3


def test_who_waits_as_long_as_told_may_go() -> None:
    """Clocks round; the wait that is told is enough all the same, however many seconds they show."""
    budget = RetryBudget(per_second=1 / 7, most=1)
    now = 1_800_000_000.0
    assert budget.take(now) == 0
    for _ in range(1_000):
        wait = budget.take(now)
        assert wait > 0
        now += wait
        assert budget.take(now) == 0


def test_first_calls_earn_and_nothing_is_saved_beyond_the_most() -> None:
    """Five first calls pay for one retry; a quiet day pays for no storm."""
    budget = RetryBudget(per_second=0.001, most=2)
    assert [budget.take(0.0) == 0 for _ in range(3)] == [True, True, False]
    for _ in range(5):
        budget.first_call()
    assert [budget.take(0.0) == 0 for _ in range(2)] == [True, False]
    assert [budget.take(1e9) == 0 for _ in range(3)] == [True, True, False]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60), st.integers(1, 30))
def test_the_window_holds_the_newest_calls_of_its_time(plan: list[tuple[float, bool]], most: int) -> None:
    """None that is older than it, and no more than it has room for."""
    window = CallWindow(60.0, most=most)
    now = 1_800_000_000.0
    calls: list[tuple[float, bool]] = []
    for seconds, failed in plan:
        now += seconds
        window.add(now, failed=failed)
        calls.append((now, failed))
        newest = [failed for moment, failed in calls if moment > now - 60][-most:]
        assert window.calls(now) == len(newest)
        assert window.failure_rate(now) == pytest.approx(sum(newest) / len(newest))


def test_a_clock_that_is_set_back_loses_no_call() -> None:
    """What happens in the hour that comes twice is counted."""
    window = CallWindow(60.0, most=20)
    window.add(10_000.0, failed=True)
    window.add(6_400.0, failed=False)
    assert window.calls(6_400.0) == 2
    assert window.failure_rate(6_400.0) == pytest.approx(0.5)
