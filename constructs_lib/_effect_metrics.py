"""What the runtime counts of effects that are made once, and the alarms on it, for queues and streams alike."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from constructs_lib import _environment as environment_names

# What metrics are summed up over, unless an alarm asks for something else.
PERIOD = Duration.minutes(5)


def counted(name: str, dimensions: Mapping[str, str]) -> cloudwatch.Metric:
    """A count of the runtime. Sum over 5 minutes."""
    return cloudwatch.Metric(
        namespace=environment_names.NAMESPACE,
        metric_name=name,
        dimensions_map=dict(dimensions),
        period=PERIOD,
        statistic="Sum",
    )


def effect_alarms(scope: Construct, dimensions: Mapping[str, str], *, kept: str) -> tuple[cloudwatch.Alarm, ...]:
    """Alarms on ids that mean two things, on effects that may have been made twice, and on a store that is away.

    Args:
        scope: Construct that has the alarms.
        dimensions: Of the runtime's metrics.
        kept: Where what was refused is, for people.
    """

    def alarm(id: str, metric: str, what: str, *, periods: int = 1, of_them: int = 1) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            scope,
            id,
            metric=counted(metric, dimensions),
            alarm_description=f"{scope.node.id}: {what}",
            threshold=1,
            evaluation_periods=periods,
            datapoints_to_alarm=of_them,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # Counted only when it happens: no data, nothing happened.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    return (
        alarm("MismatchAlarm", "PayloadMismatches", f"an id came a second time with another payload; {kept}."),
        alarm(
            "ClaimsLostAlarm",
            "ClaimsLost",
            "somebody took over what was still at work, as if its invocation had ended; its effect may be there twice. "
            "Clocks differ by more than 5 seconds, or an invocation outlived its time.",
        ),
        # A store that did not answer once was asked again.
        alarm(
            "StoreErrorsAlarm",
            "StoreErrors",
            "the idempotency store does not answer; what needs it waits.",
            periods=3,
            of_them=2,
        ),
    )
