"""The global tables of deployed stacks, and their replicas as tables of their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constructs_lib.local.deployment import DeployedStack

GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"
_STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalTable:
    """A table with several replicas.

    Attributes:
        name: Its name, the same in every region.
        home: Region of the stack that defines it.
        regions: Regions of all its replicas.
        time_to_live: Attribute that says when an item expires, the same for every replica. Default: none.
        recoverable: Regions whose replica has point-in-time recovery, which each has by itself. Default: none.
    """

    name: str
    home: str
    regions: tuple[str, ...]
    time_to_live: str | None = None
    recoverable: tuple[str, ...] = ()


def find_tables(deployed: Sequence[DeployedStack], client: Callable[[str, str], Any]) -> tuple[GlobalTable, ...]:
    """Every global table of *deployed* with more than one replica, as its template describes it.

    Args:
        deployed: The stacks to look through.
        client: Makes a boto3 client from the name of a service and a region.
    """
    found = []
    for stack in deployed:
        names = {logical_id: name for logical_id, (kind, name) in stack.resources.items() if kind == GLOBAL_TABLE}
        if not names:
            continue
        template = client("cloudformation", stack.region).get_template(StackName=stack.name)["TemplateBody"]
        for logical_id, name in names.items():
            table = _from_template(name, stack.region, template["Resources"][logical_id]["Properties"])
            if len(table.regions) > 1:
                found.append(table)
    return tuple(found)


def ensure_replica(table: GlobalTable, region: str, *, home: Any, here: Any) -> str:
    """Make sure that *table* has its replica in *region*, set up as the others; return the ARN of its stream.

    Args:
        table: The global table.
        region: One of its regions.
        home: A `dynamodb` client for the region that has the table already.
        here: A `dynamodb` client for *region*.

    Raises:
        ClientError: If a region refuses.
        BotoCoreError: If a region does not answer.
    """
    try:
        description = here.describe_table(TableName=table.name)["Table"]
    except here.exceptions.ResourceNotFoundException:
        if region == table.home:
            raise
        model = home.describe_table(TableName=table.name)["Table"]
        here.create_table(**definition(model))
    else:
        if description.get("StreamSpecification") != _STREAM:
            here.update_table(TableName=table.name, StreamSpecification=_STREAM)
    here.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig={"Delay": 1})
    _set_time_to_live(table, here)
    if region in table.recoverable:
        here.update_continuous_backups(
            TableName=table.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    return str(here.describe_table(TableName=table.name)["Table"]["LatestStreamArn"])


def definition(described: Mapping[str, Any]) -> dict[str, Any]:
    """What CreateTable takes to make a replica of the table that DescribeTable *described*."""
    made: dict[str, Any] = {name: described[name] for name in ("TableName", "KeySchema", "AttributeDefinitions")}
    made["StreamSpecification"] = _STREAM
    on_demand = described.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    if on_demand:
        made["BillingMode"] = "PAY_PER_REQUEST"
    else:
        made["ProvisionedThroughput"] = _throughput(described)
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if described.get(kind):
            made[kind] = [
                {name: index[name] for name in ("IndexName", "KeySchema", "Projection")} for index in described[kind]
            ]
    if not on_demand:
        for index, model in zip(
            made.get("GlobalSecondaryIndexes", ()), described.get("GlobalSecondaryIndexes", ()), strict=True
        ):
            index["ProvisionedThroughput"] = _throughput(model)
    return made


def _throughput(described: Mapping[str, Any]) -> dict[str, int]:
    throughput = described["ProvisionedThroughput"]
    return {name: throughput[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}


def _from_template(name: str, home: str, properties: Mapping[str, Any]) -> GlobalTable:
    # A region that is not spelled out is the stack's own: no other can be meant before deployment.
    replicas = {
        one["Region"] if isinstance(one["Region"], str) else home: one for one in properties.get("Replicas", ())
    }
    recovery = "PointInTimeRecoverySpecification"
    expiry = properties.get("TimeToLiveSpecification", {})
    return GlobalTable(
        name=name,
        home=home,
        regions=tuple(dict.fromkeys((home, *replicas))),
        time_to_live=expiry.get("AttributeName") if expiry.get("Enabled") else None,
        recoverable=tuple(
            region for region, one in replicas.items() if one.get(recovery, {}).get("PointInTimeRecoveryEnabled")
        ),
    )


def _set_time_to_live(table: GlobalTable, here: Any) -> None:
    now = here.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
    if table.time_to_live and now["TimeToLiveStatus"] in ("DISABLED", "DISABLING"):
        here.update_time_to_live(
            TableName=table.name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": table.time_to_live},
        )
