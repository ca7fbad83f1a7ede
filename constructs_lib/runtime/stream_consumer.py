"""Ordered consumption of Kinesis and DynamoDB streams, keys side by side.

Records of one key are done in their order, records of different keys at the same time. What failed decides who waits: a
record, a tenant, or everything that calls the dependency.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constructs_lib.runtime.batch_response import BatchResponse
    from constructs_lib.runtime.deadline import InvocationContext
    from constructs_lib.runtime.effects import AnyEffect
    from constructs_lib.runtime.records import Record
    from constructs_lib.runtime.stream_ports import StreamPorts


def stream_consumer(
    handle_record: Callable[["Record"], object],
    *,
    effect: "AnyEffect | None" = None,
    load: "Callable[[], StreamPorts] | None" = None,
) -> "Callable[[Mapping[str, Any], InvocationContext], BatchResponse]":
    """Make a Lambda handler for a Kinesis or DynamoDB stream out of a function of one record.

    What *handle_record* does decides what happens; what it returns is used as *effect* says, and not at all without:

    * it returns: the record is done;
    * it raises `PermanentFailure`: payload and reason go to quarantine, the record's key goes on;
    * it raises `TenantUnavailable`: the record and all later ones of its tenant are parked, and come to the handler in
      their order once the tenant's time has come; everything else goes on;
    * it raises `DependencyUnavailable`: when that happens to enough calls, the circuit opens: no record is called for
      but a probe now and then, all wait, and nothing is given up before it has waited as long as a record may. Where
      others are answered, it is this record's trouble: a bounded number of attempts, then quarantine;
    * it raises anything else: three attempts, then quarantine; but when most keys fail that way it is the handler, and
      they wait.

    It is called from several threads at once, never twice at once with the same key. Work stops while there is time to
    answer, and what is not settled is handed back. Nothing that is settled is done again, unless the function ends in
    the middle of a batch: then records of that batch that were at work or done may come again, so an effect must bear
    repetition, or *effect* has to say how it is made once. A record during which the function ends again and again is
    found, and goes to quarantine. A record that is not an envelope goes to quarantine. A record that cannot be put there,
    or cannot be parked, is handed back: it is never lost.

    The event source mapping must report batch item failures, retry without limit and not split batches. With the event
    `{"resilience": "drain"}` the handler works off what is parked.

    Args:
        handle_record: Called with one `Record`.
        effect: How the effect of a record is made once, however often the record comes. A record whose copy is at work,
            or for which the store does not answer, is held; the dependency has nothing to do with that. Default: each
            call has its effect.
        load: Makes the ports, on the first event and never on import. Default: from the environment settings and by
            *effect*.

    Returns:
        The Lambda handler.
    """
    # Here, not above: the package imports this module for its name, and most functions consume no stream.
    from constructs_lib.runtime.stream_invocation import handler_of  # noqa: PLC0415 - see above

    return handler_of(handle_record, load or _ports_from_environment(effect))


def _ports_from_environment(effect: "AnyEffect | None") -> "Callable[[], StreamPorts]":
    # Here, not above: the names of failures must be importable without botocore, and loading that belongs to the start
    # of the function, not to its first event.
    from constructs_lib.runtime.engines import engine_of  # noqa: PLC0415 - see above
    from constructs_lib.runtime.stream_wiring import from_environment  # noqa: PLC0415 - see above

    return partial(from_environment, engine_of(effect) if effect else None)
