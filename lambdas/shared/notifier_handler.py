"""The Lambda handler that all notifiers share."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from constructs_lib.runtime import Record, stream_consumer
from constructs_lib.runtime.batch_response import BatchResponse
from constructs_lib.runtime.deadline import InvocationContext
from constructs_lib.runtime.stream_ports import StreamPorts
from lambdas.shared.notifier import Notifier


def make_handler(
    load: Callable[[], Notifier], *, load_stream: Callable[[], StreamPorts] | None = None
) -> Callable[[Mapping[str, Any], InvocationContext], BatchResponse]:
    """Build the handler; *load* and *load_stream* run on the first event, never on import.

    Args:
        load: Makes the notifier.
        load_stream: Makes the ports of the stream consumer. Default: from the function's environment.
    """
    notifier = cache(load)

    def deliver(record: Record) -> None:
        notifier().deliver(record)

    return stream_consumer(deliver, load=load_stream)
