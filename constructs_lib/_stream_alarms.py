"""Alarms of one dependency's stream: what should wake someone, and what silence means."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from constructs_lib._call_policy import CallPolicy
from constructs_lib._stream_metrics import PERIOD, ConsumedStreamMetrics, StreamMetrics

_MINUTE = Duration.minutes(1)
# Longer than any invocation, so that one that waits to its end for the dependency is seen in every period.
_LONGER_THAN_AN_INVOCATION = Duration.minutes(15)

# How late a stream may run before someone looks: three periods.
_LATE_PERIODS = 3
# Parts of the longest hold, in percent, at which waiting records need someone ever more urgently.
_AT_RISK_PERCENT = (25, 50, 80)
# Part of the longest hold, in percent, for which a tenant's records may be parked before someone looks.
_PARKED_PERCENT = 50
# An invocation that has to do with old records says so, and while any are held there is one several times in half an
# hour. None in half an hour: nothing waits; that nobody works although somebody should is what LateAlarm notices. To keep
# the state without a limit would leave it in ALARM where the last record of a quiet stream was an old one.
_SEEN_WITHIN_PERIODS = 6
# Parts of the stream's retention, in percent, that are left for the oldest record.
_LEFT_PERCENT = (50, 20)

_LONGEST_HOLD = Duration.days(7)

_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_AT_MOST = cloudwatch.ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD

# What is counted only when it happens: no data, nothing happened.
_NOTHING_HAPPENED = cloudwatch.TreatMissingData.NOT_BREACHING
# What every visit to parked records tells again: without one, the state is not known to have changed.
_UNCHANGED = cloudwatch.TreatMissingData.IGNORE
# What is always there while somebody works: no data, nobody works.
_NOBODY_WORKS = cloudwatch.TreatMissingData.BREACHING


class StreamAlarms:
    """What watches one dependency.

    Attributes:
        all: The alarms.
    """

    def __init__(
        self,
        scope: Construct,
        metrics: ConsumedStreamMetrics,
        *,
        dependency: str,
        hold_at_most: Duration,
        retention: Duration,
        calls: CallPolicy,
    ) -> None:
        self._scope = scope
        self._dependency = dependency
        # A token cannot be multiplied; the longest hold there is keeps the alarms on the late side of right.
        hold = _LONGEST_HOLD if hold_at_most.is_unresolved() else hold_at_most
        self.all: tuple[cloudwatch.Alarm, ...] = (
            *self._about_age(metrics, hold),
            *self._about_data_loss(metrics, retention),
            *self._about_calls(metrics, calls),
            *self._about_parking(metrics, hold),
            self._alarm("QuarantinedAlarm", metrics.quarantined, "a record cannot be delivered; it is in quarantine."),
            self._alarm("ExpiredAlarm", metrics.expired, "a record waited too long and is in the quarantine."),
            self._alarm("DroppedAlarm", metrics.dropped, "a record is lost: the quarantine did not take it."),
            *(self._about_stream(metrics) if isinstance(metrics, StreamMetrics) else ()),
        )

    def _about_stream(self, metrics: StreamMetrics) -> tuple[cloudwatch.Alarm, ...]:
        """What only Kinesis tells."""
        throttled = self._alarm("WriteThrottledAlarm", metrics.write_throttled, "the stream has too little capacity.")
        late = self._alarm(
            "LateAlarm",
            metrics.fetched_age,
            "records wait, or nobody polls the stream.",
            threshold=PERIOD.to_milliseconds() * _LATE_PERIODS,
            periods=_LATE_PERIODS,
            missing=_NOBODY_WORKS,
        )
        return (throttled, late)

    def _about_age(self, metrics: ConsumedStreamMetrics, hold: Duration) -> tuple[cloudwatch.Alarm, ...]:
        return tuple(
            self._alarm(
                f"AtRisk{percent}Alarm",
                metrics.iterator_age,
                f"records have waited for {percent} % of the time they may be held.",
                threshold=hold.to_milliseconds() * percent / 100,
                periods=_SEEN_WITHIN_PERIODS,
                of_them=1,
            )
            for percent in _AT_RISK_PERCENT
        )

    def _about_data_loss(self, metrics: ConsumedStreamMetrics, retention: Duration) -> tuple[cloudwatch.Alarm, ...]:
        if retention.is_unresolved():
            # The runtime is not told the retention either, so there is no metric to watch.
            return ()
        return tuple(
            self._alarm(
                f"DataLoss{percent}Alarm",
                metrics.time_to_data_loss,
                f"{percent} % of the time is left until the stream drops the oldest record.",
                threshold=retention.to_seconds() * percent / 100,
                periods=_SEEN_WITHIN_PERIODS,
                of_them=1,
                compare=_AT_MOST,
            )
            for percent in _LEFT_PERCENT
        )

    def _about_calls(self, metrics: ConsumedStreamMetrics, calls: CallPolicy) -> tuple[cloudwatch.Alarm, ...]:
        held = self._alarm(
            "HeldAlarm",
            metrics.held.with_(period=_LONGER_THAN_AN_INVOCATION),
            "records have been waiting for it for more than a quarter of an hour.",
            periods=2,
        )
        failing = self._alarm(
            "FailureRateAlarm",
            metrics.failure_rate.with_(period=_MINUTE),
            f"half as many calls fail as stop all calls ({calls.open_at_percent} %).",
            threshold=calls.warn_at_percent,
            periods=3,
            of_them=2,
        )
        opened = self._alarm(
            "BreakerOpenAlarm",
            metrics.breaker_open.with_(period=_MINUTE),
            "it does not answer; calls are stopped and records wait.",
            missing=_UNCHANGED,
        )
        handler = self._alarm(
            "HandlerFailingAlarm", metrics.handler_failing, "the handler fails for most keys; records wait for a mend."
        )
        return (held, failing, opened, handler)

    def _about_parking(self, metrics: ConsumedStreamMetrics, hold: Duration) -> tuple[cloudwatch.Alarm, ...]:
        parked = self._alarm(
            "ParkedAlarm",
            metrics.parked_age,
            f"a tenant's records have been parked for {_PARKED_PERCENT} % of the time they may be held.",
            threshold=hold.to_seconds() * _PARKED_PERCENT / 100,
        )
        drained = self._alarm(
            "NotDrainedAlarm",
            # Every visit reports the number of tenants, be it 0.
            metrics.tenants_parked.with_(statistic="SampleCount"),
            "nobody looks after parked records.",
            threshold=0,
            periods=_LATE_PERIODS,
            compare=_AT_MOST,
            missing=_NOBODY_WORKS,
        )
        return (parked, drained)

    def _alarm(
        self,
        id: str,
        metric: cloudwatch.Metric,
        what: str,
        *,
        threshold: float = 1,
        periods: int = 1,
        of_them: int | None = None,
        compare: cloudwatch.ComparisonOperator = _AT_LEAST,
        missing: cloudwatch.TreatMissingData = _NOTHING_HAPPENED,
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self._scope,
            id,
            metric=metric,
            alarm_description=f"Dependency {self._dependency}: {what}",
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=of_them,
            comparison_operator=compare,
            treat_missing_data=missing,
        )
