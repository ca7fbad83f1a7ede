"""What a dependency's consumer may do, and with what."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from constructs_lib._quarantine_lifetime import PARKED

# What Lambda needs to poll a stream (Lambda developer guide, "Using Lambda with Kinesis"), for this stream alone.
_POLL = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)


def let_consume(consumer: lambda_.Function, stream: kinesis.IStream, bucket: s3.IBucket) -> iam.Grant:
    """Let *consumer* read the stream, put failures into the bucket, and read there what is parked.

    Lambda polls and exports in the consumer's name.
    """
    return let_poll(consumer, stream).combine(let_keep(consumer, bucket))


def let_poll(consumer: lambda_.Function, stream: kinesis.IStream) -> iam.Grant:
    """Let Lambda poll the stream in the name of *consumer*."""
    return _grant(consumer, _POLL, stream.stream_arn)


def let_keep(consumer: lambda_.Function, bucket: s3.IBucket) -> iam.Grant:
    """Let *consumer* put failures into the bucket, and read there what is parked."""
    return (
        _in_bucket(consumer, bucket, ["s3:PutObject"], "*")
        .combine(_in_bucket(consumer, bucket, ["s3:GetObject"], f"{PARKED}*"))
        .combine(_grant(consumer, ["s3:ListBucket"], bucket.bucket_arn, conditions=_own_account(bucket)))
    )


def _in_bucket(consumer: lambda_.Function, bucket: s3.IBucket, actions: Sequence[str], objects: str) -> iam.Grant:
    logical_id = Stack.of(bucket).get_logical_id(cast("s3.CfnBucket", bucket.node.default_child))
    assert consumer.role is not None
    Validations.of(consumer.role).acknowledge(
        Acknowledgment(
            id=f"AwsSolutions-IAM5[Resource::<{logical_id}.Arn>/{objects}]",
            reason="Any key: Lambda and the runtime name the objects, in a bucket that serves this dependency alone.",
        )
    )
    return _grant(consumer, actions, bucket.arn_for_objects(objects), conditions=_own_account(bucket))


def _grant(
    consumer: lambda_.Function, actions: Sequence[str], resource: str, *, conditions: Mapping[str, Any] | None = None
) -> iam.Grant:
    return iam.Grant.add_to_principal(
        grantee=consumer, actions=list(actions), resource_arns=[resource], conditions=conditions
    )


def _own_account(bucket: s3.IBucket) -> Mapping[str, Any]:
    """A bucket name that somebody else has taken over is not ours any more."""
    return {"StringEquals": {"s3:ResourceAccount": Stack.of(bucket).account}}
