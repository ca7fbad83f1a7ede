"""From SQS message to table, stream and workflow, with AWS as moto has it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from constructs_lib.runtime.inherent import InherentEngine
from lambdas.process_event import handler as module
from lambdas.process_event.adapters import EscalationWorkflow, pause_at_random
from lambdas.process_event.aggregation import CrowdedError
from lambdas.process_event.handler import make_handler
from lambdas.process_event.settings import Settings
from lambdas.shared.alert_repository import AlertRepository
from lambdas.shared.codes import Code
from lambdas.shared.command_streams import CommandMessages
from lambdas.shared.environment import MissingSettingError
from lambdas.shared.tenant import Tenant
from tests.unit.lambdas.process_event.world import World, received
from tests.unit.lambdas.shared.tables import ALERTS, TENANTS, tables
from tests.unit.runtime.fakes import MemorySends, RecordingWatch, queue_ports

ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "TENANTS_TABLE": TENANTS,
    "ALERTS_TABLE": ALERTS,
    "STREAMS": '{"slack": "alerting-slack"}',
    "ESCALATION_STATE_MACHINE_ARN": "set in the test",
    "POWERTOOLS_SERVICE_NAME": "process_event",
    "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    "RESILIENCE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/events",
    "RESILIENCE_MAX_RECEIVE_COUNT": "5",
    "RESILIENCE_QUEUE_RETENTION_SECONDS": "345600",
    "RESILIENCE_DEAD_LETTER_QUEUE_URL": "set in the test",
}
SESSION = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")


class Context:
    function_name = "process_event"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:process_event"
    memory_limit_in_mb = 256
    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def sqs(body: dict[str, Any], *, event_id: str = "acme:key:1", tenant: str = "acme") -> dict[str, Any]:
    envelope = {
        "v": 1,
        "id": event_id,
        "key": event_id,
        "tenant": tenant,
        "correlation_id": "c1",
        "created": "2026-11-21T03:40:00.000Z",
        "body": body,
    }
    record = {
        "messageId": f"m-{event_id}",
        "receiptHandle": "r",
        "body": json.dumps(envelope),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795232400000"},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:events",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record]}


@pytest.mark.requirement("OBS-01")
def test_an_event_goes_all_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """One correlation id in the alert, on the stream and in the workflow's input; a copy starts nothing more."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with tables() as dynamodb:
        kinesis, workflows, queues = SESSION.client("kinesis"), SESSION.client("stepfunctions"), SESSION.client("sqs")
        kinesis.create_stream(StreamName="alerting-slack", ShardCount=1)
        arn = workflows.create_state_machine(
            name="escalation",
            definition='{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":60,"End":true}}}',
            roleArn="arn:aws:iam::123456789012:role/r",
        )["stateMachineArn"]
        monkeypatch.setenv("ESCALATION_STATE_MACHINE_ARN", arn)
        monkeypatch.setenv("RESILIENCE_DEAD_LETTER_QUEUE_URL", queues.create_queue(QueueName="dead")["QueueUrl"])
        dynamodb.put_item(
            TableName=TENANTS,
            Item={
                "id": {"S": "tenant#acme"},
                "tenant": {"S": "acme"},
                "name": {"S": "Acme"},
                "provider": {"S": "slack"},
                "channel": {"S": "C1"},
                "escalates": {"BOOL": True},
            },
        )
        handle = make_handler(module.from_environment)
        for _ in range(2):
            assert handle(sqs(received().to_body()), Context()) == {"batchItemFailures": []}
        (execution,) = workflows.list_executions(stateMachineArn=arn)["executions"]
        described = workflows.describe_execution(executionArn=execution["executionArn"])
        alert = AlertRepository(dynamodb, ALERTS, "us-east-1").load(execution["name"])
        shard = kinesis.describe_stream(StreamName="alerting-slack")["StreamDescription"]["Shards"][0]["ShardId"]
        iterator = kinesis.get_shard_iterator(
            StreamName="alerting-slack", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert alert is not None
    assert (alert.correlation_id, alert.count, alert.summary.title) == ("c1", 1, "disk is full")
    assert json.loads(described["input"]) == {"alert_id": alert.alert_id, "tenant": "acme", "correlation_id": "c1"}
    assert {record["PartitionKey"] for record in records} == {alert.alert_id}
    assert {json.loads(record["Data"])["correlation_id"] for record in records} == {"c1"}


@pytest.mark.parametrize(
    ("body", "tenant", "reason"),
    [
        ({"endpoint": "e"}, "acme", "field 'raw' must be text"),
        (received().to_body() | {"raw": "%"}, "acme", "field 'raw' is not base64"),
        (received().to_body() | {"accepted_at": "yesterday"}, "acme", "field 'accepted_at' must be a time"),
        (received().to_body(), "nobody", "there is no tenant 'nobody'"),
        (received().to_body(), "strange", "no fax"),
    ],
)
@pytest.mark.requirement("SEC-08")
def test_what_can_never_succeed_goes_to_the_dead_letters_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], tenant: str, reason: str
) -> None:
    """At once, and logged by its code."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    world = World()
    with tables():
        queues = SESSION.client("sqs")
        dead = queues.create_queue(QueueName="dead")["QueueUrl"]
        monkeypatch.setenv("RESILIENCE_DEAD_LETTER_QUEUE_URL", dead)
        answer = make_handler(world.processor)(sqs(body, tenant=tenant), Context())
        (letter,) = queues.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"]
    assert answer == {"batchItemFailures": []}
    assert reason in json.dumps(letter)
    code, fields = world.logged[-1]
    assert code is Code.EVT_REJECTED
    assert reason in fields["reason"]


@pytest.mark.parametrize("down", ["workflow", "raw"])
def test_what_aws_could_not_do_is_delivered_again(down: str) -> None:
    """Whatever it was."""
    world = World(down={down})
    answer = make_handler(world.processor, load_queue=queue_ports)(sqs(received(b"\xff").to_body()), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-acme:key:1"}]}


def throttled() -> None:
    error = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    raise ClientError(error, "Query")  # type: ignore[arg-type]  # the part that is looked at


def crowded() -> None:
    raise CrowdedError("event e1 did not get through")


@pytest.mark.parametrize("trouble", [throttled, crowded])
def test_an_event_waits_for_what_is_nobodys_fault(trouble: Callable[[], None]) -> None:
    """Throttling and crowds pass: the event is held, and does not count as failed."""
    watch = RecordingWatch()
    world = World()

    class Tenants:
        def tenant(self, _tenant: str) -> Tenant:
            trouble()
            raise AssertionError

    processor = replace(world.processor(), tenants=Tenants())
    handle = make_handler(lambda: processor, load_queue=lambda: queue_ports(watch=watch))
    assert handle(sqs(received().to_body()), Context())["batchItemFailures"]
    assert watch.published == {"MessagesHeld": 1}


def test_a_stream_that_takes_nothing_holds_its_own_events_only() -> None:
    """The alert of one provider waits for its stream; another's, in the same batch, is done."""
    world = World()
    streams = CommandMessages({"slack": "slack-stream", "teams": "teams-stream"})
    processor = replace(world.processor(), commands=streams)
    sends = MemorySends(away={"slack-stream"})
    ports = queue_ports(engine=InherentEngine(sends))
    handle = make_handler(lambda: processor, load_queue=lambda: ports)
    batch = [
        *sqs(received().to_body(), event_id="1")["Records"],
        *sqs(received().to_body(), event_id="2", tenant="quiet")["Records"],
    ]
    assert handle({"Records": batch}, Context()) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
    assert [send.to for send in sends.sent] == ["teams-stream"]
    sends.away = set()
    assert handle({"Records": batch[:1]}, Context()) == {"batchItemFailures": []}
    assert [send.to for send in sends.sent] == ["teams-stream", "slack-stream"]


@pytest.mark.requirement("IDM-09")
@pytest.mark.parametrize("replay", [True, False])
def test_a_replayed_event_is_stored_and_neither_pages_nor_shows_anything(*, replay: bool) -> None:
    """Alerts are built up anew; an event of now does all of it."""
    world = World()
    sends = MemorySends()
    processor = replace(world.processor(), commands=CommandMessages({"slack": "slack-stream"}))
    handle = make_handler(lambda: processor, load_queue=lambda: queue_ports(engine=InherentEngine(sends)))
    event = sqs(received().to_body())
    [message] = event["Records"]
    message["body"] = json.dumps(json.loads(message["body"]) | {"replay": replay})
    assert handle(event, Context()) == {"batchItemFailures": []}
    assert len(world.alerts()) == 1
    assert (bool(world.started), bool(sends.sent)) == (not replay, not replay)


def test_an_escalation_that_was_started_is_not_started_again() -> None:
    """Its name is the alert's id."""
    with tables():
        client = SESSION.client("stepfunctions")
        arn = client.create_state_machine(
            name="escalation",
            definition='{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}',
            roleArn="arn:aws:iam::123456789012:role/r",
        )["stateMachineArn"]
        workflow = EscalationWorkflow(client, arn)
        assert workflow.start("a1", tenant="acme", correlation_id="c1")
        assert not workflow.start("a1", tenant="acme", correlation_id="c2")
        assert len(client.list_executions(stateMachineArn=arn)["executions"]) == 1


def test_pauses_are_short_and_random() -> None:
    """Two that met once should not meet again."""
    slept: list[float] = []
    for attempt in range(1, 9):
        for _ in range(20):
            pause_at_random(attempt, sleep=slept.append)
    assert max(slept) <= 0.5
    assert min(slept) >= 0
    assert len(set(slept)) > 100


@pytest.mark.parametrize("name", ["TENANTS_TABLE", "ALERTS_TABLE", "STREAMS", "ESCALATION_STATE_MACHINE_ARN"])
def test_a_missing_setting_is_named(name: str) -> None:
    """In one sentence."""
    with pytest.raises(MissingSettingError, match=f"{name} is not set"):
        Settings.from_environment({known: value for known, value in ENVIRONMENT.items() if known != name})
