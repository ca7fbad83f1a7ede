"""IdempotentConsumer: do what a message asks once, however often it is delivered, and lose none."""

from collections.abc import Mapping

from aws_cdk import Duration, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib import _consumer_subscriptions
from constructs_lib import _environment as environment_names
from constructs_lib._claims import claim
from constructs_lib._consumer_alarms import ConsumerAlarms
from constructs_lib._consumer_checks import (
    check_batch,
    check_concurrency,
    check_times,
    visibility,
    window,
)
from constructs_lib._consumer_existing import check_existing
from constructs_lib._consumer_metrics import ConsumerMetrics
from constructs_lib._consumer_queue import DEAD_LETTER_RETENTION, MessageQueue
from constructs_lib._consumer_queues import dead_letter_queue, let_messages_return, let_work_off, message_queue, poll
from constructs_lib._consumer_store import SharedStore, check_store, let_remember, regional_table, remember_alone
from constructs_lib.python_function import PythonFunction

__all__ = ["ConsumerMetrics", "IdempotentConsumer", "MessageQueue"]

# Longer than a dead letter is kept: one that is sent again may have had its effect before a crash.
_REMEMBERED = DEAD_LETTER_RETENTION.plus(Duration.days(1))


class IdempotentConsumer(Construct):
    """Queue, consumer, dead-letter queue and a memory of what was done, wired so that an effect happens once.

    *consumer* answers with partial batch responses, as `constructs_lib.runtime.queue_consumer` does: each message
    succeeds or fails by itself. A message that failed too often, or can never succeed, ends in the dead-letter queue. A
    message that has to wait for something is held, and that does not count as failing. A message that was done is
    remembered for *remember_for*. What is promised for which kind of effect stands in docs/idempotent-consumer.md.

    With *sideline_concurrency* there is a second queue for the messages of tenants that send too many. Senders decide
    what goes there; it is worked off by so few invocations that they cannot hinder the others.

    Defines two queues, a table (in this region only: its conditional writes must be), an event source mapping and nine
    alarms; with a sideline, a queue, a mapping and three alarms more. Adds settings and rights to *consumer*. Queues and
    table outlive the stack, the table is protected from deletion.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*, and among the consumers that share a store.
        consumer: Function that does what the messages ask.
        queue: Which queue it works off. Default: `MessageQueue.standard()`, a fair queue of its own.
        batch_size: Most messages per invocation, 1 to 10,000, at most 10 from a FIFO queue; above 10, messages are
            gathered for up to a second. Default: 10.
        max_concurrency: Most invocations of *consumer* at once for the queue, 2 to 1000. Default: 10.
        sideline_concurrency: The same for the sideline, 2 to 1000; not with a FIFO queue. Default: no sideline.
        remember_for: How long a message that was done is known, 1 minute to 365 days.
            Default: 15 days, a day longer than dead letters are kept, so that no copy outlives its memory.
        store: Where that is remembered, if several regions may get the same message. Default: a table in this region.

    Attributes:
        queue: Where senders put messages.
        sideline_queue: Where senders put the messages of a tenant that sends too many; None without a sideline.
        dead_letter_queue: Where messages end that failed; they are kept for 14 days from when they were sent.
        idempotency_table: What was done: key `id`, expiry `expiration`.
        consumer: The function that was given.
        mapping: What invokes the consumer with the queue's messages.
        metrics: Everything CloudWatch knows about this consumer.

    Raises:
        ValueError: If an option is out of range, two of them collide, *consumer* has too little concurrency reserved, or
            it works for another queue or stream already.
        TypeError: If *store* is something else than a `StronglyConsistentStore`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        consumer: PythonFunction,
        queue: MessageQueue | None = None,
        batch_size: int = 10,
        max_concurrency: int = 10,
        sideline_concurrency: int | None = None,
        remember_for: Duration | None = None,
        store: SharedStore | None = None,
    ) -> None:
        super().__init__(scope, id)
        options = queue or MessageQueue.standard()
        remember_for = remember_for or _REMEMBERED
        hidden = visibility(consumer, batch_size)
        check_batch(batch_size, ordered=options.ordered)
        check_times(options, remember_for, hidden)
        check_concurrency(consumer, max_concurrency, sideline_concurrency)
        _check_sideline(options, sideline_concurrency)
        check_store(store)
        check_existing(options, hidden)
        claim(consumer, self)

        self.consumer = consumer
        self.dead_letter_queue: sqs.IQueue = options.dead_letter_queue or dead_letter_queue(
            self, ordered=options.ordered
        )
        self.queue: sqs.IQueue = options.queue or message_queue(
            self, "Queue", options, dead_letters=self.dead_letter_queue, hidden=hidden
        )
        self.sideline_queue: sqs.IQueue | None = (
            None
            if sideline_concurrency is None
            else message_queue(self, "Sideline", options, dead_letters=self.dead_letter_queue, hidden=hidden)
        )
        self.idempotency_table: dynamodb.ITable | dynamodb.ITableV2 = store.table if store else regional_table(self)

        granted = let_work_off(consumer, self._queues, self.dead_letter_queue, ordered=options.ordered)
        granted = granted.combine(
            let_remember(consumer, self.idempotency_table, transactions=store is None, notes=True)
        )
        self.mapping = poll(
            self,
            "Mapping",
            consumer,
            self.queue,
            batch_size=batch_size,
            window=window(batch_size),
            max_concurrency=max_concurrency,
        )
        # Lambda refuses a mapping whose function may not receive from the queue.
        granted.apply_before(self.mapping)
        if self.sideline_queue and sideline_concurrency is not None:
            granted.apply_before(
                poll(
                    self,
                    "SidelineMapping",
                    consumer,
                    self.sideline_queue,
                    batch_size=batch_size,
                    window=window(batch_size),
                    max_concurrency=sideline_concurrency,
                )
            )
        if not options.ordered:
            let_messages_return(consumer)
        self._tell(options, remember_for, store)
        self.metrics = ConsumerMetrics(
            queue=self.queue,
            dead_letter_queue=self.dead_letter_queue,
            sideline=self.sideline_queue,
            service=consumer.service,
        )
        self._alarms = ConsumerAlarms(self, self.metrics, retention=options.retention)

    @property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """Everything about this consumer that should wake someone, the function's alarms included."""
        return (*self._alarms.all, *self.consumer.alarms)

    def subscribe(
        self, source: sns.ITopic | events.Rule, *, only: Mapping[str, sns.SubscriptionFilter] | None = None
    ) -> None:
        """Have the queue get what is published to a topic, or what matches a rule of a bus.

        What cannot be delivered for so long that SNS or EventBridge gives up goes to the dead-letter queue.

        Args:
            source: A topic, standard for a standard queue and FIFO for a FIFO queue; or a rule, for a standard queue.
            only: Of a topic's messages, those whose attributes match. Default: all of them.

        Raises:
            TypeError: If *source* is neither. A queue cannot be subscribed to: give it as *queue* to the consumer.
            ValueError: If source and queue do not go together, or the queue is imported.
        """
        _consumer_subscriptions.subscribe(source, queue=self.queue, dead_letter_queue=self.dead_letter_queue, only=only)

    def grant_send(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let *grantee* put messages on the queue, and on the sideline if there is one."""
        main, *others = (queue.grant_send_messages(grantee) for queue in self._queues)
        for other in others:
            main = main.combine(other)
        return main

    def metric_dead_letters(self) -> cloudwatch.Metric:
        """Messages in the dead-letter queue. Maximum over 5 minutes."""
        return self.metrics.dead_letters

    def metric_backlog_age(self) -> cloudwatch.Metric:
        """Age in seconds of the oldest waiting message. Maximum over 5 minutes."""
        return self.metrics.backlog_age

    def metric_backlog(self) -> cloudwatch.Metric:
        """Messages that wait. Maximum over 5 minutes."""
        return self.metrics.backlog

    @property
    def _queues(self) -> list[sqs.IQueue]:
        return [self.queue] + ([self.sideline_queue] if self.sideline_queue else [])

    def _tell(self, options: MessageQueue, remember_for: Duration, store: SharedStore | None) -> None:
        """Give the consumer its settings."""
        settings = {
            environment_names.QUEUE_URL: self.queue.queue_url,
            environment_names.MAX_RECEIVE_COUNT: _text(options.max_receive_count),
            environment_names.QUEUE_RETENTION_SECONDS: _text(options.retention.to_seconds()),
            environment_names.DEAD_LETTER_QUEUE_URL: self.dead_letter_queue.queue_url,
            environment_names.IDEMPOTENCY_TABLE: self.idempotency_table.table_name,
            environment_names.REMEMBER_SECONDS: _text(remember_for.to_seconds()),
        }
        if self.sideline_queue:
            settings[environment_names.SIDELINE_QUEUE_URL] = self.sideline_queue.queue_url
        if store:
            settings[environment_names.IDEMPOTENCY_SCOPE] = remember_alone(self, store)
            settings[environment_names.STORE_CONSISTENCY] = "strong"
        for name, value in settings.items():
            self.consumer.add_environment(name, value)


def _check_sideline(options: MessageQueue, sideline_concurrency: int | None) -> None:
    if sideline_concurrency is None or not options.ordered:
        return
    raise ValueError(
        f"sideline_concurrency must not be given with a FIFO queue, got {sideline_concurrency}; messages of one group "
        "would overtake each other: leave it out, or take MessageQueue.standard()"
    )


def _text(number: float) -> str:
    return Token.as_string(number) if Token.is_unresolved(number) else f"{number:.0f}"
