"""What the template of a function that answers once promises."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration

from constructs_lib.idempotency_store import StronglyConsistentStore
from constructs_lib.idempotent_consumer import IdempotentConsumer
from constructs_lib.idempotent_function import IdempotentFunction
from constructs_lib.runtime import answer_work
from constructs_lib.testing.findings import findings
from tests.support.cloudwatch import Point, embedded, state
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources

DAY = 24 * 60 * 60


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def add(stack: cdk.Stack, source: Path, **options: Any) -> IdempotentFunction:
    return IdempotentFunction(stack, "Charges", function=consumer(stack, "Charge", source), **options)


@pytest.fixture(scope="module")
def stack(source: Path) -> cdk.Stack:
    stack = new_stack()
    add(stack, source)
    return stack


def test_the_function_is_told_where_it_remembers(stack: cdk.Stack) -> None:
    """In a table of this region, for a day."""
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    assert {name: value for name, value in variables.items() if name.startswith("RESILIENCE_")} == {
        "RESILIENCE_IDEMPOTENCY_TABLE": {"Ref": table},
        "RESILIENCE_REMEMBER_SECONDS": str(DAY),
    }


@pytest.mark.requirement("LIB-06", "LIB-07")
def test_answers_outlive_the_stack(stack: cdk.Stack) -> None:
    """Under the same logical id in every release."""
    ((name, table),) = resources(stack, "AWS::DynamoDB::Table").items()
    assert name == "ChargesDone5A488583"
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"


@pytest.mark.requirement("IDM-06")
@pytest.mark.parametrize(
    ("metric", "trouble"), [("PayloadMismatches", [1]), ("ClaimsLost", [1]), ("StoreErrors", [1, 6])]
)
def test_alarms_watch_what_is_published(
    metric: str,
    trouble: list[float],
    stack: cdk.Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the runtime, with the settings of the template."""
    for name, value in only(stack, "AWS::Lambda::Function")["Environment"]["Variables"].items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "a-reference")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    watch = answer_work.from_environment().watch
    capsys.readouterr()
    watch.count(metric)
    watch.flush()
    ((published, _),) = embedded(capsys.readouterr().out)
    (alarm,) = (
        each["Properties"]
        for each in resources(stack, "AWS::CloudWatch::Alarm").values()
        if each["Properties"]["MetricName"] == metric
    )
    assert state(alarm, [Point(metric=published, value=1, minutes_ago=each) for each in trouble]) == "ALARM"
    assert state(alarm, [], before="ALARM") == "OK"


def test_alarms_holds_every_alarm(source: Path) -> None:
    """Whoever wires `alarms` to a topic has wired them all, the function's too."""
    stack = new_stack()
    paths = {alarm.node.path for alarm in add(stack, source).alarms}
    assert len(paths) == len(resources(stack, "AWS::CloudWatch::Alarm")) == 5


@pytest.mark.requirement("IDM-07")
def test_it_can_remember_where_all_regions_see_it(source: Path) -> None:
    """Then it makes no table."""
    stack = new_stack()
    add(stack, source, store=StronglyConsistentStore.in_region(stack, "Store", "answers"))
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["RESILIENCE_IDEMPOTENCY_SCOPE"] == "message/Charges"
    assert variables["RESILIENCE_STORE_CONSISTENCY"] == "strong"
    assert resources(stack, "AWS::DynamoDB::Table") == {}


@pytest.mark.requirement("LIB-04")
def test_an_answer_is_remembered_for_longer_than_it_takes(source: Path) -> None:
    """Whoever asks again after a time-out must find the first answer."""
    stack = new_stack()
    slow = consumer(stack, "Slow", source, timeout=Duration.minutes(15))
    with pytest.raises(ValueError, match=r"remember_for must be between 15 minutes and 365 days, got 10 minutes"):
        IdempotentFunction(stack, "Charges", function=slow, remember_for=Duration.minutes(10))


@pytest.mark.requirement("LIB-04")
def test_a_function_works_for_one_only(source: Path) -> None:
    """The settings of one would be those of the other."""
    stack = new_stack()
    shared = add(stack, source).function
    with pytest.raises(ValueError, match=r"'Stack/Orders'.*'Stack/Charge'.*'Stack/Charges'"):
        IdempotentConsumer(stack, "Orders", consumer=shared)


@pytest.mark.requirement("SEC-01", "SEC-02")
def test_the_rule_packs_find_nothing(source: Path, tmp_path: Path) -> None:
    """Nothing that was not acknowledged with a reason."""

    def build(app: cdk.App) -> None:
        add(cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1")), source)

    assert findings(build, output=tmp_path / "out", context={"aws:cdk:bundling-stacks": []}) == []
