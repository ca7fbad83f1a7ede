"""Where messages go that can never be processed: a dead-letter queue, with the reason beside the message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from constructs_lib.runtime.descriptions import clean
from constructs_lib.runtime.message_attributes import MOST_ATTRIBUTES, as_sent, text
from constructs_lib.runtime.queue_calls import send_all
from constructs_lib.runtime.queue_holds import HELD_SINCE
from constructs_lib.runtime.queue_messages import KEY_ATTRIBUTE, REPLAY_ATTRIBUTE
from constructs_lib.runtime.records import Arrival

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

# Without these a message that is sent again would be another one, or a message of now.
_NEEDED = frozenset({KEY_ATTRIBUTE, REPLAY_ATTRIBUTE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message given up.

    Args:
        arrival: As received.
        reason: Why.
        code: Name of the reason, where there is one.
        function: Who gave it up.
        correlation_id: Of the message, if it could be read.
    """

    arrival: Arrival
    reason: str
    function: str
    code: str | None = None
    correlation_id: str | None = None


class DeadLetters(Protocol):
    """Port to the place where failed messages are kept."""

    def keep(self, letters: Sequence[Letter]) -> Mapping[int, str]:
        """Store the messages for good; return why, by index, for those of which that is not confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsDeadLetters:
    """A dead-letter queue.

    Body, group and attributes are the message's own, so that moving it back to its queue sends it again. Further
    attributes tell the rest: `reason`, `code`, `function`, `source` (ARN of the queue), `message_id` (in that queue),
    `deliveries`, `correlation_id`. SQS knows ten attributes per message: with more, some of the message's own are left
    out, its idempotency key and the mark of a replay last.

    Args:
        client: SQS client.
        queue_url: The queue.
    """

    client: "SQSClient"
    queue_url: str

    def keep(self, letters: Sequence[Letter]) -> Mapping[int, str]:
        """Store the messages for good; return why, by index, for those of which that is not confirmed."""
        return send_all(self.client, self.queue_url, [self._message(letter) for letter in letters])

    def _message(self, letter: Letter) -> dict[str, Any]:
        arrival = letter.arrival
        message: dict[str, Any] = {"MessageBody": arrival.payload, "MessageAttributes": _attributes(letter)}
        if arrival.queued.group:
            message["MessageGroupId"] = arrival.queued.group
        if arrival.queued.ordered:  # the dead-letter queue of a FIFO queue is one too
            message["MessageDeduplicationId"] = arrival.position
        return message


def _attributes(letter: Letter) -> dict[str, Any]:
    arrival = letter.arrival
    told = {
        "reason": letter.reason,
        "code": letter.code,
        "function": letter.function,
        "source": arrival.source,
        "message_id": arrival.position,
        "deliveries": str(arrival.deliveries),
        # As long as its sender likes, and with characters that no attribute may have.
        "correlation_id": letter.correlation_id and clean(letter.correlation_id),
    }
    # SQS refuses an attribute with an empty value.
    attributes = {name: text(value) for name, value in told.items() if value}
    own = as_sent(arrival.queued.attributes)
    # Whoever sends the message again does not want it to have been held since now.
    own.pop(HELD_SINCE, None)
    for name in sorted(own, key=lambda name: name not in _NEEDED):
        if len(attributes) < MOST_ATTRIBUTES:
            attributes.setdefault(name, own[name])
    return attributes
