"""What the template of a tenant throttle promises."""

import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.runtime.tenant_throttle import Accept, Refuse, Sideline
from constructs_lib.tenant_throttle import TenantThrottle
from constructs_lib.testing.findings import findings
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, only, resources, statements


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_folder(tmp_path_factory.mktemp("functions"))


def add(stack: cdk.Stack, source: Path, **options: Any) -> TenantThrottle:
    given: dict[str, Any] = {"rate_per_second": 50, "burst": 5000, **options}
    return TenantThrottle(stack, "Throttle", function=consumer(stack, "Ask", source), **given)


@pytest.fixture(scope="module")
def stack(source: Path) -> cdk.Stack:
    stack = new_stack()
    add(stack, source, sideline_above=10)
    return stack


def test_the_table_costs_nothing_when_idle_and_goes_with_the_stack(stack: cdk.Stack) -> None:
    """Its content is worth nothing after seconds, so it is neither kept nor protected."""
    table = resources(stack, "AWS::DynamoDB::Table")
    (resource,) = table.values()
    assert resource["DeletionPolicy"] == "Delete"
    properties = resource["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert properties["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert "DeletionProtectionEnabled" not in properties


def test_the_function_may_update_items_and_nothing_else(stack: cdk.Stack) -> None:
    """A lease is one conditional write; nothing is read, listed or deleted."""
    (granted,) = [each for each in statements(stack) if "dynamodb" in str(each["Action"])]
    assert granted["Action"] == "dynamodb:UpdateItem"
    assert granted["Resource"] == {"Fn::GetAtt": [next(iter(resources(stack, "AWS::DynamoDB::Table"))), "Arn"]}


def test_the_function_learns_of_table_and_rates(stack: cdk.Stack) -> None:
    """In the words that the runtime reads."""
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    between, parts = variables["RESILIENCE_TENANT_THROTTLE"]["Fn::Join"]
    table = next(iter(resources(stack, "AWS::DynamoDB::Table")))
    text = between.join(part if isinstance(part, str) else part["Ref"] for part in parts)
    assert json.loads(text) == {
        "table": table,
        "rate_per_second": 50,
        "burst": 5000,
        "sideline_above": 10,
        "environments": 100,
    }


def test_alarms_watch_what_the_runtime_counts(source: Path) -> None:
    """By the service's name alone; a tenant is no dimension."""
    stack = new_stack()
    throttle = add(stack, source)
    alarms = [each["Properties"] for each in resources(stack, "AWS::CloudWatch::Alarm").values()]
    watched = {each["MetricName"]: each for each in alarms if each["Namespace"] == "Resilience"}
    assert watched.keys() == {"TenantThrottled", "StoreErrors"}
    for alarm in watched.values():
        assert alarm["Dimensions"] == [{"Name": "service", "Value": throttle.function.service}]
        assert alarm["Threshold"] == 1
    assert len(throttle.alarms) == len(watched)
    assert throttle.metric_sidelined().metric_name == "TenantSidelined"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rate_per_second": 0}, "rate_per_second must be a whole number between 1 and 10000, got 0; to refuse nobody"),
        ({"burst": 49}, "burst must be a whole number between 50 and 1000000, got 49; the least is rate_per_second"),
        ({"sideline_above": 50}, "sideline_above must be a whole number between 1 and 49, got 50; it must be below"),
        ({"sideline_above": 0}, "sideline_above must be a whole number between 1 and 49, got 0; it must be below"),
        (
            {"environments": 0},
            "environments must be a whole number between 1 and 10000, got 0; the function's reserved",
        ),
    ],
)
def test_an_option_out_of_range_is_refused_with_the_way_out(options: dict[str, Any], says: str, source: Path) -> None:
    """Name, value, range and what to do."""
    with pytest.raises(ValueError, match=says):
        add(new_stack(), source, **options)


def test_rates_may_come_from_parameters(source: Path) -> None:
    """A token passes every check; it is a number only when deployed."""
    stack = new_stack()
    rate = cdk.CfnParameter(stack, "Rate", type="Number", default=50).value_as_number
    add(stack, source, rate_per_second=rate, sideline_above=10)


def test_the_example_on_the_page_runs(source: Path) -> None:
    """The construct as it is used there, and a function that does what each decision asks for."""
    page = Path(__file__).resolve().parents[3] / "docs" / "fairness.md"
    app, function = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    stack = new_stack()
    exec(app, {"stack": stack, "function": consumer(stack, "Ask", source)})
    assert resources(stack, "AWS::DynamoDB::Table")
    sent: list[tuple[str, str]] = []
    names: dict[str, Any] = {"queue": "q", "sideline_queue": "s", "send": lambda to, group: sent.append((to, group))}
    exec(function, names)
    for decision, status in ((Accept(), 202), (Sideline(), 202), (Refuse(3), 429)):
        throttle = type("Deciding", (), {"decide": lambda _, tenant, decision=decision: decision})()
        assert names["accept"]("acme", throttle)["statusCode"] == status
    assert sent == [("q", "acme"), ("s", "acme")]


def test_the_rule_packs_find_nothing(tmp_path: Path) -> None:
    """cdk-nag's AwsSolutions and Serverless packs accept it."""

    def build(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Stack", env=cdk.Environment(region="eu-west-1"))
        add(stack, source_folder(tmp_path), sideline_above=10)

    assert findings(build, output=tmp_path / "out", context={"aws:cdk:bundling-stacks": []}) == []
