"""Stream records as functions see them.

Shapes: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html and with-ddb.html, "Example event".
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from constructs_lib.local.event_source_mapping.messages import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where records of a mapping come from.

    Args:
        stream_arn: The stream, or the consumer of it, as the mapping names it.
        region: The stream's region.
        role_arn: The function's role, which events name as the one that invokes.
    """

    stream_arn: str
    region: str
    role_arn: str

    @property
    def is_kinesis(self) -> bool:
        """Whether this is a Kinesis stream; otherwise it is a DynamoDB stream."""
        return ":kinesis:" in self.stream_arn


def kinesis_record(record: Mapping[str, Any], shard_id: str, source: Source) -> Record:
    """A record of Kinesis' GetRecords."""
    arrived = _seconds(record["ApproximateArrivalTimestamp"])
    sequence = record["SequenceNumber"]
    event = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": sequence,
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": arrived,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard_id}:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": source.role_arn,
        "awsRegion": source.region,
        "eventSourceARN": source.stream_arn,
    }
    return Record(sequence, record["PartitionKey"], arrived, len(json.dumps(event)), event)


def dynamodb_record(record: Mapping[str, Any], source: Source) -> Record:
    """A record of DynamoDB Streams' GetRecords."""
    change = dict(record["dynamodb"])
    arrived = _seconds(change["ApproximateCreationDateTime"])
    change = {name: _json_image(value) for name, value in change.items()}
    change["ApproximateCreationDateTime"] = arrived
    event = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record["eventVersion"],
        "eventSource": record["eventSource"],
        "awsRegion": record["awsRegion"],
        "dynamodb": change,
        "eventSourceARN": source.stream_arn,
    }
    if "userIdentity" in record:
        # The API writes the names with a capital letter, the event without (deletions by time to live).
        event["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in record["userIdentity"].items()}
    key = json.dumps(change["Keys"], sort_keys=True)
    return Record(change["SequenceNumber"], key, arrived, len(json.dumps(event)), event)


def _json_image(value: Any) -> Any:
    """DynamoDB's attribute values as JSON: binary values as Base64."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {name: _json_image(inner) for name, inner in value.items()}
        case list():
            return [_json_image(inner) for inner in value]
        case _:
            return value


def _seconds(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
