"""Quiet tenants wait no longer than a bound, however much a noisy one sends; without the measures they do."""

import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration import TENANT_LIMITS
from constructs_lib.runtime.tenant_throttle_leases import RateLimit
from constructs_lib.runtime.tenant_throttle_wiring import limit
from tests.fairness.bounds import fair_bound, quiet_room, throttled_bound
from tests.fairness.model import Consumer, Queue, percentile, quiet_delays, simulate
from tests.fairness.page import replaced
from tests.fairness.throttling import Arrival, judge

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fairness.md"

NOISY = "noisy"
# In units of the longest time of a batch.
LASTS = 12


@dataclass(frozen=True, kw_only=True)
class Case:
    """A consumer and what is sent to its queue."""

    consumer: Consumer
    notice_seconds: float
    arrivals: list[Arrival]
    seed: int

    def delays(self, *, groups: bool) -> list[float]:
        """Of the quiet tenants' messages."""
        queue = Queue(groups=groups, notice_seconds=self.notice_seconds)
        found = simulate(self.arrivals, queue, self.consumer, random.Random(self.seed))
        assert sum(map(len, found.values())) == len(self.arrivals), "nothing is dropped"
        return quiet_delays(found, NOISY)


def noise(seconds: float, *, together: int) -> list[Arrival]:
    """1000 times what a quiet tenant sends, which is a message in three batch times; in bursts of so many."""
    every = 3 * seconds / 1000 * together
    bursts = int(LASTS * seconds / every)
    return [(burst * every, NOISY) for burst in range(bursts) for _ in range(together)]


@st.composite
def cases(draw: st.DrawFn, *, most_in_flight: int = 100) -> Case:
    """Quiet tenants send all at the same moment, as many as the bound allows."""
    batch_size = draw(st.integers(3, 10))
    consumer = Consumer(
        max_concurrency=draw(st.integers(-(-41 // batch_size), most_in_flight // batch_size)),
        batch_size=batch_size,
        handler_seconds=draw(st.sampled_from([0.1, 1.0, 30.0])),
        pace=draw(st.sampled_from(["sum", "slowest"])),
    )
    seconds = consumer.handler_seconds
    room, quiet = quiet_room(consumer), list[Arrival]()
    at = draw(st.floats(0, 3)) * seconds
    while at < LASTS * seconds:
        quiet += [(at, f"quiet-{number}") for number in range(room)]
        at += (3 + draw(st.sampled_from([0.001, 0.5]))) * seconds
    together = draw(st.sampled_from([1, 40, 1500]))
    return Case(
        consumer=consumer,
        notice_seconds=draw(st.sampled_from([0.0, 0.5, 2.0])) * seconds,
        arrivals=sorted(quiet + noise(seconds, together=together)),
        seed=draw(st.integers(0, 1000)),
    )


@pytest.mark.requirement("MSG-10")
@settings(max_examples=60, deadline=None)
@given(cases())
def test_on_a_fair_queue_a_quiet_tenant_waits_three_batches_and_the_time_to_notice(case: Case) -> None:
    """Whoever sends a thousand times as much, and however that comes."""
    delays = case.delays(groups=True)
    assert max(delays) <= fair_bound(case.consumer, case.notice_seconds) * (1 + 1e-9)


@pytest.mark.requirement("MSG-10")
@settings(max_examples=15, deadline=None)
@given(cases())
def test_without_groups_the_bound_does_not_hold(case: Case) -> None:
    """So the test above tests something."""
    assert percentile(case.delays(groups=False), 99) > fair_bound(case.consumer, case.notice_seconds)


@dataclass(frozen=True, kw_only=True)
class Flood:
    """A consumer with too few messages in flight for a fair queue to notice anybody, behind a throttle."""

    max_concurrency: int
    batch_size: int
    seconds: float
    seed: int
    environments: int = 3
    quiet_tenants: int = 8

    @property
    def consumer(self) -> Consumer:
        return Consumer(
            max_concurrency=self.max_concurrency,
            batch_size=self.batch_size,
            handler_seconds=self.seconds,
            pace="slowest",
        )

    @property
    def sideline(self) -> Consumer:
        return replace(self.consumer, max_concurrency=2)

    @property
    def fair(self) -> RateLimit:
        rate = 0.6 * self.max_concurrency * self.batch_size / self.seconds
        return limit("fair", rate, 4 * rate * self.seconds, self.environments)

    @property
    def hard(self) -> RateLimit:
        rate = self.fair.per_second + 2 * self.batch_size / self.seconds
        return limit("hard", rate, 4 * rate * self.seconds, self.environments)

    def arrivals(self) -> list[Arrival]:
        """Quiet tenants use a fifth of what there is together, the noisy one 25 times as much as there is."""
        chance = random.Random(self.seed)
        lasts = LASTS * self.seconds
        every = self.quiet_tenants * self.seconds / (0.2 * self.max_concurrency * self.batch_size)
        quiet = [
            (first + number * every, f"quiet-{tenant}")
            for tenant, first in enumerate(chance.uniform(0, every) for _ in range(self.quiet_tenants))
            for number in range(int(lasts / every))
        ]
        return sorted(quiet + [(number * every / 1000, NOISY) for number in range(int(1000 * lasts / every))])

    def run(self, arrivals: list[Arrival], consumer: Consumer) -> dict[str, list[float]]:
        return simulate(arrivals, Queue(groups=True), consumer, random.Random(self.seed))


floods = st.builds(
    Flood,
    max_concurrency=st.integers(2, 3),
    batch_size=st.integers(2, 9),
    seconds=st.sampled_from([0.2, 1.0, 30.0]),
    seed=st.integers(0, 1000),
)


@pytest.mark.requirement("MSG-10")
@settings(max_examples=20, deadline=None)
@given(floods)
def test_behind_the_throttle_nobody_has_to_be_noticed(flood: Flood) -> None:
    """Where a fair queue is blind, what is let in at once bounds the wait; without the throttle nothing does."""
    arrivals = flood.arrivals()
    judged = judge(arrivals, hard=flood.hard, fair=flood.fair, environments=flood.environments)
    burst = flood.fair.burst + flood.environments * flood.fair.lease + flood.quiet_tenants
    bound = throttled_bound(flood.consumer, burst)
    assert max(quiet_delays(flood.run(judged.accepted, flood.consumer), NOISY)) <= bound
    assert percentile(quiet_delays(flood.run(arrivals, flood.consumer), NOISY), 99) > bound


@pytest.mark.requirement("MSG-09", "MSG-10")
@settings(max_examples=20, deadline=None)
@given(floods)
def test_a_flood_waits_aside_for_a_bounded_time_and_nothing_of_it_is_dropped(flood: Flood) -> None:
    """What is not refused is done; what is refused or goes aside is the noisy tenant's alone."""
    arrivals = flood.arrivals()
    judged = judge(arrivals, hard=flood.hard, fair=flood.fair, environments=flood.environments)
    assert {tenant for _, tenant in judged.aside} == {tenant for _, tenant in judged.refused} == {NOISY}
    assert len(judged.accepted) + len(judged.aside) + len(judged.refused) == len(arrivals)
    done = flood.run(judged.aside, flood.sideline)
    assert len(done[NOISY]) == len(judged.aside)
    burst = flood.hard.burst + flood.environments * (flood.hard.lease + flood.fair.lease)
    assert max(done[NOISY]) <= throttled_bound(flood.sideline, burst)


@pytest.mark.requirement("MSG-10")
def test_a_flood_that_is_over_but_not_worked_off_delays_nobody_behind_the_throttle() -> None:
    """SQS forgets who is silent for five minutes, whatever still waits; the throttle has not let so much in."""
    flood = Flood(max_concurrency=10, batch_size=10, seconds=30.0, seed=1)
    once = [(0.0, NOISY)] * 100 * flood.max_concurrency * flood.batch_size
    quiet = [(20.0 * number, "quiet") for number in range(60)]
    judged = judge(once + quiet, hard=flood.hard, fair=flood.fair, environments=flood.environments)
    bound = throttled_bound(flood.consumer, flood.fair.burst + flood.environments * flood.fair.lease + 1)
    assert max(flood.run(judged.accepted, flood.consumer)["quiet"]) <= bound
    alone = flood.run(sorted(once + quiet), flood.consumer)["quiet"]
    assert max(alone) > 10 * fair_bound(flood.consumer, 0)


def test_the_page_shows_what_the_model_shows() -> None:
    """With the limits as they are; python -m tests.fairness writes it."""
    page = PAGE.read_text(encoding="utf-8")
    assert replaced(page) == page
    for name, most in TENANT_LIMITS.items():
        assert f"| `{name}` | {most}" in page


@pytest.mark.requirement("MSG-10")
def test_the_systems_own_limits_keep_their_bounds() -> None:
    """In every row of the page that has one; and no row without any measure would keep it."""
    rows = [
        [cell.strip(" *s") for cell in line.split("|")[1:-1]]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith(("| 10 ", "| 2 ", "| taken aside"))
    ]
    assert len(rows) == 9
    waits = [(bound, longest) for *_, bound, _, longest, _ in rows[:8]] + [(rows[8][2], rows[8][3])]
    for bound, longest in waits:
        assert float(longest) <= float(bound) if bound != "none" else float(longest) > 100
