"""Where messages go that can never be processed: a dead-letter queue, with the reason beside the message."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from constructs_lib.runtime.records import Arrival

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef


class DeadLetters(Protocol):
    """Port to the place where failed messages are kept."""

    def keep(self, arrival: Arrival, *, reason: str, function: str, correlation_id: str | None) -> None:
        """Store the message for good, or raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsDeadLetters:
    """A dead-letter queue.

    The body is the message's own, so that moving it back to its queue sends it again. Message attributes tell the rest:
    `reason`, `function`, `source` (ARN of the queue), `message_id` (in that queue), `deliveries`, `correlation_id`.

    Args:
        client: SQS client.
        queue_url: The queue.
    """

    client: "SQSClient"
    queue_url: str

    def keep(self, arrival: Arrival, *, reason: str, function: str, correlation_id: str | None) -> None:
        """Store the message for good, or raise."""
        attributes = {
            "reason": reason,
            "function": function,
            "source": arrival.source,
            "message_id": arrival.position,
            "deliveries": str(arrival.deliveries),
            "correlation_id": correlation_id,
        }
        self.client.send_message(
            QueueUrl=self.queue_url,
            MessageBody=arrival.payload,
            # SQS refuses an attribute with an empty value.
            MessageAttributes={name: _text(value) for name, value in attributes.items() if value},
        )


def _text(value: str) -> "MessageAttributeValueTypeDef":
    return {"DataType": "String", "StringValue": value}
