from dataclasses import replace
from typing import Any

import boto3
import pytest

from constructs_lib.runtime.dead_letters import Letter, SqsDeadLetters
from constructs_lib.runtime.queue_messages import queue_arrivals
from tests.unit.runtime.events import QUEUE_ARN, sqs_event


def letter(event: dict[str, Any], *, reason: str = "no such tenant", code: str | None = None) -> Letter:
    [arrival] = queue_arrivals(event)
    return Letter(arrival=arrival, reason=reason, code=code, function="process-event")


def texts(message: Any) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def kept(queue_url: str) -> list[Any]:
    return boto3.client("sqs").receive_message(
        QueueUrl=queue_url, MessageAttributeNames=["All"], AttributeNames=["All"], MaxNumberOfMessages=10
    )["Messages"]


def test_message_is_kept_as_received_with_the_reason_beside_it(aws: None) -> None:
    """Body, group and attributes are what was sent, so that moving it back sends it again; more attributes explain."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="dead")["QueueUrl"]
    event = sqs_event(
        ["as received"], deliveries=2, groups=["acme"], attributes={"idempotency_key": "k", "held_since": "5"}
    )
    letters = [letter(event, code="IDM_PAYLOAD_MISMATCH"), letter(sqs_event(["another"]), reason="too old")]
    assert not SqsDeadLetters(client=client, queue_url=url).keep(letters)
    first, second = kept(url)
    assert first["Body"] == "as received"
    assert first["Attributes"]["MessageGroupId"] == "acme"
    assert texts(first) == {
        "reason": "no such tenant",
        "code": "IDM_PAYLOAD_MISMATCH",
        "function": "process-event",
        "source": QUEUE_ARN,
        "message_id": "1",
        "deliveries": "2",
        "idempotency_key": "k",
    }
    assert (second["Body"], texts(second)["reason"]) == ("another", "too old")


def test_message_with_many_attributes_keeps_its_key_its_reason_and_that_it_is_a_replay(aws: None) -> None:
    """SQS knows ten attributes per message; a replay sent again as a message of now would have its effect again."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="dead")["QueueUrl"]
    own = {f"a{number}": "x" for number in range(8)} | {"idempotency_key": "k", "replay": "true"}
    told = replace(letter(sqs_event(["x"], attributes=own), code="CODE"), correlation_id="c-1")
    assert not SqsDeadLetters(client=client, queue_url=url).keep([told])
    [message] = kept(url)
    assert len(message["MessageAttributes"]) == 10
    wanted = {"idempotency_key": "k", "reason": "no such tenant", "replay": "true", "correlation_id": "c-1"}
    assert wanted.items() <= texts(message).items()


def test_a_correlation_id_that_no_attribute_holds_does_not_keep_a_message_from_the_queue(aws: None) -> None:
    """Its sender chose it: it may be as long as a message, and have any characters."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="dead")["QueueUrl"]
    strange = replace(letter(sqs_event(["x"])), correlation_id="a\x00b" + "c" * 2_000_000)
    assert not SqsDeadLetters(client=client, queue_url=url).keep([strange])
    [message] = kept(url)
    assert texts(message)["correlation_id"].startswith("a bccc")


def test_dead_letter_of_a_fifo_queue_stays_in_its_group(aws: None) -> None:
    """Its dead-letter queue is a FIFO queue too; a letter written twice is there once."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    dead = SqsDeadLetters(client=client, queue_url=url)
    for _ in range(2):
        assert not dead.keep([letter(sqs_event(["x"], groups=["order-7"], fifo=True))])
    [message] = kept(url)
    assert message["Attributes"]["MessageGroupId"] == "order-7"


def test_queue_that_cannot_be_reached_is_told(aws: None) -> None:
    """The caller learns which messages are not safe."""
    letters = SqsDeadLetters(client=boto3.client("sqs"), queue_url="https://sqs.eu-west-1.amazonaws.com/1/none")
    reasons = letters.keep([letter(sqs_event(["x"]))] * 11)
    assert list(reasons) == list(range(11))
    assert "NonExistentQueue" in reasons[0] or "does not exist" in reasons[0]


@pytest.mark.parametrize("value", [{"dataType": "Binary", "binaryValue": "/wA="}])
def test_bytes_stay_bytes(aws: None, value: dict[str, Any]) -> None:
    """Lambda hands them over as base64."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="dead")["QueueUrl"]
    event = sqs_event(["x"])
    event["Records"][0]["messageAttributes"] = {"blob": value}
    assert not SqsDeadLetters(client=client, queue_url=url).keep([letter(event)])
    [message] = kept(url)
    assert message["MessageAttributes"]["blob"]["BinaryValue"] == b"\xff\x00"
