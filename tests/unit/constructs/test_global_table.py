"""GlobalTable: data in several regions, and a word when a copy falls behind."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

from constructs_lib import GlobalTable
from constructs_lib.testing.findings import findings
from tests.support.synthesis import new_stack, only, resources, statements


def orders(stack: cdk.Stack, **options: Any) -> GlobalTable:
    return GlobalTable(stack, "Orders", **{"table_name": "orders", "partition_key": "id", **options})


def test_a_table_has_a_copy_in_every_region_named() -> None:
    """The stack's own region and every replica region have one; keys are texts, and only use is paid for."""
    stack = new_stack("us-east-1")
    orders(stack, sort_key="region", replica_regions=["eu-west-1", "ap-southeast-2"], time_to_live_attribute="expires")
    table = only(stack, "AWS::DynamoDB::GlobalTable")
    assert sorted(copy["Region"] for copy in table["Replicas"]) == ["ap-southeast-2", "eu-west-1", "us-east-1"]
    assert table["KeySchema"] == [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "region", "KeyType": "RANGE"},
    ]
    assert {attribute["AttributeType"] for attribute in table["AttributeDefinitions"]} == {"S"}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


@pytest.mark.requirement("LIB-07")
def test_every_copy_is_kept_and_can_be_restored() -> None:
    """Deletion protection and point-in-time recovery hold in each region: neither is replicated by itself."""
    stack = new_stack("us-east-1")
    orders(stack, replica_regions=["eu-west-1"])
    (table,) = resources(stack, "AWS::DynamoDB::GlobalTable").values()
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    for copy in table["Properties"]["Replicas"]:
        assert copy["DeletionProtectionEnabled"] is True
        assert copy["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.requirement("LIB-07")
def test_a_table_can_be_torn_down_on_request() -> None:
    """Who asks for DESTROY gets it, deletion protection included."""
    stack = new_stack("us-east-1")
    orders(stack, replica_regions=["eu-west-1"], removal_policy=cdk.RemovalPolicy.DESTROY)
    (table,) = resources(stack, "AWS::DynamoDB::GlobalTable").values()
    assert table["DeletionPolicy"] == "Delete"
    assert not any(copy.get("DeletionProtectionEnabled") for copy in table["Properties"]["Replicas"])


def test_each_copy_that_falls_behind_is_noticed() -> None:
    """One alarm per receiving region watches that region's latency for this table, and no other's."""
    stack = new_stack("us-east-1")
    table = orders(stack, replica_regions=["eu-west-1", "ap-southeast-2"])
    (table_id,) = resources(stack, "AWS::DynamoDB::GlobalTable")
    watched = [alarm["Properties"] for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()]
    assert len(table.alarms) == 2
    assert {(each["Namespace"], each["MetricName"]) for each in watched} == {("AWS/DynamoDB", "ReplicationLatency")}
    dimensions = [{each["Name"]: each["Value"] for each in alarm["Dimensions"]} for alarm in watched]
    assert sorted(dimensions, key=str) == [
        {"ReceivingRegion": "ap-southeast-2", "TableName": {"Ref": table_id}},
        {"ReceivingRegion": "eu-west-1", "TableName": {"Ref": table_id}},
    ]


def test_another_stack_sees_the_copy_in_its_own_region() -> None:
    """A grant in a region names that region's copy, and nothing refers to another stack."""
    stack = new_stack("eu-west-1")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    GlobalTable.in_region(stack, "Orders", "orders").grant(role, "dynamodb:GetItem")
    (granted,) = statements(stack)
    parts = granted["Resource"]["Fn::Join"][1]
    assert "".join(part if isinstance(part, str) else part["Ref"] for part in parts) == (
        "arn:AWS::Partition:dynamodb:eu-west-1:AWS::AccountId:table/orders"
    )


@pytest.mark.requirement("LIB-05")
def test_the_table_is_public_to_the_app() -> None:
    """Whatever DynamoDB offers can be set on the inner table."""
    assert isinstance(orders(new_stack()).table, dynamodb.TableV2)


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table_name": "x"}, r"table_name must be 3 to 255 letters.*, got 'x'; "),
        ({"sort_key": "id"}, r"sort_key must be another attribute than partition_key, got 'id' for both"),
        (
            {"replica_regions": ["us-east-1"]},
            r"replica_regions must name other regions than.*got 'us-east-1'.*leave it out",
        ),
        (
            {"replica_regions": ["eu-west-1"] * 2},
            r"replica_regions must not name anything twice, got 'eu-west-1' twice",
        ),
        ({"replica_regions": ["Ireland"]}, r"replica_regions must be a region code, got 'Ireland'; write it like"),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], message: str) -> None:
    """The error names the option, the value, what is allowed and the way out."""
    with pytest.raises(ValueError, match=message):
        orders(new_stack("us-east-1"), **options)


@pytest.mark.requirement("LIB-04")
def test_copies_need_a_stack_that_knows_its_region() -> None:
    """Without it nobody could say which regions are the others; the error says what to give the stack."""
    with pytest.raises(ValueError, match=r"replica_regions needs a stack with a fixed region.*'Stack' has none.*env="):
        orders(new_stack(None), replica_regions=["eu-west-1"])
    orders(new_stack(None))


@pytest.mark.requirement("LIB-04")
def test_a_metric_of_a_copy_that_is_not_there_is_refused() -> None:
    """A metric that never has data would be an alarm that never fires."""
    table = orders(new_stack("us-east-1"), replica_regions=["eu-west-1"])
    with pytest.raises(ValueError, match=r"region must be one of the copies' \['eu-west-1'\], got 'us-east-1'; add it"):
        table.metric_replication_latency("us-east-1")


def test_a_table_passes_the_rule_packs(tmp_path: Path) -> None:
    """Nothing is left that AwsSolutions and Serverless object to."""

    def build(app: cdk.App) -> None:
        orders(cdk.Stack(app, "Stack", env=cdk.Environment(region="us-east-1")), replica_regions=["eu-west-1"])

    assert findings(build, output=tmp_path / "out") == []
