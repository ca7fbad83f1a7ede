"""What the template of a strongly consistent idempotency store promises, and who may use it how."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.idempotency_store import StronglyConsistentStore
from constructs_lib.idempotent_consumer import IdempotentConsumer
from constructs_lib.runtime.functions.sweep import handler as sweep_handler
from constructs_lib.testing.findings import findings
from tests.support.cloudwatch import Metric, Point, embedded, published_by, state
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources, statements

SWEEP = Path(sweep_handler.__file__).parent


def add(stack: cdk.Stack, **options: Any) -> StronglyConsistentStore:
    return StronglyConsistentStore(
        stack, "Done", **{"table_name": "orders-done", "replica_regions": ["eu-central-1", "eu-west-3"], **options}
    )


@pytest.fixture(scope="module")
def stack() -> cdk.Stack:
    stack = new_stack()
    add(stack, replica_regions=["eu-central-1"], witness_region="eu-west-2")
    return stack


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


@pytest.mark.requirement("IDM-07")
def test_two_copies_and_a_witness_decide_together(stack: cdk.Stack) -> None:
    """Each write is agreed on by two of the three regions before it counts."""
    table = only(stack, "AWS::DynamoDB::GlobalTable")
    assert table["MultiRegionConsistency"] == "STRONG"
    assert {replica["Region"] for replica in table["Replicas"]} == {"eu-west-1", "eu-central-1"}
    assert table["GlobalTableWitnesses"] == [{"Region": "eu-west-2"}]


@pytest.mark.requirement("IDM-07")
def test_three_copies_need_no_witness() -> None:
    """Then each of the three regions can work."""
    stack = new_stack()
    add(stack)
    table = only(stack, "AWS::DynamoDB::GlobalTable")
    assert {replica["Region"] for replica in table["Replicas"]} == {"eu-west-1", "eu-central-1", "eu-west-3"}
    assert "GlobalTableWitnesses" not in table


def test_the_table_is_keyed_as_the_runtime_writes_and_has_no_time_to_live(stack: cdk.Stack) -> None:
    """DynamoDB refuses one on such a table."""
    table = only(stack, "AWS::DynamoDB::GlobalTable")
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert "TimeToLiveSpecification" not in table
    assert table["BillingMode"] == "PAY_PER_REQUEST"


@pytest.mark.requirement("LIB-07")
def test_the_store_outlives_the_stack(stack: cdk.Stack) -> None:
    """Every copy is protected, and can be restored."""
    (resource,) = resources(stack, "AWS::DynamoDB::GlobalTable").values()
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    for replica in resource["Properties"]["Replicas"]:
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.requirement("LIB-07")
def test_teardown_can_be_asked_for() -> None:
    """A stack for a try-out deletes it."""
    stack = new_stack()
    add(stack, removal_policy=cdk.RemovalPolicy.DESTROY)
    (resource,) = resources(stack, "AWS::DynamoDB::GlobalTable").values()
    assert resource["DeletionPolicy"] == "Delete"
    assert not any(replica["DeletionProtectionEnabled"] for replica in resource["Properties"]["Replicas"])


@pytest.mark.requirement("LIB-06")
def test_what_holds_data_keeps_its_identity(stack: cdk.Stack) -> None:
    """Another logical id would be another, empty store: everything would count as not done yet."""
    assert list(resources(stack, "AWS::DynamoDB::GlobalTable")) == ["DoneTable15265320"]


def test_the_store_is_swept_every_hour(stack: cdk.Stack) -> None:
    """In one region, by a function that may take a quarter of an hour; a run that fails is not repeated."""
    rule = only(stack, "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert rule["Targets"][0]["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    assert only(stack, "AWS::Lambda::EventInvokeConfig")["MaximumRetryAttempts"] == 0
    function = only(stack, "AWS::Lambda::Function")
    assert function["Timeout"] == 900
    assert function["Handler"] == "constructs_lib.runtime.functions.sweep.handler.handle"
    (table,) = resources(stack, "AWS::DynamoDB::GlobalTable")
    assert function["Environment"]["Variables"]["RESILIENCE_IDEMPOTENCY_TABLE"] == {"Ref": table}


@pytest.mark.requirement("SEC-01")
def test_the_sweeper_may_look_and_delete_only(stack: cdk.Stack) -> None:
    """And note where it stopped: in this one table."""
    granted = [
        (statement["Action"], statement["Resource"])
        for statement in statements(stack)
        if "dynamodb" in str(statement["Action"])
    ]
    ((actions, resource),) = granted
    assert set(actions) == {f"dynamodb:{action}" for action in ("GetItem", "PartiQLDelete", "PutItem", "Scan")}
    (table,) = resources(stack, "AWS::DynamoDB::GlobalTable")
    assert resource == {"Fn::GetAtt": [table, "Arn"]}


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str, float], Metric]:
    """Publish one number as the sweeper does, in the store "orders-done"."""
    monkeypatch.setenv("RESILIENCE_IDEMPOTENCY_TABLE", "orders-done")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Resilience")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    units = published_by(SWEEP)

    def publish(name: str, value: float) -> Metric:
        watch = sweep_handler.from_environment().watch
        capsys.readouterr()
        watch.gauge(name, value, "Seconds" if units[name] == "Seconds" else "Count")
        watch.flush()
        ((metric, _),) = embedded(capsys.readouterr().out)
        return metric

    return publish


SWEEPING: dict[str, tuple[str, list[tuple[float, float]], list[tuple[float, float]]]] = {
    "NotSweptAlarm": ("ItemsSwept", [], [(30, 0)]),
    "SweepLateAlarm": ("SweepAge", [(30, 86_400)], [(30, 86_399)]),
}


@pytest.mark.parametrize("name", SWEEPING)
def test_an_alarm_fires_when_sweeping_stops_or_is_late(
    name: str, stack: cdk.Stack, publish: Callable[[str, float], Metric]
) -> None:
    """On what the sweeper really publishes; silence is no sign that things are well again."""
    metric, trouble, well = SWEEPING[name]
    (table,) = resources(stack, "AWS::DynamoDB::GlobalTable")
    (found,) = (
        each["Properties"] for each_id, each in resources(stack, "AWS::CloudWatch::Alarm").items() if name in each_id
    )
    alarm = json.loads(json.dumps(found).replace(json.dumps({"Ref": table}), '"orders-done"'))

    def points(numbers: list[tuple[float, float]]) -> list[Point]:
        return [Point(metric=publish(metric, value), value=value, minutes_ago=minutes) for minutes, value in numbers]

    assert state(alarm, points(trouble)) == "ALARM"
    assert state(alarm, points(well), before="ALARM") == "OK"
    assert state(alarm, [], before="ALARM") == "ALARM"


def test_alarms_holds_every_alarm() -> None:
    """Whoever wires `alarms` to a topic has wired them all."""
    stack = new_stack()
    paths = {alarm.node.path for alarm in add(stack).alarms}
    assert len(paths) == len(resources(stack, "AWS::CloudWatch::Alarm")) == 4


@pytest.mark.requirement("IDM-07")
def test_a_consumer_in_each_region_remembers_in_the_same_store(source: Path) -> None:
    """Under the same name, so that what one has done the other knows; and it makes no table of its own."""
    app = cdk.App(context={"aws:cdk:bundling-stacks": []})
    told = []
    for region in ("eu-west-1", "eu-central-1"):
        stack = cdk.Stack(app, region, env=cdk.Environment(region=region))
        store = StronglyConsistentStore.in_region(stack, "Done", "orders-done")
        IdempotentConsumer(stack, "Orders", consumer=consumer(stack, "Take", source), store=store)
        told.append(stack)
    variables = [only(stack, "AWS::Lambda::Function")["Environment"]["Variables"] for stack in told]
    for each, stack in zip(variables, told, strict=True):
        assert each["RESILIENCE_IDEMPOTENCY_TABLE"] == "orders-done"
        assert each["RESILIENCE_STORE_CONSISTENCY"] == "strong"
        assert each["RESILIENCE_IDEMPOTENCY_SCOPE"] == "message/Orders"
        assert resources(stack, "AWS::DynamoDB::Table") == {}
        on_tables = {
            json.dumps(statement["Resource"])
            for statement in statements(stack)
            if "dynamodb" in str(statement["Action"])
        }
        (arn,) = on_tables
        assert f":dynamodb:{stack.region}:" in arn
        assert ":table/orders-done" in arn


def test_the_stack_that_makes_the_store_can_use_it(source: Path) -> None:
    """As it is, without an import."""
    stack = new_stack()
    IdempotentConsumer(stack, "Orders", consumer=consumer(stack, "Take", source), store=add(stack))
    (table,) = resources(stack, "AWS::DynamoDB::GlobalTable")
    tables = {
        function["Properties"]["Environment"]["Variables"]["RESILIENCE_IDEMPOTENCY_TABLE"]["Ref"]
        for function in resources(stack, "AWS::Lambda::Function").values()
    }
    assert tables == {table}


@pytest.mark.requirement("LIB-04")
def test_two_consumers_of_one_name_in_one_store_are_refused(source: Path) -> None:
    """Each would take the other's messages for copies of its own; in another region it is the same consumer."""
    app = cdk.App(context={"aws:cdk:bundling-stacks": []})
    stacks = {
        name: cdk.Stack(app, name, env=cdk.Environment(region=region))
        for name, region in (("Shop", "eu-west-1"), ("ShopToo", "eu-central-1"), ("Depot", "eu-west-1"))
    }
    for name in ("Shop", "ShopToo"):
        store = StronglyConsistentStore.in_region(stacks[name], "Done", "orders-done")
        IdempotentConsumer(stacks[name], "Orders", consumer=consumer(stacks[name], "Take", source), store=store)
    depot = stacks["Depot"]
    store = StronglyConsistentStore.in_region(depot, "Done", "orders-done")
    with pytest.raises(ValueError, match=r"id of 'Depot/Orders'.*'Shop/Orders'.*rename one"):
        IdempotentConsumer(depot, "Orders", consumer=consumer(depot, "Take", source), store=store)


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a name": ({"table_name": "a b"}, ["table_name", "'a b'"]),
    "two regions": ({"replica_regions": ["eu-central-1"]}, ["replica_regions", "must name 2 regions", "three regions"]),
    "four regions": (
        {"replica_regions": ["eu-central-1", "eu-west-3"], "witness_region": "eu-west-2"},
        ["must name 1 region with a witness_region", "'eu-west-3'"],
    ),
    "its own region": ({"replica_regions": ["eu-west-1", "eu-west-3"]}, ["replica_regions", "other", "'eu-west-1'"]),
    "its own region as witness": (
        {"replica_regions": ["eu-west-3"], "witness_region": "eu-west-1"},
        ["witness_region", "'eu-west-1'"],
    ),
    "a region twice": (
        {"replica_regions": ["eu-west-3"], "witness_region": "eu-west-3"},
        ["replica_regions and witness_region", "'eu-west-3' twice"],
    ),
    "no region": ({"replica_regions": ["here", "eu-west-3"]}, ["replica_regions", "'here'", "eu-west-1"]),
}


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_in_words(case: str) -> None:
    """The error names the option, what was given, what is allowed and the way out."""
    options, words = REFUSED[case]
    with pytest.raises(ValueError, match=words[0]) as refused:
        add(new_stack(), **options)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.requirement("LIB-04")
def test_a_stack_without_a_region_cannot_hold_it() -> None:
    """Three regions can only be counted where the stack's own is known."""
    with pytest.raises(ValueError, match="StronglyConsistentStore needs a stack with a fixed region"):
        add(new_stack(None))


@pytest.mark.requirement("SEC-01", "SEC-02")
def test_the_rule_packs_find_nothing(tmp_path: Path) -> None:
    """Nothing that was not acknowledged with a reason."""

    def build(app: cdk.App) -> None:
        add(cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1")))

    assert findings(build, output=tmp_path / "out", context={"aws:cdk:bundling-stacks": []}) == []
