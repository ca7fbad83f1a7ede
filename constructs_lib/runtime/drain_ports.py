"""What a drainer works with, and what all turns of one invocation share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.parking_store import ParkingStore
from constructs_lib.runtime.quarantine import Quarantine
from constructs_lib.runtime.stream_ports import Gate, HandleRecord, Suspicion

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainPorts:
    """What a drainer works with.

    Args:
        store: Where records are parked.
        gate: Circuit breaker and retry budget.
        suspicion: Tells a broken handler from broken records.
        quarantine: Keeps records that cannot be processed.
        watch: Logs and counts.
        now: Clock, in seconds since 1970.
        sleep: Waits so many seconds.
    """

    store: ParkingStore
    gate: Gate
    suspicion: Suspicion
    quarantine: Quarantine
    watch: "Watch"
    now: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(slots=True)
class Answers:
    """What one invocation knows of the dependency's answers.

    Attributes:
        at: When a call was last answered.
        away: When the dependency was away for a record, by the slots of records.
    """

    at: float = float("-inf")
    away: dict[str, list[float]] = field(default_factory=dict)
    _was_open: bool = False

    def circuit(self, now: float, *, is_open: bool) -> None:
        """Learn whether the circuit is open: it is closed by an answer only, whoever was given it."""
        if self._was_open and not is_open:
            self.at = now
        self._was_open = is_open


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all turns of one invocation share.

    Args:
        ports: As of the drainer.
        handle_record: The function of one record.
        deadline: Tells whether there is time for one more record.
        function: Name of the Lambda function.
        hold_seconds: How long a record may wait.
        unavailable_attempts: Attempts with a record that the dependency does not answer although it answers others.
        answers: What the dependency has answered.
        lock: Held by whoever uses gate, suspicion or answers.
    """

    ports: DrainPorts
    handle_record: HandleRecord
    deadline: Deadline
    function: str
    hold_seconds: float
    unavailable_attempts: int
    answers: Answers = field(default_factory=Answers)
    lock: Lock = field(default_factory=Lock)
