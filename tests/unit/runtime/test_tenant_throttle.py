"""What a tenant may send, over all environments of a region: a model of the table, virtual time, any traffic."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.tenant_throttle import Accept, Refuse, Sideline, TenantThrottle
from constructs_lib.runtime.tenant_throttle_leases import Leases, RateLimit
from tests.fairness.throttling import Buckets
from tests.unit.runtime.fakes import RecordingWatch

# Of a float near the numbers here.
GRAIN = 1e-3


@dataclass(frozen=True)
class Request:
    """Somebody asks at a moment, in an environment."""

    at: float
    environment: int
    tenant: str


limits = st.builds(
    lambda per_second, leases, lease: RateLimit(name="hard", per_second=per_second, burst=leases * lease, lease=lease),
    st.sampled_from([0.5, 3.0, 10.0, 40.0]),
    st.integers(5, 9),
    st.integers(1, 6),
)


@st.composite
def traffic(draw: st.DrawFn, tenants: str = "ab") -> list[Request]:
    """Requests in the order of time: bursts of one tenant at one of four environments, and pauses between them."""
    bursts = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0.0, 0.001, 0.1, 1.0, 20.0]),
                st.integers(0, 3),
                st.sampled_from(tenants),
                st.sampled_from([1, 3, 20]),
            ),
            min_size=1,
            max_size=30,
        )
    )
    at, asked = 1_000.0, []
    for gap, environment, tenant, number in bursts:
        at += gap
        asked += [Request(at, environment, tenant)] * number
    return asked


def granted(
    requests: list[Request], limit: RateLimit, *, skew: tuple[float, ...] = (0.0,) * 4, most_tenants: int = 10
) -> list[bool]:
    """Which of *requests* get their token."""
    store = Buckets()
    environments = [Leases(limit, store, most_tenants=most_tenants) for _ in skew]
    return [
        environments[each.environment].take(each.tenant, each.at + skew[each.environment]) == 0 for each in requests
    ]


def most_above_rate(moments: list[float], per_second: float) -> float:
    """The most that any stretch of time holds above what the rate brings in it."""
    most = lowest = 0.0
    for number, moment in enumerate(moments):
        lowest = min(lowest, number - per_second * (moment - moments[0]))
        most = max(most, number + 1 - per_second * (moment - moments[0]) - lowest)
    return most


@pytest.mark.requirement("MSG-09")
@settings(max_examples=300, deadline=None)
@given(traffic(), limits, st.tuples(*[st.floats(0, 2)] * 4))
def test_no_tenant_gets_more_than_its_burst_its_rate_and_one_lease_per_environment(
    requests: list[Request], limit: RateLimit, skew: tuple[float, ...]
) -> None:
    """Over any stretch of time; clocks that differ by x seconds add x times the rate."""
    got = granted(requests, limit, skew=skew)
    for tenant in "ab":
        moments = [each.at for each, yes in zip(requests, got, strict=True) if yes and each.tenant == tenant]
        slack = 4 * limit.lease + limit.per_second * max(skew)
        assert most_above_rate(moments, limit.per_second) <= limit.burst + slack + GRAIN


@pytest.mark.requirement("MSG-09")
@settings(max_examples=300, deadline=None)
@given(traffic(tenants="a"), limits)
def test_a_tenant_below_its_rate_is_never_refused(requests: list[Request], limit: RateLimit) -> None:
    """Whatever environments it meets: leases that lie in others are all that its burst is smaller by."""
    quiet: list[Request] = []
    for each in requests:
        if (
            most_above_rate([*(before.at for before in quiet), each.at], limit.per_second)
            <= limit.burst - 4 * limit.lease
        ):
            quiet.append(each)
    assert all(granted(quiet, limit))


@pytest.mark.requirement("MSG-09")
@settings(max_examples=200, deadline=None)
@given(traffic(), limits)
def test_one_tenants_excess_changes_no_others_answers(requests: list[Request], limit: RateLimit) -> None:
    """Each gets what it would get alone."""
    together = granted(requests, limit)
    for tenant in "ab":
        own = [each for each in requests if each.tenant == tenant]
        got = [yes for each, yes in zip(requests, together, strict=True) if each.tenant == tenant]
        assert got == granted(own, limit)


LIMIT = RateLimit(name="hard", per_second=10, burst=100, lease=10)


@pytest.mark.requirement("MSG-09")
def test_a_tenant_may_have_leases_lying_in_every_environment() -> None:
    """The worst case of the test above: all advances are spent, and three environments hold a lease but for one token."""
    spent = [Request(1_000.0, environment, "a") for environment in range(4) for _ in range(10)]
    lying = [Request(2_000.0, environment, "a") for environment in range(3)]
    burst = [Request(2_000.0, 3, "a")] * (100 - 4 * (10 - 1) - len(lying))
    assert all(granted(spent + lying + burst, LIMIT))


def test_a_tenant_who_was_forgotten_gets_no_second_advance() -> None:
    """Memory is bounded, and so is what a tenant gets by being pushed out of it."""
    requests = [Request(1_000.0, 0, tenant) for tenant in "ab" * 500]
    got = granted(requests, LIMIT, most_tenants=1)
    for tenant in "ab":
        assert sum(yes for each, yes in zip(requests, got, strict=True) if each.tenant == tenant) <= 100 + 10


def test_a_quiet_tenant_costs_nothing_and_a_busy_one_a_write_per_lease() -> None:
    """The first lease is an advance."""
    store = Buckets()
    leases = Leases(LIMIT, store)
    for second in range(10):
        assert leases.take("quiet", float(second)) == 0
    assert store.asked == 0
    for second in range(10, 40):
        assert leases.take("quiet", float(second)) == 0
    assert store.asked == 3


def test_a_flood_asks_only_when_there_may_be_something() -> None:
    """What is refused costs no write until the bucket has gained a lease."""
    store = Buckets()
    leases = Leases(LIMIT, store)
    moments = [1_000 + 0.001 * n for n in range(10_000)]
    taken = sum(leases.take("loud", at) == 0 for at in moments)
    assert 100 + 10 * 9 <= taken <= 100 + 10 * 10 + 10
    assert store.asked <= 2 * (taken / 10) + 1


def test_while_the_table_is_away_each_environment_goes_by_itself() -> None:
    """An event above the limit is better than one refused below it, so all get a burst and the rate once more."""
    store = Buckets(away=True)
    leases = Leases(LIMIT, store)
    assert sum(leases.take("loud", 1_000.0) == 0 for _ in range(500)) == 10 + 100
    assert leases.take("loud", 1_000.0) == pytest.approx(0.1)
    assert sum(leases.take("loud", 1_001.0) == 0 for _ in range(500)) == 10
    store.away = False
    assert leases.take("loud", 1_001.0) == 0
    store.away = True
    assert sum(leases.take("loud", 1_001.0) == 0 for _ in range(500)) == 9, "no second burst"


def throttle(watch: RecordingWatch, now: list[float], *, fair: bool = True) -> TenantThrottle:
    """Ten a second with a burst of 20 are let in, two a second with a burst of four not put aside."""
    store = Buckets()
    return TenantThrottle(
        hard=Leases(RateLimit(name="hard", per_second=10, burst=20, lease=1), store),
        fair=Leases(RateLimit(name="fair", per_second=2, burst=4, lease=1), store) if fair else None,
        watch=watch,
        clock=lambda: now[0],
    )


@pytest.mark.requirement("MSG-09", "MSG-10")
def test_what_is_above_the_fair_rate_goes_aside_and_only_what_is_far_above_is_refused() -> None:
    """A tenant above its fair rate keeps that rate; each excess is counted, without the tenant's name."""
    watch, now = RecordingWatch(), [1_000.0]
    judge = throttle(watch, now)
    decisions = [judge.decide("loud") for _ in range(30)]
    # One more each: the advance.
    assert decisions == [Accept()] * 5 + [Sideline()] * 16 + [Refuse(1)] * 9
    assert judge.decide("quiet") == Accept()
    now[0] += 1
    assert [judge.decide("loud") for _ in range(11)] == [Accept()] * 2 + [Sideline()] * 8 + [Refuse(1)]
    assert watch.published == {"TenantSidelined": 24, "TenantThrottled": 10}


def test_who_has_to_wait_is_told_whole_seconds_and_never_too_few() -> None:
    """Waiting as long as told is enough, if nobody else asks."""
    now = [1_000.0]
    slow = RateLimit(name="hard", per_second=0.4, burst=10, lease=1)
    judge = TenantThrottle(hard=Leases(slow, Buckets()), fair=None, watch=RecordingWatch(), clock=lambda: now[0])
    while judge.decide("loud") == Accept():
        pass
    assert judge.decide("loud") == Refuse(3)
    now[0] += 3
    assert judge.decide("loud") == Accept()


def test_without_a_fair_rate_nothing_goes_aside() -> None:
    """There need not be a sideline."""
    judge = throttle(RecordingWatch(), [1_000.0], fair=False)
    assert {type(judge.decide("loud")) for _ in range(30)} == {Accept, Refuse}
