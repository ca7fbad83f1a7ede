"""The newest calls: how many failed, and how many of them in a row."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.call_window import CallWindow, SeenCall


def seen(ended: float, *, failed: bool, unanswered: bool = False) -> SeenCall:
    return SeenCall(begun=ended, ended=ended, key="k", failed=failed, unanswered=unanswered)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.booleans(), st.booleans()), max_size=60), st.integers(1, 30))
def test_the_window_holds_the_newest_calls_of_its_time(plan: list[tuple[float, bool, bool]], most: int) -> None:
    """None that is older than it, and no more than it has room for."""
    window = CallWindow(60.0, most=most)
    now = 1_800_000_000.0
    calls: list[SeenCall] = []
    for seconds, failed, unanswered in plan:
        now += seconds
        calls.append(seen(now, failed=failed, unanswered=unanswered))
        window.add(calls[-1])
        newest = [call for call in calls if call.ended > now - 60][-most:]
        assert window.calls(now) == len(newest)
        assert window.failure_rate(now) == pytest.approx(sum(call.failed for call in newest) / len(newest))
        run = window.run(now)
        assert run == newest[::-1][: len(run)]
        assert all(call.unanswered for call in run)
        assert len(run) == len(newest) or not newest[-1 - len(run)].unanswered


def test_a_clock_that_is_set_back_loses_no_call() -> None:
    """What happens in the hour that comes twice is counted."""
    window = CallWindow(60.0, most=20)
    window.add(seen(10_000.0, failed=True))
    window.add(seen(6_400.0, failed=False))
    assert window.calls(6_400.0) == 2
    assert window.failure_rate(6_400.0) == pytest.approx(0.5)
