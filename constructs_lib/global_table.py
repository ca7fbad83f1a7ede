"""GlobalTable: data that survives the loss of a region, and says when a copy falls behind."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from constructs_lib import _checks as checks

# Replication normally takes about a second. A minute, for minutes, is no hiccup: readers elsewhere act on old data,
# and losing this region now would lose what has not left it.
_LATENCY_LIMIT_MILLISECONDS = 60_000


class GlobalTable(Construct):
    """Keep one table in several regions, each of which reads and writes its own copy.

    Copies follow one another within about a second. When two regions write the same item, the later write wins and
    the other is lost without a word; conditional writes see their own region only. So let each item have one region
    that writes it: put the region into the key, and let readers merge.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html

    Every copy can be restored to any second of the last 35 days, and cannot be deleted by accident.

    Defines one table with its copies, and one alarm per copy.

    Args:
        scope: Construct that owns this one, in a stack with a fixed region if there are copies.
        id: Name, unique within *scope*.
        table_name: Name of the table, the same in every region; other stacks find it by this name.
        partition_key: Attribute that holds the partition key, a text.
        sort_key: Attribute that holds the sort key, a text. Default: none.
        replica_regions: Regions with a copy, besides the stack's own. Default: none.
        time_to_live_attribute: Attribute with the second (Unix time) from which an item may go. Default: items stay.
        removal_policy:
            What becomes of the table with its stack; anything but RETAIN also lifts deletion protection.
            Default: RETAIN.

    Attributes:
        table: The table, as seen from the stack's own region.
        alarms: One per copy, fires when changes take a minute or more to get there.

    Raises:
        ValueError: If a name or a region is not possible, or a region is named twice.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        table_name: str,
        partition_key: str,
        sort_key: str | None = None,
        replica_regions: Sequence[str] = (),
        time_to_live_attribute: str | None = None,
        removal_policy: RemovalPolicy | None = None,
    ) -> None:
        super().__init__(scope, id)
        checks.table_name(table_name)
        if sort_key == partition_key:
            raise ValueError(
                f"sort_key must be another attribute than partition_key, got {sort_key!r} for both; rename one"
            )
        _check_replicas(self, replica_regions)
        removal_policy = removal_policy or RemovalPolicy.RETAIN
        self._replica_regions = tuple(replica_regions)
        self.table: dynamodb.ITableV2 = dynamodb.TableV2(
            self,
            "Table",
            table_name=table_name,
            partition_key=_text(partition_key),
            sort_key=_text(sort_key) if sort_key else None,
            billing=dynamodb.Billing.on_demand(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=removal_policy == RemovalPolicy.RETAIN,
            replicas=[dynamodb.ReplicaTableProps(region=region) for region in replica_regions],
            time_to_live_attribute=time_to_live_attribute,
            removal_policy=removal_policy,
        )
        self.alarms: tuple[cloudwatch.Alarm, ...] = tuple(self._latency_alarm(region) for region in replica_regions)

    @staticmethod
    def in_region(scope: Construct, id: str, table_name: str) -> dynamodb.ITableV2:
        """The same table as seen from another stack: the copy in that stack's own region.

        Nothing crosses a region: the name is all that the stacks share. Grant what a function does, no more:
        `table.grant(function, "dynamodb:GetItem")`.

        Args:
            scope: Construct in the stack that uses the table.
            id: Name, unique within *scope*.
            table_name: The name given to the table.
        """
        return dynamodb.TableV2.from_table_name(scope, id, table_name)

    def metric_replication_latency(self, region: str) -> cloudwatch.Metric:
        """Milliseconds from a change here to the same change in *region*. Average over one minute.

        Raises:
            ValueError: If there is no copy in *region*.
        """
        if region not in self._replica_regions:
            raise ValueError(
                f"region must be one of the copies' {list(self._replica_regions)}, got {region!r}; "
                "add it to replica_regions first"
            )
        return cloudwatch.Metric(
            namespace="AWS/DynamoDB",
            metric_name="ReplicationLatency",
            dimensions_map={"TableName": self.table.table_name, "ReceivingRegion": region},
            statistic="Average",
            period=Duration.minutes(1),
        )

    def _latency_alarm(self, region: str) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            f"ReplicationLatency-{region}",
            metric=self.metric_replication_latency(region),
            alarm_description=f"Changes to {self.node.id} take a minute or more to reach {region}.",
            threshold=_LATENCY_LIMIT_MILLISECONDS,
            evaluation_periods=5,
            datapoints_to_alarm=3,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # A table that nobody writes has no latency.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


def _check_replicas(scope: Construct, regions: Sequence[str]) -> None:
    if not regions:
        return
    own = checks.concrete_region(scope, needed_by="a GlobalTable with replica_regions")
    for region in regions:
        checks.region("replica_regions", region)
        if region == own:
            raise ValueError(
                f"replica_regions must name other regions than the stack's own, got {region!r}; "
                "the table is there anyway, so leave it out"
            )
    checks.distinct("replica_regions", regions, way_out="one copy per region is all there is, so remove one")


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
