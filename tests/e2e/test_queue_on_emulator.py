"""The queue consumer on the emulator's queues and tables, over HTTP: holds, failures, refusals, copies, order."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.session import Session

from constructs_lib.local.emulator import Emulator
from constructs_lib.runtime import DependencyUnavailable, Outside, PermanentFailure, Record, queue_consumer
from constructs_lib.runtime.clients import QUICK
from constructs_lib.runtime.queue_consumer import QueuePorts
from constructs_lib.runtime.queue_wiring import from_environment
from tests.unit.runtime.events import envelope
from tests.unit.runtime.fakes import FakeContext, RealTime

pytestmark = pytest.mark.local_cloud

MOST_DELIVERIES = 3
# Short, so that nothing waits for longer than a tenth of it.
RETENTION_SECONDS = 20
PATIENCE_SECONDS = 60.0


@dataclass
class Consumer:
    """A queue with its dead letters and its consumer, which behaves as told by message id."""

    url: str
    behaviour: dict[str, Callable[[int], None]]
    ordered: bool = False
    handled: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        session = Session()
        session.set_credentials("test", "test")
        clients: dict[str, Any] = {
            name: session.create_client(name, region_name="eu-west-1", endpoint_url=self.url, config=QUICK)
            for name in ("sqs", "dynamodb")
        }
        self.sqs, self.dynamodb = clients["sqs"], clients["dynamodb"]
        suffix = ".fifo" if self.ordered else ""
        kind = {"FifoQueue": "true"} if self.ordered else {}
        name = f"{time.monotonic_ns()}"
        self.dead_url = self.sqs.create_queue(QueueName=f"dead-{name}{suffix}", Attributes=kind)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["QueueArn"])["Attributes"]
        redrive = f'{{"deadLetterTargetArn":"{attributes["QueueArn"]}","maxReceiveCount":{MOST_DELIVERIES}}}'
        self.queue_url = self.sqs.create_queue(
            QueueName=f"events-{name}{suffix}", Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "30", **kind}
        )["QueueUrl"]
        self.table = f"done-{name}"
        self.dynamodb.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def settings(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.url,
            "POWERTOOLS_SERVICE_NAME": "worker",
            "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
            "RESILIENCE_QUEUE_URL": self.queue_url,
            "RESILIENCE_DEAD_LETTER_QUEUE_URL": self.dead_url,
            "RESILIENCE_MAX_RECEIVE_COUNT": str(MOST_DELIVERIES),
            "RESILIENCE_QUEUE_RETENTION_SECONDS": str(RETENTION_SECONDS),
            "RESILIENCE_IDEMPOTENCY_TABLE": self.table,
            "RESILIENCE_REMEMBER_SECONDS": "3600",
        }

    def send(self, *ids: str) -> None:
        for name in ids:
            group: dict[str, Any] = {"MessageGroupId": name[0] if self.ordered else "acme"}
            if self.ordered:
                group["MessageDeduplicationId"] = f"{name}-{time.monotonic_ns()}"
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=envelope(name).to_json(), **group)

    def work(self) -> None:
        """Do Lambda's part until the queue has been empty for longer than anything waits."""
        handle = queue_consumer(self._handle, load=self._ports)
        deadline, idle_since = time.monotonic() + PATIENCE_SECONDS, time.monotonic()
        while time.monotonic() - idle_since < RETENTION_SECONDS / 5:
            assert time.monotonic() < deadline
            received = self.sqs.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not received:
                continue
            idle_since = time.monotonic()
            response = handle({"Records": [self._event(message) for message in received]}, FakeContext(RealTime()))
            left = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
            for message in received:
                if message["MessageId"] not in left:
                    self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def dead(self) -> dict[str, dict[str, Any]]:
        """Dead letters by what they say."""
        received = self.sqs.receive_message(
            QueueUrl=self.dead_url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages", [])
        return {message["Body"].partition('"id":"')[2].partition('"')[0]: message for message in received}

    def _ports(self) -> QueuePorts:
        ports = from_environment(Outside())()
        return replace(ports, holds=replace(ports.holds, jitter=lambda: 0.0))

    def _handle(self, record: Record) -> None:
        self.handled.append(record.id)
        if record.id in self.behaviour:
            self.behaviour[record.id](self.handled.count(record.id))
        self.effects.append(record.id)

    def _event(self, message: dict[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
                for name, value in message.get("MessageAttributes", {}).items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:eu-west-1:000000000000:{self.queue_url.rpartition('/')[2]}",
            "awsRegion": "eu-west-1",
        }


def held(tries: int) -> None:
    if tries <= 2 * MOST_DELIVERIES:
        raise DependencyUnavailable("503")


def broken(_tries: int) -> None:
    raise OSError("reset")


def refused(_tries: int) -> None:
    raise PermanentFailure("no such tenant")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = Emulator(tmp_path_factory.mktemp("emulator"), port=0)
    running.start()
    try:
        yield running.url
    finally:
        running.stop()


def consumer(emulator: str, monkeypatch: pytest.MonkeyPatch, *, ordered: bool = False) -> Consumer:
    made = Consumer(emulator, {"held": held, "b-broken": broken, "refused": refused}, ordered=ordered)
    for name, value in made.settings().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("MSG-01")
@pytest.mark.requirement("MSG-02")
def test_each_message_ends_in_its_place(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Done once, held for longer than it may be delivered, moved at its limit, or buried at once; copies change nothing."""
    world = consumer(emulator, monkeypatch)
    world.send("good", "held", "b-broken", "refused", "good", "held")
    world.work()
    assert Counter(world.effects) == {"good": 1, "held": 1}
    assert Counter(world.handled) == {
        "good": 1,
        "held": 2 * MOST_DELIVERIES + 1,
        "b-broken": MOST_DELIVERIES,
        "refused": 1,
    }
    dead = world.dead()
    assert set(dead) == {"b-broken", "refused"}
    assert dead["refused"]["MessageAttributes"]["reason"]["StringValue"] == "no such tenant"
    assert dead["refused"]["Attributes"]["MessageGroupId"] == "acme"
    # The queue itself has moved the other: what it failed for is found by its id.
    assert "MessageAttributes" not in dead["b-broken"]
    note = world.dynamodb.get_item(
        TableName=world.table, Key={"id": {"S": f"failure#{dead['b-broken']['MessageId']}"}}
    )["Item"]
    assert note["reason"]["S"] == "OSError: reset"
    assert note["deliveries"]["N"] == str(MOST_DELIVERIES)


def test_a_group_of_a_fifo_queue_waits_for_its_first(emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one that fails and comes again, the others keep their order; other groups go on meanwhile."""
    world = consumer(emulator, monkeypatch, ordered=True)
    world.send("a1", "a2", "c1", "c2")
    world.behaviour["a1"] = lambda tries: broken(tries) if tries == 1 else None
    world.work()
    assert [name for name in world.effects if name[0] == "a"] == ["a1", "a2"]
    assert [name for name in world.effects if name[0] == "c"] == ["c1", "c2"]
    assert world.handled.index("c2") < world.handled.index("a2")
    assert not world.dead()
