"""What the template of a stream's idempotent consumer promises."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms

from constructs_lib.idempotency_store import StronglyConsistentStore
from constructs_lib.idempotent_stream_consumer import IdempotentStreamConsumer, StreamSource
from constructs_lib.runtime import stream_wiring
from constructs_lib.testing.findings import findings
from tests.support.cloudwatch import Point, embedded, state
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources, statements

DAY = 24 * 60 * 60
HOUR = 60 * 60
STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
TABLE_STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def of_kinesis(stack: cdk.Stack, *, retention: Duration | None = None) -> StreamSource:
    stream = kinesis.Stream.from_stream_arn(stack, "Orders", STREAM)
    return StreamSource.kinesis(stream, retention=retention or Duration.days(7))


def of_table(stack: cdk.Stack) -> StreamSource:
    table = dynamodb.Table.from_table_attributes(stack, "Orders", table_name="orders", table_stream_arn=TABLE_STREAM)
    return StreamSource.table(table)


SOURCES: dict[str, Callable[[cdk.Stack], StreamSource]] = {"kinesis": of_kinesis, "table": of_table}


def add(stack: cdk.Stack, source: Path, stream: StreamSource, **options: Any) -> IdempotentStreamConsumer:
    return IdempotentStreamConsumer(stack, "ship", consumer=consumer(stack, "Ship", source), source=stream, **options)


@pytest.fixture(scope="module", params=SOURCES)
def stack(request: pytest.FixtureRequest, source: Path) -> cdk.Stack:
    stack = new_stack()
    add(stack, source, SOURCES[request.param](stack))
    return stack


def variables(stack: cdk.Stack) -> dict[str, Any]:
    return dict(only(stack, "AWS::Lambda::Function")["Environment"]["Variables"])


def granted(stack: cdk.Stack) -> dict[str, set[str]]:
    """Actions by the text of what they are granted on, logs and traces left out."""
    found: dict[str, set[str]] = {}
    for statement in statements(stack):
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        found.setdefault(json.dumps(statement["Resource"]), set()).update(
            action for action in actions if not action.startswith(("logs:", "xray:"))
        )
    return {resource: actions for resource, actions in found.items() if actions}


def test_what_cannot_be_processed_ends_in_the_quarantine(stack: cdk.Stack) -> None:
    """One by one, and never by giving up a whole batch: a stream has no dead-letter queue."""
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    (bucket,) = resources(stack, "AWS::S3::Bucket")
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": [bucket, "Arn"]}}}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["BisectBatchOnFunctionError"] is False
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert (mapping["BatchSize"], mapping["ParallelizationFactor"]) == (100, 1)
    assert variables(stack)["RESILIENCE_QUARANTINE_BUCKET"] == {"Ref": bucket}


def test_lambda_polls_once_it_may(stack: cdk.Stack) -> None:
    """The mapping is made after the policy that lets its function read."""
    (mapping,) = resources(stack, "AWS::Lambda::EventSourceMapping").values()
    (policy,) = resources(stack, "AWS::IAM::Policy")
    assert policy in mapping["DependsOn"]


@pytest.mark.parametrize(
    ("stream", "retention", "hold", "remembered"),
    [
        (of_kinesis, 7 * DAY, 140 * HOUR, 8 * DAY),
        (lambda stack: of_kinesis(stack, retention=Duration.days(365)), 365 * DAY, 144 * HOUR, 365 * DAY),
        (of_table, DAY, 20 * HOUR, 2 * DAY),
    ],
    ids=["a week", "a year", "a table's day"],
)
def test_times_follow_from_how_long_the_stream_keeps_a_record(
    stream: Callable[[cdk.Stack], StreamSource], retention: int, hold: int, remembered: int, source: Path
) -> None:
    """A record is given up well before it is gone, and remembered for longer than it can come again."""
    stack = new_stack()
    add(stack, source, stream(stack))
    told = variables(stack)
    assert only(stack, "AWS::Lambda::EventSourceMapping")["MaximumRecordAgeInSeconds"] == hold
    assert told["RESILIENCE_HOLD_SECONDS"] == str(hold)
    assert told["RESILIENCE_RETENTION_SECONDS"] == str(retention)
    assert told["RESILIENCE_REMEMBER_SECONDS"] == str(remembered)


def test_the_consumer_is_told_where_everything_is(stack: cdk.Stack) -> None:
    """Its name, its two tables; the runtime itself reads these settings."""
    told = variables(stack)
    done, held = sorted(resources(stack, "AWS::DynamoDB::Table"), key=lambda name: "State" in name)
    assert told["RESILIENCE_DEPENDENCY"] == "ship"
    assert told["RESILIENCE_IDEMPOTENCY_TABLE"] == {"Ref": done}
    assert told["RESILIENCE_STATE_TABLE"] == {"Ref": held}


@pytest.mark.requirement("SEC-02", "LIB-07")
def test_what_holds_data_outlives_the_stack(stack: cdk.Stack) -> None:
    """Bucket and tables."""
    for kind in ("AWS::S3::Bucket", "AWS::DynamoDB::Table"):
        for resource in resources(stack, kind).values():
            assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.requirement("LIB-06")
def test_what_holds_data_keeps_its_identity(stack: cdk.Stack) -> None:
    """Another logical id would leave behind what is held, and forget what was done."""
    assert sorted(resources(stack, "AWS::DynamoDB::Table")) == ["shipDone05C0A25C", "shipState6BD56838"]
    assert list(resources(stack, "AWS::S3::Bucket")) == ["shipQuarantineBucket57FBE542"]
    assert list(resources(stack, "AWS::Lambda::EventSourceMapping")) == ["shipMappingE748353C"]


@pytest.mark.requirement("SEC-01")
def test_a_kinesis_stream_may_be_read_and_nothing_else(source: Path) -> None:
    """By what Lambda needs to poll it."""
    stack = new_stack()
    add(stack, source, of_kinesis(stack))
    assert granted(stack)[json.dumps(STREAM)] == {
        f"kinesis:{action}"
        for action in ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    }


@pytest.mark.requirement("SEC-01")
def test_of_a_table_the_changes_may_be_read_and_nothing_else(source: Path) -> None:
    """Neither its items nor the changes of another table."""
    stack = new_stack()
    add(stack, source, of_table(stack))
    rights = granted(stack)
    assert rights[json.dumps(TABLE_STREAM)] == {
        f"dynamodb:{action}" for action in ("DescribeStream", "GetRecords", "GetShardIterator")
    }
    (listing,) = (resource for resource, actions in rights.items() if "dynamodb:ListStreams" in actions)
    assert ":table/orders/stream/*" in listing


@pytest.mark.requirement("SEC-01")
def test_a_stream_with_a_key_of_its_owner_can_be_read(source: Path) -> None:
    """The function may decrypt with that key, and not encrypt."""
    stack = new_stack()
    stream = kinesis.Stream(stack, "Orders", encryption_key=kms.Key(stack, "Key"))
    add(stack, source, StreamSource.kinesis(stream, retention=Duration.days(1)))
    (key,) = resources(stack, "AWS::KMS::Key")
    assert granted(stack)[json.dumps({"Fn::GetAtt": [key, "Arn"]})] == {"kms:Decrypt"}


@pytest.mark.requirement("ISO-15", "MSG-11", "IDM-06")
def test_alarms_watch_what_is_published(
    stack: cdk.Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known id with another payload at once, a store that is away when it stays so: as the runtime publishes it."""
    for name, value in variables(stack).items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "a-reference")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", uuid4().hex)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    watch = stream_wiring.from_environment().watch
    alarms = {
        alarm["Properties"]["MetricName"]: alarm["Properties"]
        for alarm in resources(stack, "AWS::CloudWatch::Alarm").values()
    }
    for name, trouble, well in (("PayloadMismatches", [1], []), ("ClaimsLost", [1], []), ("StoreErrors", [1, 6], [1])):
        capsys.readouterr()
        watch.count(name)
        watch.flush()
        ((metric, _),) = embedded(capsys.readouterr().out)
        assert state(alarms[name], [Point(metric=metric, value=1, minutes_ago=each) for each in trouble]) == "ALARM"
        assert state(alarms[name], [Point(metric=metric, value=1, minutes_ago=each) for each in well]) == "OK"


def test_a_tables_stream_lacks_what_only_kinesis_tells(source: Path) -> None:
    """An alarm on a metric that nobody publishes would be always or never on."""
    names = {}
    for kind, make in SOURCES.items():
        stack = new_stack()
        made = add(stack, source, make(stack))
        found = resources(stack, "AWS::CloudWatch::Alarm")
        assert len({alarm.node.path for alarm in made.alarms}) == len(found)
        names[kind] = {alarm["Properties"]["MetricName"] for alarm in found.values()}
    only_kinesis = {"GetRecords.IteratorAgeMilliseconds", "WriteProvisionedThroughputExceeded"}
    assert names["kinesis"] - names["table"] == only_kinesis
    assert names["table"] <= names["kinesis"]


@pytest.mark.requirement("IDM-07")
def test_it_can_remember_where_all_regions_see_it(source: Path) -> None:
    """Then it makes no table for what was done."""
    stack = new_stack()
    store = StronglyConsistentStore.in_region(stack, "Store", "done")
    add(stack, source, of_kinesis(stack), store=store)
    told = variables(stack)
    assert told["RESILIENCE_IDEMPOTENCY_TABLE"] == "done"
    assert told["RESILIENCE_STORE_CONSISTENCY"] == "strong"
    assert told["RESILIENCE_IDEMPOTENCY_SCOPE"] == "message/ship"
    assert ["State" in name for name in resources(stack, "AWS::DynamoDB::Table")] == [True]


@pytest.mark.requirement("LIB-05")
def test_defaults_can_be_overridden(source: Path) -> None:
    """Every option reaches the template."""
    stack = new_stack()
    add(
        stack,
        source,
        of_kinesis(stack),
        batch_size=10_000,
        parallelization=10,
        hold_at_most=Duration.hours(5),
        remember_for=Duration.hours(6),
    )
    mapping = only(stack, "AWS::Lambda::EventSourceMapping")
    assert (mapping["BatchSize"], mapping["ParallelizationFactor"]) == (10_000, 10)
    assert mapping["MaximumRecordAgeInSeconds"] == 5 * HOUR
    assert variables(stack)["RESILIENCE_REMEMBER_SECONDS"] == str(6 * HOUR)


REFUSED: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "more than Lambda takes from a table": ("table", {"batch_size": 1001}, ["batch_size", "1 and 1000", "got 1001"]),
    "no lane": ("kinesis", {"parallelization": 0}, ["parallelization", "1 and 10", "got 0"]),
    "a hold until the record is gone": (
        "table",
        {"hold_at_most": Duration.hours(24)},
        ["retention", "hold_at_most", "quarantine"],
    ),
    "a memory shorter than the hold": (
        "kinesis",
        {"hold_at_most": Duration.days(2), "remember_for": Duration.days(2)},
        ["remember_for must be longer than hold_at_most", "2 days", "lower hold_at_most"],
    ),
    "an endless memory": ("kinesis", {"remember_for": Duration.days(366)}, ["remember_for", "365 days"]),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_in_words(case: str, source: Path) -> None:
    """The error names the option, or both that collide, what was given, what is allowed and the way out."""
    kind, options, words = REFUSED[case]
    stack = new_stack()
    with pytest.raises(ValueError, match=words[0]) as refused:
        add(stack, source, SOURCES[kind](stack), **options)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.requirement("LIB-04")
def test_a_table_without_a_stream_is_refused() -> None:
    """The error says how to give it one."""
    stack = new_stack()
    table = dynamodb.Table.from_table_name(stack, "Orders", "orders")
    with pytest.raises(ValueError, match=r"table must have a stream, got 'Stack/Orders' without one"):
        StreamSource.table(table)


def test_values_that_are_resolved_later_are_passed_on_unread(source: Path) -> None:
    """A retention that is not known at synth is the longest there is for what follows from it."""
    stack = new_stack()
    later = Duration.seconds(cdk.CfnParameter(stack, "Number", type="Number").value_as_number)
    add(stack, source, of_kinesis(stack, retention=later))
    told = variables(stack)
    assert told["RESILIENCE_HOLD_SECONDS"] == str(6 * DAY)
    assert told["RESILIENCE_REMEMBER_SECONDS"] == str(365 * DAY)
    assert "RESILIENCE_RETENTION_SECONDS" not in told


@pytest.mark.requirement("SEC-01", "SEC-02")
def test_the_rule_packs_find_nothing(source: Path, tmp_path: Path) -> None:
    """Nothing that was not acknowledged with a reason, for tables and streams of this stack and imported ones."""

    def build(app: cdk.App) -> None:
        for name, make in SOURCES.items():
            stack = cdk.Stack(app, name, env=cdk.Environment(region="eu-west-1"))
            add(stack, source, make(stack))
        stack = cdk.Stack(app, "Own", env=cdk.Environment(region="eu-west-1"))
        table = dynamodb.TableV2(
            stack,
            "Orders",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            dynamo_stream=dynamodb.StreamViewType.NEW_IMAGE,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
        )
        add(stack, source, StreamSource.table(table))

    assert findings(build, output=tmp_path / "out", context={"aws:cdk:bundling-stacks": []}) == []
