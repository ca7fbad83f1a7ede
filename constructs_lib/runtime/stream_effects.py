"""The effect of a stream's record once: its handler inside what settles messages, one record at a time.

Order, parking, circuit breaker and journal stay with the stream's consumer: to it, this is a handler that takes a little
longer. What the real handler raises goes through; what holds a record without it, a claim of another worker or a store
that is away, says nothing about the dependency and is told apart.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from constructs_lib.runtime.attempts import AlreadyDone, NotYetError, RefusedUnaskedError, note_aside
from constructs_lib.runtime.deadline import Deadline, InvocationContext
from constructs_lib.runtime.digests import record_digest
from constructs_lib.runtime.outcomes import (
    PAYLOAD_MISMATCH,
    Delivery,
    Done,
    Effect,
    Failed,
    Held,
    NotBegun,
    Refused,
    Work,
)
from constructs_lib.runtime.records import Arrival, Record

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Watch


class NotSettledError(Exception):
    """What the handler returned could not be made to happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOnce:
    """A handler whose effect is made once, for the records of one invocation. Called by several threads at once.

    Counts `RecordsRepeated`: records done before, so that their handler was not called; and `PayloadMismatches`: records
    whose id came with another payload before, which are refused.

    Args:
        handle_record: The user's function of one record.
        engine: Settles messages, by the kind of their effect.
        context: Of the invocation.
        watch: Logs and counts.
        now: Seconds since 1970.
    """

    handle_record: Callable[[Record], object]
    engine: Effect
    context: InvocationContext
    watch: "Watch"
    now: Callable[[], float]

    def __call__(self, record: Record) -> object:
        """Make the effect of a record, unless it has been made.

        Raises:
            NotYetError: If the handler was not called, and may be later.
            RefusedUnaskedError: If the record's id is another record's.
            NotSettledError: If what the handler returned was refused.
            BaseException: What the handler raised.
        """
        handler = _Handler(self.handle_record)
        begun = time.monotonic()
        try:
            work = Work(
                handler=handler,
                # Whether there is time for the record has been decided: to a deadline of its own it is the first piece.
                deadline=Deadline(self.context),
                context=self.context,
                watch=_InsideRecord(self.watch),
                now=self.now,
            )
            [outcome] = self.engine.settle([self._delivery(record)], work).values()
        finally:
            note_aside(time.monotonic() - begun - handler.seconds)
        if handler.error is not None and not isinstance(outcome, Done):
            raise handler.error
        match outcome:
            case Done(repeated=repeated):
                if repeated:
                    self.watch.count("RecordsRepeated")
                if repeated or not handler.called:
                    return AlreadyDone.TOKEN
            case Refused(reason, code):
                if code == PAYLOAD_MISMATCH:
                    self.watch.count("PayloadMismatches")
                raise RefusedUnaskedError(f"{code}: {reason}" if code else reason)
            case Held(reason, retry_after):
                raise NotYetError(reason, retry_after=retry_after)
            case NotBegun():
                raise NotYetError("there was no time for it")
            case Failed(reason):
                raise NotSettledError(reason)
        return None

    def _delivery(self, record: Record) -> Delivery:
        # An effect needs to know an arrival's position and number of deliveries; a stream does not tell the latter.
        arrival = Arrival(
            position=record.position,
            name=record.position,
            source="",
            arrived=datetime.fromtimestamp(self.now(), UTC),
            payload="",
            payload_encoding="utf-8",
            read=lambda: record,
        )
        return Delivery(record, arrival, record_digest(record))


class _HandlerExitError(Exception):
    """The handler wanted the function to end."""


class _Handler:
    """The user's handler: whether it was called, how long it took, and what it raised."""

    def __init__(self, handle_record: Callable[[Record], object]) -> None:
        self._handle_record = handle_record
        self.called = False
        self.seconds = 0.0
        self.error: BaseException | None = None

    def __call__(self, record: Record) -> object:
        self.called = True
        begun = time.monotonic()
        try:
            return self._handle_record(record)
        except SystemExit as error:
            # A bug of its own, and the claim must be given back like after any other.
            self.error = error
            raise _HandlerExitError from error
        except Exception as error:
            self.error = error
            raise
        finally:
            self.seconds += time.monotonic() - begun


class _InsideRecord:
    """A watch whose lines are about the record already, and whose metrics others publish."""

    def __init__(self, watch: "Watch") -> None:
        self.info = watch.info
        self.warning = watch.warning
        self.error = watch.error
        self.count = watch.count
        self.gauge = watch.gauge

    @contextmanager
    def about(self, **keys: str) -> Iterator[None]:  # noqa: ARG002 - they are there
        """Change nothing."""
        yield

    def flush(self) -> None:
        """Publish nothing."""
