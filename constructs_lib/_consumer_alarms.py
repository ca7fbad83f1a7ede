"""Alarms of one consumer of messages: what should wake someone, and what silence means."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from constructs_lib._consumer_metrics import ConsumerMetrics
from constructs_lib._consumer_queue import LONGEST_RETENTION
from constructs_lib._effect_metrics import effect_alarms

_QUARTER = Duration.minutes(15)
# Longer than a message is ever put off at once, so that one that waits for long is seen in every period.
_LONGER_THAN_A_HOLD = Duration.minutes(20)

# Parts of the retention, in percent, at which waiting messages need someone ever more urgently.
_AGE_PERCENT = (25, 50, 80)

# SQS repeats a message now and then, and so does a sender: a few in a thousand. One in ten, and not of a handful, means
# that somebody sends again what was taken, or that messages are not acknowledged.
_MANY_REPEATED_PERCENT = 10
_FEW_REPEATED = 10

_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
# SQS stops counting a queue that was empty and unused for hours; a message makes it count again. The runtime counts
# what happens: no data, nothing happened.
_NOTHING_HAPPENED = cloudwatch.TreatMissingData.NOT_BREACHING


class ConsumerAlarms:
    """What watches one consumer of messages.

    Attributes:
        all: The alarms.
    """

    def __init__(self, scope: Construct, metrics: ConsumerMetrics, *, retention: Duration) -> None:
        self._scope = scope
        self.all: tuple[cloudwatch.Alarm, ...] = (
            self._alarm(
                "DeadLetterAlarm", metrics.dead_letters, "a message failed for good and waits to be looked at."
            ),
            *self._about_age("BacklogAge", metrics.backlog_age, "messages", retention),
            *(
                self._about_age("SidelineAge", metrics.sideline_age, "messages on the sideline", retention)
                if metrics.sideline_age
                else ()
            ),
            self._alarm(
                "RepeatedAlarm",
                _repeated_percent(metrics),
                f"{_MANY_REPEATED_PERCENT} % of the messages are copies of others; a sender repeats what was taken, or "
                "messages are not acknowledged.",
                threshold=_MANY_REPEATED_PERCENT,
            ),
            *effect_alarms(scope, {"service": metrics.service}, kept="it is a dead letter"),
            self._alarm(
                "HeldAlarm",
                metrics.held.with_(period=_LONGER_THAN_A_HOLD),
                "messages have been put off for more than twenty minutes.",
                periods=2,
            ),
        )

    def _about_age(
        self, name: str, metric: cloudwatch.Metric, what: str, retention: Duration
    ) -> tuple[cloudwatch.Alarm, ...]:
        # A token cannot be multiplied; the longest retention there is keeps the alarms on the late side of right.
        limit = LONGEST_RETENTION if retention.is_unresolved() else retention
        return tuple(
            self._alarm(
                f"{name}{percent}Alarm",
                metric,
                f"{what} have waited for {percent} % of the time the queue keeps them.",
                threshold=limit.to_seconds() * percent / 100,
            )
            for percent in _AGE_PERCENT
        )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.IMetric,
        what: str,
        *,
        threshold: float = 1,
        periods: int = 1,
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self._scope,
            id,
            metric=metric,
            alarm_description=f"{self._scope.node.id}: {what}",
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=_AT_LEAST,
            treat_missing_data=_NOTHING_HAPPENED,
        )


def _repeated_percent(metrics: ConsumerMetrics) -> cloudwatch.MathExpression:
    """Share of copies among what was done, and 0 where there are only a few."""
    return cloudwatch.MathExpression(
        expression=f"IF(FILL(repeated, 0) >= {_FEW_REPEATED}, 100 * repeated / done, 0)",
        using_metrics={"repeated": metrics.repeated, "done": metrics.done},
        label="Repeated messages, percent",
        period=_QUARTER,
    )
