import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.records import Record, stream_arrivals
from tests.unit.runtime.events import (
    STREAM_ARN,
    TABLE_STREAM_ARN,
    change_record,
    envelope,
    kinesis_event,
    sqs_event,
)


def _change(record: dict[str, Any]) -> Record:
    [arrival] = stream_arrivals({"Records": [record]})
    return arrival.read()


def test_envelope_on_a_kinesis_stream_becomes_a_record() -> None:
    """The handler sees the envelope's values and the sequence number."""
    [arrival] = stream_arrivals(kinesis_event([envelope().to_json()]))
    assert arrival.read() == Record(
        id="m-1",
        key="key-of-m-1",
        tenant="acme",
        body={"text": "sesame"},
        position="1",
        correlation_id="correlation-of-m-1",
        created="2026-11-21T03:04:05Z",
    )
    assert (arrival.source, arrival.partition_key) == (STREAM_ARN, "partition-key-1")
    assert arrival.arrived.isoformat() == "2026-11-21T03:04:05.500000+00:00"


def test_records_of_two_shards_have_two_names() -> None:
    """Sequence numbers are unique in their shard only; what is kept under a name must not meet another shard's."""
    [arrival] = stream_arrivals(kinesis_event(["x"]))
    assert arrival.name == "shardId-000000000006-1"


@pytest.mark.parametrize("data", ["text that is no envelope", b"\xff\x00 no text", b""])
def test_payload_is_kept_as_received(data: str | bytes) -> None:
    """Whatever the bytes, they can be had back from the arrival."""
    [arrival] = stream_arrivals(kinesis_event([data]))
    kept = arrival.payload.encode() if arrival.payload_encoding == "utf-8" else base64.b64decode(arrival.payload)
    assert kept == (data.encode() if isinstance(data, str) else data)
    with pytest.raises(InvalidEnvelopeError):
        arrival.read()


def test_data_that_is_not_base64_is_kept_as_it_is() -> None:
    """Even an event Lambda never sends does not break the batch."""
    event = kinesis_event(["x"])
    event["Records"][0]["kinesis"]["data"] = "?"
    [arrival] = stream_arrivals(event)
    assert arrival.payload == "?"
    with pytest.raises(InvalidEnvelopeError):
        arrival.read()


def test_change_of_an_item_becomes_a_record() -> None:
    """Event, keys and both images are the body, in plain values; the item's key is the record's."""
    image = {
        "id": {"S": "a-1"},
        "tenant": {"S": "acme"},
        "correlation_id": {"S": "c-1"},
        "count": {"N": "12345678901234567890"},
        "share": {"N": "0.1"},
        "open": {"BOOL": False},
        "closed_at": {"NULL": True},
        "blob": {"B": base64.b64encode(b"\xff").decode()},
        "list": {"L": [{"N": "-1"}, {"M": {"a": {"S": ""}}}]},
        "names": {"SS": ["b", "a"]},
        "numbers": {"NS": ["1", "2.5"]},
        "blobs": {"BS": [base64.b64encode(b"x").decode()]},
    }
    record = _change(change_record("111", NewImage=image, OldImage={"id": {"S": "a-1"}}))
    assert record.body == {
        "event_name": "MODIFY",
        "keys": {"id": "a-1"},
        "new_image": {
            "id": "a-1",
            "tenant": "acme",
            "correlation_id": "c-1",
            "count": 12345678901234567890,
            "share": Decimal("0.1"),
            "open": False,
            "closed_at": None,
            "blob": b"\xff",
            "list": [-1, {"a": ""}],
            "names": {"a", "b"},
            "numbers": {1, Decimal("2.5")},
            "blobs": {b"x"},
        },
        "old_image": {"id": "a-1"},
    }
    assert record.position == "111"
    assert (record.id, record.key, record.tenant, record.correlation_id) == (
        "event-111",
        '{"id":{"S":"a-1"}}',
        "acme",
        "c-1",
    )
    assert record.created == "2026-11-21T03:04:05Z"


def test_changes_of_one_item_share_a_key() -> None:
    """The order in which DynamoDB writes the key's names does not matter."""
    one = change_record(Keys={"id": {"S": "a"}, "region": {"S": "b"}})
    two = change_record(Keys={"region": {"S": "b"}, "id": {"S": "a"}})
    assert _change(one).key == _change(two).key


def test_change_without_images_is_a_record() -> None:
    """A stream of keys only, or an item that names nobody, is no failure."""
    record = _change(change_record(name="REMOVE"))
    assert (record.tenant, record.correlation_id) == ("", "event-111")
    assert record.body["new_image"] is None
    assert record.body["old_image"] is None


def test_removed_item_keeps_its_tenant() -> None:
    """The old image names the tenant where there is no new one."""
    assert _change(change_record(name="REMOVE", OldImage={"tenant": {"S": "acme"}})).tenant == "acme"


@pytest.mark.parametrize(
    "record",
    [
        change_record(NewImage={"a": {"X": "1"}}),
        change_record(NewImage={"a": {"S": "1", "N": "1"}}),
        change_record(NewImage={"a": {"N": "one"}}),
        change_record(NewImage={"a": None}),
        change_record(Keys={}),
    ],
)
def test_change_in_another_format_can_be_kept_but_not_read(record: dict[str, Any]) -> None:
    """It goes the way of every record that cannot be read, with the whole record as its payload."""
    [arrival] = stream_arrivals({"Records": [record]})
    assert json.loads(arrival.payload) == record
    assert arrival.source == TABLE_STREAM_ARN
    with pytest.raises(InvalidEnvelopeError, match="not a change record"):
        arrival.read()


def test_event_of_another_source_is_refused() -> None:
    """A consumer wired to the wrong source fails loudly instead of acknowledging what it cannot read."""
    with pytest.raises(ValueError, match="aws:sqs"):
        stream_arrivals(sqs_event(["x"]))
