"""What the parts of a stream consumer expect of each other.

Times are seconds since 1970, durations are seconds. Unless it says otherwise, a port raises whatever went wrong with
the store behind it, and the consumer decides what that means for the records.

The thread that conducts an invocation is the only one to use `StatusReader`, `Gate`, `JournalStore` and `Drainer`.
`Parking` and the quarantine are used by several threads at once.
"""

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

from constructs_lib.runtime.records import Arrival, Record

if TYPE_CHECKING:
    from constructs_lib.runtime.deadline import Deadline
    from constructs_lib.runtime.journal import JournalStore
    from constructs_lib.runtime.observability import Watch
    from constructs_lib.runtime.outcomes import Effect
    from constructs_lib.runtime.quarantine import Quarantine

HandleRecord = Callable[[Record], object]


class Outcome(Enum):
    """What a call says about the dependency."""

    ANSWERED = auto()
    """It answered: the handler returned, or raised `PermanentFailure` or `TenantUnavailable`."""
    UNAVAILABLE = auto()
    """It did not: the handler raised `DependencyUnavailable`."""
    UNCLEAR = auto()
    """The handler raised something else, which may be its own fault: neither an answer nor a failure to answer."""


@dataclass(frozen=True, slots=True)
class Go:
    """The circuit is closed: call."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The circuit is open, and this call may find out whether the dependency is back: the token has been won."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The circuit is open: make no call, and ask again at that time.

    Args:
        until: When to ask again.
    """

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The one small item that all invocations for a dependency share, as read once at the start of each.

    Args:
        breaker: Its attributes that begin with `breaker_`, as plain Python values; empty while the circuit is healthy.
        parked: How many tenants have parked records.
    """

    breaker: Mapping[str, Any] = field(default_factory=dict)
    parked: int = 0


class StatusReader(Protocol):
    """Port to the status item."""

    def read(self) -> Status:
        """Return the status as it is now (a strongly consistent read), or raise."""


class Gate(Protocol):
    """The circuit breaker and the retry budget, as those see them who call the dependency. It never raises.

    It lives as long as the execution environment. Every call is preceded by an `ask` that allowed it and followed by
    exactly one `tell`.
    """

    def refresh(self, status: Status | None, now: float) -> None:
        """Learn what the other environments know; None: it cannot be read, so what is known here goes on.

        Called at the start of an invocation.
        """

    def ask(self, now: float, *, first: bool = True) -> Go | Probe | Wait:
        """Say whether a call may be made; not *first*: it is a retry, which `retry` has allowed."""

    def tell(
        self,
        now: float,
        outcome: Outcome,
        *,
        key: str,
        took: float,
        retry_after: float | None = None,
        probe: bool = False,
    ) -> None:
        """Learn what came of a call about *key* that took so many seconds; *probe*: `ask` had answered with `Probe`."""

    def retry(self, now: float) -> float:
        """Return the seconds until the retry budget allows one more retry; 0: now, and it has been paid for."""

    @property
    def is_open(self) -> bool:
        """Whether calls are stopped, as far as this environment knows."""

    def report(self, now: float) -> None:
        """Put state and failure rate into this invocation's metrics; called once, at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A record on its way into the parking place.

    Args:
        arrival: As received; `arrival.position` orders the records of one key.
        record: As read.
    """

    arrival: Arrival
    record: Record


class Parking(Protocol):
    """Port to the parking place, for those who put records there."""

    def waiting(self, tenants: Collection[str]) -> frozenset[str]:
        """Return those of *tenants* that have parked records: a strongly consistent answer."""

    def park(self, tenant: str, arrivals: Sequence[Parked], *, until: float) -> None:
        """Store the records and mark the tenant, so that one is never without the other; idempotent by position.

        Records of one key come in order, and in one call or in calls after each other. A failure in the middle leaves
        the earlier records stored.

        Args:
            tenant: On whose behalf all of them travel.
            arrivals: What is to wait.
            until: Before this time the tenant is not to be asked for; 0 where nothing new is known.
        """


class Drainer(Protocol):
    """Works off what is parked."""

    def drain(self, handle_record: HandleRecord, *, deadline: "Deadline", function: str, status: Status | None) -> None:
        """Give parked records to the handler as far as their time has come and the invocation's time reaches.

        Called with the event `{"resilience": "drain"}`, once a minute, after `Gate.refresh` with the same *status*.
        It never raises for what happens to a record.

        Args:
            handle_record: The function of one record.
            deadline: Tells whether there is time for one more piece of work.
            function: Name of the Lambda function.
            status: As read at the start of the invocation; None where it could not be read.
        """


class Suspicion(Protocol):
    """Port to what this environment's latest calls say about the handler itself."""

    def saw(self, key: str, *, failed: bool) -> None:
        """Learn whether the call with a record of *key* ended in a failure of unknown scope."""

    @property
    def blames_handler(self) -> bool:
        """Whether so many keys fail that way that it is the handler, and not its records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of a stream consumer.

    Args:
        hold_seconds: How long a record may wait, in the stream or parked, until Lambda gives it up. Default: 6 days.
        retention_seconds: How long the stream keeps a record; None: that is not to be watched.
        concurrency: Most records at work at once. Default: 100.
        away_attempts: Calls with one record that may fail although the dependency answers others. Default: 8.
    """

    hold_seconds: float = 6 * 24 * 3600.0
    retention_seconds: float | None = None
    concurrency: int = 100
    away_attempts: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPorts:
    """What a stream consumer works with, for as long as the execution environment lives.

    Args:
        quarantine: Keeps records that cannot be processed.
        watch: Logs and counts.
        status: What all invocations for the dependency share.
        gate: Circuit breaker and retry budget.
        parking: Where the records of a tenant wait that is unavailable.
        drainer: Works off what is parked.
        journal: What a later invocation has to know about a batch.
        suspicion: Tells a broken handler from broken records.
        bounds: How long, how many, how often.
        clock: The time.
        jitter: Gives a number from 0 to 1.
        engine: Makes the effect of each record once; None: the handler's effect bears repetition.
    """

    quarantine: "Quarantine"
    watch: "Watch"
    status: StatusReader
    gate: Gate
    parking: Parking
    drainer: Drainer
    journal: "JournalStore"
    suspicion: Suspicion
    bounds: Bounds = Bounds()
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    engine: "Effect | None" = None
