"""Which stream a consumer reads: one of Kinesis, or that of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from aws_cdk import Acknowledgment, Duration, Stack, Validations
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_

from constructs_lib._stream_grants import let_poll

# DynamoDB keeps a change for a day, and nothing makes it longer.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
_TABLE_RETENTION = Duration.hours(24)

# What Lambda needs to poll (Lambda developer guide, "Using Lambda with DynamoDB").
_POLL_TABLE = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSource:
    """A stream that is there already. Made by `kinesis` or `table`.

    Args:
        arn: ARN of the stream.
        retention: How long it keeps a record.
        batch_limit: Most records that Lambda hands over at once.
        stream: The stream; None where it is a table's.
        changed_table: The table whose changes it is; None where it is one of Kinesis.
    """

    arn: str
    retention: Duration
    batch_limit: int
    stream: kinesis.IStream | None
    changed_table: dynamodb.ITable | dynamodb.ITableV2 | None

    @classmethod
    def kinesis(cls, stream: kinesis.IStream, *, retention: Duration) -> Self:
        """A Kinesis stream.

        Args:
            stream: The stream; others may read it too.
            retention: How long it keeps a record, 24 hours to 365 days. An imported stream does not tell, so it is said
                here.
        """
        return cls(arn=stream.stream_arn, retention=retention, batch_limit=10_000, stream=stream, changed_table=None)

    @classmethod
    def table(cls, table: dynamodb.ITable | dynamodb.ITableV2) -> Self:
        """The changes of a DynamoDB table, which are kept for 24 hours.

        At most two consumers should read them.

        Args:
            table: A table with a stream.

        Raises:
            ValueError: If it has none.
        """
        arn = table.table_stream_arn
        if arn is None:
            raise ValueError(
                f"table must have a stream, got {table.node.path!r} without one; give it one "
                "(dynamodb_stream or stream), or import it with the ARN of its stream"
            )
        return cls(arn=arn, retention=_TABLE_RETENTION, batch_limit=1_000, stream=None, changed_table=table)

    def let_poll(self, consumer: lambda_.Function) -> iam.Grant:
        """Let Lambda poll in the name of *consumer*, and *consumer* read what is encrypted with a key of its owner's."""
        if self.stream is not None:
            granted = let_poll(consumer, self.stream)
            key = self.stream.encryption_key
        else:
            table = cast("dynamodb.ITable", self.changed_table)
            granted = _grant(consumer, _POLL_TABLE, self.arn).combine(_let_list(consumer, table))
            key = table.encryption_key
        return granted.combine(key.grant_decrypt(consumer)) if key is not None else granted


def _let_list(consumer: lambda_.Function, table: dynamodb.ITable) -> iam.Grant:
    """Which of its streams is the table's newest is asked before one is known, so for all of them."""
    streams = f"{table.table_arn}/stream/*"
    assert consumer.role is not None
    named = _as_found(Stack.of(table).resolve(streams))
    Validations.of(consumer.role).acknowledge(
        Acknowledgment(
            id=f"AwsSolutions-IAM5[Resource::{named}]",
            reason="A table's streams have names that DynamoDB gives; this lists those of this one table.",
        )
    )
    return _grant(consumer, ["dynamodb:ListStreams"], streams)


def _as_found(resolved: Any) -> str:
    """An ARN as cdk-nag writes it."""
    if not isinstance(resolved, Mapping):
        return str(resolved)
    parts: Sequence[Any] = resolved["Fn::Join"][1]
    return "".join(
        part if isinstance(part, str) else f"<{'.'.join(part['Fn::GetAtt']) if 'Fn::GetAtt' in part else part['Ref']}>"
        for part in parts
    )


def _grant(consumer: lambda_.Function, actions: Sequence[str], resource: str) -> iam.Grant:
    return iam.Grant.add_to_principal(grantee=consumer, actions=list(actions), resource_arns=[resource])
