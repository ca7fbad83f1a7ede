"""What a message is about, and by which key its copies are known."""

import json
from typing import Any

import pytest

from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.queue_messages import queue_arrivals
from constructs_lib.runtime.records import Record
from tests.unit.runtime.events import QUEUE_ARN, envelope, kinesis_event, sqs_event

NOTIFICATION = {
    "Type": "Notification",
    "MessageId": "sns-1",
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
    "Message": "the disk is full",
    "Timestamp": "2026-11-21T03:04:05.678Z",
    "SignatureVersion": "1",
    "Signature": "x",
    "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/cert.pem",
    "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
}
BUS_EVENT = {"version": "0", "id": "bus-1", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
ANYTHING = {"order": 7}


def read(body: object, *, key_from_content: bool = False, **event: Any) -> Record:
    text = body if isinstance(body, str) else json.dumps(body)
    [arrival] = queue_arrivals(sqs_event([text], **event), key_from_content=key_from_content)
    return arrival.read()


def test_envelope_in_a_queue_becomes_a_record() -> None:
    """The position of a message is its message id, which is what a failure is reported by."""
    [arrival] = queue_arrivals(sqs_event([envelope().to_json()], deliveries=3))
    assert (arrival.read().id, arrival.read().position) == ("m-1", "1")
    assert (arrival.source, arrival.deliveries) == (QUEUE_ARN, 3)
    assert arrival.arrived.isoformat() == "2026-11-21T03:04:05.500000+00:00"
    assert (arrival.queued.receipt, arrival.queued.group, arrival.queued.ordered) == ("receipt-1", None, False)


@pytest.mark.requirement("IDM-02")
@pytest.mark.parametrize(
    ("body", "attributes", "key"),
    [
        (json.loads(envelope("sender-1").to_json()), {"idempotency_key": "attribute-1"}, "sender-1"),
        (NOTIFICATION | {"Message": envelope("sender-1").to_json()}, {}, "sender-1"),
        (ANYTHING, {"idempotency_key": "attribute-1"}, "attribute-1"),
        (NOTIFICATION, {"idempotency_key": "attribute-1"}, "attribute-1"),
        (NOTIFICATION, {}, "sns-1"),
        (BUS_EVENT, {}, "bus-1"),
    ],
)
def test_the_key_is_the_senders_own(body: dict[str, Any], attributes: dict[str, str], key: str) -> None:
    """Envelope, then attribute, then what SNS or EventBridge gave it; never a hash where there is one."""
    assert read(body, attributes=attributes, key_from_content=True).id == key


@pytest.mark.requirement("IDM-02")
def test_a_hash_of_the_content_is_the_last_resort_and_only_where_it_is_asked_for() -> None:
    """SHA-256 of canonical JSON: the spelling does not matter, the content does."""
    one = read('{"b": 1.0, "a": [1, 2]}', key_from_content=True)
    assert one.id == "435bf7ed2a5266dd9710133f7f9bfb43463d6f0064c639c276d85e06f2a05cca"
    assert read(' {"a":[1,2],"b":1.0}', key_from_content=True).id == one.id
    assert read('{"a": [2, 1], "b": 1.0}', key_from_content=True).id != one.id
    with pytest.raises(InvalidEnvelopeError, match=r"no idempotency key.*idempotency_key.*key_from_content"):
        read(ANYTHING)


@pytest.mark.requirement("IDM-02")
@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[1]",
        "[" * 100_000,
        {},
        NOTIFICATION | {"MessageId": ""},
        NOTIFICATION | {"Type": "SubscriptionConfirmation"},
        BUS_EVENT | {"id": None},
        {"id": "not-an-envelope"},
    ],
)
def test_a_missing_key_is_an_error(body: object) -> None:
    """Never silence: such a message cannot be told from its copies."""
    with pytest.raises(InvalidEnvelopeError):
        read(body, attributes={"idempotency_key": ""})


@pytest.mark.parametrize("body", [NOTIFICATION | {"MessageId": "\ud800"}, BUS_EVENT | {"id": "\udfff"}])
def test_a_key_that_no_store_takes_is_an_error_of_its_message(body: object) -> None:
    """Whoever writes the body can write half of a surrogate pair; unnoticed, it would fail the batch it is in."""
    with pytest.raises(InvalidEnvelopeError, match="half of a surrogate pair"):
        read(body)


def test_a_broken_envelope_is_not_taken_for_something_else() -> None:
    """Its sender meant an envelope, and learns what is wrong with it."""
    broken = json.loads(envelope().to_json()) | {"id": ""}
    with pytest.raises(InvalidEnvelopeError, match="id must be text"):
        read(broken, attributes={"idempotency_key": "k"}, key_from_content=True)


def test_a_foreign_message_becomes_a_record() -> None:
    """Its tenant is its group, its body all of it."""
    record = read(NOTIFICATION, groups=["acme"])
    assert record == Record(
        id="sns-1",
        key="sns-1",
        tenant="acme",
        body=NOTIFICATION,
        position="1",
        correlation_id="sns-1",
        created="2026-11-21T03:04:05.500Z",
    )
    assert read(BUS_EVENT).tenant == "-"
    assert read(BUS_EVENT, attributes={"correlation_id": "c-1"}).correlation_id == "c-1"


def test_a_foreign_message_of_a_fifo_queue_is_about_its_group() -> None:
    """That is what keeps its order."""
    [arrival] = queue_arrivals(sqs_event([json.dumps(BUS_EVENT)], groups=["order-7"], fifo=True))
    assert (arrival.read().key, arrival.queued.ordered) == ("order-7", True)


def test_an_event_of_another_source_is_refused() -> None:
    """A consumer wired to the wrong source fails loudly instead of acknowledging what it cannot read."""
    with pytest.raises(ValueError, match="aws:kinesis"):
        queue_arrivals(kinesis_event(["x"]))
