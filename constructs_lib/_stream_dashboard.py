"""One dependency at a glance: a row of widgets."""

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch

from constructs_lib._stream_metrics import StreamMetrics

# A dashboard is 24 wide.
_ALARMS_WIDE = 4
_GRAPH_WIDE = 5
_HIGH = 6


def dashboard_row(
    dependency: str, metrics: StreamMetrics, alarms: Sequence[cloudwatch.IAlarm]
) -> tuple[cloudwatch.IWidget, ...]:
    """Alarms, then four graphs: who waits, how calls go, what becomes of records, who is parked."""
    return (
        cloudwatch.AlarmStatusWidget(title=dependency, alarms=list(alarms), width=_ALARMS_WIDE, height=_HIGH),
        _graph(
            f"{dependency}: waiting",
            left=[_named(metrics.iterator_age, "age at work"), _named(metrics.fetched_age, "age when fetched")],
            left_unit="ms",
            right=[_named(metrics.time_to_data_loss, "time to data loss")],
            right_unit="s",
        ),
        _graph(
            f"{dependency}: calls",
            left=[_named(metrics.failure_rate, "failed")],
            left_unit="%",
            right=[
                _named(metrics.breaker_open, "calls stopped"),
                _named(metrics.breaker_opened, "stops"),
                _named(metrics.retries_refused, "retries refused"),
                _named(metrics.handler_failing, "handler failing"),
            ],
            right_unit="number",
        ),
        _graph(
            f"{dependency}: records",
            left=[_named(metrics.incoming, "in"), _named(metrics.done, "done"), _named(metrics.held, "held")],
            left_unit="number",
            right=[
                _named(metrics.quarantined, "quarantined"),
                _named(metrics.expired, "expired"),
                _named(metrics.dropped, "lost"),
                _named(metrics.write_throttled, "throttled"),
            ],
            right_unit="number",
        ),
        _graph(
            f"{dependency}: parked",
            left=[
                _named(metrics.tenants_parked, "tenants"),
                _named(metrics.parked, "records parked"),
                _named(metrics.unparked, "records worked off"),
            ],
            left_unit="number",
            right=[_named(metrics.parked_age, "oldest")],
            right_unit="s",
        ),
    )


def _graph(
    title: str,
    *,
    left: Sequence[cloudwatch.IMetric],
    left_unit: str,
    right: Sequence[cloudwatch.IMetric],
    right_unit: str,
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        left_y_axis=cloudwatch.YAxisProps(label=left_unit, min=0, show_units=False),
        right=list(right),
        right_y_axis=cloudwatch.YAxisProps(label=right_unit, min=0, show_units=False),
        width=_GRAPH_WIDE,
        height=_HIGH,
    )


def _named(metric: cloudwatch.Metric, label: str) -> cloudwatch.Metric:
    return metric.with_(label=label)
