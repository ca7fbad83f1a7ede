"""The real throttle with a model of its table: what of some traffic it takes, takes aside and refuses."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import cycle

from constructs_lib.runtime.tenant_throttle import Refuse, Sideline, TenantThrottle
from constructs_lib.runtime.tenant_throttle_leases import Lease, Leases, RateLimit, StoreAwayError
from tests.unit.runtime.fakes import RecordingWatch

Arrival = tuple[float, str]


@dataclass
class Buckets:
    """The table, as far as an environment can tell."""

    taken_until: dict[tuple[str, str], float] = field(default_factory=dict)
    asked: int = 0
    away: bool = False

    def lease(self, tenant: str, limit: RateLimit, *, seen: float | None, now: float) -> Lease:
        self.asked += 1
        if self.away:
            raise StoreAwayError
        there = self.taken_until.get((limit.name, tenant), 0.0)
        if limit.wait(there, now):
            return Lease(granted=False, taken_until=there)
        taken_until = max(there, now) + limit.lease_seconds
        self.taken_until[limit.name, tenant] = taken_until
        return Lease(granted=True, taken_until=taken_until)


@dataclass
class Judged:
    """What became of some arrivals.

    Attributes:
        accepted: Those queued.
        aside: Those queued aside.
        refused: Those refused.
    """

    accepted: list[Arrival] = field(default_factory=list)
    aside: list[Arrival] = field(default_factory=list)
    refused: list[Arrival] = field(default_factory=list)


def judge(arrivals: Iterable[Arrival], *, hard: RateLimit, fair: RateLimit, environments: int) -> Judged:
    """Let the environments of a function judge *arrivals* in turn."""
    now, store, judged = [0.0], Buckets(), Judged()
    throttles = cycle(
        TenantThrottle(hard=Leases(hard, store), fair=Leases(fair, store), watch=RecordingWatch(), clock=lambda: now[0])
        for _ in range(environments)
    )
    for arrival in arrivals:
        now[0] = arrival[0]
        decision = next(throttles).decide(arrival[1])
        heap = {Refuse: judged.refused, Sideline: judged.aside}.get(type(decision), judged.accepted)
        heap.append(arrival)
    return judged
