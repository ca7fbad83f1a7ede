"""What is in an object of a quarantine bucket: one record by our runtime, or a batch by Lambda.

What our runtime writes is told in `constructs_lib.runtime.quarantine`, what Lambda writes in its developer guide:
https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
"""

import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from constructs_lib.runtime.envelope import InvalidEnvelopeError
from constructs_lib.runtime.quarantine import Kind
from constructs_lib.runtime.records import Arrival, stream_arrivals

BY_RUNTIME = "quarantine/"
BY_LAMBDA = "aws/lambda/"
EXHAUSTED = "exhausted"
MALFORMED = "malformed"
KINDS = (*get_args(Kind), EXHAUSTED, MALFORMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One record in quarantine, without its payload. What could not be read is None.

    Attributes:
        id: Names it for an operator: shard and position, or the object's key where it is malformed.
        object_key: Where it is kept.
        mark: Key of the object that says it is settled.
        kind: One of `KINDS`. Beside the runtime's own: `expired` also where Lambda gave it up for its age, `exhausted`
            where Lambda ran out of retries, `malformed` where the object is not what its writer should have written.
        reason: Why, in words.
        quarantined: When.
        attempts: How often it was tried.
        source: ARN of the stream it comes from.
        position: Sequence number there.
        partition_key: What it was put there with; None on a DynamoDB stream.
        arrived: When it came to the stream.
        record_id: Id of the message.
        key: What the message is about.
        tenant: On whose behalf it travels.
        correlation_id: Joins it with what led to it.
        function: The function that was called with it.
    """

    id: str
    object_key: str
    mark: str
    kind: str
    reason: str
    quarantined: datetime
    attempts: int = 0
    source: str | None = None
    position: str | None = None
    partition_key: str | None = None
    arrived: datetime | None = None
    record_id: str | None = None
    key: str | None = None
    tenant: str | None = None
    correlation_id: str | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An item with its payload.

    Attributes:
        item: The item.
        payload: As received: text, or base64 of bytes that are no text; None in a malformed object.
        encoding: `utf-8`, or `base64`.
    """

    item: Item
    payload: str | None
    encoding: str = "utf-8"

    def data(self) -> bytes:
        """The payload's bytes, as they were put on the stream."""
        assert self.payload is not None
        return base64.b64decode(self.payload, validate=True) if self.encoding == "base64" else self.payload.encode()


def read(key: str, content: bytes, written: datetime) -> tuple[Kept, ...]:
    """Return what is in the object *key*, written at that time; never raises for what it holds."""
    try:
        parsed = json.loads(content)
        return _batch(key, parsed) if key.startswith(BY_LAMBDA) else (_single(key, parsed),)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return (Kept(_malformed(key, f"the object cannot be read: {missing}", written), None),)


def mark_of(key: str) -> str:
    """Key of what says that the one record in an object of our runtime is settled."""
    return "settled/" + "/".join(key.split("/")[-4:])


def mark_of_object(key: str) -> str:
    """Key of what says that an object of Lambda needs no look any more."""
    return f"settled/objects/{key}"


def _single(key: str, content: Mapping[str, Any]) -> Kept:
    payload, encoding = content["payload"], content["payload_encoding"]
    item = Item(
        id=_name(key),
        object_key=key,
        mark=mark_of(key),
        kind=content["kind"],
        reason=content["reason"],
        quarantined=_moment(content["quarantined"]),
        attempts=content["attempts"],
        source=content["source"],
        position=content["position"],
        partition_key=content["partition_key"],
        arrived=_moment(content["arrived"]),
        record_id=content["id"],
        key=content["key"],
        tenant=content["tenant"],
        correlation_id=content["correlation_id"],
        function=content["function"],
    )
    return _checked(Kept(item, payload, encoding))


def _batch(key: str, content: Mapping[str, Any]) -> tuple[Kept, ...]:
    context, payload = content["requestContext"], content["payload"]
    event = payload if isinstance(payload, dict) else json.loads(payload)
    condition = context["condition"]
    quarantined = _moment(content["timestamp"])

    def item(arrival: Arrival) -> Item:
        record = None
        with contextlib.suppress(InvalidEnvelopeError):
            record = arrival.read()
        return Item(
            id=arrival.name,
            object_key=key,
            mark=f"settled/{arrival.arrived:%Y/%m/%d}/{arrival.name}.json",
            kind=EXHAUSTED if condition == "RetryAttemptsExhausted" else "expired",
            reason=f"Lambda discarded its batch: {condition}",
            quarantined=quarantined,
            attempts=context["approximateInvokeCount"],
            source=arrival.source,
            position=arrival.position,
            partition_key=arrival.partition_key,
            arrived=arrival.arrived,
            record_id=record.id if record else None,
            key=record.key if record else None,
            tenant=record.tenant if record else None,
            correlation_id=record.correlation_id if record else None,
            function=context["functionArn"].split(":function:")[-1].partition(":")[0],
        )

    return tuple(
        _checked(Kept(item(arrival), arrival.payload, arrival.payload_encoding)) for arrival in stream_arrivals(event)
    )


def _checked(kept: Kept) -> Kept:
    """Refuse what could not be sent again as it was."""
    kept.data()
    int(kept.item.position or "")
    return kept


def _malformed(key: str, reason: str, written: datetime) -> Item:
    mark = mark_of_object(key) if key.startswith(BY_LAMBDA) else mark_of(key)
    return Item(id=key, object_key=key, mark=mark, kind=MALFORMED, reason=reason, quarantined=written)


def _name(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
