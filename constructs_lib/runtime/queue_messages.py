"""Messages of a queue, and the key by which copies of one are known.

The key is the sender's own, for only the sender knows what is the same message sent twice. It is looked for in this order:

1. the `id` of an envelope, in the body or in the `Message` of an SNS notification in the body;
2. the message attribute `idempotency_key`;
3. the `MessageId` of an SNS notification: copies by SNS share it, what was published twice does not;
4. the `id` of an EventBridge event;
5. only where it is asked for: the SHA-256 of the body's canonical JSON. Then two messages with the same content are one.

A replay is marked by `replay` in the envelope, by the message attribute `replay` with the text `true`, or by EventBridge
itself, which adds `replay-name` to the events of an archive that it sends again.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from constructs_lib.runtime.digests import REPLAY_FIELD, content_hash, is_event
from constructs_lib.runtime.envelope import InvalidEnvelopeError, is_utf8
from constructs_lib.runtime.records import Arrival, Queued, Record, read_envelope

KEY_ATTRIBUTE = "idempotency_key"
CORRELATION_ATTRIBUTE = "correlation_id"
REPLAY_ATTRIBUTE = "replay"
_NO_TENANT = "-"


def queue_arrivals(event: Mapping[str, Any], *, key_from_content: bool = False) -> list[Arrival]:
    """Return the messages of an SQS event.

    Args:
        event: As Lambda passes it.
        key_from_content: Whether a message without a key of its sender's is known by its content.

    Raises:
        ValueError: If the event comes from something else.
    """
    for raw in event["Records"]:
        if raw["eventSource"] != "aws:sqs":
            raise ValueError(f"a queue consumer reads SQS queues, this event is from {raw['eventSource']!r}")
    return [_arrival(raw, key_from_content=key_from_content) for raw in event["Records"]]


def _arrival(raw: Mapping[str, Any], *, key_from_content: bool) -> Arrival:
    attributes = raw["attributes"]
    queued = Queued(
        receipt=raw["receiptHandle"],
        group=attributes.get("MessageGroupId"),
        ordered="SequenceNumber" in attributes,
        attributes=raw.get("messageAttributes") or {},
    )
    arrived = datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1_000, UTC)
    return Arrival(
        position=raw["messageId"],
        name=raw["messageId"],
        source=raw["eventSourceARN"],
        arrived=arrived,
        payload=raw["body"],
        payload_encoding="utf-8",
        deliveries=int(attributes["ApproximateReceiveCount"]),
        queued=queued,
        read=partial(_read, raw["body"], queued, raw["messageId"], arrived, key_from_content=key_from_content),
    )


def _read(text: str, queued: Queued, position: str, arrived: datetime, *, key_from_content: bool) -> Record:
    """Return the record of a message.

    Raises:
        InvalidEnvelopeError: If it is no JSON object, or nothing names it.
    """
    body = _json_object(text)
    if body is None:
        raise InvalidEnvelopeError("not a message: the body must be a JSON object")
    is_replay = _is_replay(body, queued)
    if _looks_like_envelope(body):
        return _marked(read_envelope(text, position), is_replay=is_replay)
    published = body.get("Message") if _is_notification(body) else None
    if isinstance(published, str) and _looks_like_envelope(_json_object(published) or {}):
        return _marked(read_envelope(published, position), is_replay=is_replay)
    key = _key(body, queued)
    if key is not None and not is_utf8(key):
        raise InvalidEnvelopeError("the idempotency key has half of a surrogate pair, which no store takes")
    if key is None and key_from_content:
        key = content_hash(body)
    if key is None:
        raise InvalidEnvelopeError(
            "no idempotency key: the body is neither an envelope nor an SNS notification nor an EventBridge event, and "
            f"there is no message attribute {KEY_ATTRIBUTE}; send one of them, or let the consumer take a hash of the "
            "content (key_from_content=True)"
        )
    return Record(
        id=key,
        key=queued.group if queued.ordered and queued.group else key,
        tenant=queued.group or _NO_TENANT,
        body=body,
        position=position,
        correlation_id=queued.text(CORRELATION_ATTRIBUTE) or key,
        created=arrived.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        replay=is_replay,
    )


def _marked(record: Record, *, is_replay: bool) -> Record:
    return replace(record, replay=True) if is_replay else record


def _is_replay(body: Mapping[str, Any], queued: Queued) -> bool:
    marked = queued.text(REPLAY_ATTRIBUTE)
    if marked not in (None, "true", "false"):
        # To take it for a message of now would cause effects outside.
        raise InvalidEnvelopeError(f"the message attribute {REPLAY_ATTRIBUTE} must be the text true or false")
    return marked == "true" or (is_event(body) and REPLAY_FIELD in body)


def _key(body: Mapping[str, Any], queued: Queued) -> str | None:
    attribute = queued.text(KEY_ATTRIBUTE)
    if attribute is not None:
        return attribute
    if _is_notification(body):
        return str(body["MessageId"])
    if is_event(body):
        return str(body["id"])
    return None


def _is_notification(body: Mapping[str, Any]) -> bool:
    # SNS developer guide, "Parsing message formats": what SNS puts into a queue without raw delivery.
    return body.get("Type") == "Notification" and isinstance(body.get("MessageId"), str) and bool(body["MessageId"])


def _looks_like_envelope(body: Mapping[str, Any]) -> bool:
    return "v" in body and "body" in body


def _json_object(text: str) -> Mapping[str, Any] | None:
    try:
        body = json.loads(text)
    # A deeply nested text exhausts the parser's stack: bad input like any other.
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
