from typing import Any
from unittest.mock import Mock

from constructs_lib.local.deployment import DeployedStack
from constructs_lib.local.replicas import create_replicas


def create(replicas: list[Any], existing: list[str]) -> list[Any]:
    """The replicas that are created for a table with *replicas* in its template and *existing* ones."""
    cloudformation, dynamodb = Mock(), Mock()
    cloudformation.get_template.return_value = {
        "TemplateBody": {"Resources": {"Table": {"Properties": {"Replicas": [{"Region": one} for one in replicas]}}}}
    }
    dynamodb.describe_table.return_value = {"Table": {"Replicas": [{"RegionName": one} for one in existing]}}
    stack = DeployedStack(
        name="Tables",
        region="us-east-1",
        outputs={},
        resources={"Table": ("AWS::DynamoDB::GlobalTable", "alerts"), "Queue": ("AWS::SQS::Queue", "q")},
    )

    create_replicas([stack], lambda service, _region: {"cloudformation": cloudformation, "dynamodb": dynamodb}[service])

    return [
        (call.kwargs["TableName"], [one["Create"]["RegionName"] for one in call.kwargs["ReplicaUpdates"]])
        for call in dynamodb.update_table.call_args_list
    ]


def test_every_other_region_gets_its_replica() -> None:
    """A global table exists in each region its template names, not in its home only."""
    assert create(["us-east-1", "eu-west-1", "ap-south-1"], []) == [
        ("alerts", ["eu-west-1"]),
        ("alerts", ["ap-south-1"]),
    ]


def test_what_exists_is_left_alone() -> None:
    """A replica that is there already, or that is the table itself, is not made again."""
    assert create([{"Ref": "AWS::Region"}, "eu-west-1"], ["eu-west-1"]) == []
