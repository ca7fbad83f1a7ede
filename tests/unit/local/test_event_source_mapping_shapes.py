"""What functions and on-failure destinations receive, and which settings are taken from the API."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from constructs_lib.local.event_source_mapping.config import DAY, PAYLOAD_LIMIT, Config, on_failure_destination
from constructs_lib.local.event_source_mapping.destination import Discarded, payload
from constructs_lib.local.event_source_mapping.messages import (
    Condition,
    Discard,
    FunctionFailed,
    Record,
    Responded,
)
from constructs_lib.local.event_source_mapping.records import Source, dynamodb_record, kinesis_record
from constructs_lib.local.event_source_mapping.unknowns import Unknowns

KINESIS = Source(
    stream_arn="arn:aws:kinesis:us-east-1:123456789012:stream/orders",
    region="us-east-1",
    role_arn="arn:aws:iam::123456789012:role/worker",
)
TABLE = Source(
    stream_arn="arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000",
    region="us-east-1",
    role_arn="arn:aws:iam::123456789012:role/worker",
)
ARRIVED = datetime(2019, 11, 14, 0, 38, 4, 835000, tzinfo=UTC)


def test_a_kinesis_record_reaches_the_function_as_on_aws() -> None:
    """The example event of Lambda's Kinesis page, field by field."""
    record = kinesis_record(
        {
            "SequenceNumber": "4959",
            "ApproximateArrivalTimestamp": ARRIVED,
            "Data": b"Hello, this is a test.",
            "PartitionKey": "1",
            "EncryptionType": "KMS",
        },
        "shardId-000000000006",
        KINESIS,
    )
    assert record.event == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "1",
            "sequenceNumber": "4959",
            "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
            "approximateArrivalTimestamp": 1573691884.835,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:4959",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/worker",
        "awsRegion": "us-east-1",
        "eventSourceARN": KINESIS.stream_arn,
    }
    assert (record.sequence, record.key, record.arrived) == ("4959", "1", 1573691884.835)
    assert record.size == len(json.dumps(record.event))


def _change(**more: Any) -> dict[str, Any]:
    return {
        "eventID": "1",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": datetime(2019, 11, 14, 0, 13, 19, tzinfo=UTC),
            "Keys": {"id": {"N": "101"}, "at": {"S": "x"}},
            "NewImage": {"id": {"N": "101"}, "raw": {"B": b"xy"}, "many": {"L": [{"BS": [b"z"]}]}},
            "SequenceNumber": "800",
            "SizeBytes": 26,
            "StreamViewType": "NEW_IMAGE",
        },
        **more,
    }


def test_a_dynamodb_record_reaches_the_function_as_on_aws() -> None:
    """The example event of Lambda's DynamoDB page; binary values are Base64 text."""
    record = dynamodb_record(_change(), TABLE)
    assert record.event == {
        "eventID": "1",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1573690399.0,
            "Keys": {"id": {"N": "101"}, "at": {"S": "x"}},
            "NewImage": {"id": {"N": "101"}, "raw": {"B": "eHk="}, "many": {"L": [{"BS": ["eg=="]}]}},
            "SequenceNumber": "800",
            "SizeBytes": 26,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": TABLE.stream_arn,
    }
    assert record.sequence == "800"
    assert record.arrived == 1573690399.0


def test_order_of_a_table_is_kept_by_the_whole_primary_key() -> None:
    """Partition and sort key together name the item, in whatever order they are written."""
    one, other, same = _change(), _change(), _change()
    other["dynamodb"] = {**one["dynamodb"], "Keys": {"id": {"N": "101"}, "at": {"S": "y"}}}
    same["dynamodb"] = {**one["dynamodb"], "Keys": {"at": {"S": "x"}, "id": {"N": "101"}}}
    assert dynamodb_record(one, TABLE).key == dynamodb_record(same, TABLE).key
    assert dynamodb_record(one, TABLE).key != dynamodb_record(other, TABLE).key


def test_a_deletion_by_time_to_live_says_so() -> None:
    """Lambda writes the identity of the deleting service with small letters."""
    change = _change(userIdentity={"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"})
    assert dynamodb_record(change, TABLE).event["userIdentity"] == {
        "principalId": "dynamodb.amazonaws.com",
        "type": "Service",
    }


def _discarded(discard: Discard, source: Source = KINESIS) -> Discarded:
    return Discarded(
        discard=discard,
        source=source,
        mapping_id="f89f8514-cdd9-4602-9e1f-01a5b77d449b",
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:worker",
        shard_id="shardId-000000000001",
        now=datetime(2019, 11, 14, 0, 38, 6, 21000, tzinfo=UTC).timestamp(),
        request_id="made-up",
    )


RECORDS = (
    Record("4960", "1", ARRIVED.timestamp(), 0, {"eventID": "one"}),
    Record("4961", "1", ARRIVED.timestamp() + 0.745, 0, {"eventID": "two"}),
)


def test_queues_and_topics_receive_metadata_only() -> None:
    """The example of Lambda's Kinesis failure page, field by field, in its order."""
    failed = FunctionFailed(request_id="c9b8fa9f", executed_version="$LATEST")
    record = _discarded(Discard(1, RECORDS, Condition.RETRY_ATTEMPTS_EXHAUSTED, 3, failed, True)).metadata()
    assert json.loads(json.dumps(record)) == {
        "requestContext": {
            "requestId": "c9b8fa9f",
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:worker",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:06.021Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000001",
            "startSequenceNumber": "4960",
            "endSequenceNumber": "4961",
            "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
            "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
            "batchSize": 2,
            "streamArn": KINESIS.stream_arn,
        },
    }
    assert list(record) == ["requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"]


def test_partial_failures_are_reported_without_a_function_error() -> None:
    """The function returned, so `functionError` is null."""
    answer = Responded({"batchItemFailures": []}, request_id="r")
    record = _discarded(Discard(1, RECORDS, Condition.RETRY_ATTEMPTS_EXHAUSTED, 3, answer, True)).metadata()
    assert record["responseContext"]["functionError"] is None


def test_aged_batches_are_reported_without_a_response() -> None:
    """No `responseContext`; the request id names the report itself."""
    record = _discarded(Discard(1, RECORDS, Condition.RECORD_AGE_EXCEEDED, 1, None, True)).metadata()
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    assert record["requestContext"]["requestId"] == "made-up"
    assert "responseContext" not in record


def test_batches_of_tables_are_reported_under_their_own_name() -> None:
    """`DDBStreamBatchInfo`, with times in whole seconds."""
    record = _discarded(Discard(1, RECORDS, Condition.RECORD_AGE_EXCEEDED, 1, None, True), TABLE).metadata()
    assert "KinesisBatchInfo" not in record
    assert record["DDBStreamBatchInfo"]["approximateArrivalOfFirstRecord"] == "2019-11-14T00:38:04Z"
    assert record["DDBStreamBatchInfo"]["streamArn"] == TABLE.stream_arn


def test_buckets_receive_the_event_too() -> None:
    """`payload` is the whole event as a JSON text."""
    discarded = _discarded(Discard(1, RECORDS, Condition.RECORD_AGE_EXCEEDED, 1, None, True))
    record = discarded.with_payload()
    assert record.pop("payload") == payload(RECORDS)
    assert record == discarded.metadata()
    assert json.loads(payload(RECORDS)) == {"Records": [{"eventID": "one"}, {"eventID": "two"}]}


def test_objects_are_named_as_on_aws() -> None:
    """Mapping, shard, day, second, and something random."""
    discarded = _discarded(Discard(1, RECORDS, Condition.RECORD_AGE_EXCEEDED, 1, None, True))
    assert discarded.object_key("random") == (
        "aws/lambda/f89f8514-cdd9-4602-9e1f-01a5b77d449b/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-random"
    )


def test_settings_left_out_have_the_defaults_of_aws() -> None:
    """As in Lambda's table of parameters."""
    config = Config.from_api({})
    assert config == Config()
    assert (config.batch_size, config.window, config.parallelization) == (100, 0, 1)
    assert (config.retries, config.record_age, config.bisect) == (-1, -1, False)
    assert (config.partial_responses, config.destination, config.filters) == (False, False, None)


def test_settings_are_taken_from_the_mapping() -> None:
    """Every one that a stream mapping has."""
    arn = "arn:aws:sqs:us-east-1:123456789012:failures"
    unknowns = Unknowns()
    config = Config.from_api(
        {
            "BatchSize": "7",
            "MaximumBatchingWindowInSeconds": 5,
            "ParallelizationFactor": 2,
            "MaximumRetryAttempts": 0,
            "MaximumRecordAgeInSeconds": 60,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {"OnFailure": {"Destination": arn}},
            "FilterCriteria": {"Filters": [{"Pattern": '{"data": ["x"]}'}]},
        },
        retention=7 * DAY,
        poll_interval=0.05,
        unknowns=unknowns,
    )
    assert config.filters
    assert config == Config(
        batch_size=7,
        window=5,
        parallelization=2,
        retries=0,
        record_age=60,
        bisect=True,
        partial_responses=True,
        destination=True,
        filters=config.filters,
        retention=7 * DAY,
        poll_interval=0.05,
        unknowns=unknowns,
    )


@pytest.mark.parametrize(
    "mapping", [{}, {"DestinationConfig": {}}, {"DestinationConfig": {"OnFailure": {"Destination": ""}}}]
)
def test_a_removed_destination_is_none(mapping: dict[str, Any]) -> None:
    """An empty text is how the API removes one."""
    assert on_failure_destination(mapping) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BatchSize", 0),
        ("BatchSize", 10_001),
        ("MaximumBatchingWindowInSeconds", 301),
        ("ParallelizationFactor", 0),
        ("ParallelizationFactor", 11),
        ("MaximumRetryAttempts", -2),
        ("MaximumRetryAttempts", 10_001),
        ("MaximumRecordAgeInSeconds", 604_801),
    ],
)
def test_a_setting_outside_its_range_is_refused_by_name(name: str, value: int) -> None:
    """The sentence names setting, value and range."""
    with pytest.raises(ValueError, match=rf"{name} is {value}; allowed is"):
        Config.from_api({name: value})


def test_tumbling_windows_are_refused_rather_than_ignored() -> None:
    """Without its window state the function would silently compute something else."""
    with pytest.raises(ValueError, match="TumblingWindowInSeconds"):
        Config.from_api({"TumblingWindowInSeconds": 30})


def test_the_payload_limit_is_that_of_synchronous_invocations() -> None:
    """6 MB."""
    assert PAYLOAD_LIMIT == 6_291_456
