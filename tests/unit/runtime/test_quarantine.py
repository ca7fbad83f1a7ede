import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from constructs_lib.runtime.quarantine import Case, S3Quarantine
from constructs_lib.runtime.records import stream_arrivals
from tests.unit.runtime.events import STREAM_ARN, envelope, kinesis_event

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KEY = "quarantine/slack/2026/11/21/shardId-000000000006-1.json"


@pytest.fixture
def s3(aws: None) -> "S3Client":
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return client


def _keep(client: "S3Client", data: str | bytes, *, bucket: str = "bucket", readable: bool = True) -> None:
    [arrival] = stream_arrivals(kinesis_event([data]))
    quarantine = S3Quarantine(
        client=client, bucket=bucket, dependency="slack", now=lambda: datetime(2026, 11, 22, tzinfo=UTC)
    )
    record = arrival.read() if readable else None
    quarantine.keep(
        Case(
            arrival=arrival, record=record, kind="unknown", reason="KeyError: 'x'", attempts=3, function="notify-slack"
        )
    )


def _kept(client: "S3Client") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(client.get_object(Bucket="bucket", Key=KEY)["Body"].read())
    return content


def test_everything_needed_to_explain_and_send_again_is_kept(s3: "S3Client") -> None:
    """One object tells what failed, why, after how many attempts, where it came from, and holds the payload."""
    payload = envelope().to_json()
    _keep(s3, payload)
    assert _kept(s3) == {
        "kind": "unknown",
        "reason": "KeyError: 'x'",
        "attempts": 3,
        "dependency": "slack",
        "function": "notify-slack",
        "source": STREAM_ARN,
        "position": "1",
        "partition_key": "partition-key-1",
        "arrived": "2026-11-21T03:04:05.500000Z",
        "quarantined": "2026-11-22T00:00:00Z",
        "id": "m-1",
        "key": "key-of-m-1",
        "tenant": "acme",
        "correlation_id": "correlation-of-m-1",
        "payload_encoding": "utf-8",
        "payload": payload,
    }


def test_bytes_that_are_no_text_are_kept(s3: "S3Client") -> None:
    """A payload nobody can read comes back byte by byte."""
    _keep(s3, b"\xff\x00", readable=False)
    kept = _kept(s3)
    assert (kept["payload_encoding"], base64.b64decode(kept["payload"])) == ("base64", b"\xff\x00")
    assert kept["id"] is kept["key"] is kept["tenant"] is kept["correlation_id"] is None


def test_record_that_comes_again_is_kept_once(s3: "S3Client") -> None:
    """After a crash the same record lands in the same object, whatever day it is by then."""
    for _ in range(2):
        _keep(s3, envelope().to_json())
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]] == [KEY]


def test_bucket_that_cannot_be_written_is_an_error(s3: "S3Client") -> None:
    """The caller learns that the record is not safe."""
    with pytest.raises(ClientError):
        _keep(s3, "x", bucket="no-such-bucket", readable=False)
