"""The status of health checks follows from the results of their requests."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.local.dns.health import EndpointHealth, statuses
from constructs_lib.local.dns.model import CheckType, HealthCheck
from constructs_lib.local.dns.unknowns import DisabledInverted, EnoughData, Unknowns
from tests.unit.local.dns_building import check

USUAL = Unknowns()


def after(results: list[bool], *, threshold: int = 3, unknowns: Unknowns = USUAL) -> bool:
    """Whether an endpoint is healthy after *results*."""
    health = EndpointHealth(threshold, unknowns)
    for passed in results:
        health.observe(passed)
    return health.healthy


def seen(checks: list[HealthCheck], unknowns: Unknowns = USUAL, **endpoints: bool) -> dict[str, bool]:
    """The status of *checks*, given those of endpoints by id."""
    return statuses(checks, endpoints, unknowns)


def test_a_new_check_is_healthy() -> None:
    """Until there is enough data."""
    assert after([])
    assert seen([check()]) == {"check": True}


def test_a_new_inverted_check_is_unhealthy() -> None:
    """Until there is enough data, the other way round."""
    assert seen([check(inverted=True)]) == {"check": False}


def test_results_in_a_row_change_the_status() -> None:
    """As many as the threshold says, in both directions."""
    assert after([False, False])
    assert not after([False, False, False])
    assert not after([False, False, False, True, True])
    assert after([False, False, False, True, True, True])


def test_one_other_result_starts_the_count_anew() -> None:
    """Results must follow each other."""
    assert after([False, False, True, False, False])
    assert not after([False, False, False, True, True, False, True, True])


def test_a_threshold_of_one_follows_every_result() -> None:
    """The lowest threshold."""
    assert not after([False], threshold=1)
    assert after([False, True], threshold=1)


def test_unknown_how_much_data_is_enough() -> None:
    """The first result of a new check may count at once, or like any other."""
    first = Unknowns(enough_data=EnoughData.FIRST_RESULT)
    assert after([False], unknowns=Unknowns(enough_data=EnoughData.AFTER_THRESHOLD))
    assert not after([False], unknowns=first)
    # Afterwards both are the same.
    assert not after([False, True, True], unknowns=first)
    assert after([True, False, False], unknowns=first)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 10), st.sampled_from(EnoughData))
def test_the_status_is_that_of_the_last_run_that_was_long_enough(
    results: list[bool], threshold: int, enough: EnoughData
) -> None:
    """Said in another way than it is computed: look back for the last such run."""
    expected = True
    if enough is EnoughData.FIRST_RESULT and results:
        expected = results[0]
    for end in range(len(results), threshold - 1, -1):
        run = results[end - threshold : end]
        if len(set(run)) == 1:
            expected = run[0]
            break
    assert after(results, threshold=threshold, unknowns=Unknowns(enough_data=enough)) is expected


def test_a_change_is_told() -> None:
    """So that the time of the change can be noted."""
    health = EndpointHealth(2, USUAL)
    assert [health.observe(passed) for passed in (True, False, False, False, True, True)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]


def test_an_inverted_check_is_the_other_way_round() -> None:
    """Healthy counts as unhealthy, unhealthy as healthy."""
    checks = [check("plain"), check("inverted", inverted=True)]
    assert seen(checks, plain=True, inverted=True) == {"plain": True, "inverted": False}
    assert seen(checks, plain=False, inverted=False) == {"plain": False, "inverted": True}


def test_a_disabled_check_is_healthy() -> None:
    """Whatever its endpoint did before."""
    assert seen([check(disabled=True)], check=False) == {"check": True}


def test_unknown_what_a_disabled_inverted_check_is() -> None:
    """Always healthy, as one page says, or unhealthy, as another one says to invert it for."""
    both = [check(disabled=True, inverted=True)]
    assert seen(both, Unknowns(disabled_inverted=DisabledInverted.UNHEALTHY)) == {"check": False}
    assert seen(both, Unknowns(disabled_inverted=DisabledInverted.HEALTHY)) == {"check": True}


def calculated(threshold: int, **more: Any) -> HealthCheck:
    """A check that counts `one` and `two`."""
    return HealthCheck(
        check_id="parent", type=CheckType.CALCULATED, children=("one", "two"), health_threshold=threshold, **more
    )


def test_a_calculated_check_counts_its_healthy_children() -> None:
    """It is healthy if there are as many as its threshold says."""
    for threshold, one, two, expected in (
        (1, True, False, True),
        (1, False, False, False),
        (2, True, False, False),
        (2, True, True, True),
    ):
        assert seen([calculated(threshold), check("one"), check("two")], one=one, two=two)["parent"] is expected


def test_a_calculated_check_can_be_always_healthy_or_never() -> None:
    """Threshold 0 is always met, one above the number of children never."""
    children = [check("one"), check("two")]
    assert seen([calculated(0), *children], one=False, two=False)["parent"]
    assert not seen([calculated(3), *children], one=True, two=True)["parent"]


def test_children_count_as_others_see_them() -> None:
    """A disabled child is healthy, an inverted one is the other way round."""
    assert seen([calculated(2), check("one", disabled=True), check("two")], one=False, two=True)["parent"]
    assert not seen([calculated(2), check("one", inverted=True), check("two")], one=True, two=True)["parent"]


def test_calculated_checks_can_be_inverted_and_disabled() -> None:
    """Like others."""
    children = [check("one"), check("two")]
    assert not seen([calculated(1, inverted=True), *children])["parent"]
    assert seen([calculated(2, disabled=True), *children], one=False)["parent"]


def test_a_check_on_an_alarm_is_what_it_is_without_data() -> None:
    """There is no data here. A last known status there never was is healthy."""
    for said, expected in (("Healthy", True), ("Unhealthy", False), ("LastKnownStatus", True)):
        alarm = HealthCheck(check_id="alarm", type=CheckType.CLOUDWATCH_METRIC, insufficient_data=said)
        assert seen([alarm]) == {"alarm": expected}
