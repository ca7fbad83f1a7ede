"""TenantThrottle: one tenant's flood is stopped before the queue, where it costs nobody else anything."""

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Stack, Token, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib import _environment as environment_names
from constructs_lib._checks import between
from constructs_lib.python_function import PythonFunction

_PERIOD = Duration.minutes(5)


class TenantThrottle(Construct):
    """Let a function judge each tenant's requests by their rate, together with all its execution environments here.

    The function asks `constructs_lib.runtime.tenant_throttle`: a request is taken; or, above *sideline_above*, taken
    aside; or, above *rate_per_second*, refused with the time after which there may be room. Only requests that are not
    put aside count towards *sideline_above*, so a tenant above it keeps that rate and only its excess waits.

    Each environment takes tokens from the table a lease at a time, `burst / (2 * environments)` of them and at least one,
    the first one as an advance: a quiet tenant costs no write, a busy one a write per lease. In any T seconds a tenant is
    let in at most `burst + rate_per_second * T` times and once per token that lies leased in an environment, half a burst
    at most; as long as it asks for less than half a burst and the rate, it is never refused. The same holds for
    *sideline_above*, whose burst is as many seconds' worth. While the table does not answer, each environment goes by the
    same rates alone: an event accepted above a limit is better than one refused below it.

    Defines a table (in this region only) and two alarms; adds a setting and a right to *function*. The table goes with
    the stack and is not backed up: what it says is worth nothing as soon as the buckets would be full anyway, after
    `burst / rate_per_second` seconds.

    Args:
        scope: Construct that owns this one.
        id: Name, unique within *scope*.
        function: Function that asks.
        rate_per_second: Requests per second of one tenant above which they are refused, 1 to 10,000.
        burst: Requests of one tenant that are let in at once after a quiet time, at least *rate_per_second*, at most
            1,000,000.
        sideline_above: Requests per second of one tenant above which they go aside, at least 1 and below
            *rate_per_second*. Default: none go aside.
        environments: Most execution environments of *function* that serve one tenant at the same time, 1 to 10,000.
            Default: 100.

    Attributes:
        table: How much each tenant has taken: key `id`, expiry `expires`.
        function: The function that was given.
        throttled_alarm: Fires when a tenant was refused.
        store_alarm: Fires when the table did not answer.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        function: PythonFunction,
        rate_per_second: int,
        burst: int,
        sideline_above: int | None = None,
        environments: int = 100,
    ) -> None:
        super().__init__(scope, id)
        _check(rate_per_second, burst, sideline_above, environments)
        self.function = function
        self.table: dynamodb.ITable = _table(self)
        iam.Grant.add_to_principal(
            grantee=function, actions=["dynamodb:UpdateItem"], resource_arns=[self.table.table_arn]
        )
        function.add_environment(
            environment_names.TENANT_THROTTLE,
            Stack.of(self).to_json_string(
                {
                    "table": self.table.table_name,
                    "rate_per_second": rate_per_second,
                    "burst": burst,
                    "sideline_above": sideline_above,
                    "environments": environments,
                }
            ),
        )
        self.throttled_alarm = self._alarm(
            "ThrottledAlarm", self.metric_throttled(), "A tenant is refused; what its senders give up on is lost."
        )
        self.store_alarm = self._alarm(
            "StoreAlarm", self._counted("StoreErrors"), "The table does not answer; rates hold per environment only."
        )

    @property
    def alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        """Everything about the throttle that should wake someone; the function's own alarms are not among them."""
        return self.throttled_alarm, self.store_alarm

    def metric_throttled(self) -> cloudwatch.Metric:
        """Requests refused. Sum over 5 minutes."""
        return self._counted("TenantThrottled")

    def metric_sidelined(self) -> cloudwatch.Metric:
        """Requests taken aside. Sum over 5 minutes."""
        return self._counted("TenantSidelined")

    def _counted(self, name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=environment_names.NAMESPACE,
            metric_name=name,
            # Not the tenant: a metric per tenant costs more than the tenant's events.
            dimensions_map={"service": self.function.service},
            period=_PERIOD,
            statistic="Sum",
        )

    def _alarm(self, id: str, metric: cloudwatch.Metric, what: str) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=f"{self.node.id}: {what}",
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


def _check(rate_per_second: int, burst: int, sideline_above: int | None, environments: int) -> None:
    between("rate_per_second", rate_per_second, 1, 10_000, way_out="to refuse nobody, leave the throttle out")
    least = 1 if Token.is_unresolved(rate_per_second) else rate_per_second
    between("burst", burst, least, 1_000_000, way_out="the least is rate_per_second, one second's worth")
    if sideline_above is not None:
        most = 10_000 if Token.is_unresolved(rate_per_second) else rate_per_second - 1
        between(
            "sideline_above",
            sideline_above,
            1,
            most,
            way_out="it must be below rate_per_second; leave it out to put nothing aside",
        )
    between("environments", environments, 1, 10_000, way_out="the function's reserved concurrency is a safe number")


def _table(scope: Construct) -> dynamodb.Table:
    table = dynamodb.Table(
        scope,
        "Tokens",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="expires",
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        removal_policy=RemovalPolicy.DESTROY,
    )
    Validations.of(table).acknowledge(
        Acknowledgment(
            id="AwsSolutions-DDB3",
            reason="What it holds is worth nothing after the seconds in which a tenant's tokens come back.",
        )
    )
    return table
