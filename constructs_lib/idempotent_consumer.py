"""IdempotentConsumer: do what a message asks once, however often it is delivered, and lose none."""

from typing import cast

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Token, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib import _environment as environment_names
from constructs_lib._checks import between, duration_between, in_words
from constructs_lib._claims import claim
from constructs_lib.python_function import PythonFunction

# AWS asks for six times the function's timeout, so that Lambda's own retries of a throttled invocation fit
# (Lambda developer guide, "Configuring a queue to use with Lambda").
_VISIBILITY_FACTOR = 6
_LONGEST_FUNCTION_TIMEOUT = Duration.minutes(15)
_DEAD_LETTER_RETENTION = Duration.days(14)
# A moved message keeps its age, so one that fails at the end of a longer retention would be gone at once.
_LONGEST_RETENTION = Duration.days(13)
# Larger batches than this need a window to gather them (API reference, "CreateEventSourceMapping").
_BATCH_WITHOUT_WINDOW = 10

_PERIOD = Duration.minutes(5)
_AGE_PERCENT = (25, 50, 80)


class IdempotentConsumer(Construct):
    """Queue, consumer, dead-letter queue and a memory of what was done, wired so that an effect happens once.

    *consumer* answers with partial batch responses, as `constructs_lib.runtime.queue_consumer` does: each message
    succeeds or fails by itself. A message that failed *max_receive_count* times, or can never succeed, ends in the
    dead-letter queue. A message that was done is remembered for *remember_for*.

    The queue is a standard one. Senders set `MessageGroupId` to the tenant, so that a tenant with many messages waits
    behind itself (fair queues).

    Defines two queues, a table (in this region only: its conditional writes must be), an event source mapping and four
    alarms; adds settings and rights to *consumer*. Queues and table outlive the stack, the table is protected from
    deletion.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.
        consumer: Function that does what the messages ask.
        max_concurrency: Most invocations of *consumer* at once, 2 to 1000. Default: 10.
        max_receive_count: Deliveries before a message counts as dead, 1 to 1000. AWS advises at least 5, because
            throttling counts too. Default: 5.
        batch_size: Most messages per invocation, 1 to 10,000; above 10, messages are gathered for up to a second.
            Default: 10.
        retention: How long a message waits for the consumer, 1 minute to 13 days. Default: 4 days.
        remember_for: How long a message that was done is known, 1 minute to 365 days. Default: 1 day.

    Attributes:
        queue: Where senders put messages.
        dead_letter_queue: Where messages end that failed; they are kept for 14 days from when they were sent.
        idempotency_table: What was done: key `id`, expiry `expiration`.
        consumer: The function that was given.
        mapping: What invokes the consumer with the queue's messages.

    Raises:
        ValueError: If an option is out of range, *retention* or *remember_for* is shorter than all deliveries of a
            message take, the reserved concurrency of *consumer* is below *max_concurrency*, or *consumer* works for
            another queue or stream already.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        consumer: PythonFunction,
        max_concurrency: int = 10,
        max_receive_count: int = 5,
        batch_size: int = 10,
        retention: Duration | None = None,
        remember_for: Duration | None = None,
    ) -> None:
        super().__init__(scope, id)
        retention = retention or Duration.days(4)
        remember_for = remember_for or Duration.days(1)
        between("max_concurrency", max_concurrency, 2, 1000, way_out="to stop a consumer, disable its mapping instead")
        between("max_receive_count", max_receive_count, 1, 1000, way_out="dead letters can be sent again")
        between("batch_size", batch_size, 1, 10_000, way_out="raise max_concurrency for more throughput")
        visibility = _visibility(consumer)
        _check_times(retention, remember_for, visibility, max_receive_count)
        _check_concurrency(consumer, max_concurrency)
        claim(consumer, self)

        self.consumer = consumer
        self.dead_letter_queue: sqs.IQueue = _dead_letter_queue(self)
        self.queue: sqs.IQueue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=retention,
            visibility_timeout=visibility,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letter_queue, max_receive_count=max_receive_count),
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.idempotency_table: dynamodb.ITable = dynamodb.Table(
            self,
            "Done",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="expiration",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        granted = _let_consume(consumer, self.queue, self.dead_letter_queue, self.idempotency_table)
        self.mapping = lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=consumer,
            event_source_arn=self.queue.queue_arn,
            batch_size=batch_size,
            max_batching_window=_window(batch_size),
            # With partial responses Lambda does not slow down when messages fail; this is what bounds it.
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )
        # Lambda refuses a mapping whose function may not receive from the queue.
        granted.apply_before(self.mapping)
        Validations.of(self.mapping).acknowledge(
            Acknowledgment(
                id="Serverless-LambdaEventSourceMappingDestination",
                reason="Mappings of queues have no failure destination; the queue's redrive policy has one.",
            )
        )
        consumer.add_environment(environment_names.DEAD_LETTER_QUEUE_URL, self.dead_letter_queue.queue_url)
        consumer.add_environment(environment_names.IDEMPOTENCY_TABLE, self.idempotency_table.table_name)
        consumer.add_environment(environment_names.REMEMBER_SECONDS, _seconds(remember_for))
        self.dead_letter_alarm = self._alarm(
            "DeadLetterAlarm", self.metric_dead_letters(), 1, "A message failed for good and waits to be looked at."
        )
        # A token cannot be multiplied; the longest retention there is keeps the alarms on the late side of right.
        age_limit = _LONGEST_RETENTION if retention.is_unresolved() else retention
        self.backlog_age_alarms = tuple(
            self._alarm(
                f"BacklogAge{percent}Alarm",
                self.metric_backlog_age(),
                age_limit.to_seconds() * percent / 100,
                f"Messages have waited for {percent} % of the time the queue keeps them.",
            )
            for percent in _AGE_PERCENT
        )

    @property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """Everything about this consumer that should wake someone, the function's alarms included."""
        return (self.dead_letter_alarm, *self.backlog_age_alarms, *self.consumer.alarms)

    def grant_send(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let *grantee* put messages on the queue."""
        return self.queue.grant_send_messages(grantee)

    def metric_dead_letters(self) -> cloudwatch.Metric:
        """Messages in the dead-letter queue. Maximum over 5 minutes."""
        return self.dead_letter_queue.metric_approximate_number_of_messages_visible(period=_PERIOD, statistic="Maximum")

    def metric_backlog_age(self) -> cloudwatch.Metric:
        """Age in seconds of the oldest waiting message. Maximum over 5 minutes."""
        return self.queue.metric_approximate_age_of_oldest_message(period=_PERIOD, statistic="Maximum")

    def metric_backlog(self) -> cloudwatch.Metric:
        """Messages that wait. Maximum over 5 minutes."""
        return self.queue.metric_approximate_number_of_messages_visible(period=_PERIOD, statistic="Maximum")

    def _alarm(self, id: str, metric: cloudwatch.Metric, threshold: float, what: str) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=f"{self.node.id}: {what}",
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # SQS stops counting a queue that was empty and unused for hours; a message makes it count again.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


def _visibility(consumer: lambda_.Function) -> Duration:
    timeout = consumer.timeout
    if timeout is None or timeout.is_unresolved():
        timeout = _LONGEST_FUNCTION_TIMEOUT
    return Duration.seconds(timeout.to_seconds() * _VISIBILITY_FACTOR)


def _window(batch_size: int) -> Duration | None:
    if Token.is_unresolved(batch_size) or batch_size <= _BATCH_WITHOUT_WINDOW:
        return None
    return Duration.seconds(1)


def _check_times(retention: Duration, remember_for: Duration, visibility: Duration, max_receive_count: int) -> None:
    duration_between(
        "retention",
        retention,
        Duration.minutes(1),
        _LONGEST_RETENTION,
        way_out="dead letters are kept for 14 days from when they were sent, so a day must be left to look at them",
    )
    duration_between(
        "remember_for",
        remember_for,
        Duration.minutes(1),
        Duration.days(365),
        way_out="make the effect itself idempotent where it must be for good",
    )
    if Token.is_unresolved(max_receive_count):
        return
    deliveries = Duration.seconds(visibility.to_seconds() * max_receive_count)
    for option, value, consequence in (
        ("retention", retention, "messages would expire before they count as dead"),
        ("remember_for", remember_for, "the last deliveries of a message could repeat what the first one did"),
    ):
        if not value.is_unresolved() and value.to_milliseconds() <= deliveries.to_milliseconds():
            raise ValueError(
                f"{option} must be longer than max_receive_count {max_receive_count} deliveries of "
                f"{in_words(visibility)} each ({in_words(deliveries)}), got {in_words(value)}; {consequence}: raise "
                f"{option}, or lower max_receive_count or the consumer's timeout"
            )


def _check_concurrency(consumer: lambda_.Function, max_concurrency: int) -> None:
    reserved = cast("lambda_.CfnFunction", consumer.node.default_child).reserved_concurrent_executions
    if reserved is None or Token.is_unresolved(reserved) or Token.is_unresolved(max_concurrency):
        return
    if reserved < max_concurrency:
        raise ValueError(
            f"max_concurrency must not exceed the consumer's reserved_concurrency, got max_concurrency "
            f"{max_concurrency} and reserved_concurrency {reserved:g}; throttled deliveries count towards "
            "max_receive_count: lower max_concurrency or raise reserved_concurrency"
        )


def _seconds(duration: Duration) -> str:
    return Token.as_string(duration.to_seconds()) if duration.is_unresolved() else f"{duration.to_seconds():.0f}"


def _dead_letter_queue(scope: Construct) -> sqs.Queue:
    queue = sqs.Queue(
        scope,
        "DeadLetters",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=_DEAD_LETTER_RETENTION,
        removal_policy=RemovalPolicy.RETAIN,
    )
    for rule in ("AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"):
        Validations.of(queue).acknowledge(Acknowledgment(id=rule, reason="It is itself a dead-letter queue."))
    return queue


def _let_consume(
    consumer: lambda_.Function, queue: sqs.IQueue, dead_letters: sqs.IQueue, table: dynamodb.ITable
) -> iam.Grant:
    """Let *consumer* receive, give up on, and remember messages; Lambda receives and deletes in its name."""
    granted = iam.Grant.add_to_principal(
        grantee=consumer,
        actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
        resource_arns=[queue.queue_arn],
    )
    granted = granted.combine(
        iam.Grant.add_to_principal(
            grantee=consumer, actions=["sqs:SendMessage"], resource_arns=[dead_letters.queue_arn]
        )
    )
    return granted.combine(
        iam.Grant.add_to_principal(
            grantee=consumer,
            # What the idempotency utility of Powertools calls.
            actions=[f"dynamodb:{action}" for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem")],
            resource_arns=[table.table_arn],
        )
    )
