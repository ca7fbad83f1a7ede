"""Where records go that cannot be processed: one S3 object each, to be read, explained and sent again.

The object `quarantine/<dependency>/YYYY/MM/DD/<shard and position>.json` (day of arrival, UTC) is JSON with

* `kind`: `permanent` (the handler said so), `unknown` (every attempt failed), `unreadable`, `unavailable` (the
  dependency failed for this record again and again while it answered others), `crashed` (the function ended every time
  it was at work on it) or `expired` (it had waited as long as a record may); `reason` in words;
* `payload` as received and `payload_encoding` (`utf-8`, or `base64` of bytes that are no text);
* `attempts` in the invocation that gave up, `dependency`, `function`, `source` (ARN of the stream), `position`,
  `partition_key` (Kinesis only), `arrived`, `quarantined`;
* `id`, `key`, `tenant`, `correlation_id` of the record, null where it could not be read.

The name follows from the record alone: when a crash makes a record come again, its object is written over, not twice.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from constructs_lib.runtime.records import Arrival, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.client import S3Client

Kind = Literal["permanent", "unknown", "unreadable", "unavailable", "crashed", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One record that cannot be processed, and why.

    Args:
        arrival: The record as received.
        record: The record as read; None where it cannot be.
        kind: Who gave it up.
        reason: Why, in words, without secrets.
        attempts: How often the handler was called with it in this invocation.
        function: Name of the Lambda function.
    """

    arrival: Arrival
    record: Record | None
    kind: Kind
    reason: str
    attempts: int
    function: str


class Quarantine(Protocol):
    """Port to the place where failed records are kept."""

    def keep(self, case: Case) -> None:
        """Store *case* for good, or raise."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Quarantine:
    """A quarantine in a bucket, which encrypts what it stores.

    Args:
        client: S3 client.
        bucket: Name of the bucket.
        dependency: Name of the dependency the records were for.
        now: Clock. Default: the system's.
    """

    client: "S3Client"
    bucket: str
    dependency: str
    now: "Callable[[], datetime]" = _now

    def keep(self, case: Case) -> None:
        """Store *case* for good, or raise."""
        arrival, record = case.arrival, case.record
        content = {
            "kind": case.kind,
            "reason": case.reason,
            "attempts": case.attempts,
            "dependency": self.dependency,
            "function": case.function,
            "source": arrival.source,
            "position": arrival.position,
            "partition_key": arrival.partition_key,
            "arrived": _timestamp(arrival.arrived),
            "quarantined": _timestamp(self.now()),
            "id": record.id if record else None,
            "key": record.key if record else None,
            "tenant": record.tenant if record else None,
            "correlation_id": record.correlation_id if record else None,
            "payload_encoding": arrival.payload_encoding,
            "payload": arrival.payload,
        }
        self.client.put_object(
            Bucket=self.bucket,
            Key=f"quarantine/{self.dependency}/{arrival.arrived:%Y/%m/%d}/{arrival.name}.json",
            Body=json.dumps(content).encode(),
            ContentType="application/json",
        )


def _timestamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
