"""Retries are a part of the calls, whatever happens."""

from hypothesis import given, settings
from hypothesis import strategies as st

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
