"""Replicas of global tables, which the emulator's CloudFormation leaves out although its DynamoDB can make them."""

from collections.abc import Callable, Sequence
from typing import Any

from constructs_lib.local.deployment import DeployedStack

GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"


def create_replicas(deployed: Sequence[DeployedStack], client: Callable[[str, str], Any]) -> None:
    """Give every global table in *deployed* the replicas its template asks for and it does not have yet.

    Args:
        deployed: The stacks to look through.
        client: Makes a boto3 client from the name of a service and a region.
    """
    for stack in deployed:
        tables = {logical_id: name for logical_id, (kind, name) in stack.resources.items() if kind == GLOBAL_TABLE}
        if not tables:
            continue
        template = client("cloudformation", stack.region).get_template(StackName=stack.name)["TemplateBody"]
        dynamodb = client("dynamodb", stack.region)
        for logical_id, table in tables.items():
            existing = dynamodb.describe_table(TableName=table)["Table"].get("Replicas", ())
            present = {stack.region, *(replica["RegionName"] for replica in existing)}
            for replica in template["Resources"][logical_id]["Properties"]["Replicas"]:
                # A region that is not spelled out is the stack's own: no other can be meant before deployment.
                region = replica["Region"] if isinstance(replica["Region"], str) else stack.region
                if region not in present:
                    dynamodb.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": region}}])
