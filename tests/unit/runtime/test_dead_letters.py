import boto3
import pytest
from botocore.exceptions import ClientError

from constructs_lib.runtime.dead_letters import SqsDeadLetters
from constructs_lib.runtime.records import queue_arrivals
from tests.unit.runtime.events import QUEUE_ARN, sqs_event


def test_message_is_kept_as_received_with_the_reason_beside_it(aws: None) -> None:
    """The body is what was sent, so that moving it back sends it again; the attributes explain."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="dead")["QueueUrl"]
    [arrival] = queue_arrivals(sqs_event(["as received"], deliveries=2))
    SqsDeadLetters(client=client, queue_url=url).keep(
        arrival, reason="no such tenant", function="process-event", correlation_id=None
    )
    [message] = client.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == "as received"
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "reason": "no such tenant",
        "function": "process-event",
        "source": QUEUE_ARN,
        "message_id": "1",
        "deliveries": "2",
    }


def test_queue_that_cannot_be_reached_is_an_error(aws: None) -> None:
    """The caller learns that the message is not safe."""
    letters = SqsDeadLetters(client=boto3.client("sqs"), queue_url="https://sqs.eu-west-1.amazonaws.com/1/none")
    [arrival] = queue_arrivals(sqs_event(["x"]))
    with pytest.raises(ClientError):
        letters.keep(arrival, reason="x", function="f", correlation_id="c")
