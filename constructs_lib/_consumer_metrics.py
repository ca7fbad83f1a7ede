"""What CloudWatch knows of one consumer of messages: metrics of SQS, and of the runtime."""

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from constructs_lib._effect_metrics import PERIOD, counted


class ConsumerMetrics:
    """Every metric of one consumer of messages, each over 5 minutes.

    What the runtime counts bears the service name of the function (`PythonFunction.service`): two functions with the
    same one are counted together.

    Attributes:
        service: The name that the runtime's metrics bear.
        dead_letters: Messages in the dead-letter queue, maximum.
        backlog: Messages that wait, maximum.
        backlog_age: Age of the oldest message that waits, seconds, maximum.
        sideline_age: The same on the sideline; None without one.
        done: Messages handled, or known to be done, sum.
        repeated: Messages that were copies of one done before, sum.
        held: Messages put off because something was away or at work on a copy, sum.
        failed: Messages to be delivered again because their handler failed, sum.
        dead_lettered: Messages that the runtime gave up, sum.
        mismatches: Messages with a known id and another payload, sum.
        claims_lost: Messages that another worker took over while they were still at work, sum.
        store_errors: Times that the idempotency store did not answer, sum.
        sends_failed: Messages that follow from others and could not be sent, sum.
    """

    def __init__(
        self, *, queue: sqs.IQueue, dead_letter_queue: sqs.IQueue, sideline: sqs.IQueue | None, service: str
    ) -> None:
        self.dead_letters = dead_letter_queue.metric_approximate_number_of_messages_visible(
            period=PERIOD, statistic="Maximum"
        )
        self.backlog = queue.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum")
        self.backlog_age = _age(queue)
        self.sideline_age = _age(sideline) if sideline else None
        self.service = service
        of_service = {"service": service}
        self.done = counted("MessagesDone", of_service)
        self.repeated = counted("MessagesRepeated", of_service)
        self.held = counted("MessagesHeld", of_service)
        self.failed = counted("MessagesFailed", of_service)
        self.dead_lettered = counted("MessagesDeadLettered", of_service)
        self.mismatches = counted("PayloadMismatches", of_service)
        self.claims_lost = counted("ClaimsLost", of_service)
        self.store_errors = counted("StoreErrors", of_service)
        self.sends_failed = counted("SendsFailed", of_service)


def _age(queue: sqs.IQueue) -> cloudwatch.Metric:
    return queue.metric_approximate_age_of_oldest_message(period=PERIOD, statistic="Maximum")
