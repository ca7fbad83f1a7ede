"""A small model of SQS under a clock that only its users move: visibility, receives, retention and dead letters.

`ModelSqs` has the methods of botocore's client that the runtime calls; `deliver` plays Lambda's part.
"""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from constructs_lib.runtime.batch_response import BatchResponse
from tests.unit.runtime.fakes import FakeTime

DAY = 86_400.0
EPOCH = 1_795_230_245.5
Handle = Callable[[dict[str, Any]], BatchResponse]


class Crash(BaseException):
    """The function's end in the middle of its work."""


@dataclass
class Message:
    """One message in a queue."""

    id: str
    body: str
    attributes: dict[str, dict[str, Any]]
    group: str | None
    sent: float
    visible: float
    receives: int = 0

    def as_event(self, queue: "ModelQueue") -> dict[str, Any]:
        """Return the message as Lambda hands it over."""
        attributes = {
            "ApproximateReceiveCount": str(self.receives),
            "SentTimestamp": str(int(self.sent * 1_000)),
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": str(int(self.sent * 1_000)),
        }
        if self.group:
            attributes["MessageGroupId"] = self.group
        if queue.fifo:
            attributes["SequenceNumber"] = self.id
        return {
            "messageId": self.id,
            "receiptHandle": f"receipt-{self.id}",
            "body": self.body,
            "attributes": attributes,
            "messageAttributes": {
                name: {
                    "stringValue": value["StringValue"],
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": value["DataType"],
                }
                for name, value in self.attributes.items()
            },
            "md5OfBody": "0" * 32,
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-west-1:123456789012:{queue.name}",
            "awsRegion": "eu-west-1",
        }


@dataclass
class ModelQueue:
    """One queue; *dropped* are the messages that its retention has ended."""

    time: FakeTime
    name: str = "events"
    visibility: float = 180.0
    retention: float = 4 * DAY
    max_receive_count: int = 5
    dead: "ModelQueue | None" = None
    fifo: bool = False
    messages: list[Message] = field(default_factory=list)
    dropped: list[Message] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def now(self) -> float:
        return EPOCH + self.time.seconds

    def send(
        self, body: str, *, attributes: Mapping[str, Any] | None = None, group: str | None = None, delay: float = 0
    ) -> Message:
        message = Message(
            id=f"{self.name}-{next(self._numbers)}",
            body=body,
            attributes=dict(attributes or {}),
            group=group,
            sent=self.now,
            visible=self.now + delay,
        )
        self.messages.append(message)
        return message

    def receive(self, most: int, order: random.Random | None = None) -> list[Message]:
        """Hide and return what is visible; what was received too often goes to the dead letters instead."""
        self._expire()
        received: list[Message] = []
        blocked = {m.group for m in self.messages if self.fifo and m.receives and m.visible > self.now}
        waiting = list(self.messages)
        if order and not self.fifo:
            order.shuffle(waiting)
        for message in waiting:
            if len(received) == most:
                break
            if message.visible > self.now or (message.group in blocked and self.fifo):
                continue
            if self.dead is not None and message.receives >= self.max_receive_count:
                self.messages.remove(message)
                # On a standard queue the age goes on; the group stays.
                self.dead.messages.append(message)
                continue
            message.receives += 1
            message.visible = self.now + self.visibility
            received.append(message)
        return received

    def delete(self, message_id: str) -> None:
        self.messages = [message for message in self.messages if message.id != message_id]

    def next_visible(self) -> float | None:
        """Seconds until there is something to receive."""
        if not self.messages:
            return None
        if not self.fifo:
            return max(0.0, min(message.visible for message in self.messages) - self.now)
        # A group is there again with the last of its messages that are in flight.
        groups: dict[str | None, float] = {}
        for message in self.messages:
            groups[message.group] = max(groups.get(message.group, 0.0), message.visible)
        return max(0.0, min(groups.values()) - self.now)

    def _expire(self) -> None:
        for message in [m for m in self.messages if self.now - m.sent > self.retention]:
            self.messages.remove(message)
            self.dropped.append(message)


@dataclass
class ModelSqs:
    """botocore's client of the queues, by URL; *watch* is told before and after each call and may raise.

    *refuse* names entries of a batch that SQS does not take: it gets the call's name and the entry.
    """

    queues: dict[str, ModelQueue]
    watch: Callable[[str], None] = lambda _: None
    refuse: Callable[[str, Mapping[str, Any]], bool] = lambda _call, _entry: False
    calls: list[str] = field(default_factory=list)

    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        return self._batch("send_message_batch", call["QueueUrl"], call["Entries"], self._send)

    def change_message_visibility_batch(self, **call: Any) -> dict[str, Any]:
        return self._batch("change_message_visibility_batch", call["QueueUrl"], call["Entries"], self._hide)

    def _batch(
        self,
        call: str,
        url: str,
        entries: list[dict[str, Any]],
        do: Callable[[ModelQueue, dict[str, Any]], bool],
    ) -> dict[str, Any]:
        assert 1 <= len(entries) <= 10
        assert len({entry["Id"] for entry in entries}) == len(entries)
        self.calls.append(call)
        self.watch(f"before {call}")
        if url not in self.queues:
            raise ClientError({"Error": {"Code": "QueueDoesNotExist", "Message": "no such queue"}}, call)
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in entries:
            if self.refuse(call, entry) or not do(self.queues[url], entry):
                answer["Failed"].append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                answer["Successful"].append({"Id": entry["Id"]})
        self.watch(f"after {call}")
        return answer

    @staticmethod
    def _send(queue: ModelQueue, entry: dict[str, Any]) -> bool:
        assert len(entry["MessageAttributes"]) <= 10
        assert 0 <= entry.get("DelaySeconds", 0) <= 900
        queue.send(
            entry["MessageBody"],
            attributes=entry["MessageAttributes"],
            group=entry.get("MessageGroupId"),
            delay=entry.get("DelaySeconds", 0),
        )
        return True

    @staticmethod
    def _hide(queue: ModelQueue, entry: dict[str, Any]) -> bool:
        assert 0 <= entry["VisibilityTimeout"] <= 43_200
        for message in queue.messages:
            if f"receipt-{message.id}" == entry["ReceiptHandle"]:
                message.visible = queue.now + entry["VisibilityTimeout"]
                return True
        return False


def deliver(queue: ModelQueue, handle: Handle, *, most: int = 10, order: random.Random | None = None) -> bool:
    """Hand what is there to *handle* as Lambda does, and delete what it settles; False when nothing was there.

    A handler that crashes or raises settles nothing.
    """
    received = queue.receive(most, order)
    if not received:
        return False
    try:
        response = handle({"Records": [message.as_event(queue) for message in received]})
    except (Crash, Exception):  # noqa: BLE001 - Lambda hands the whole batch back
        return True
    left = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    assert left <= {message.id for message in received}, "an unknown position would hand the whole batch back"
    for message in received:
        if message.id not in left:
            queue.delete(message.id)
    return True
