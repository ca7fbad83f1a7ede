"""IdempotentStreamConsumer: make the effect of each record of a stream once, and lose none."""

from aws_cdk import Duration, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib import _environment as environment_names
from constructs_lib._call_policy import CallPolicy
from constructs_lib._checks import between, duration_between, in_words, matches
from constructs_lib._claims import claim
from constructs_lib._consumer_store import SharedStore, check_store, let_remember, regional_table, remember_alone
from constructs_lib._dependency_state import drain_schedule, let_use_state, state_table
from constructs_lib._effect_metrics import effect_alarms
from constructs_lib._quarantine_lifetime import QuarantineLifetime
from constructs_lib._stream_alarms import StreamAlarms
from constructs_lib._stream_checks import check_times
from constructs_lib._stream_grants import let_keep
from constructs_lib._stream_mapping import stream_mapping
from constructs_lib._stream_metrics import ConsumedStreamMetrics, StreamMetrics
from constructs_lib._stream_settings import as_text, tell
from constructs_lib._stream_source import StreamSource
from constructs_lib.python_function import PythonFunction
from constructs_lib.quarantine import Quarantine

__all__ = ["IdempotentStreamConsumer", "StreamSource"]

_A_DAY = Duration.days(1)
_LONGEST_HOLD = Duration.days(6)
_SHARE_OF_RETENTION = 5 / 6
_LONGEST_MEMORY = Duration.days(365)


class IdempotentStreamConsumer(Construct):
    """Consumer, quarantine and a memory of what was done for a stream that is there already.

    For streams what `IdempotentConsumer` is for queues. *consumer* answers as `constructs_lib.runtime.stream_consumer`
    does with an `effect`: records of one key in their order, keys side by side. What can never succeed, and what has
    waited for *hold_at_most*, ends in the quarantine with its payload, for a stream has no dead-letter queue. A record
    that was done is remembered for *remember_for*.

    The stream may have other readers. One that belongs to an external dependency, and that nobody else reads, is
    `IsolatedDependencyStream`.

    Defines an event source mapping, a quarantine bucket, a table for what invocations remember together, a table for
    what was done (in this region only), a schedule that has parked records looked after every minute, and 19 alarms, 17
    for a table's stream; adds settings and rights to *consumer*. Bucket and tables outlive the stack.

    Args:
        scope: Construct that owns this one.
        id: Name: a letter, then letters, digits, `_` or `-`, at most 64; unique within *scope* and among the consumers
            that share a store, and part of metrics and of the names of quarantined objects.
        consumer: Function that does what the records ask.
        source: The stream: `StreamSource.kinesis(...)` or `StreamSource.table(...)`.
        batch_size: Most records per invocation, 1 to 10,000, of a table's stream 1,000. Default: 100.
        parallelization: Invocations at once per shard, 1 to 10; order per key is kept. Default: 1.
        hold_at_most: How long a record may wait before it goes to the quarantine: 5 minutes to 7 days, and at least an
            hour less than the stream keeps it. Default: five sixths of what the stream keeps it, at most 6 days.
        remember_for: How long a record that was done is known, 1 minute to 365 days.
            Default: a day longer than the stream keeps a record.
        store: Where that is remembered, if several regions may get the same record. Default: a table in this region.

    Attributes:
        source: The stream that was given.
        consumer: The function that was given.
        mapping: What invokes the consumer with the stream's records.
        quarantine: Where records go that cannot be processed.
        state_table: What invocations remember together: circuit breaker, journal, parked records.
        idempotency_table: What was done: key `id`, expiry `expiration`.
        drain: What has parked records looked after.
        metrics: Everything CloudWatch knows about this consumer.

    Raises:
        ValueError: If an option is out of range, two times collide, or *consumer* works for another stream or queue
            already.
        TypeError: If *store* is something else than a `StronglyConsistentStore`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        consumer: PythonFunction,
        source: StreamSource,
        batch_size: int = 100,
        parallelization: int = 1,
        hold_at_most: Duration | None = None,
        remember_for: Duration | None = None,
        store: SharedStore | None = None,
    ) -> None:
        super().__init__(scope, id)
        calls = CallPolicy()
        hold_at_most = hold_at_most or _hold(source.retention)
        remember_for = remember_for or _remember(source.retention)
        matches(
            "id",
            id,
            r"[A-Za-z][A-Za-z0-9_-]{0,63}",
            allowed="a letter, then at most 63 letters, digits, '_' or '-'",
            way_out="name the consumer by one word",
        )
        between("batch_size", batch_size, 1, source.batch_limit, way_out="raise parallelization for more throughput")
        between("parallelization", parallelization, 1, 10, way_out="more shards give more")
        check_times(retention=source.retention, hold_at_most=hold_at_most, consumer=consumer, calls=calls)
        _check_memory(remember_for, hold_at_most)
        check_store(store)
        claim(consumer, self)

        self.source = source
        self.consumer = consumer
        self.quarantine = Quarantine(self, "Quarantine")
        Validations.of(self).add_plugins(QuarantineLifetime(self.quarantine.bucket, hold_at_most=hold_at_most))
        self.state_table: dynamodb.ITable = state_table(self)
        self.idempotency_table: dynamodb.ITable | dynamodb.ITableV2 = store.table if store else regional_table(self)
        granted = source.let_poll(consumer).combine(let_keep(consumer, self.quarantine.bucket))
        let_use_state(consumer, self.state_table)
        let_remember(consumer, self.idempotency_table, transactions=store is None)
        self.mapping = stream_mapping(
            self,
            consumer,
            source.arn,
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
            retention=source.retention,
            calls=calls,
        )
        self._tell_of_memory(remember_for, store)
        self.metrics = (
            StreamMetrics(dependency=id, stream=source.stream, consumer=consumer, mapping=self.mapping)
            if source.stream
            else ConsumedStreamMetrics(dependency=id, consumer=consumer, mapping=self.mapping)
        )
        self._alarms = (
            *StreamAlarms(
                self, self.metrics, dependency=id, hold_at_most=hold_at_most, retention=source.retention, calls=calls
            ).all,
            *effect_alarms(self, {"dependency": id}, kept="it is in the quarantine"),
        )

    @property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """Everything about this consumer that should wake someone, the function's alarms included."""
        return (*self._alarms, *self.consumer.alarms)

    def _tell_of_memory(self, remember_for: Duration, store: SharedStore | None) -> None:
        settings = {
            environment_names.IDEMPOTENCY_TABLE: self.idempotency_table.table_name,
            environment_names.REMEMBER_SECONDS: as_text(remember_for.to_seconds()),
        }
        if store:
            settings[environment_names.IDEMPOTENCY_SCOPE] = remember_alone(self, store)
            settings[environment_names.STORE_CONSISTENCY] = "strong"
        for name, value in settings.items():
            self.consumer.add_environment(name, value)


def _hold(retention: Duration) -> Duration:
    if retention.is_unresolved():
        return _LONGEST_HOLD
    hours = int(retention.to_hours(integral=False) * _SHARE_OF_RETENTION)
    return Duration.hours(min(hours, _LONGEST_HOLD.to_hours()))


def _remember(retention: Duration) -> Duration:
    if retention.is_unresolved():
        return _LONGEST_MEMORY
    return retention if retention.to_days(integral=False) >= _LONGEST_MEMORY.to_days() else retention.plus(_A_DAY)


def _check_memory(remember_for: Duration, hold_at_most: Duration) -> None:
    duration_between(
        "remember_for",
        remember_for,
        Duration.minutes(1),
        _LONGEST_MEMORY,
        way_out="make the effect itself idempotent where it must be for good",
    )
    if remember_for.is_unresolved() or hold_at_most.is_unresolved():
        return
    if remember_for.to_milliseconds() <= hold_at_most.to_milliseconds():
        raise ValueError(
            f"remember_for must be longer than hold_at_most, got {in_words(remember_for)} and {in_words(hold_at_most)}; a "
            "record that was done comes again as long as one before it waits: raise remember_for or lower hold_at_most"
        )
