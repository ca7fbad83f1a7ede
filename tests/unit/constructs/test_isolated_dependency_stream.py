"""What the template of an isolated dependency promises."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_iam as iam

from constructs_lib.idempotent_consumer import IdempotentConsumer
from constructs_lib.isolated_dependency_stream import CallPolicy, IsolatedDependencyStream, StreamCapacity
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources, statements

DEPENDENCIES = ("slack", "teams")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def add(stack: cdk.Stack, source: Path, name: str = "slack", **options: Any) -> IsolatedDependencyStream:
    return IsolatedDependencyStream(stack, name, consumer=consumer(stack, f"Notify-{name}", source), **options)


@pytest.fixture(scope="module")
def stack(source: Path) -> cdk.Stack:
    stack = new_stack()
    add(stack, source)
    return stack


def references(value: Any) -> Iterator[str]:
    """Logical ids that a piece of template mentions."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner[0]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def groups(template: Mapping[str, Any]) -> dict[str, set[str]]:
    """Resources of each dependency: those under its name, and all that these mention or that mention these."""
    everything: dict[str, Any] = template["Resources"]
    neighbours: dict[str, set[str]] = {logical_id: set() for logical_id in everything}
    for logical_id, resource in everything.items():
        after = resource.get("DependsOn", [])
        for other in {*references(resource["Properties"]), *([after] if isinstance(after, str) else after)}:
            if other in everything:
                neighbours[logical_id].add(other)
                neighbours[other].add(logical_id)
    reached = {}
    for name in DEPENDENCIES:
        to_visit = [logical_id for logical_id in everything if logical_id.startswith(name)]
        reached[name] = set(to_visit)
        while to_visit:
            new = neighbours[to_visit.pop()] - reached[name]
            reached[name] |= new
            to_visit.extend(new)
    return reached


@pytest.mark.requirement("ISO-01")
def test_two_dependencies_share_nothing(source: Path) -> None:
    """No stream, function, role, bucket, log group, mapping or alarm is reached from both; each has all of them."""
    stack = new_stack()
    for name in DEPENDENCIES:
        add(stack, source, name)
    template = cdk.assertions.Template.from_stack(stack).to_json()
    slack, teams = (groups(template)[name] for name in DEPENDENCIES)
    assert slack & teams == set()
    assert slack | teams == set(template["Resources"])
    for group in (slack, teams):
        kinds = {template["Resources"][logical_id]["Type"] for logical_id in group}
        assert kinds == {
            "AWS::CloudWatch::Alarm",
            "AWS::DynamoDB::Table",
            "AWS::Events::Rule",
            "AWS::IAM::Policy",
            "AWS::IAM::Role",
            "AWS::Kinesis::Stream",
            "AWS::Lambda::EventInvokeConfig",
            "AWS::Lambda::EventSourceMapping",
            "AWS::Lambda::Function",
            "AWS::Lambda::Permission",
            "AWS::Logs::LogGroup",
            "AWS::S3::Bucket",
            "AWS::S3::BucketPolicy",
        }


@pytest.mark.requirement("ISO-08")
def test_another_dependency_changes_nothing_of_the_first(source: Path) -> None:
    """Every resource that was there before is there after, letter for letter."""
    before, after = new_stack(), new_stack()
    add(before, source)
    for name in DEPENDENCIES:
        add(after, source, name)
    first = cdk.assertions.Template.from_stack(before).to_json()["Resources"]
    both = cdk.assertions.Template.from_stack(after).to_json()["Resources"]
    assert {logical_id: both.get(logical_id) for logical_id in first} == first
    assert len(both) == 2 * len(first)


def test_records_wait_in_order_until_they_are_held_too_long(stack: cdk.Stack) -> None:
    """From the first record on, without a limit of tries or a split, and then to the quarantine, not away."""
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    (bucket,) = resources(stack, "AWS::S3::Bucket")
    (stream,) = resources(stack, "AWS::Kinesis::Stream")
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [stream, "Arn"]}
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["BisectBatchOnFunctionError"] is False
    assert mapping["MaximumRecordAgeInSeconds"] == Duration.days(6).to_seconds()
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": [bucket, "Arn"]}}}
    assert (mapping["BatchSize"], mapping["ParallelizationFactor"]) == (100, 1)


def test_lambda_polls_once_it_may(stack: cdk.Stack) -> None:
    """The mapping is made after the policy that lets its function read the stream."""
    ((_, mapping),) = resources(stack, "AWS::Lambda::EventSourceMapping").items()
    (policy,) = resources(stack, "AWS::IAM::Policy")
    assert policy in mapping["DependsOn"]


@pytest.mark.requirement("SEC-02", "LIB-07")
def test_records_are_encrypted_and_outlive_the_stack(stack: cdk.Stack) -> None:
    """Stream, quarantine and state keep what they hold, unreadable to others, when the stack is deleted."""
    ((_, stream),) = resources(stack, "AWS::Kinesis::Stream").items()
    ((_, bucket),) = resources(stack, "AWS::S3::Bucket").items()
    ((_, table),) = resources(stack, "AWS::DynamoDB::Table").items()
    for resource in (stream, bucket, table):
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    # A table without a word on encryption is encrypted, with a key of DynamoDB's own.
    assert "SSESpecification" not in table["Properties"]
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert stream["Properties"]["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    assert stream["Properties"]["RetentionPeriodHours"] == 7 * 24
    assert stream["Properties"]["ShardCount"] == 1
    assert bucket["Properties"]["BucketEncryption"]


@pytest.mark.requirement("SEC-01")
def test_the_consumer_may_use_what_is_its_own_only(stack: cdk.Stack) -> None:
    """Beside its own logs and traces it may read its stream, remember, park, and fill its quarantine."""
    (stream,) = resources(stack, "AWS::Kinesis::Stream")
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    (bucket,) = resources(stack, "AWS::S3::Bucket")
    bucket_arn = {"Fn::GetAtt": [bucket, "Arn"]}
    granted = {
        action: statement["Resource"]
        for statement in statements(stack)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    own = {action: resource for action, resource in granted.items() if not action.startswith(("logs:", "xray:"))}
    reading = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    assert own == {
        **{f"kinesis:{action}": {"Fn::GetAtt": [stream, "Arn"]} for action in reading},
        **{
            f"dynamodb:{action}": {"Fn::GetAtt": [table, "Arn"]}
            for action in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")
        },
        "s3:PutObject": {"Fn::Join": ["", [bucket_arn, "/*"]]},
        "s3:GetObject": {"Fn::Join": ["", [bucket_arn, "/parked/*"]]},
        "s3:ListBucket": bucket_arn,
    }


def test_the_consumer_is_told_what_it_works_with(stack: cdk.Stack) -> None:
    """The runtime reads it from the environment."""
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    (bucket,) = resources(stack, "AWS::S3::Bucket")
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    told = {name: value for name, value in variables.items() if name.startswith("RESILIENCE_")}
    assert told == {
        "RESILIENCE_DEPENDENCY": "slack",
        "RESILIENCE_QUARANTINE_BUCKET": {"Ref": bucket},
        "RESILIENCE_STATE_TABLE": {"Ref": table},
        "RESILIENCE_HOLD_SECONDS": str(6 * 86_400),
        "RESILIENCE_RETENTION_SECONDS": str(7 * 86_400),
        "RESILIENCE_BREAKER": '{"failure_rate":0.5,"minimum_calls":5}',
    }


def test_the_state_table_is_keyed_and_expires_as_the_runtime_writes_it(stack: cdk.Stack) -> None:
    """Partition and sort key, both text, and the time to live; paid by use."""
    table = only(stack, "AWS::DynamoDB::Table")
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [("pk", "HASH"), ("sk", "RANGE")]
    assert {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]} == {
        "pk": "S",
        "sk": "S",
    }
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_parked_records_are_looked_after_every_minute(stack: cdk.Stack) -> None:
    """By the consumer itself; a visit that fails is not tried again, because the next one comes anyway."""
    rule, permission = only(stack, "AWS::Events::Rule"), only(stack, "AWS::Lambda::Permission")
    ((rule_id, _),) = resources(stack, "AWS::Events::Rule").items()
    (function,) = resources(stack, "AWS::Lambda::Function")
    (target,) = rule["Targets"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    assert json.loads(target["Input"]) == {"resilience": "drain"}
    assert target["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    assert permission["SourceArn"] == {"Fn::GetAtt": [rule_id, "Arn"]}
    assert permission["Principal"] == "events.amazonaws.com"
    # Lambda queues and retries on its side too.
    once = only(stack, "AWS::Lambda::EventInvokeConfig")
    assert (once["MaximumRetryAttempts"], once["MaximumEventAgeInSeconds"]) == (0, 60)


def test_a_producer_may_write_and_not_read(source: Path) -> None:
    """`grant_write` gives what putting records takes, on this stream."""
    stack = new_stack()
    dependency = add(stack, source)
    producer = iam.Role(stack, "Producer", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    dependency.grant_write(producer)
    (stream,) = resources(stack, "AWS::Kinesis::Stream")
    (granted,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for logical_id, policy in resources(stack, "AWS::IAM::Policy").items()
        if logical_id.startswith("Producer")
    )
    assert granted == [
        {
            "Effect": "Allow",
            "Action": ["kinesis:ListShards", "kinesis:PutRecord", "kinesis:PutRecords"],
            "Resource": {"Fn::GetAtt": [stream, "Arn"]},
        }
    ]


@pytest.mark.requirement("LIB-05")
def test_defaults_can_be_overridden(source: Path) -> None:
    """Every option reaches the template."""
    stack = new_stack()
    calls = CallPolicy(
        at_once=7,
        open_at_percent=80,
        minimum_calls=20,
        window=Duration.minutes(2),
        slow_after=Duration.millis(2500),
        probe_every=Duration.seconds(30),
    )
    times = {"retention": Duration.days(2), "hold_at_most": Duration.days(1)}
    capacity = StreamCapacity.provisioned(shards=2)
    add(stack, source, "slack", capacity=capacity, batch_size=10, parallelization=4, calls=calls, **times)
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    stream, mapping = only(stack, "AWS::Kinesis::Stream"), only(stack, "AWS::Lambda::EventSourceMapping")
    assert (stream["ShardCount"], stream["RetentionPeriodHours"]) == (2, 48)
    assert (mapping["BatchSize"], mapping["ParallelizationFactor"]) == (10, 4)
    assert mapping["MaximumRecordAgeInSeconds"] == int(variables["RESILIENCE_HOLD_SECONDS"]) == 86_400
    assert variables["RESILIENCE_RETENTION_SECONDS"] == "172800"
    assert variables["RESILIENCE_CONCURRENCY"] == "7"
    assert json.loads(variables["RESILIENCE_BREAKER"]) == {
        "failure_rate": 0.8,
        "minimum_calls": 20,
        "window_seconds": 120,
        "slow_seconds": 2.5,
        "probe_seconds": 30,
    }


def test_capacity_on_demand_can_be_asked_for(source: Path) -> None:
    """Kinesis then decides on shards; what the template says of it is the mode alone."""
    stack = new_stack()
    notify = consumer(stack, "Notify", source, reserved_concurrency=20)
    IsolatedDependencyStream(stack, "slack", consumer=notify, capacity=StreamCapacity.on_demand())
    stream = only(stack, "AWS::Kinesis::Stream")
    assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert "ShardCount" not in stream


@pytest.mark.requirement("ISO-01", "LIB-04")
def test_a_consumer_serves_one_dependency_only(source: Path) -> None:
    """A function given to a second stream, or to a queue, is refused, and the error names all three."""
    stack = new_stack()
    shared = add(stack, source).consumer
    with pytest.raises(ValueError, match=r"'Stack/teams'.*'Stack/Notify-slack'.*'Stack/slack'"):
        IsolatedDependencyStream(stack, "teams", consumer=shared)
    with pytest.raises(ValueError, match=r"'Stack/Events'.*'Stack/Notify-slack'.*'Stack/slack'"):
        IdempotentConsumer(stack, "Events", consumer=shared)


@pytest.mark.requirement("LIB-06")
def test_what_holds_data_keeps_its_identity(stack: cdk.Stack) -> None:
    """Stream, mapping and bucket have the same logical ids in every release: another id would replace them, and lose
    records or read them anew.
    """
    ids = {
        kind: list(resources(stack, f"AWS::{kind}"))
        for kind in ("DynamoDB::Table", "Kinesis::Stream", "Lambda::EventSourceMapping", "S3::Bucket")
    }
    assert ids == {
        "DynamoDB::Table": ["slackStateD4DF7CD8"],
        "Kinesis::Stream": ["slackStream0709F13E"],
        "Lambda::EventSourceMapping": ["slackMapping55693B66"],
        "S3::Bucket": ["slackQuarantineBucket1A723C8F"],
    }


def test_the_template_names_no_path_of_this_machine(stack: cdk.Stack, source: Path) -> None:
    """What is synthesized here is what is synthesized anywhere."""
    assert str(source.parent) not in json.dumps(cdk.assertions.Template.from_stack(stack).to_json())


@pytest.mark.requirement("LIB-07")
def test_teardown_can_be_asked_for(source: Path) -> None:
    """A stack for a try-out deletes all it made, if it says so of each part."""
    stack = new_stack()
    dependency = add(stack, source)
    for part in (dependency.stream, dependency.quarantine.bucket, dependency.state_table):
        part.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    for kind in ("AWS::Kinesis::Stream", "AWS::S3::Bucket", "AWS::DynamoDB::Table"):
        assert {resource["DeletionPolicy"] for resource in resources(stack, kind).values()} == {"Delete"}
