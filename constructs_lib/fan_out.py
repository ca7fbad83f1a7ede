"""FanOut: publish an event once, have each of several consumers get it by a queue of its own."""

from collections.abc import Mapping
from typing import Protocol

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

_PERIOD = Duration.minutes(5)


class Subscriber(Protocol):
    """A consumer with a queue and a dead-letter queue, as `IdempotentConsumer` is."""

    @property
    def queue(self) -> sqs.IQueue:
        """Where messages for it go."""

    @property
    def dead_letter_queue(self) -> sqs.IQueue:
        """Where those of them end that failed."""

    def subscribe(
        self, source: sns.ITopic | events.Rule, *, only: Mapping[str, sns.SubscriptionFilter] | None = None
    ) -> None:
        """Have the queue get what is published."""


class FanOut(Construct):
    """Publish an event once, and have every consumer get it: each by a queue and with a dead-letter queue of its own.

    A consumer that is slow, fails or is off delays no other; its queue keeps what it has not taken. Adding one changes
    nothing that is there: no producer, no queue, no other consumer.

    Producers publish with `MessageGroupId` set to the tenant; SNS hands it on, so that the consumers' queues are fair.
    What SNS cannot deliver goes to the dead-letter queue of the consumer that it was for.

    Defines a topic that takes TLS only, and two alarms.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.
        ordered: Whether messages of one `MessageGroupId` keep their order; then each consumer has a FIFO queue.
            Default: False.

    Attributes:
        topic: Where producers publish.
        alarms: Fires when SNS cannot deliver a message, and when it cannot even keep it.
    """

    def __init__(self, scope: Construct, id: str, *, ordered: bool = False) -> None:
        super().__init__(scope, id)
        # Without a key of its own SNS encrypts at rest by itself, and needs no rights to anybody's key.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-data-encryption.html
        self.topic: sns.ITopic = sns.Topic(self, "Topic", fifo=ordered or None, enforce_ssl=True)
        self._queues: dict[str, str] = {}
        self.alarms: tuple[cloudwatch.Alarm, ...] = (
            self._alarm(
                "UndeliveredAlarm",
                self.metric_undelivered(),
                "a message could not be delivered; it is in the dead-letter queue of the consumer it was for.",
            ),
            self._alarm("LostAlarm", self.metric_lost(), "a message is lost: no dead-letter queue took it."),
        )

    def add_consumer(self, consumer: Subscriber, *, only: Mapping[str, sns.SubscriptionFilter] | None = None) -> None:
        """Have *consumer* get what is published from now on.

        Args:
            consumer: Whoever works off a queue of its own: an `IdempotentConsumer`.
            only: Messages whose attributes match. Default: all of them.

        Raises:
            ValueError: If another consumer has the same queue or dead-letter queue, or the queue is of another kind.
        """
        name = getattr(getattr(consumer, "node", None), "path", repr(consumer))
        for queue in (consumer.queue, consumer.dead_letter_queue):
            other = self._queues.setdefault(queue.node.path, name)
            if other != name:
                raise ValueError(
                    f"consumers must have a queue and a dead-letter queue each, got {queue.node.path!r} for {name!r} as "
                    f"for {other!r}; one would take what is the other's: give each its own"
                )
        consumer.subscribe(self.topic, only=only)

    def grant_publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let *grantee* publish."""
        return self.topic.grant_publish(grantee)

    def metric_published(self) -> cloudwatch.Metric:
        """Messages published. Sum over 5 minutes."""
        return self.topic.metric_number_of_messages_published(period=_PERIOD, statistic="Sum")

    def metric_undelivered(self) -> cloudwatch.Metric:
        """Messages that SNS gave up on and handed to a dead-letter queue, one count per consumer. Sum over 5 minutes."""
        return self.topic.metric("NumberOfNotificationsRedrivenToDlq", period=_PERIOD, statistic="Sum")

    def metric_lost(self) -> cloudwatch.Metric:
        """Messages that no dead-letter queue took, one count per consumer. Sum over 5 minutes."""
        return self.topic.metric("NumberOfNotificationsFailedToRedriveToDlq", period=_PERIOD, statistic="Sum")

    def _alarm(self, id: str, metric: cloudwatch.Metric, what: str) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=f"{self.node.id}: {what}",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # SNS counts what happens: no data, nothing happened.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
