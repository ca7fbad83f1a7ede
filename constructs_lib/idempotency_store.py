"""StronglyConsistentStore: remember what is done where all regions see it at once."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib import _checks as checks
from constructs_lib import _environment as environment_names
from constructs_lib._consumer_store import SharedStore, SharedStoreInRegion
from constructs_lib.python_function import PythonFunction

__all__ = ["SharedStore", "StronglyConsistentStore"]

_SWEEP_EVERY = Duration.hours(1)
_SWEEP_FOR = Duration.minutes(15)
# An item is of no use from its expiry on, so all it costs is its place: a day more of it is no harm, a week would be a
# sweep that never gets through.
_LATE_SECONDS = Duration.days(1).to_seconds()
# The rule, the function and its logs, each of which may be late by a little.
_SILENT_PERIODS = 3

# What the sweeper calls.
_SWEEP = ("GetItem", "PartiQLDelete", "PutItem", "Scan")


class StronglyConsistentStore(SharedStore):
    """Remember in several regions what is done, so that a message accepted in two of them has its effect once.

    A DynamoDB global table with multi-Region strong consistency: a conditional write sees every write that ended
    before, in whatever region, and no region's loss loses one. Such a table spans three regions, in one of which a
    witness may stand for the copy; it must be empty when it is made, so it cannot be made of one that is in use. It knows
    no transactions, so `Transact` is refused by the runtime, and no time to live: a function sweeps it every hour, and
    goes on next time where it had to stop. Each write waits for a second region.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html

    A table that is replicated eventually is no such store, and not offered: two regions would both find that a message
    was not done yet, both do it, and the later of their two notes would win.

    Consumers of different names share the store and stay apart in it; consumers of one name in different regions are
    one.

    Defines the table with its copies, the sweeping function, a rule and four alarms. The table outlives the stack and is
    protected from deletion.

    Args:
        scope: Construct that owns this one, in a stack with a fixed region.
        id: Name, unique within *scope*.
        table_name: Name of the table, the same in every region; other stacks find it by this name.
        replica_regions: Regions with a copy, besides the stack's own: two, or one with a witness.
        witness_region: Region that only votes. Default: none.
        removal_policy:
            What becomes of the table with its stack; anything but RETAIN also lifts deletion protection.
            Default: RETAIN.

    Attributes:
        table: The table, as seen from the stack's own region.
        sweeper: Deletes what has expired.
        alarms: Fires when nobody sweeps, when a whole pass takes longer than a day, and those of the sweeper.

    Raises:
        ValueError: If a name or a region is not possible, one is named twice, or they are not three together.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        table_name: str,
        replica_regions: Sequence[str],
        witness_region: str | None = None,
        removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, id)
        checks.table_name(table_name)
        _check_regions(self, replica_regions, witness_region)
        removal_policy = removal_policy or RemovalPolicy.RETAIN
        self.table: dynamodb.ITableV2 = dynamodb.TableV2(
            self,
            "Table",
            table_name=table_name,
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing=dynamodb.Billing.on_demand(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=removal_policy == RemovalPolicy.RETAIN,
            multi_region_consistency=dynamodb.MultiRegionConsistency.STRONG,
            replicas=[dynamodb.ReplicaTableProps(region=region) for region in replica_regions],
            witness_region=witness_region,
            removal_policy=removal_policy,
        )
        self.sweeper = PythonFunction(
            self,
            "Sweeper",
            source=Path(__file__).parent / "runtime" / "functions" / "sweep",
            environment={environment_names.IDEMPOTENCY_TABLE: self.table.table_name},
            timeout=_SWEEP_FOR,
            description="Deletes what has expired from an idempotency store, which knows no time to live",
        )
        iam.Grant.add_to_principal(
            grantee=self.sweeper,
            actions=[f"dynamodb:{action}" for action in _SWEEP],
            resource_arns=[self.table.table_arn],
        )
        _sweep_every_hour(self, self.sweeper)
        self.alarms: tuple[cloudwatch.Alarm, ...] = (*self._alarms(), *self.sweeper.alarms)

    @staticmethod
    def in_region(scope: Construct, id: str, table_name: str) -> SharedStore:
        """The same store as seen from another stack: the copy in that stack's own region.

        Nothing crosses a region: the name is all that the stacks share.

        Args:
            scope: Construct in the stack that uses the store.
            id: Name, unique within *scope*.
            table_name: The name given to the table.
        """
        return SharedStoreInRegion(scope, id, table_name=table_name)

    def metric_swept(self) -> cloudwatch.Metric:
        """Items that were deleted because they had expired; a number for every run. Sum over an hour."""
        return self._metric("ItemsSwept", "Sum")

    def metric_sweep_age(self) -> cloudwatch.Metric:
        """Seconds since the table was last swept to its end. Maximum over an hour."""
        return self._metric("SweepAge", "Maximum")

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=environment_names.NAMESPACE,
            metric_name=name,
            dimensions_map={"store": self.table.table_name},
            statistic=statistic,
            period=_SWEEP_EVERY,
        )

    def _alarms(self) -> tuple[cloudwatch.Alarm, ...]:
        return (
            cloudwatch.Alarm(
                self,
                "NotSweptAlarm",
                metric=self.metric_swept().with_(statistic="SampleCount"),
                alarm_description=f"Nobody sweeps {self.node.id}; what has expired stays and is paid for.",
                threshold=0,
                evaluation_periods=_SILENT_PERIODS,
                comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
                # Every run counts, also one that finds nothing.
                treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            ),
            cloudwatch.Alarm(
                self,
                "SweepLateAlarm",
                metric=self.metric_sweep_age(),
                alarm_description=f"To go through all of {self.node.id} takes longer than a day; raise the sweeper's "
                "share of time, or remember messages for less long.",
                threshold=_LATE_SECONDS,
                evaluation_periods=1,
                comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                # NotSweptAlarm notices that there is none although there should be.
                treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
            ),
        )


def _sweep_every_hour(scope: Construct, sweeper: PythonFunction) -> None:
    """Nothing is tried again and nothing is kept: the next hour brings the next run."""
    once = lambda_.EventInvokeConfig(scope, "SweepOnce", function=sweeper, retry_attempts=0, max_event_age=_SWEEP_EVERY)
    rule = events.Rule(
        scope,
        "Sweep",
        description="Has expired items of an idempotency store deleted.",
        schedule=events.Schedule.rate(_SWEEP_EVERY),
        targets=[targets.LambdaFunction(sweeper, retry_attempts=0)],
    )
    reason = "A run that fails carries nothing that could be lost: the next hour brings the next one."
    Validations.of(once).acknowledge(Acknowledgment(id="Serverless-LambdaAsyncFailureDestination", reason=reason))
    Validations.of(rule).acknowledge(Acknowledgment(id="Serverless-EventBusDLQ", reason=reason))


def _check_regions(scope: Construct, replicas: Sequence[str], witness: str | None) -> None:
    own = checks.concrete_region(scope, needed_by="a StronglyConsistentStore")
    for option, regions in (("replica_regions", replicas), ("witness_region", [witness] if witness else [])):
        for region in regions:
            checks.region(option, region)
            if region == own:
                raise ValueError(
                    f"{option} must name other regions than the stack's own, got {region!r}; there is a copy anyway, so "
                    "name another one"
                )
    checks.distinct(
        "replica_regions and witness_region",
        [*replicas, *([witness] if witness else [])],
        way_out="each region holds one copy or one vote",
    )
    needed = 1 if witness else 2
    if len(replicas) != needed:
        raise ValueError(
            f"replica_regions must name {needed} region{'' if needed == 1 else 's'} "
            f"{'with' if witness else 'without'} a witness_region, got {list(replicas)}; strong consistency takes three "
            "regions: the stack's own and two copies, or one copy and a witness"
        )
