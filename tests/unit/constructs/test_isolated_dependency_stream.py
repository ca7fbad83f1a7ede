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
from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
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


@pytest.fixture(scope="module")
def alarms(stack: cdk.Stack) -> dict[tuple[str, int], dict[str, Any]]:
    """Alarms by metric and threshold."""
    found = [alarm["Properties"] for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()]
    return {(alarm["MetricName"], alarm["Threshold"]): alarm for alarm in found}


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
            "AWS::IAM::Policy",
            "AWS::IAM::Role",
            "AWS::Kinesis::Stream",
            "AWS::Lambda::EventSourceMapping",
            "AWS::Lambda::Function",
            "AWS::Logs::LogGroup",
            "AWS::S3::Bucket",
            "AWS::S3::BucketPolicy",
        }


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
    """Stream and quarantine keep what they hold, unreadable to others, when the stack is deleted."""
    ((_, stream),) = resources(stack, "AWS::Kinesis::Stream").items()
    ((_, bucket),) = resources(stack, "AWS::S3::Bucket").items()
    for resource in (stream, bucket):
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    assert stream["Properties"]["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    assert stream["Properties"]["RetentionPeriodHours"] == 7 * 24
    assert stream["Properties"]["ShardCount"] == 1
    assert bucket["Properties"]["BucketEncryption"]


@pytest.mark.requirement("SEC-01")
def test_the_consumer_may_read_its_stream_and_fill_its_quarantine_only(stack: cdk.Stack) -> None:
    """Beside its own logs and traces it may do six things, each to this dependency's resources."""
    (stream,) = resources(stack, "AWS::Kinesis::Stream")
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
        "s3:PutObject": {"Fn::Join": ["", [bucket_arn, "/*"]]},
        "s3:ListBucket": bucket_arn,
    }


def test_the_consumer_is_told_its_dependency_and_quarantine(stack: cdk.Stack) -> None:
    """The runtime reads both from the environment."""
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    (bucket,) = resources(stack, "AWS::S3::Bucket")
    assert variables["RESILIENCE_DEPENDENCY"] == "slack"
    assert variables["RESILIENCE_QUARANTINE_BUCKET"] == {"Ref": bucket}


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


DAY = 24 * 60 * 60 * 1000


def test_each_alarm_watches_a_metric_that_exists(
    stack: cdk.Stack, alarms: dict[tuple[str, int], dict[str, Any]]
) -> None:
    """Namespace, dimensions and statistic are those under which AWS and the runtime publish."""
    (stream,) = resources(stack, "AWS::Kinesis::Stream")
    (function,) = resources(stack, "AWS::Lambda::Function")
    (mapping,) = resources(stack, "AWS::Lambda::EventSourceMapping")
    of_stream = [{"Name": "StreamName", "Value": {"Ref": stream}}]
    of_function = [{"Name": "FunctionName", "Value": {"Ref": function}}]
    of_mapping = [{"Name": "EventSourceMappingUUID", "Value": {"Ref": mapping}}]
    of_dependency = [{"Name": "dependency", "Value": "slack"}]
    watched = {
        key: (alarm["Namespace"], alarm["Dimensions"], alarm["Statistic"], alarm["TreatMissingData"])
        for key, alarm in alarms.items()
    }
    assert watched == {
        ("GetRecords.IteratorAgeMilliseconds", 900_000): ("AWS/Kinesis", of_stream, "Maximum", "breaching"),
        ("IteratorAge", 1.5 * DAY): ("AWS/Lambda", of_function, "Maximum", "ignore"),
        ("IteratorAge", 3 * DAY): ("AWS/Lambda", of_function, "Maximum", "ignore"),
        ("IteratorAge", 4.8 * DAY): ("AWS/Lambda", of_function, "Maximum", "ignore"),
        ("RecordsQuarantined", 1): ("Resilience", of_dependency, "Sum", "notBreaching"),
        ("OnFailureDestinationDeliveredEventCount", 1): ("AWS/Lambda", of_mapping, "Sum", "notBreaching"),
        ("DroppedEventCount", 1): ("AWS/Lambda", of_mapping, "Sum", "notBreaching"),
        ("WriteProvisionedThroughputExceeded", 1): ("AWS/Kinesis", of_stream, "Sum", "notBreaching"),
        ("Errors", 1): ("AWS/Lambda", of_function, "Sum", "notBreaching"),
        ("Throttles", 1): ("AWS/Lambda", of_function, "Sum", "notBreaching"),
    }


def test_lambda_counts_what_the_alarms_watch(stack: cdk.Stack) -> None:
    """Counts per mapping are published only where the mapping asks for them."""
    assert only(stack, "AWS::Lambda::EventSourceMapping")["MetricsConfig"] == {"Metrics": ["EventCount"]}


def test_a_stream_that_nobody_polls_is_noticed(alarms: dict[tuple[str, int], dict[str, Any]]) -> None:
    """Silence counts as late: three periods without a poll, or with records older than that, raise the alarm."""
    late = alarms["GetRecords.IteratorAgeMilliseconds", 900_000]
    assert late["EvaluationPeriods"] * late["Period"] * 1000 == late["Threshold"]
    assert late["TreatMissingData"] == "breaching"


def test_alarms_holds_every_alarm(source: Path) -> None:
    """Whoever wires `alarms` to a topic has wired them all, the consumer's too."""
    stack = new_stack()
    paths = {alarm.node.path for alarm in add(stack, source).alarms}
    assert len(paths) == len(resources(stack, "AWS::CloudWatch::Alarm"))


def test_metrics_are_those_the_alarms_watch(source: Path, alarms: dict[tuple[str, int], dict[str, Any]]) -> None:
    """Each metric method gives a metric that has an alarm."""
    dependency = add(new_stack(), source)
    metrics = [dependency.metric_iterator_age(), dependency.metric_quarantined(), dependency.metric_expired()]
    metrics += [dependency.metric_dropped(), dependency.metric_write_throttled()]
    assert {metric.metric_name for metric in metrics} < {name for name, _ in alarms}


@pytest.mark.requirement("LIB-05")
def test_defaults_can_be_overridden(source: Path) -> None:
    """Every option reaches the template."""
    stack = new_stack()
    times = {"retention": Duration.days(2), "hold_at_most": Duration.days(1)}
    add(stack, source, "slack", shards=2, batch_size=10, parallelization=4, **times)
    stream, mapping = only(stack, "AWS::Kinesis::Stream"), only(stack, "AWS::Lambda::EventSourceMapping")
    assert (stream["ShardCount"], stream["RetentionPeriodHours"]) == (2, 48)
    assert (mapping["BatchSize"], mapping["ParallelizationFactor"]) == (10, 4)
    assert mapping["MaximumRecordAgeInSeconds"] == 86_400


@pytest.mark.requirement("ISO-01", "LIB-04")
def test_a_consumer_serves_one_dependency_only(source: Path) -> None:
    """A function given to a second stream, or to a queue, is refused, and the error names all three."""
    stack = new_stack()
    shared = add(stack, source).consumer
    with pytest.raises(ValueError, match=r"'Stack/teams'.*'Stack/Notify-slack'.*'Stack/slack'"):
        IsolatedDependencyStream(stack, "teams", consumer=shared)
    with pytest.raises(ValueError, match=r"'Stack/Events'.*'Stack/Notify-slack'.*'Stack/slack'"):
        IdempotentConsumer(stack, "Events", consumer=shared)


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a hold as long as the retention": (
        {"retention": Duration.days(3), "hold_at_most": Duration.days(3)},
        ["hold_at_most 3 days", "retention 3 days", "raise retention or lower hold_at_most"],
    ),
    "a retention shorter than the default hold": (
        {"retention": Duration.days(5)},
        ["hold_at_most 6 days", "retention 5 days"],
    ),
    "a hold longer than Lambda's limit": (
        {"retention": Duration.days(30), "hold_at_most": Duration.days(8)},
        ["hold_at_most", "1 minute and 7 days", "got 8 days"],
    ),
    "a retention below Kinesis's limit": (
        {"retention": Duration.hours(23), "hold_at_most": Duration.hours(1)},
        ["retention", "1 day and 365 days", "got 23 hours"],
    ),
    "a retention of half an hour more": (
        {"retention": Duration.minutes(24 * 60 + 30), "hold_at_most": Duration.hours(1)},
        ["retention", "whole hours", "1470 minutes", "round it up"],
    ),
    "no shard": ({"shards": 0}, ["shards", "1 and 1000", "got 0"]),
    "a batch too large": ({"batch_size": 10_001}, ["batch_size", "1 and 10000", "got 10001"]),
    "too much parallelization": ({"parallelization": 11}, ["parallelization", "1 and 10", "got 11", "shards"]),
    "a name with a space": ({"name": "my provider"}, ["id", "'my provider'", "letter"]),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_in_words(case: str, source: Path) -> None:
    """The error names the option, or both that collide, what was given, what is allowed and the way out."""
    options, words = REFUSED[case]
    stack = new_stack()
    name = options.get("name", "slack")
    with pytest.raises(ValueError, match=words[0]) as refused:
        IsolatedDependencyStream(
            stack,
            name,
            consumer=consumer(stack, "Notify", source),
            **{option: value for option, value in options.items() if option != "name"},
        )
    for word in words:
        assert word in str(refused.value)


def test_values_that_are_resolved_later_are_passed_on_unread(source: Path) -> None:
    """Deploy-time parameters may set capacity and times."""
    stack = new_stack()
    parameter = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    add(
        stack,
        source,
        shards=parameter,
        batch_size=parameter,
        parallelization=parameter,
        retention=Duration.hours(parameter),
        hold_at_most=Duration.seconds(parameter),
    )
    stream, mapping = only(stack, "AWS::Kinesis::Stream"), only(stack, "AWS::Lambda::EventSourceMapping")
    later = {"Ref": "Number"}
    assert stream["ShardCount"] == stream["RetentionPeriodHours"] == later
    assert mapping["BatchSize"] == mapping["ParallelizationFactor"] == mapping["MaximumRecordAgeInSeconds"] == later


@pytest.mark.requirement("LIB-06")
def test_what_holds_data_keeps_its_identity(stack: cdk.Stack) -> None:
    """Stream, mapping and bucket have the same logical ids in every release: another id would replace them, and lose
    records or read them anew.
    """
    ids = {
        kind: list(resources(stack, f"AWS::{kind}"))
        for kind in ("Kinesis::Stream", "Lambda::EventSourceMapping", "S3::Bucket")
    }
    assert ids == {
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
    for part in (dependency.stream, dependency.quarantine.bucket):
        part.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    for kind in ("AWS::Kinesis::Stream", "AWS::S3::Bucket"):
        assert {resource["DeletionPolicy"] for resource in resources(stack, kind).values()} == {"Delete"}
