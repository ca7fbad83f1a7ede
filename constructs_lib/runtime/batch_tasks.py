"""What a batch consists of, and what may be asked for with its records."""

from collections.abc import Callable
from dataclasses import dataclass

from constructs_lib.runtime.quarantine import Kind
from constructs_lib.runtime.records import Arrival, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The bounds of a batch.

    Args:
        concurrency: Most records at work at once.
        attempts: Calls with one record that may fail without a scope. Default: 3.
        away_attempts: Calls with one record that may fail although the dependency answers others. Default: 8.
        crash_attempts: Runs of one record that may end with the whole function. Default: 3.
        hold_seconds: Age at which a record that still has to wait goes to quarantine.
        jitter: Gives a number from 0 to 1, by which pauses are shortened.
    """

    concurrency: int
    attempts: int = 3
    away_attempts: int = 8
    crash_attempts: int = 3
    hold_seconds: float
    jitter: Callable[[], float]


@dataclass(slots=True, eq=False, kw_only=True)
class Entry:
    """One record of the batch, and what has been learnt about it.

    Args:
        index: Its place in the batch.
        arrival: As received.
        record: As read; None where it cannot be.
        unreadable: Why it cannot be read.
    """

    index: int
    arrival: Arrival
    record: Record | None
    unreadable: str = ""
    settled: bool = False
    calls: int = 0
    """Calls with it in this invocation."""
    failures: int = 0
    """Calls that failed without a scope, in earlier invocations too."""
    aways: int = 0
    """Calls that found the dependency away while it answered others, in earlier invocations too."""
    crashes: int = 0
    """Times the function ended while it was at work on this record."""
    probes: int = 0
    """Calls in this invocation that tried an open circuit."""
    paid: bool = False
    """Whether its next call has been paid for from the retry budget."""
    held: bool = False
    """Whether it last had to wait for something that is away, rather than for its turn."""
    last_failure: str = ""
    first_away: float | None = None
    """When the dependency was away for it for the first time in this invocation."""

    @property
    def lane(self) -> str:
        """What it shares with the records it must not overtake."""
        if self.record:
            return f"key {self.record.key}"
        return f"unreadable {self.arrival.partition_key or self.arrival.name}"

    @property
    def tenant(self) -> str:
        """Who waits when this record's tenant does; a record without a tenant stands for its key."""
        assert self.record is not None
        return self.record.tenant or self.record.key


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Call the handler with this record."""

    entry: Entry
    probe: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """Put this record into quarantine."""

    entry: Entry
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Park:
    """Put these records of one tenant into the parking place, in this order."""

    tenant: str
    entries: tuple[Entry, ...]
    until: float


Task = Call | Keep | Park
