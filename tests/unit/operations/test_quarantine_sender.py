"""What Kinesis answers, in the words of a redrive."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from constructs_lib.operations.quarantine.sender import Kinesis, Outgoing, Refused, Taken, is_kinesis
from tests.unit.operations.world import STREAM

RECORDS = [Outgoing("a", b"1"), Outgoing("b", b"2")]


@pytest.fixture
def stub() -> Stubber:
    client = boto3.client("kinesis", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    return Stubber(client)


def kinesis(stub: Stubber, regions: list[str] | None = None) -> Kinesis:
    def client(region: str) -> Any:
        if regions is not None:
            regions.append(region)
        return stub.client

    return Kinesis(client)


def test_each_record_has_its_own_answer(stub: Stubber) -> None:
    """A call that fails in part is told record by record, and goes to the stream's own region."""
    answer = {
        "FailedRecordCount": 1,
        "Records": [
            {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"},
            {"ShardId": "shardId-000000000001", "SequenceNumber": "77"},
        ],
    }
    records = [{"PartitionKey": "a", "Data": b"1"}, {"PartitionKey": "b", "Data": b"2"}]
    stub.add_response("put_records", answer, {"StreamARN": STREAM, "Records": records})
    regions: list[str] = []
    with stub:
        assert kinesis(stub, regions).put(STREAM, RECORDS) == [
            Refused("ProvisionedThroughputExceededException: Rate exceeded for shard"),
            Taken("shardId-000000000001", "77"),
        ]
    assert regions == ["eu-west-1"]


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"]
)
def test_a_call_that_is_throttled_refuses_each_record(stub: Stubber, code: str) -> None:
    """No reason to end: the redrive tries again, more slowly."""
    stub.add_client_error("put_records", code)
    with stub:
        assert kinesis(stub).put(STREAM, RECORDS) == [Refused(code), Refused(code)]


def test_any_other_error_ends_the_redrive(stub: Stubber) -> None:
    """Trying again would not help."""
    stub.add_client_error("put_records", "AccessDeniedException")
    with stub, pytest.raises(ClientError):
        kinesis(stub).put(STREAM, RECORDS)


def test_kinesis_streams_are_told_from_others() -> None:
    """By their ARNs, in every partition."""
    assert is_kinesis("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/s")
    assert not is_kinesis("arn:aws:dynamodb:eu-west-1:123456789012:table/kinesis/stream/1")
    assert not is_kinesis("")
