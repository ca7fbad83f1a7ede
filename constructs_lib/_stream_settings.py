"""What the runtime of a stream's consumer is told."""

from aws_cdk import Duration, Stack, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from constructs_lib import _environment as environment_names
from constructs_lib._call_policy import CallPolicy, seconds


def tell(
    consumer: lambda_.Function,
    *,
    name: str,
    bucket: s3.IBucket,
    state_table: dynamodb.ITable,
    hold_at_most: Duration,
    retention: Duration,
    calls: CallPolicy,
) -> None:
    """Give *consumer* its settings; *name* is that of its metrics and of what it puts into the quarantine."""
    settings = {
        environment_names.DEPENDENCY: name,
        environment_names.QUARANTINE_BUCKET: bucket.bucket_name,
        environment_names.STATE_TABLE: state_table.table_name,
        environment_names.HOLD_SECONDS: as_text(seconds(hold_at_most)),
        environment_names.BREAKER: Stack.of(consumer).to_json_string(calls.as_setting()),
    }
    if not retention.is_unresolved():
        settings[environment_names.RETENTION_SECONDS] = as_text(seconds(retention))
    if calls.at_once is not None:
        settings[environment_names.CONCURRENCY] = as_text(calls.at_once)
    for setting, value in settings.items():
        consumer.add_environment(setting, value)


def as_text(number: float) -> str:
    """A number as a setting; one that is resolved later stays unread."""
    return Token.as_string(number) if Token.is_unresolved(number) else f"{number}"
