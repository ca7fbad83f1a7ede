"""The consumers as Lambda runs them: settings from the environment, the real SDK, AWS in memory."""

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from constructs_lib.runtime import PermanentFailure, TenantUnavailable, queue_consumer, stream_consumer
from constructs_lib.runtime.effects import Inherent, Items
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.settings import SettingError
from tests.standins.dynamodb import FakeDynamoDB, serve
from tests.unit.runtime.events import envelope, kinesis_event, sqs_event
from tests.unit.runtime.fakes import FakeContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def environment(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set what the constructs set, and return the dead-letter queue's URL."""
    boto3.client("s3").create_bucket(Bucket="quarantine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    boto3.client("dynamodb").create_table(
        TableName="done",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    boto3.client("dynamodb").create_table(
        TableName="state",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    url = boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    for name, value in {
        "RESILIENCE_DEPENDENCY": "slack",
        "RESILIENCE_QUARANTINE_BUCKET": "quarantine",
        "RESILIENCE_STATE_TABLE": "state",
        "RESILIENCE_HOLD_SECONDS": "518400",
        "RESILIENCE_RETENTION_SECONDS": "604800",
        "RESILIENCE_QUEUE_URL": boto3.client("sqs").create_queue(QueueName="events")["QueueUrl"],
        "RESILIENCE_MAX_RECEIVE_COUNT": "5",
        "RESILIENCE_QUEUE_RETENTION_SECONDS": "345600",
        "RESILIENCE_DEAD_LETTER_QUEUE_URL": url,
        "RESILIENCE_IDEMPOTENCY_TABLE": "done",
        "RESILIENCE_REMEMBER_SECONDS": "86400",
        "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
        # Powertools keeps one logger per service, and with it the output of the test that came first.
        "POWERTOOLS_SERVICE_NAME": uuid4().hex,
    }.items():
        monkeypatch.setenv(name, value)
    return url


def _refuse_second(handled: list[str]) -> "Callable[[Record], None]":
    def handle(record: Record) -> None:
        handled.append(record.id)
        if record.id == "m-2":
            raise PermanentFailure("no such channel")

    return handle


def _output(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    output = capsys.readouterr().out
    assert "sesame" not in output, "payloads are never logged"
    return [json.loads(line) for line in output.splitlines()]


def test_stream_consumer_works_from_its_environment(environment: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Quarantine, logs and metrics come out of the settings that the construct makes."""
    handled: list[str] = []
    handle = stream_consumer(_refuse_second(handled))
    event = kinesis_event([envelope("m-1").to_json(), envelope("m-2").to_json(), "sesame"])
    assert handle(event, FakeContext()) == {"batchItemFailures": []}
    assert handled == ["m-1", "m-2"]
    objects = boto3.client("s3").list_objects_v2(Bucket="quarantine")["Contents"]
    assert [entry["Key"].rpartition("-")[2] for entry in objects] == ["2.json", "3.json"]
    *lines, metrics = _output(capsys)
    assert {(line["message"], line["dependency"], line.get("correlation_id")) for line in lines} == {
        ("record done", "slack", "correlation-of-m-1"),
        ("record quarantined", "slack", "correlation-of-m-2"),
        ("record quarantined", "slack", None),
    }
    assert (metrics["dependency"], metrics["RecordsDone"], metrics["RecordsQuarantined"]) == ("slack", [1.0], [2.0])
    assert metrics["TimeToDataLoss"][0] > 0


def test_stream_consumer_keeps_its_state_in_the_table(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant that is unavailable is parked in the state table, and its next record without a call."""
    handled: list[str] = []

    def handle_record(record: Record) -> None:
        handled.append(record.id)
        raise TenantUnavailable("429", retry_after=3_600)

    handle = stream_consumer(handle_record)
    data = [envelope("m-1").to_json(), envelope("m-2").to_json()]
    assert handle(kinesis_event(data[:1]), FakeContext()) == {"batchItemFailures": []}
    assert stream_consumer(handle_record)(kinesis_event(data), FakeContext()) == {"batchItemFailures": []}
    assert handle({"resilience": "drain"}, FakeContext()) == {"batchItemFailures": []}
    assert handled == ["m-1"]
    items = boto3.client("dynamodb").scan(TableName="state")["Items"]
    assert len([item for item in items if item["pk"]["S"].startswith("tenant#")]) == 2


@pytest.fixture
def idempotency_store(environment: str, monkeypatch: pytest.MonkeyPatch) -> "Iterator[FakeDynamoDB]":
    """A DynamoDB that knows PartiQL, which AWS in memory does not."""
    database = FakeDynamoDB()
    with serve(database) as service:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", service.url)
        yield database


def test_queue_consumer_works_from_its_environment(
    environment: str, idempotency_store: "FakeDynamoDB", capsys: pytest.CaptureFixture[str]
) -> None:
    """Dead letters, memory, logs and metrics come out of the settings that the construct makes."""
    handled: list[str] = []
    handle = queue_consumer(_refuse_second(handled))
    event = sqs_event([envelope(name).to_json() for name in ("m-1", "m-2", "m-1")])
    for _ in range(2):
        assert handle(event, FakeContext()) == {"batchItemFailures": []}
    assert handled == ["m-1", "m-2", "m-2"]
    letters = boto3.client("sqs").receive_message(QueueUrl=environment, MaxNumberOfMessages=10)["Messages"]
    assert [letter["Body"] for letter in letters] == [envelope("m-2").to_json()] * 2
    assert [item["id"]["S"] for item in idempotency_store.items("done")] == ["message#m-1"]
    first = _output(capsys)[:4]
    *lines, metrics = first
    assert [(line["message"], line["correlation_id"]) for line in lines] == [
        ("message done", "correlation-of-m-1"),
        ("message done", "correlation-of-m-1"),
        ("message dead-lettered", "correlation-of-m-2"),
    ]
    assert (metrics["MessagesDone"], metrics["MessagesRepeated"]) == ([2.0], [1.0])
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]


def test_queue_consumer_notes_failures_and_hides_the_message(
    environment: str, idempotency_store: "FakeDynamoDB"
) -> None:
    """In the idempotency table and on its own queue."""
    client = boto3.client("sqs")
    url = client.get_queue_url(QueueName="events")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody=envelope().to_json())
    [message] = client.receive_message(QueueUrl=url)["Messages"]
    event = sqs_event([message["Body"]])
    event["Records"][0]["receiptHandle"] = message["ReceiptHandle"]
    response = queue_consumer(lambda _: 1 / 0)(event, FakeContext())
    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    [note] = [item for item in idempotency_store.items("done") if item["id"]["S"] == "failure#1"]
    assert note["reason"]["S"] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("effect", [Items(), Inherent()])
def test_effects_that_need_no_memory_go_without(
    environment: str, monkeypatch: pytest.MonkeyPatch, effect: Items | Inherent
) -> None:
    """Their own writes know copies of a message."""
    monkeypatch.delenv("RESILIENCE_IDEMPOTENCY_TABLE")
    handled: list[str] = []
    handle = queue_consumer(lambda record: handled.append(record.id), effect=effect)
    for _ in range(2):
        assert handle(sqs_event([envelope().to_json()]), FakeContext()) == {"batchItemFailures": []}
    assert handled == ["m-1", "m-1"]


def test_effect_outside_needs_a_memory(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs unguarded because a setting is missing."""
    monkeypatch.delenv("RESILIENCE_IDEMPOTENCY_TABLE")
    with pytest.raises(SettingError, match=r"RESILIENCE_IDEMPOTENCY_TABLE is not set.*Inherent\(\)"):
        queue_consumer(print)(sqs_event([envelope().to_json()]), FakeContext())


@pytest.mark.requirement("IDM-10")
def test_message_is_held_while_the_store_does_not_answer(
    environment: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The handler is not called; the queue delivers again, and before the last delivery has the message anew."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    handled: list[str] = []
    handle = queue_consumer(lambda record: handled.append(record.id))
    message = envelope().to_json()
    assert handle(sqs_event([message]), FakeContext()) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert handle(sqs_event([message], deliveries=3), FakeContext()) == {"batchItemFailures": []}
    assert not handled
    client = boto3.client("sqs")
    queue = client.get_queue_attributes(
        QueueUrl=client.get_queue_url(QueueName="events")["QueueUrl"], AttributeNames=["All"]
    )
    assert queue["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"
    assert "StoreErrors" in capsys.readouterr().out
