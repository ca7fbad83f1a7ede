"""A queue, a function and everything it calls, in virtual time; the function ends at a chosen moment.

SQS as documented: what is received is hidden for the visibility timeout, and comes again unless it is deleted; what has
been received too often becomes a dead letter. Lambda deletes what the function's answer does not name.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.standins.dynamodb import FakeDynamoDB
from tests.unit.runtime.events import ARRIVED, QUEUE_ARN
from tests.unit.runtime.fakes import FakeContext, FakeTime

QUEUE, DEAD_LETTERS, AFTERWARDS = "https://sqs.example/queue", "https://sqs.example/dead", "https://sqs.example/next"
FUNCTION_SECONDS = 30.0
# As the construct sets it.
VISIBILITY_SECONDS = 6 * FUNCTION_SECONDS
MAX_RECEIVE_COUNT = 5
BATCH_SIZE = 6
# A queue that is not empty by then never will be.
_MOST_INVOCATIONS = 60

# What the construct sets.
ENVIRONMENT = {
    "POWERTOOLS_SERVICE_NAME": "consumer",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    "RESILIENCE_QUEUE_URL": QUEUE,
    "RESILIENCE_MAX_RECEIVE_COUNT": str(MAX_RECEIVE_COUNT),
    "RESILIENCE_QUEUE_RETENTION_SECONDS": "345600",
    "RESILIENCE_DEAD_LETTER_QUEUE_URL": DEAD_LETTERS,
    "RESILIENCE_IDEMPOTENCY_TABLE": "done",
    "RESILIENCE_REMEMBER_SECONDS": "604800",
}

Consumer = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]


class Crash(BaseException):
    """The function's process ends, wherever it is; no handler of errors sees it."""


@dataclass(slots=True)
class Moments:
    """Counts moments at which the function could end, and ends it at the chosen ones.

    Attributes:
        crash_at: Numbers of the moments at which it ends, from 0; an invocation that is ended counts none after it.
        passed: Moments so far.
    """

    crash_at: Sequence[int] = ()
    passed: int = 0

    def step(self, *_about: object) -> None:
        """One moment goes by.

        Raises:
            Crash: If it is one of those chosen.
        """
        self.passed += 1
        if self.passed - 1 in self.crash_at:
            raise Crash


@dataclass(slots=True)
class Message:
    """A message in the queue."""

    id: str
    body: str
    visible_at: float
    sent_at: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    receives: int = 0


@dataclass
class QueueWorld:
    """The queue with its consumer, and what the consumer calls.

    Args:
        moments: When the function ends.

    Attributes:
        time: Goes by only while nothing is visible, and a second per invocation.
        queues: Bodies sent to other queues, by their URL; those put on streams, by their names.
        redelivered: Deliveries of a message after its first one.
        refused: Deliveries that the answer named as failed.
        crashes: Invocations that ended in the middle.
        database: What the client `dynamodb` reaches.
        sqs, kinesis: The other clients.
    """

    moments: Moments
    time: FakeTime = field(default_factory=FakeTime)
    queues: dict[str, list[str]] = field(default_factory=dict)
    redelivered: int = 0
    refused: int = 0
    crashes: int = 0
    _messages: list[Message] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.database = FakeDynamoDB(now=self.now)
        self.dynamodb = self.database.client(crash=self.moments.step)
        self.sqs = FakeSqs(self)
        self.kinesis = FakeKinesis(self)

    def create_client(self, service: str, **_options: Any) -> Any:
        """A client, as botocore's session makes one."""
        return {"dynamodb": self.dynamodb, "sqs": self.sqs, "kinesis": self.kinesis}[service]

    def now(self) -> float:
        """Seconds since 1970."""
        return ARRIVED + self.time.seconds

    def send(self, body: str, *, after: float = 0.0, attributes: Mapping[str, Any] | None = None) -> None:
        """Put a message into the queue that appears *after* so many seconds."""
        self._messages.append(
            Message(
                id=f"message-{next(self._numbers)}",
                body=body,
                visible_at=self.time.seconds + after,
                sent_at=self.now(),
                attributes=attributes or {},
            )
        )

    def run(self, consumer: Consumer) -> None:
        """Deliver until the queue is empty."""
        for _ in range(_MOST_INVOCATIONS):
            if not self._messages:
                return
            self.time.seconds = max(self.time.seconds, min(each.visible_at for each in self._messages))
            self._invoke(consumer, self._receive())
            self.time.pass_by(1.0)
        raise AssertionError(f"still in the queue: {[message.body for message in self._messages]}")

    def hide(self, receipt: str, seconds: float) -> None:
        """Have a message appear again after so many seconds."""
        for message in self._messages:
            if message.id == receipt:
                message.visible_at = self.time.seconds + seconds

    def _receive(self) -> list[Message]:
        visible = [each for each in self._messages if each.visible_at <= self.time.seconds]
        for message in visible:
            if message.receives >= MAX_RECEIVE_COUNT:
                self._messages.remove(message)
                self.queues.setdefault(DEAD_LETTERS, []).append(message.body)
        received = [each for each in visible if each in self._messages][:BATCH_SIZE]
        for message in received:
            message.receives += 1
            self.redelivered += message.receives > 1
            message.visible_at = self.time.seconds + VISIBILITY_SECONDS
        return received

    def _invoke(self, consumer: Consumer, received: Sequence[Message]) -> None:
        if not received:
            return
        try:
            answer = consumer(_event(received), FakeContext(self.time, timeout_seconds=FUNCTION_SECONDS))
            self.moments.step()
        except Crash:
            self.crashes += 1
            return
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        self.refused += len(failed)
        self._messages = [each for each in self._messages if each not in received or each.id in failed]


@dataclass(slots=True)
class FakeSqs:
    """SQS's client, as far as the consumers use it."""

    world: QueueWorld
    calls: Counter[str] = field(default_factory=Counter)

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """Send to the own queue or another."""
        self.calls["send_message_batch"] += 1
        self.world.moments.step()
        for entry in request["Entries"]:
            if request["QueueUrl"] == QUEUE:
                attributes = {
                    name: {"dataType": each["DataType"], "stringValue": each["StringValue"]}
                    for name, each in entry.get("MessageAttributes", {}).items()
                }
                self.world.send(entry["MessageBody"], after=entry.get("DelaySeconds", 0), attributes=attributes)
            else:
                self.world.queues.setdefault(request["QueueUrl"], []).append(entry["MessageBody"])
        self.world.moments.step()
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        """Hide messages of the own queue."""
        self.calls["change_message_visibility_batch"] += 1
        self.world.moments.step()
        for entry in request["Entries"]:
            self.world.hide(entry["ReceiptHandle"], entry["VisibilityTimeout"])
        self.world.moments.step()
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}


@dataclass(slots=True)
class FakeKinesis:
    """Kinesis's client, as far as the consumers use it."""

    world: QueueWorld
    calls: Counter[str] = field(default_factory=Counter)

    def put_records(self, **request: Any) -> dict[str, Any]:
        """Put on a stream."""
        self.calls["put_records"] += 1
        self.world.moments.step()
        for record in request["Records"]:
            data = record["Data"]
            self.world.queues.setdefault(request["StreamName"], []).append(
                data.decode() if isinstance(data, bytes) else data
            )
        self.world.moments.step()
        return {
            "FailedRecordCount": 0,
            "Records": [{"SequenceNumber": "1", "ShardId": "0"} for _ in request["Records"]],
        }


@dataclass(slots=True)
class Receiver:
    """Something outside that is called, between two moments.

    Attributes:
        calls: Ids it was called with.
    """

    moments: Moments
    calls: list[str] = field(default_factory=list)

    def post(self, id: str) -> str:
        """Take a call."""
        self.moments.step()
        self.calls.append(id)
        self.moments.step()
        return id

    def knows(self, id: str) -> str | None:
        """Whether it was called with this id."""
        self.moments.step()
        return id if id in self.calls else None


def _event(messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": message.id,
                "receiptHandle": message.id,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": str(message.receives),
                    "SentTimestamp": str(int(message.sent_at * 1_000)),
                },
                "messageAttributes": message.attributes,
                "eventSource": "aws:sqs",
                "eventSourceARN": QUEUE_ARN,
                "awsRegion": "eu-west-1",
            }
            for message in messages
        ]
    }
