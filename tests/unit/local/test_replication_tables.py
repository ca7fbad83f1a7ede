"""Global tables as templates describe them, and replicas as CreateTable makes them."""

from typing import Any
from unittest.mock import Mock

from constructs_lib.local.deployment import DeployedStack
from constructs_lib.local.replication.tables import GlobalTable, definition, ensure_replica, find_tables

KEYS: dict[str, Any] = {
    "TableName": "orders",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def found(**properties: Any) -> tuple[GlobalTable, ...]:
    cloudformation = Mock()
    cloudformation.get_template.return_value = {"TemplateBody": {"Resources": {"Table": {"Properties": properties}}}}
    stack = DeployedStack(
        name="Tables",
        region="us-east-1",
        outputs={},
        resources={"Table": ("AWS::DynamoDB::GlobalTable", "orders"), "Queue": ("AWS::SQS::Queue", "q")},
    )
    without = DeployedStack(name="Other", region="eu-west-1", outputs={}, resources={})
    return find_tables([without, stack], lambda _service, _region: cloudformation)


def test_a_table_has_the_replicas_of_its_template() -> None:
    """The stack's own region first, whether it is spelled out or not; recovery is each replica's own matter."""
    recovery = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
    for home in ("us-east-1", {"Ref": "AWS::Region"}):
        (table,) = found(
            Replicas=[{"Region": "eu-west-1", **recovery}, {"Region": home}],
            TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
        )
        assert table == GlobalTable(
            name="orders",
            home="us-east-1",
            regions=("us-east-1", "eu-west-1"),
            time_to_live="expires",
            recoverable=("eu-west-1",),
        )


def test_a_table_that_lets_nothing_expire() -> None:
    """Not said, or said so."""
    replicas = [{"Region": "us-east-1"}, {"Region": "eu-west-1"}]
    off = {"AttributeName": "expires", "Enabled": False}
    assert [table.time_to_live for table in found(Replicas=replicas)] == [None]
    assert [table.time_to_live for table in found(Replicas=replicas, TimeToLiveSpecification=off)] == [None]


def test_a_table_in_one_region_is_not_replicated() -> None:
    """CDK's TableV2 is a global table with one replica."""
    assert found(Replicas=[{"Region": "us-east-1"}]) == ()


def test_an_on_demand_table_is_made_like_its_model() -> None:
    """Without what DescribeTable adds."""
    index = {"IndexName": "by", "KeySchema": KEYS["KeySchema"], "Projection": {"ProjectionType": "ALL"}}
    described = {
        **KEYS,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
        "TableStatus": "ACTIVE",
        "GlobalSecondaryIndexes": [{**index, "IndexStatus": "ACTIVE"}],
        "LocalSecondaryIndexes": [{**index, "ItemCount": 3}],
    }
    assert definition(described) == {
        **KEYS,
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": STREAM,
        "GlobalSecondaryIndexes": [index],
        "LocalSecondaryIndexes": [index],
    }


def test_a_provisioned_table_is_made_with_its_throughput() -> None:
    """And so are its indexes."""
    units: dict[str, Any] = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
    index = {"IndexName": "by", "KeySchema": KEYS["KeySchema"], "Projection": {"ProjectionType": "ALL"}}
    described: dict[str, Any] = {
        **KEYS,
        "ProvisionedThroughput": {**units, "NumberOfDecreasesToday": 0},
        "GlobalSecondaryIndexes": [{**index, "ProvisionedThroughput": {**units, "NumberOfDecreasesToday": 0}}],
    }
    assert definition(described) == {
        **KEYS,
        "StreamSpecification": STREAM,
        "ProvisionedThroughput": units,
        "GlobalSecondaryIndexes": [{**index, "ProvisionedThroughput": units}],
    }


def test_a_replica_that_is_there_is_left_as_it_is() -> None:
    """Only a stream that shows too little is changed."""
    table = GlobalTable(name="orders", home="us-east-1", regions=("us-east-1", "eu-west-1"), time_to_live="expires")
    for stream, changed in ((STREAM, 0), ({**STREAM, "StreamViewType": "KEYS_ONLY"}, 1), (None, 1)):
        here = Mock()
        here.exceptions.ResourceNotFoundException = LookupError
        here.describe_table.return_value = {"Table": {"StreamSpecification": stream, "LatestStreamArn": "arn"}}
        here.describe_time_to_live.return_value = {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED"}}
        assert ensure_replica(table, "us-east-1", home=here, here=here) == "arn"
        assert here.update_table.call_count == changed
        assert not here.create_table.called
        assert not here.update_time_to_live.called
