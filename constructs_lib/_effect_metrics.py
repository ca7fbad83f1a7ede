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


def effect_alarms(
    scope: Construct, *, mismatches: cloudwatch.Metric, store_errors: cloudwatch.Metric, kept: str
) -> tuple[cloudwatch.Alarm, ...]:
    """Alarms on ids that mean two things, and on a store that is away.

    Args:
        scope: Construct that has the alarms.
        mismatches: How often an id came with another payload.
        store_errors: How often the store did not answer.
        kept: Where what was refused is, for people.
    """

    def alarm(id: str, metric: cloudwatch.Metric, what: str, *, periods: int, of_them: int) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            scope,
            id,
            metric=metric,
            alarm_description=f"{scope.node.id}: {what}",
            threshold=1,
            evaluation_periods=periods,
            datapoints_to_alarm=of_them,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # Counted only when it happens: no data, nothing happened.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )

    return (
        alarm(
            "MismatchAlarm", mismatches, f"an id came a second time with another payload; {kept}.", periods=1, of_them=1
        ),
        # One that did not answer once was asked again.
        alarm(
            "StoreErrorsAlarm",
            store_errors,
            "the idempotency store does not answer; what needs it waits.",
            periods=3,
            of_them=2,
        ),
    )
