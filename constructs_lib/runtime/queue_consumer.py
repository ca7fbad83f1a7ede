"""Consumption of SQS queues, each message by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.batch_response import BatchResponse, batch_response
from constructs_lib.runtime.deadline import Deadline, InvocationContext
from constructs_lib.runtime.effects import AnyEffect, Outside
from constructs_lib.runtime.outcomes import Effect, Work
from constructs_lib.runtime.queue_messages import queue_arrivals
from constructs_lib.runtime.records import Record

if TYPE_CHECKING:
    from constructs_lib.runtime.dead_letters import DeadLetters
    from constructs_lib.runtime.failure_notes import FailureNotes
    from constructs_lib.runtime.observability import Watch
    from constructs_lib.runtime.own_queue import OwnQueue
    from constructs_lib.runtime.queue_holds import Holds


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePorts:
    """What a queue consumer works with.

    Args:
        queue: The queue itself.
        dead_letters: Keeps messages that cannot be processed.
        notes: Keeps why messages failed.
        holds: Decides how messages wait.
        engine: Settles messages, by the kind of their effect.
        watch: Logs and counts.
        now: Seconds since 1970.
    """

    queue: "OwnQueue"
    dead_letters: "DeadLetters"
    notes: "FailureNotes"
    holds: "Holds"
    engine: Effect
    watch: "Watch"
    now: Callable[[], float]


def queue_consumer(
    handle_message: Callable[[Record], object],
    *,
    effect: AnyEffect = Outside(),  # noqa: B008 - a value that never changes
    key_from_content: bool = False,
    load: Callable[[], QueuePorts] | None = None,
) -> Callable[[Mapping[str, Any], InvocationContext], BatchResponse]:
    """Make a Lambda handler for an SQS queue, standard or FIFO, out of a function of one message.

    However often a message is delivered, in whatever order and at how many places at once, its effect is made once, as
    far as *effect* says. What *handle_message* does decides what happens; what it returns, *effect* says too:

    * it returns: the message is done, and copies of it are not handled again;
    * it raises `PermanentFailure`: the message goes to the dead-letter queue with the reason, at once;
    * it raises `TenantUnavailable` or `DependencyUnavailable`: the message is held. It waits, longer each time, and does
      not become a dead letter before it has been held for longer than the queue's retention; of a FIFO queue, before its
      deliveries are used up;
    * it raises anything else: the message is delivered again, later each time, and by the queue's own rule becomes a dead
      letter when that has happened too often. The reason is noted in the idempotency table.

    Copies are known by the sender's own key (see `queue_messages`). A message without one is a dead letter, and so is one
    whose key came with another payload before. While the idempotency table does not answer, or another copy is being
    worked on, messages are held. One that cannot be put into the dead-letter queue is delivered again. What there is no
    time for is handed back. Of each group of a FIFO queue, a message waits for the one before it.

    The event source mapping must report batch item failures.

    Args:
        handle_message: Called with one `Record` at a time, or several where *effect* says so.
        effect: How the effect of a message is made once. Default: `Outside()`, which is right for every handler.
        key_from_content: Whether a message without a key of its sender's is known by a hash of its body; two messages
            with the same content are one then. Default: no, it is a dead letter.
        load: Makes the ports, on the first event and never on import. Default: from the environment settings and by
            *effect*.

    Returns:
        The Lambda handler.
    """
    ports_of = cache(load or _ports_from_environment(effect))
    from constructs_lib.runtime.queue_batch import QueueBatch  # noqa: PLC0415 - loads botocore, see below
    from constructs_lib.runtime.queue_conclusion import Conclusion  # noqa: PLC0415 - loads botocore, see below

    def handle(event: Mapping[str, Any], context: InvocationContext) -> BatchResponse:
        ports = ports_of()
        work = Work(
            handler=handle_message, deadline=Deadline(context), context=context, watch=ports.watch, now=ports.now
        )
        conclusion = Conclusion(
            queue=ports.queue,
            dead_letters=ports.dead_letters,
            notes=ports.notes,
            holds=ports.holds,
            watch=ports.watch,
            function=context.function_name,
            now=ports.now,
        )
        try:
            with ports.watch.about(function_request_id=context.aws_request_id):
                arrivals = queue_arrivals(event, key_from_content=key_from_content)
                left = QueueBatch(conclusion, ports.engine, work).settle(arrivals)
        finally:
            ports.watch.flush()
        return batch_response(left)

    return handle


def _ports_from_environment(effect: AnyEffect) -> Callable[[], QueuePorts]:
    # Here, not above: the names of failures must be importable without botocore, and loading that belongs to the start of
    # the function, not to its first event.
    from constructs_lib.runtime.queue_wiring import from_environment  # noqa: PLC0415 - see above

    return from_environment(effect)
