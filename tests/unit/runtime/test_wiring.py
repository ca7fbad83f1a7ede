"""The consumers as Lambda runs them: settings from the environment, the real SDK, AWS in memory."""

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from constructs_lib.runtime import PermanentFailure, TenantUnavailable, queue_consumer, stream_consumer
from constructs_lib.runtime.records import Record
from tests.unit.runtime.events import envelope, kinesis_event, sqs_event
from tests.unit.runtime.fakes import FakeContext

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_queue_consumer_works_from_its_environment(environment: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Dead letters, guard, logs and metrics come out of the settings that the construct makes."""
    handled: list[str] = []
    handle = queue_consumer(_refuse_second(handled))
    event = sqs_event([envelope(name).to_json() for name in ("m-1", "m-2", "m-1")])
    assert handle(event, FakeContext()) == {"batchItemFailures": []}
    assert handled == ["m-1", "m-2"]
    [letter] = boto3.client("sqs").receive_message(QueueUrl=environment)["Messages"]
    assert letter["Body"] == envelope("m-2").to_json()
    *lines, metrics = _output(capsys)
    assert [(line["message"], line["correlation_id"]) for line in lines] == [
        ("message done", "correlation-of-m-1"),
        ("message dead-lettered", "correlation-of-m-2"),
        ("message done", "correlation-of-m-1"),
    ]
    assert (metrics["MessagesDone"], metrics["MessagesDeadLettered"]) == ([2.0], [1.0])
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]


def test_queue_consumer_without_a_table_has_no_guard(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard is there only where the construct gave it a table."""
    monkeypatch.delenv("RESILIENCE_IDEMPOTENCY_TABLE")
    handled: list[str] = []
    handle = queue_consumer(lambda record: handled.append(record.id))
    handle(sqs_event([envelope().to_json()] * 2), FakeContext())
    assert handled == ["m-1", "m-1"]


def test_store_that_does_not_answer_hands_the_message_back(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the guard the handler is not called; the queue delivers again."""
    monkeypatch.setenv("RESILIENCE_IDEMPOTENCY_TABLE", "no-such-table")
    handled: list[str] = []
    handle = queue_consumer(lambda record: handled.append(record.id))
    response = handle(sqs_event([envelope().to_json()]), FakeContext())
    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert not handled
