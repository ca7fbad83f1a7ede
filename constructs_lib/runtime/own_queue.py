"""The consumer's own queue: hiding a message for a while, and sending it there again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from constructs_lib.runtime.message_attributes import MOST_ATTRIBUTES, as_sent, number
from constructs_lib.runtime.queue_calls import change_visibility, send_all
from constructs_lib.runtime.queue_holds import HELD_SINCE, SendAgain
from constructs_lib.runtime.records import Arrival

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


class OwnQueue(Protocol):
    """Port to the queue that is consumed."""

    def send_again(self, messages: Sequence[tuple[Arrival, SendAgain]]) -> Mapping[int, str]:
        """Send each to the queue again; return why, by index, for those of which that is not confirmed."""

    def hide(self, messages: Sequence[tuple[Arrival, int]]) -> Mapping[int, str]:
        """Have each appear again after so many seconds; return why, by index, for those not confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsOwnQueue:
    """An SQS queue, and the sideline beside it.

    Args:
        client: SQS client.
        queue_url: The queue.
        sideline_url: The sideline; None where there is none. What came from there stays there.
    """

    client: "SQSClient"
    queue_url: str
    sideline_url: str | None = None

    def send_again(self, messages: Sequence[tuple[Arrival, SendAgain]]) -> Mapping[int, str]:
        """Send each to the queue again; return why, by index, for those of which that is not confirmed."""
        return send_all(
            self.client,
            self._url([arrival for arrival, _ in messages]),
            [_again(arrival, how) for arrival, how in messages],
        )

    def hide(self, messages: Sequence[tuple[Arrival, int]]) -> Mapping[int, str]:
        """Have each appear again after so many seconds; return why, by index, for those not confirmed."""
        return change_visibility(
            self.client,
            self._url([arrival for arrival, _ in messages]),
            [(arrival.queued.receipt, seconds) for arrival, seconds in messages],
        )

    def _url(self, arrivals: Sequence[Arrival]) -> str:
        """Where they came from: Lambda never puts messages of two queues into one batch."""
        names = {arrival.source.rpartition(":")[2] for arrival in arrivals}
        if self.sideline_url is not None and self.sideline_url.rpartition("/")[2] in names:
            return self.sideline_url
        return self.queue_url


def _again(arrival: Arrival, how: SendAgain) -> dict[str, Any]:
    attributes = as_sent(arrival.queued.attributes)
    # A message with ten attributes of its own waits without a limit: rather that than one of them lost.
    if how.held_since is not None and (HELD_SINCE in attributes or len(attributes) < MOST_ATTRIBUTES):
        attributes[HELD_SINCE] = number(how.held_since)
    message: dict[str, Any] = {
        "MessageBody": arrival.payload,
        "MessageAttributes": attributes,
        "DelaySeconds": how.seconds,
    }
    if arrival.queued.group:
        message["MessageGroupId"] = arrival.queued.group
    return message
