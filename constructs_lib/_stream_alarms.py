"""Metrics and alarms of one dependency's stream."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib import _environment as environment_names

_PERIOD = Duration.minutes(5)

# How late a stream may run before someone looks: three periods.
_LATE_PERIODS = 3
# Parts of the longest hold, in percent, at which waiting records need someone ever more urgently.
_AT_RISK_PERCENT = (25, 50, 80)


class StreamAlarms:
    """What watches one dependency.

    Two metrics tell how late the consumer is, because neither tells all. Kinesis counts what is fetched: a stream that
    is polled has data even when it is empty, so silence means that nobody polls. Lambda counts what is handed to the
    function: it goes on during an outage, when one batch is tried again and again and nothing is fetched.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        dependency: str,
        stream: kinesis.IStream,
        consumer: lambda_.IFunction,
        mapping: lambda_.EventSourceMapping,
        hold_at_most: Duration,
    ) -> None:
        self._scope = scope
        self._dependency = dependency
        of_mapping = {"EventSourceMappingUUID": mapping.event_source_mapping_id}
        self.iterator_age = consumer.metric("IteratorAge", period=_PERIOD, statistic="Maximum")
        self.fetched_age = stream.metric("GetRecords.IteratorAgeMilliseconds", period=_PERIOD, statistic="Maximum")
        self.write_throttled = stream.metric("WriteProvisionedThroughputExceeded", period=_PERIOD, statistic="Sum")
        self.expired = _sum("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", of_mapping)
        self.dropped = _sum("AWS/Lambda", "DroppedEventCount", of_mapping)
        self.quarantined = _sum(environment_names.NAMESPACE, "RecordsQuarantined", {"dependency": dependency})
        self.all: tuple[cloudwatch.Alarm, ...] = (
            self._alarm(
                "LateAlarm",
                self.fetched_age,
                "records wait, or nobody polls the stream.",
                threshold=_PERIOD.to_milliseconds() * _LATE_PERIODS,
                periods=_LATE_PERIODS,
                missing=cloudwatch.TreatMissingData.BREACHING,
            ),
            *(self._at_risk_alarm(percent, hold_at_most) for percent in _AT_RISK_PERCENT),
            self._alarm("QuarantinedAlarm", self.quarantined, "a record cannot be delivered and is in the quarantine."),
            self._alarm("ExpiredAlarm", self.expired, "a record waited too long and is in the quarantine."),
            self._alarm("DroppedAlarm", self.dropped, "a record is lost: the quarantine did not take it."),
            self._alarm("WriteThrottledAlarm", self.write_throttled, "the stream has too few shards."),
        )

    def _at_risk_alarm(self, percent: int, hold_at_most: Duration) -> cloudwatch.Alarm:
        # A token cannot be multiplied; the longest hold there is keeps the alarm on the late side of right.
        hold = Duration.days(7) if hold_at_most.is_unresolved() else hold_at_most
        return self._alarm(
            f"AtRisk{percent}Alarm",
            self.iterator_age,
            f"records have waited for {percent} % of the time they may be held.",
            threshold=hold.to_milliseconds() * percent / 100,
            # Nothing was invoked: how long records have waited is not known to have changed. LateAlarm sees a stop.
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.Metric,
        what: str,
        *,
        threshold: float = 1,
        periods: int = 1,
        # The counters have data points only when there is something to count.
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self._scope,
            id,
            metric=metric,
            alarm_description=f"Dependency {self._dependency}: {what}",
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing,
        )


def _sum(namespace: str, name: str, dimensions: dict[str, str]) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, dimensions_map=dimensions, period=_PERIOD, statistic="Sum"
    )
