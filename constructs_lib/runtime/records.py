"""What arrives from a stream or a queue, as received, and the record a handler sees."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from constructs_lib.runtime.change_records import Change
from constructs_lib.runtime.envelope import Envelope


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record or message, as a handler sees it.

    Args:
        id: Names the message; copies of one message share it.
        key: What the message is about; one key's records arrive in order on a stream.
        tenant: On whose behalf it travels; empty where a table's item names no tenant.
        body: The message itself.
        position: Sequence number on a stream, message id in a queue.
        correlation_id: Joins everything that follows from one request.
        created: When the message was made, ISO 8601 in UTC.
        replay: Whether it is a message of the past, sent again to build up state anew. With `Outside` the handler is not
            called, with `Items` and `Inherent` nothing is sent that follows; a handler that makes its effect itself must
            leave out what is outside.
    """

    id: str
    key: str
    tenant: str
    body: Mapping[str, Any]
    position: str
    correlation_id: str
    created: str
    replay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What a queue knows of a message besides its body.

    Args:
        receipt: Names this delivery, for the queue's calls.
        group: Message group: of a standard queue the tenant it is fair to, of a FIFO queue what keeps its order.
        ordered: Whether it is a FIFO queue.
        attributes: Message attributes as Lambda hands them over.
    """

    receipt: str = ""
    group: str | None = None
    ordered: bool = False
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Return the text of an attribute; None where there is none."""
        value = self.attributes.get(name, {}).get("stringValue")
        return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One record as it was received, whether or not it can be read.

    Args:
        position: What the event source knows the record by.
        name: Like the position, but unique over all shards of a stream.
        source: ARN of the event source.
        shard: The Kinesis shard it came through; empty elsewhere, where that is not told.
        arrived: When the event source accepted it.
        payload: As received: text, or base64 of bytes that are no text.
        payload_encoding: How to get the payload's bytes back.
        partition_key: The key it was put on a Kinesis stream with; None elsewhere.
        deliveries: How often a queue has delivered it; always 1 on a stream, which does not tell.
        queued: What a queue knows of it; empty on a stream.
        read: Makes the record of it, or raises `InvalidEnvelopeError`.
    """

    position: str
    name: str
    source: str
    arrived: datetime
    payload: str
    payload_encoding: Literal["utf-8", "base64"]
    shard: str = ""
    partition_key: str | None = None
    deliveries: int = 1
    queued: Queued = Queued()
    read: Callable[[], Record]


def stream_arrivals(event: Mapping[str, Any]) -> list[Arrival]:
    """Return the records of an event of a Kinesis or DynamoDB stream, in its order.

    Raises:
        ValueError: If the event comes from something else.
    """
    return list(_stream_arrivals(event))


def _stream_arrivals(event: Mapping[str, Any]) -> Iterator[Arrival]:
    for raw in event["Records"]:
        match raw["eventSource"]:
            case "aws:kinesis":
                yield _from_kinesis(raw)
            case "aws:dynamodb":
                yield _from_dynamodb(raw)
            case other:
                raise ValueError(f"a stream consumer reads Kinesis and DynamoDB streams, this event is from {other!r}")


def arrival_again(
    *,
    position: str,
    name: str,
    source: str,
    arrived: float,
    payload: str,
    payload_encoding: Literal["utf-8", "base64"],
    partition_key: str | None,
) -> Arrival:
    """Return a record of a stream as it was received, from what was kept of it; *arrived* is in seconds since 1970."""
    if ":dynamodb:" in source:
        read = partial(_read_change, json.loads(payload), position)
    else:
        read = partial(read_envelope, payload if payload_encoding == "utf-8" else base64.b64decode(payload), position)
    return Arrival(
        position=position,
        name=name,
        source=source,
        arrived=datetime.fromtimestamp(arrived, UTC),
        payload=payload,
        payload_encoding=payload_encoding,
        partition_key=partition_key,
        read=read,
    )


def _from_kinesis(raw: Mapping[str, Any]) -> Arrival:
    kinesis = raw["kinesis"]
    position = kinesis["sequenceNumber"]
    data: bytes | str
    payload: str = kinesis["data"]
    encoding: Literal["utf-8", "base64"] = "base64"
    try:
        data = base64.b64decode(payload, validate=True)
        payload, encoding = data.decode(), "utf-8"
    except binascii.Error:
        data = payload
    except UnicodeDecodeError:
        pass
    return Arrival(
        position=position,
        # `shardId-000000000000:<sequence number>`: sequence numbers alone are unique in their shard only.
        name=raw["eventID"].replace(":", "-"),
        shard=raw["eventID"].partition(":")[0],
        source=raw["eventSourceARN"],
        arrived=datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], UTC),
        payload=payload,
        payload_encoding=encoding,
        partition_key=kinesis["partitionKey"],
        read=partial(read_envelope, data, position),
    )


def _from_dynamodb(raw: Mapping[str, Any]) -> Arrival:
    change = raw["dynamodb"]
    position = change["SequenceNumber"]
    return Arrival(
        position=position,
        name=f"{position}-{raw['eventID']}",
        source=raw["eventSourceARN"],
        arrived=datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC),
        payload=json.dumps(raw, separators=(",", ":")),
        payload_encoding="utf-8",
        read=partial(_read_change, raw, position),
    )


def read_envelope(text: str | bytes, position: str) -> Record:
    """Return the record of an envelope.

    Raises:
        InvalidEnvelopeError: If *text* is none.
    """
    envelope = Envelope.from_json(text)
    return Record(
        id=envelope.id,
        key=envelope.key,
        tenant=envelope.tenant,
        body=envelope.body,
        position=position,
        correlation_id=envelope.correlation_id,
        created=envelope.created,
        replay=envelope.replay,
    )


def _read_change(raw: Mapping[str, Any], position: str) -> Record:
    change = Change.from_event(raw)
    return Record(
        id=change.id,
        key=change.key,
        tenant=change.tenant,
        body=change.body,
        position=position,
        correlation_id=change.correlation_id,
        created=change.created,
    )
