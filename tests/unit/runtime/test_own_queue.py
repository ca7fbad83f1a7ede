"""The consumer's own queue, over SQS in memory."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3

from constructs_lib.runtime.own_queue import SqsOwnQueue
from constructs_lib.runtime.queue_holds import SendAgain
from constructs_lib.runtime.queue_messages import queue_arrivals
from constructs_lib.runtime.records import Arrival
from tests.unit.runtime.events import envelope, sqs_event

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


def own_queue() -> tuple["SQSClient", str, SqsOwnQueue]:
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="events")["QueueUrl"]
    return client, url, SqsOwnQueue(client=client, queue_url=url)


def arrival(**event: Any) -> Arrival:
    [one] = queue_arrivals(sqs_event([envelope().to_json()], **event))
    return one


def receive(client: "SQSClient", url: str) -> list[Any]:
    answer = client.receive_message(
        QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"], MaxNumberOfMessages=10
    )
    return answer.get("Messages", [])


def test_message_sent_again_is_the_same_message_and_remembers_since_when_it_is_held(aws: None) -> None:
    """Body, group and attributes stay; how often it was delivered is counted anew."""
    client, url, queue = own_queue()
    message = arrival(deliveries=4, groups=["acme"], attributes={"idempotency_key": "k", "held_since": "5"})
    assert not queue.send_again([(message, SendAgain(0, 5)), (arrival(), SendAgain(0, None))])
    again, other = receive(client, url)
    assert (again["Body"], again["Attributes"]["MessageGroupId"]) == (envelope().to_json(), "acme")
    assert {name: value["StringValue"] for name, value in again["MessageAttributes"].items()} == {
        "idempotency_key": "k",
        "held_since": "5",
    }
    assert again["Attributes"]["ApproximateReceiveCount"] == "1"
    assert "MessageAttributes" not in other


def test_message_sent_again_waits(aws: None) -> None:
    """It is not delivered before its time."""
    client, url, queue = own_queue()
    assert not queue.send_again([(arrival(), SendAgain(900, int(time.time())))])
    assert not receive(client, url)
    delayed = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert delayed["ApproximateNumberOfMessagesDelayed"] == "1"


def test_message_with_ten_attributes_keeps_them_all(aws: None) -> None:
    """SQS knows ten; none of the sender's own is given up for ours."""
    client, url, queue = own_queue()
    own = {f"a{number}": "x" for number in range(10)}
    assert not queue.send_again([(arrival(attributes=own), SendAgain(0, 5))])
    [message] = receive(client, url)
    assert set(message["MessageAttributes"]) == set(own)


def test_hidden_message_appears_again_when_it_was_told_to(aws: None) -> None:
    """At once, here; each by its receipt, and those of which that failed are named."""
    client, url, queue = own_queue()
    for _ in range(11):
        client.send_message(QueueUrl=url, MessageBody="x")
    events = [sqs_event(["x"]) for _ in range(11)]
    receipts = [message["ReceiptHandle"] for _ in range(2) for message in receive(client, url)]
    assert len(receipts) == 11
    assert not receive(client, url)
    arrivals = []
    for event, receipt in zip(events, receipts, strict=True):
        event["Records"][0]["receiptHandle"] = receipt
        arrivals += queue_arrivals(event)
    assert not queue.hide([(one, 0) for one in arrivals])
    assert len(receive(client, url)) == 10
    assert list(queue.hide([(arrivals[0], 0), (arrival(), 0)])) == [1]


def test_what_came_from_the_sideline_stays_there(aws: None) -> None:
    """A receipt is worth nothing at another queue, and a flood that was taken aside must not come back by itself."""
    client, url, _ = own_queue()
    sideline = client.create_queue(QueueName="events-sideline", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    queue = SqsOwnQueue(client=client, queue_url=url, sideline_url=sideline)
    aside = replace(arrival(), source="arn:aws:sqs:eu-west-1:123456789012:events-sideline")
    assert not queue.send_again([(aside, SendAgain(0, None))])
    assert receive(client, url) == []
    [message] = receive(client, sideline)
    held = replace(aside, queued=replace(aside.queued, receipt=message["ReceiptHandle"]))
    assert not queue.hide([(held, 900)])
    assert receive(client, sideline) == []
    assert not queue.send_again([(arrival(), SendAgain(0, None))])
    assert len(receive(client, url)) == 1
