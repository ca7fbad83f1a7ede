"""IsolatedDependencyStream: keep the trouble of one external dependency from reaching anything else."""

from aws_cdk import Duration, RemovalPolicy, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

from constructs_lib._call_policy import CallPolicy
from constructs_lib._checks import between, matches
from constructs_lib._claims import claim
from constructs_lib._dependency_parts import part_of_dependency
from constructs_lib._dependency_state import drain_schedule, let_use_state, state_table
from constructs_lib._quarantine_lifetime import QuarantineLifetime
from constructs_lib._stream_alarms import StreamAlarms
from constructs_lib._stream_capacity import StreamCapacity
from constructs_lib._stream_checks import check_concurrency, check_times
from constructs_lib._stream_dashboard import dashboard_row
from constructs_lib._stream_grants import let_consume
from constructs_lib._stream_mapping import stream_mapping
from constructs_lib._stream_metrics import StreamMetrics
from constructs_lib._stream_settings import tell
from constructs_lib.python_function import PythonFunction
from constructs_lib.quarantine import Quarantine

__all__ = ["CallPolicy", "IsolatedDependencyStream", "StreamCapacity", "StreamMetrics"]


class IsolatedDependencyStream(Construct):
    """Give one external dependency its own stream, consumer, circuit breaker, quarantine and alarms, shared with nobody.

    When the dependency is down, calls to it stop, and its records wait in its stream, in order, until it is back. When
    one tenant has to wait, its records are parked and the others go on. What can never be delivered, and what has
    waited for *hold_at_most*, ends in the quarantine with its payload. Nothing of another dependency takes part in any
    of that.

    *consumer* answers with partial batch responses, as `constructs_lib.runtime.stream_consumer` does. Lambda tries
    again without limit and does not split batches: the runtime bounds attempts by itself, and a limit here would count
    records that are held for an outage too.

    At most *shards* x *parallelization* invocations are at work on the stream, and one on parked records; on demand it
    is the consumer's reserved concurrency that bounds them. So a burst for one dependency takes nothing from another.

    Defines an encrypted Kinesis stream, an event source mapping, a quarantine bucket, a table for what invocations
    remember together, a schedule that has parked records looked after every minute, and 16 alarms; adds settings and
    rights to *consumer*. Stream, bucket and table outlive the stack.

    Args:
        scope: Construct that owns this one.
        id: Name of the dependency: a letter, then letters, digits, `_` or `-`, at most 64; unique within *scope*, and
            part of metrics and of the names of quarantined objects.
        consumer: Function that calls the dependency, and does nothing else.
        capacity: How much the stream can take. Default: provisioned, one shard: 1 MB or 1,000 records a second.
        retention: How long the stream keeps a record, whole hours from 24 hours to 365 days. Default: 7 days.
        hold_at_most:
            How long a record may wait, in the stream or parked, before it goes to the quarantine: 5 minutes to 7 days,
            more than four times the consumer's timeout, and at least an hour less than *retention*, after which it
            would be gone. Default: 6 days.
        batch_size: Most records per invocation, 1 to 10,000. Default: 100.
        parallelization: Invocations at once per shard, 1 to 10; order per key is kept. Default: 1.
        calls: How the dependency is called, and when calls to it stop. Default: `CallPolicy()`.

    Attributes:
        stream: Where producers put records.
        consumer: The function that was given.
        mapping: What invokes the consumer with the stream's records.
        quarantine: Where records go that cannot be delivered.
        state_table: What invocations remember together: circuit breaker, journal, parked records.
        drain: What has parked records looked after.
        metrics: Everything CloudWatch knows about this dependency.

    Synthesis fails where a lifecycle rule that was added to the quarantine would delete what still waits for people, or
    is parked.

    Raises:
        ValueError: If an option is out of range, two times collide, *consumer* has too little concurrency reserved, or
            none although the stream's capacity is on demand, or *consumer* works for another stream or queue already.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        consumer: PythonFunction,
        capacity: StreamCapacity | None = None,
        retention: Duration | None = None,
        hold_at_most: Duration | None = None,
        batch_size: int = 100,
        parallelization: int = 1,
        calls: CallPolicy | None = None,
    ) -> None:
        super().__init__(scope, id)
        capacity = capacity or StreamCapacity.provisioned()
        retention = retention or Duration.days(7)
        hold_at_most = hold_at_most or Duration.days(6)
        calls = calls or CallPolicy()
        matches(
            "id",
            id,
            r"[A-Za-z][A-Za-z0-9_-]{0,63}",
            allowed="a letter, then at most 63 letters, digits, '_' or '-'",
            way_out="name the dependency by one word",
        )
        between("batch_size", batch_size, 1, 10_000, way_out="raise shards or parallelization for more throughput")
        between("parallelization", parallelization, 1, 10, way_out="raise shards for more")
        check_times(retention=retention, hold_at_most=hold_at_most, consumer=consumer, calls=calls)
        check_concurrency(consumer, shards=capacity.shards, parallelization=parallelization)
        claim(consumer, self)
        part_of_dependency(id, self, consumer)

        self.consumer = consumer
        self.quarantine = Quarantine(self, "Quarantine")
        Validations.of(self).add_plugins(QuarantineLifetime(self.quarantine.bucket, hold_at_most=hold_at_most))
        self.stream: kinesis.IStream = _stream(self, capacity, retention)
        self.state_table: dynamodb.ITable = state_table(self)
        granted = let_consume(consumer, self.stream, self.quarantine.bucket)
        let_use_state(consumer, self.state_table)
        self.mapping = stream_mapping(
            self,
            consumer,
            self.stream.stream_arn,
            self.quarantine.bucket,
            batch_size=batch_size,
            parallelization=parallelization,
            hold_at_most=hold_at_most,
        )
        # Lambda refuses a mapping whose function may not read the stream.
        granted.apply_before(self.mapping)
        self.drain = drain_schedule(self, consumer)
        tell(
            consumer,
            name=id,
            bucket=self.quarantine.bucket,
            state_table=self.state_table,
            hold_at_most=hold_at_most,
            retention=retention,
            calls=calls,
        )
        self.metrics = StreamMetrics(dependency=id, stream=self.stream, consumer=consumer, mapping=self.mapping)
        self._alarms = StreamAlarms(
            self, self.metrics, dependency=id, hold_at_most=hold_at_most, retention=retention, calls=calls
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
        return self.metrics.iterator_age

    def metric_quarantined(self) -> cloudwatch.Metric:
        """Records that the consumer put into the quarantine. Sum over 5 minutes."""
        return self.metrics.quarantined

    def metric_expired(self) -> cloudwatch.Metric:
        """Records that Lambda put into the quarantine because they had waited too long. Sum over 5 minutes."""
        return self.metrics.expired

    def metric_dropped(self) -> cloudwatch.Metric:
        """Records that are lost: they had waited too long and the quarantine did not take them. Sum over 5 minutes."""
        return self.metrics.dropped

    def metric_write_throttled(self) -> cloudwatch.Metric:
        """Records that a shard had no capacity for; producers try again. Sum over 5 minutes."""
        return self.metrics.write_throttled

    def metric_time_to_data_loss(self) -> cloudwatch.Metric:
        """Seconds until the stream drops the oldest record that is not done. Minimum over 5 minutes.

        There is none where *retention* is resolved later.
        """
        return self.metrics.time_to_data_loss

    def dashboard_row(self) -> tuple[cloudwatch.IWidget, ...]:
        """Alarms and graphs that stand beside each other on a dashboard; see `DependencyDashboard`."""
        return dashboard_row(self.node.id, self.metrics, self.alarms)


def _stream(scope: Construct, capacity: StreamCapacity, retention: Duration) -> kinesis.Stream:
    on_demand = capacity.shards is None
    return kinesis.Stream(
        scope,
        "Stream",
        stream_mode=kinesis.StreamMode.ON_DEMAND if on_demand else kinesis.StreamMode.PROVISIONED,
        shard_count=capacity.shards,
        retention_period=retention,
        encryption=kinesis.StreamEncryption.MANAGED,
        removal_policy=RemovalPolicy.RETAIN,
    )
