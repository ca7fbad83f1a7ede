"""Events as Lambda delivers them, in their full wire shape."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from constructs_lib.runtime.envelope import Envelope

STREAM_ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/slack"
TABLE_STREAM_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/alerts/stream/2026-01-01T00:00:00.000"
QUEUE_ARN = "arn:aws:sqs:eu-west-1:123456789012:events"

# 2026-11-21T03:04:05.5Z
ARRIVED = 1_795_230_245.5


def envelope(id: str = "m-1", **fields: Any) -> Envelope:
    values: dict[str, Any] = {
        "key": f"key-of-{id}",
        "tenant": "acme",
        "correlation_id": f"correlation-of-{id}",
        "created": "2026-11-21T03:04:05Z",
        "body": {"text": "sesame"},
    }
    return Envelope(id=id, **(values | fields))


def kinesis_event(data: Sequence[str | bytes]) -> dict[str, Any]:
    """Return an event with one record per element; the first has the position "1"."""
    return {"Records": [_kinesis_record(str(index), datum) for index, datum in enumerate(data, start=1)]}


def _kinesis_record(position: str, data: str | bytes) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": f"partition-key-{position}",
            "sequenceNumber": position,
            "data": base64.b64encode(data.encode() if isinstance(data, str) else data).decode(),
            "approximateArrivalTimestamp": ARRIVED,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000006:{position}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/consumer",
        "awsRegion": "eu-west-1",
        "eventSourceARN": STREAM_ARN,
    }


def change_record(position: str = "111", name: str = "MODIFY", **images: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of a DynamoDB stream; *images* are Keys, NewImage and OldImage in DynamoDB's JSON."""
    return {
        "eventID": f"event-{position}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_230_245,
            "Keys": {"id": {"S": "a-1"}},
            "SequenceNumber": position,
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **images,
        },
        "eventSourceARN": TABLE_STREAM_ARN,
    }


def sqs_event(
    bodies: Sequence[str],
    *,
    deliveries: int = 1,
    attributes: Mapping[str, str] | None = None,
    groups: Sequence[str] | None = None,
    fifo: bool = False,
) -> dict[str, Any]:
    """Return an event with one message per body; the first has the message id "1"."""
    return {
        "Records": [
            _sqs_record(
                str(index), body, deliveries, attributes or {}, groups[index - 1] if groups else None, fifo=fifo
            )
            for index, body in enumerate(bodies, start=1)
        ]
    }


def _sqs_record(
    position: str, body: str, deliveries: int, attributes: Mapping[str, str], group: str | None, *, fifo: bool
) -> dict[str, Any]:
    system = {
        "ApproximateReceiveCount": str(deliveries),
        "SentTimestamp": "1795230245500",
        "SenderId": "AIDAEXAMPLE",
        "ApproximateFirstReceiveTimestamp": "1795230245501",
    }
    if group:
        system["MessageGroupId"] = group
    if fifo:
        system |= {"SequenceNumber": f"1886963263655590810{position}", "MessageDeduplicationId": position}
    return {
        "messageId": position,
        "receiptHandle": f"receipt-{position}",
        "body": body,
        "attributes": system,
        "messageAttributes": {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in attributes.items()
        },
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": "eu-west-1",
    }
