"""Results of direct invocations: worked out once, and given again to whoever asks again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.deadline import Deadline, InvocationContext

if TYPE_CHECKING:
    from constructs_lib.runtime.claims import Claims
    from constructs_lib.runtime.observability import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPorts:
    """What answers are worked out with.

    Args:
        claims: On requests.
        watch: Logs and counts.
        now: Seconds since 1970.
    """

    claims: "Claims"
    watch: "Watch"
    now: Callable[[], float]


def answer_once(
    handle_request: Callable[[Any], object],
    *,
    key: Callable[[Any], str],
    load: Callable[[], AnswerPorts] | None = None,
) -> Callable[[Any, InvocationContext], object]:
    """Make a Lambda handler for direct invocations out of a function of one request.

    However often a request is made, *handle_request* runs once, and each caller gets what it returned. That must be JSON
    of at most 256 KB; anything else reaches the first caller only. What *handle_request* raises, its caller gets, and the
    next request runs it again. After a crash the next request runs it again, once the time of the crashed invocation is
    over: a crash may repeat one call.

    The whole event is the payload: under a known key, any other event is refused.

    Counts, with the dimension `service`: `MessagesDone`, `MessagesRepeated`, `PayloadMismatches`, `StoreErrors` and
    `ClaimsLost`.

    Args:
        handle_request: Called with the event.
        key: Returns the caller's own name for the request; whoever asks again must give the same.
        load: Makes the ports, on the first event and never on import. Default: from the environment settings.

    Returns:
        The Lambda handler. It raises the errors of `answer_errors`, each with a code.
    """
    # Here, not above: what answers needs botocore, and loading that belongs to the start of the function.
    from constructs_lib.runtime import answer_work  # noqa: PLC0415 - see above

    ports_of = cache(load or answer_work.from_environment)

    def handle(event: Any, context: InvocationContext) -> object:
        ports = ports_of()
        try:
            with ports.watch.about(function_request_id=context.aws_request_id):
                answering = answer_work.Answering(ports, deadline=Deadline(context))
                return answering.answer(event, key=key, handle_request=handle_request)
        finally:
            ports.watch.flush()

    return handle
