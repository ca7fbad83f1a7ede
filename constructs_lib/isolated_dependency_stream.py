"""IsolatedDependencyStream: keep the trouble of one external dependency from reaching anything else."""

from typing import Any, cast

import jsii
from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Stack, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib import _environment as environment_names
from constructs_lib._checks import between, duration_between, in_words, matches
from constructs_lib._claims import claim
from constructs_lib._stream_alarms import StreamAlarms
from constructs_lib.python_function import PythonFunction
from constructs_lib.quarantine import Quarantine

# Limits of Kinesis and of stream event source mappings (their API references).
_LONGEST_RETENTION = Duration.days(365)
_LONGEST_RECORD_AGE = Duration.days(7)

# What Lambda needs to poll a stream (Lambda developer guide, "Using Lambda with Kinesis"), for this stream alone.
_POLL = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)


class IsolatedDependencyStream(Construct):
    """Give one external dependency its own stream, consumer, quarantine and alarms, shared with nobody.

    When the dependency is down, its records wait in its stream, in order, and are delivered once it is back. What can
    never be delivered, and what has waited for *hold_at_most*, ends in the quarantine with its payload. Nothing of
    another dependency takes part in any of that.

    *consumer* answers with partial batch responses, as `constructs_lib.runtime.stream_consumer` does. Lambda tries
    again without limit and does not split batches: the runtime bounds attempts by itself, and a limit here would count
    records that are held for an outage too.

    Defines a provisioned, encrypted Kinesis stream, an event source mapping, a quarantine bucket and eight alarms; adds
    settings and rights to *consumer*. Stream and bucket outlive the stack.

    Args:
        scope: Construct that owns this one.
        id: Name of the dependency: a letter, then letters, digits, `_` or `-`, at most 64; unique within *scope*, and
            part of metrics and of the names of quarantined objects.
        consumer: Function that calls the dependency, and does nothing else.
        shards: Capacity: each takes 1 MB or 1,000 records a second, 1 to 1000. Default: 1.
        retention: How long the stream keeps a record, whole hours from 24 hours to 365 days. Default: 7 days.
        hold_at_most:
            How long a record may wait before it goes to the quarantine, 1 minute to 7 days, and shorter than
            *retention*, after which it would be gone. Default: 6 days.
        batch_size: Most records per invocation, 1 to 10,000. Default: 100.
        parallelization: Invocations at once per shard, 1 to 10; order per key is kept. Default: 1.

    Attributes:
        stream: Where producers put records.
        consumer: The function that was given.
        mapping: What invokes the consumer with the stream's records.
        quarantine: Where records go that cannot be delivered.

    Raises:
        ValueError: If an option is out of range, *hold_at_most* is not shorter than *retention*, or *consumer* works
            for another stream or queue already.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        consumer: PythonFunction,
        shards: int = 1,
        retention: Duration | None = None,
        hold_at_most: Duration | None = None,
        batch_size: int = 100,
        parallelization: int = 1,
    ) -> None:
        super().__init__(scope, id)
        retention = retention or Duration.days(7)
        hold_at_most = hold_at_most or Duration.days(6)
        matches(
            "id",
            id,
            r"[A-Za-z][A-Za-z0-9_-]{0,63}",
            allowed="a letter, then at most 63 letters, digits, '_' or '-'",
            way_out="name the dependency by one word",
        )
        between("shards", shards, 1, 1000, way_out="more than one stream per dependency is for more than that")
        between("batch_size", batch_size, 1, 10_000, way_out="raise shards or parallelization for more throughput")
        between("parallelization", parallelization, 1, 10, way_out="raise shards for more")
        _check_times(retention, hold_at_most)
        claim(consumer, self)

        self.consumer = consumer
        self.quarantine = Quarantine(self, "Quarantine")
        self.stream: kinesis.IStream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=kinesis.StreamMode.PROVISIONED,
            shard_count=shards,
            retention_period=retention,
            encryption=kinesis.StreamEncryption.MANAGED,
            removal_policy=RemovalPolicy.RETAIN,
        )
        granted = _let_consume(consumer, self.stream, self.quarantine.bucket)
        self.mapping = lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=consumer,
            event_source_arn=self.stream.stream_arn,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            batch_size=batch_size,
            parallelization_factor=parallelization,
            report_batch_item_failures=True,
            bisect_batch_on_error=False,
            retry_attempts=-1,
            on_failure=_OnFailure(self.quarantine.bucket),
            # Without these Lambda counts neither what it put into the quarantine nor what it dropped.
            metrics_config=lambda_.MetricsConfig(metrics=[lambda_.MetricType.EVENT_COUNT]),
        )
        # CDK's own option would read a duration that is resolved later.
        mapping = cast("lambda_.CfnEventSourceMapping", self.mapping.node.default_child)
        mapping.maximum_record_age_in_seconds = hold_at_most.to_seconds()
        # Lambda refuses a mapping whose function may not read the stream.
        granted.apply_before(self.mapping)
        consumer.add_environment(environment_names.DEPENDENCY, id)
        consumer.add_environment(environment_names.QUARANTINE_BUCKET, self.quarantine.bucket.bucket_name)
        self._alarms = StreamAlarms(
            self, dependency=id, stream=self.stream, consumer=consumer, mapping=self.mapping, hold_at_most=hold_at_most
        )

    @property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """Everything about this dependency that should wake someone, its consumer's alarms included."""
        return (*self._alarms.all, *self.consumer.alarms)

    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let *grantee* put records on the stream."""
        return self.stream.grant_write(grantee)

    def metric_iterator_age(self) -> cloudwatch.Metric:
        """Age in milliseconds of what the consumer is working on. Maximum over 5 minutes."""
        return self._alarms.iterator_age

    def metric_quarantined(self) -> cloudwatch.Metric:
        """Records that the consumer put into the quarantine. Sum over 5 minutes."""
        return self._alarms.quarantined

    def metric_expired(self) -> cloudwatch.Metric:
        """Records that Lambda put into the quarantine because they had waited too long. Sum over 5 minutes."""
        return self._alarms.expired

    def metric_dropped(self) -> cloudwatch.Metric:
        """Records that are lost: they had waited too long and the quarantine did not take them. Sum over 5 minutes."""
        return self._alarms.dropped

    def metric_write_throttled(self) -> cloudwatch.Metric:
        """Records that a shard had no capacity for; producers try again. Sum over 5 minutes."""
        return self._alarms.write_throttled


@jsii.implements(lambda_.IEventSourceDlq)
class _OnFailure:
    """A bucket as on-failure destination, without the rights to read and delete that CDK's own class would grant."""

    def __init__(self, bucket: s3.IBucket) -> None:
        self._bucket = bucket

    def bind(self, *_target: Any) -> lambda_.DlqDestinationConfig:
        return lambda_.DlqDestinationConfig(destination=self._bucket.bucket_arn)


def _check_times(retention: Duration, hold_at_most: Duration) -> None:
    duration_between(
        "retention",
        retention,
        Duration.hours(24),
        _LONGEST_RETENTION,
        way_out="what must be kept longer belongs in a bucket",
    )
    duration_between(
        "hold_at_most",
        hold_at_most,
        Duration.minutes(1),
        _LONGEST_RECORD_AGE,
        way_out="what waits longer goes to the quarantine, from where it can be sent again",
    )
    if retention.is_unresolved():
        return
    if retention.to_milliseconds() % Duration.hours(1).to_milliseconds():
        raise ValueError(f"retention must be whole hours, got {in_words(retention)}; round it up")
    if not hold_at_most.is_unresolved() and hold_at_most.to_milliseconds() >= retention.to_milliseconds():
        raise ValueError(
            f"hold_at_most must be shorter than retention, got hold_at_most {in_words(hold_at_most)} and retention "
            f"{in_words(retention)}; records would be gone before they reach the quarantine: raise retention or lower "
            "hold_at_most"
        )


def _let_consume(consumer: lambda_.Function, stream: kinesis.IStream, bucket: s3.IBucket) -> iam.Grant:
    """Let *consumer* read the stream and put failures into the bucket; Lambda does both in its name."""
    stack = Stack.of(bucket)
    own_account = {"StringEquals": {"s3:ResourceAccount": stack.account}}
    granted = iam.Grant.add_to_principal(grantee=consumer, actions=list(_POLL), resource_arns=[stream.stream_arn])
    granted = granted.combine(
        iam.Grant.add_to_principal(
            grantee=consumer,
            actions=["s3:PutObject"],
            resource_arns=[bucket.arn_for_objects("*")],
            conditions=own_account,
        )
    )
    granted = granted.combine(
        iam.Grant.add_to_principal(
            grantee=consumer, actions=["s3:ListBucket"], resource_arns=[bucket.bucket_arn], conditions=own_account
        )
    )
    assert consumer.role is not None
    logical_id = stack.get_logical_id(cast("s3.CfnBucket", bucket.node.default_child))
    Validations.of(consumer.role).acknowledge(
        Acknowledgment(
            id=f"AwsSolutions-IAM5[Resource::<{logical_id}.Arn>/*]",
            reason="Any key: Lambda and the runtime name the objects, in a bucket that serves this dependency alone.",
        )
    )
    return granted
