"""Ordered consumption of Kinesis and DynamoDB streams, one record after the other.

Records are done in their order. Where one has to wait, the work stops and the stream comes back to it: everything
before it is settled, nothing after it has been touched.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.batch_response import BatchResponse, batch_response
from constructs_lib.runtime.deadline import Deadline, InvocationContext
from constructs_lib.runtime.descriptions import clean, describe, where
from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.failures import PermanentFailure, Unavailable
from constructs_lib.runtime.quarantine import Case, Kind, Quarantine
from constructs_lib.runtime.records import Arrival, Record, stream_arrivals

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Watch

_ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPorts:
    """What a stream consumer works with.

    Args:
        quarantine: Keeps records that cannot be processed.
        watch: Logs and counts.
        sleep: Waits so many seconds.
    """

    quarantine: Quarantine
    watch: "Watch"
    sleep: Callable[[float], None] = time.sleep


def stream_consumer(
    handle_record: Callable[[Record], object],
    *,
    load: Callable[[], StreamPorts] | None = None,
) -> Callable[[Mapping[str, Any], InvocationContext], BatchResponse]:
    """Make a Lambda handler for a Kinesis or DynamoDB stream out of a function of one record.

    What *handle_record* does decides what happens; what it returns is not used:

    * it returns: the record is done;
    * it raises `PermanentFailure`: payload and reason go to quarantine, the next record continues;
    * it raises `TenantUnavailable` or `DependencyUnavailable`: the record and all after it are handed back, to be
      delivered again in order;
    * it raises anything else: a few more attempts with short pauses, then quarantine.

    A record that is not an envelope goes to quarantine. A record that cannot be put there is handed back with all after
    it: it is never lost. Work stops while there is time to answer, and hands back what was not begun; a record whose
    attempts do not fit into what is left comes first in the next invocation, and gets as many as fit into that one.

    The event source mapping must report batch item failures. A record can come again after a crash, so its effect must
    bear repetition.

    Args:
        handle_record: Called with one `Record` at a time.
        load: Makes the ports, on the first event and never on import. Default: from the environment settings.

    Returns:
        The Lambda handler.
    """
    ports_of = cache(load or _ports_from_environment())

    def handle(event: Mapping[str, Any], context: InvocationContext) -> BatchResponse:
        if event.get("resilience") == "drain":
            return batch_response([])
        ports = ports_of()
        work = _Work(handle_record, ports, Deadline(context), context.function_name)
        try:
            with ports.watch.about(function_request_id=context.aws_request_id):
                first_left = work.settle_all(stream_arrivals(event))
        finally:
            ports.watch.flush()
        return batch_response([] if first_left is None else [first_left.position])

    return handle


def _ports_from_environment() -> Callable[[], StreamPorts]:
    # Here, not above: the names of failures must be importable without boto3 and Powertools, and loading those belongs
    # to the start of the function, not to its first event.
    from constructs_lib.runtime.stream_wiring import from_environment  # noqa: PLC0415 - see above

    return from_environment


class _Next(Enum):
    """Where the work goes after a record."""

    CONTINUE = auto()
    HOLD = auto()
    LATER = auto()


@dataclass(frozen=True, slots=True)
class _Work:
    handle_record: Callable[[Record], object]
    ports: StreamPorts
    deadline: Deadline
    function: str

    def settle_all(self, arrivals: list[Arrival]) -> Arrival | None:
        """Settle records in order; return the first one that is not settled."""
        for index, arrival in enumerate(arrivals):
            then = self._settle(arrival, is_first=index == 0) if self.deadline.leaves_time() else _Next.LATER
            if then is _Next.CONTINUE:
                continue
            left = len(arrivals) - index
            if then is _Next.HOLD:
                self.ports.watch.count("RecordsHeld", left)
            else:
                self.ports.watch.info("records handed back for lack of time", records=left)
            return arrival
        return None

    def _settle(self, arrival: Arrival, *, is_first: bool) -> _Next:
        try:
            record = arrival.read()
        except InvalidEnvelopeError as failure:
            with self.ports.watch.about(position=arrival.position):
                return self._quarantine(arrival, None, kind="unreadable", reason=failure.reason, attempts=0)
        with self.ports.watch.about(
            correlation_id=record.correlation_id,
            record_id=record.id,
            tenant=record.tenant,
            position=record.position,
        ):
            return self._attempt(arrival, record, is_first=is_first)

    def _attempt(self, arrival: Arrival, record: Record, *, is_first: bool) -> _Next:
        watch = self.ports.watch
        attempt = 0
        while True:
            attempt += 1
            try:
                with self.deadline.measured():
                    self.handle_record(record)
            except PermanentFailure as failure:
                return self._quarantine(
                    arrival, record, kind="permanent", reason=clean(failure.reason), attempts=attempt
                )
            except Unavailable as failure:
                watch.warning(
                    "record held",
                    scope=type(failure).__name__,
                    reason=clean(failure.message),
                    retry_after=failure.retry_after,
                )
                return _Next.HOLD
            except Exception as error:  # noqa: BLE001 - a handler's bug must not stop the records behind it
                watch.warning("attempt failed", attempt=attempt, error=describe(error), at=where(error))
                pause = random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt)  # noqa: S311 - jitter is no secret
                out_of_time = not self.deadline.leaves_time(after_seconds=pause)
                if out_of_time and not is_first:
                    return _Next.LATER
                if out_of_time or attempt == _ATTEMPTS:
                    return self._quarantine(arrival, record, kind="unknown", reason=describe(error), attempts=attempt)
            else:
                watch.info("record done", attempt=attempt)
                watch.count("RecordsDone")
                return _Next.CONTINUE
            self.ports.sleep(pause)

    def _quarantine(self, arrival: Arrival, record: Record | None, *, kind: Kind, reason: str, attempts: int) -> _Next:
        case = Case(arrival=arrival, record=record, kind=kind, reason=reason, attempts=attempts, function=self.function)
        watch = self.ports.watch
        try:
            self.ports.quarantine.keep(case)
        except Exception as error:  # noqa: BLE001 - whatever went wrong there, the record must not be lost
            watch.error("record held, for quarantine cannot be written", reason=reason, error=describe(error))
            return _Next.HOLD
        watch.error("record quarantined", kind=kind, reason=reason, attempts=attempts)
        watch.count("RecordsQuarantined")
        return _Next.CONTINUE
