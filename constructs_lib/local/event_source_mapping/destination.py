"""What an on-failure destination receives about a discarded batch.

Shapes: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html and services-dynamodb-errors.html.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from constructs_lib.local.event_source_mapping.messages import Discard, FunctionFailed, Record
from constructs_lib.local.event_source_mapping.records import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """A discarded batch with what a destination needs to name it."""

    discard: Discard
    source: Source
    mapping_id: str
    function_arn: str
    shard_id: str
    now: float
    request_id: str
    """Used where the batch was never invoked."""

    def metadata(self) -> dict[str, Any]:
        """The invocation record that goes to SQS and SNS: no payload."""
        discard = self.discard
        request_id = discard.response.request_id if discard.response else ""
        record: dict[str, Any] = {
            "requestContext": {
                "requestId": request_id or self.request_id,
                "functionArn": self.function_arn,
                "condition": discard.condition,
                "approximateInvokeCount": discard.invoke_count,
            }
        }
        if discard.response:
            error = discard.response.error if isinstance(discard.response, FunctionFailed) else None
            record["responseContext"] = {
                "statusCode": 200,
                "executedVersion": discard.response.executed_version,
                "functionError": error,
            }
        record["version"] = "1.0"
        record["timestamp"] = _milliseconds(self.now)
        record["KinesisBatchInfo" if self.source.is_kinesis else "DDBStreamBatchInfo"] = self._batch_info()
        return record

    def with_payload(self) -> dict[str, Any]:
        """The invocation record that goes to S3: with the whole event, as a JSON text."""
        return {**self.metadata(), "payload": payload(self.discard.records)}

    def object_key(self, suffix: str) -> str:
        """Where the record goes in an S3 bucket; *suffix* is a random UUID."""
        day = _moment(self.now)
        return f"aws/lambda/{self.mapping_id}/{self.shard_id}/{day:%Y/%m/%d}/{day:%Y-%m-%dT%H.%M.%S}-{suffix}"

    def _batch_info(self) -> dict[str, Any]:
        records = self.discard.records
        # DynamoDB's times of change have no fraction, and its records name them so.
        written = _milliseconds if self.source.is_kinesis else _whole_seconds
        return {
            "shardId": self.shard_id,
            "startSequenceNumber": records[0].sequence,
            "endSequenceNumber": records[-1].sequence,
            "approximateArrivalOfFirstRecord": written(records[0].arrived),
            "approximateArrivalOfLastRecord": written(records[-1].arrived),
            "batchSize": len(records),
            "streamArn": self.source.stream_arn,
        }


def payload(records: Sequence[Record]) -> str:
    """The event a function is invoked with."""
    return json.dumps({"Records": [record.event for record in records]})


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _milliseconds(seconds: float) -> str:
    return _moment(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whole_seconds(seconds: float) -> str:
    return _moment(seconds).isoformat(timespec="seconds").replace("+00:00", "Z")
