"""Consumption of SQS queues, each message by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.batch_response import BatchResponse, batch_response
from constructs_lib.runtime.dead_letters import DeadLetters
from constructs_lib.runtime.deadline import Deadline, InvocationContext
from constructs_lib.runtime.descriptions import clean, describe, where
from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.failures import PermanentFailure, Unavailable
from constructs_lib.runtime.records import Arrival, Record, queue_arrivals

if TYPE_CHECKING:
    from constructs_lib.runtime.idempotency import Guard
    from constructs_lib.runtime.observability import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePorts:
    """What a queue consumer works with.

    Args:
        dead_letters: Keeps messages that cannot be processed.
        guard: Lets the effect of a message happen once.
        watch: Logs and counts.
    """

    dead_letters: DeadLetters
    guard: "Guard"
    watch: "Watch"


def queue_consumer(
    handle_message: Callable[[Record], object],
    *,
    load: Callable[[], QueuePorts] | None = None,
) -> Callable[[Mapping[str, Any], InvocationContext], BatchResponse]:
    """Make a Lambda handler for an SQS queue out of a function of one message.

    What *handle_message* does decides what happens; what it returns is not used:

    * it returns: the message is done, and where an idempotency table is set, copies of it are not handled again;
    * it raises `PermanentFailure`: the message goes to the dead-letter queue with the reason, at once;
    * it raises anything else: the message is delivered again, and by the queue's own rule becomes a dead letter when
      that has happened too often.

    A message that is not an envelope is a dead letter. One that cannot be put into the dead-letter queue, one whose copy
    is being worked on, and one whose copies cannot be ruled out because the table does not answer are delivered again.
    Messages there is no time for are handed back.

    The event source mapping must report batch item failures.

    Args:
        handle_message: Called with one `Record` at a time.
        load: Makes the ports, on the first event and never on import. Default: from the environment settings.

    Returns:
        The Lambda handler.
    """
    ports_of = cache(load or _ports_from_environment())

    def handle(event: Mapping[str, Any], context: InvocationContext) -> BatchResponse:
        ports = ports_of()
        work = _Work(handle_message, ports, Deadline(context), context)
        try:
            with ports.watch.about(function_request_id=context.aws_request_id):
                left = work.settle_all(queue_arrivals(event))
        finally:
            ports.watch.flush()
        return batch_response(arrival.position for arrival in left)

    return handle


def _ports_from_environment() -> Callable[[], QueuePorts]:
    # Here, not above: the names of failures must be importable without boto3 and Powertools, and loading those belongs
    # to the start of the function, not to its first event.
    from constructs_lib.runtime.queue_wiring import from_environment  # noqa: PLC0415 - see above

    return from_environment


@dataclass(frozen=True, slots=True)
class _Work:
    handle_message: Callable[[Record], object]
    ports: QueuePorts
    deadline: Deadline
    context: InvocationContext

    def settle_all(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Settle messages; return those that are to be delivered again."""
        failed: list[Arrival] = []
        for index, arrival in enumerate(arrivals):
            if not self.deadline.leaves_time():
                not_begun = arrivals[index:]
                self.ports.watch.info("messages handed back for lack of time", messages=len(not_begun))
                return failed + not_begun
            with self.deadline.measured():
                settled = self._settle(arrival)
            if not settled:
                self.ports.watch.count("MessagesFailed")
                failed.append(arrival)
        return failed

    def _settle(self, arrival: Arrival) -> bool:
        try:
            record = arrival.read()
        except InvalidEnvelopeError as failure:
            with self.ports.watch.about(position=arrival.position):
                return self._bury(arrival, None, reason=failure.reason)
        with self.ports.watch.about(
            correlation_id=record.correlation_id,
            record_id=record.id,
            tenant=record.tenant,
            position=record.position,
        ):
            return self._attempt(arrival, record)

    def _attempt(self, arrival: Arrival, record: Record) -> bool:
        watch = self.ports.watch
        try:
            self.ports.guard(lambda: self.handle_message(record), message_id=record.id, context=self.context)
        except PermanentFailure as failure:
            return self._bury(arrival, record, reason=clean(failure.reason))
        except Unavailable as failure:
            watch.warning(
                "message to be delivered again",
                scope=type(failure).__name__,
                reason=clean(failure.message),
                retry_after=failure.retry_after,
                delivery=arrival.deliveries,
            )
            return False
        except Exception as error:  # noqa: BLE001 - one message's failure must not fail the others
            watch.error("message failed", error=describe(error), at=where(error), delivery=arrival.deliveries)
            return False
        watch.info("message done", delivery=arrival.deliveries)
        watch.count("MessagesDone")
        return True

    def _bury(self, arrival: Arrival, record: Record | None, *, reason: str) -> bool:
        watch = self.ports.watch
        try:
            self.ports.dead_letters.keep(
                arrival,
                reason=reason,
                function=self.context.function_name,
                correlation_id=record.correlation_id if record else None,
            )
        except Exception as error:  # noqa: BLE001 - whatever went wrong there, the message must not be lost
            watch.error("message cannot be put into the dead-letter queue", reason=reason, error=describe(error))
            return False
        watch.error("message dead-lettered", reason=reason, delivery=arrival.deliveries)
        watch.count("MessagesDeadLettered")
        return True
