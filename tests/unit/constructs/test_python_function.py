"""PythonFunction: one folder of code as a function that can be seen, and may do only what it was granted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from constructs_lib import PythonFunction
from constructs_lib.testing.findings import findings
from tests.support.packages import FakeInstaller
from tests.support.synthesis import NO_BUNDLING, new_stack, only, resources, statements


def test_a_function_runs_the_folder_it_was_given(code: Path) -> None:
    """Lambda calls `handle` in handler.py, on Python 3.13 and arm64, with the defaults the docstring names."""
    stack = new_stack()
    PythonFunction(stack, "Greet", source=code)
    function = only(stack, "AWS::Lambda::Function")
    assert function["Handler"] == "code.greet.handler.handle"
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert (function["Timeout"], function["MemorySize"]) == (30, 256)
    assert "ReservedConcurrentExecutions" not in function


@pytest.mark.requirement("LIB-05")
def test_every_default_can_be_overridden(code: Path) -> None:
    """What the caller says wins, also over the settings that the construct makes."""
    stack = new_stack()
    PythonFunction(
        stack,
        "Greet",
        source=str(code),
        environment={"GREETING": "hello", "POWERTOOLS_SERVICE_NAME": "reception"},
        timeout=cdk.Duration.minutes(2),
        memory_size=1024,
        reserved_concurrency=0,
        log_retention=logs.RetentionDays.ONE_YEAR,
        description="Says hello",
    )
    function = only(stack, "AWS::Lambda::Function")
    assert function["Environment"]["Variables"] == {
        "GREETING": "hello",
        "POWERTOOLS_SERVICE_NAME": "reception",
        "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
    }
    assert (function["Timeout"], function["MemorySize"], function["ReservedConcurrentExecutions"]) == (120, 1024, 0)
    assert function["Description"] == "Says hello"
    assert only(stack, "AWS::Logs::LogGroup")["RetentionInDays"] == 365


@pytest.mark.requirement("LIB-05")
def test_inner_resources_are_public(code: Path) -> None:
    """Role, log group and alarms are there to be changed or used."""
    function = PythonFunction(new_stack(), "Greet", source=code)
    assert function.role is not None
    assert isinstance(function.log_group, logs.LogGroup)
    assert len(function.alarms) == 2


@pytest.mark.requirement("OBS-03")
def test_a_function_is_traced(code: Path) -> None:
    """X-Ray is on, and the role may send what it records."""
    stack = new_stack()
    PythonFunction(stack, "Greet", source=code)
    assert only(stack, "AWS::Lambda::Function")["TracingConfig"] == {"Mode": "Active"}
    (tracing,) = (statement for statement in statements(stack) if "xray:PutTraceSegments" in statement["Action"])
    assert tracing["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]


def test_logs_are_json_in_a_group_that_forgets(code: Path) -> None:
    """Logs go to the function's own group for a month and leave with the stack."""
    stack = new_stack()
    PythonFunction(stack, "Greet", source=code)
    ((logical_id, group),) = resources(stack, "AWS::Logs::LogGroup").items()
    assert (group["Properties"]["RetentionInDays"], group["DeletionPolicy"]) == (30, "Delete")
    assert only(stack, "AWS::Lambda::Function")["LoggingConfig"] == {
        "LogFormat": "JSON",
        "LogGroup": {"Ref": logical_id},
    }


@pytest.mark.requirement("SEC-01")
def test_a_role_holds_nothing_but_logs_traces_and_grants(code: Path) -> None:
    """No managed policy; the only wildcard is X-Ray's, which has no resource to name."""
    stack = new_stack()
    function = PythonFunction(stack, "Greet", source=code)
    table = dynamodb.TableV2(stack, "Names", partition_key={"name": "id", "type": dynamodb.AttributeType.STRING})
    table.grant(function, "dynamodb:GetItem")

    assert "ManagedPolicyArns" not in only(stack, "AWS::IAM::Role")
    allowed = {
        action: statement["Resource"]
        for statement in statements(stack)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert [action for action, resource in allowed.items() if resource == "*"] == [
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    ]
    assert sorted(allowed.keys() - {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}) == [
        "dynamodb:GetItem",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ]
    (group,) = resources(stack, "AWS::Logs::LogGroup")
    assert allowed["logs:PutLogEvents"] == {"Fn::GetAtt": [group, "Arn"]}


@pytest.mark.requirement("SEC-01")
def test_a_wildcard_that_a_later_grant_brings_is_found(code: Path, tmp_path: Path) -> None:
    """The acknowledged wildcard is X-Ray's alone; another one on the same role is a finding."""

    def build(app: cdk.App) -> None:
        function = PythonFunction(cdk.Stack(app, "Stack"), "Greet", source=code)
        function.add_to_role_policy(cdk.aws_iam.PolicyStatement(actions=["s3:GetObject"], resources=["*"]))

    found = findings(build, output=tmp_path / "out", context=NO_BUNDLING)
    assert found == ["AwsSolutions-IAM5[Resource::*] Stack/GreetRole/DefaultPolicy/Resource"]


@pytest.mark.requirement("SEC-01")
def test_a_function_passes_the_rule_packs(code: Path, tmp_path: Path) -> None:
    """Nothing is left that AwsSolutions and Serverless object to."""

    def build(app: cdk.App) -> None:
        PythonFunction(cdk.Stack(app, "Stack"), "Greet", source=code)

    assert findings(build, output=tmp_path / "out", context=NO_BUNDLING) == []


@pytest.mark.parametrize(("alarm", "metric"), [(0, "Errors"), (1, "Throttles")])
def test_an_alarm_watches_its_own_function(code: Path, alarm: int, metric: str) -> None:
    """One failed or refused invocation is enough, and it must be this function's."""
    stack = new_stack()
    function = PythonFunction(stack, "Greet", source=code)
    alarms = resources(stack, "AWS::CloudWatch::Alarm")
    watched = alarms[stack.get_logical_id(_resource(function.alarms[alarm]))]["Properties"]
    (function_id,) = resources(stack, "AWS::Lambda::Function")
    assert (watched["Namespace"], watched["MetricName"], watched["Threshold"]) == ("AWS/Lambda", metric, 1)
    assert watched["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": function_id}}]
    assert watched["TreatMissingData"] == "notBreaching"


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"timeout": lambda: cdk.Duration.minutes(16)},
            "timeout must be between 1 second and 15 minutes, got 16 minutes; ",
        ),
        ({"memory_size": lambda: 64}, "memory_size must be a whole number between 128 and 10240, got 64; "),
        ({"reserved_concurrency": lambda: -1}, "reserved_concurrency must be .* got -1; leave it out"),
    ],
)
def test_an_impossible_option_is_refused(code: Path, options: dict[str, Callable[[], Any]], message: str) -> None:
    """The error names the option, the value, the range and the way out."""
    with pytest.raises(ValueError, match=message):
        PythonFunction(new_stack(), "Greet", source=code, **{name: make() for name, make in options.items()})


def test_a_value_known_only_at_deployment_is_taken(code: Path) -> None:
    """A CloudFormation parameter is no number yet, so no range is checked."""
    stack = new_stack()
    memory = cast("int", cdk.CfnParameter(stack, "Memory", type="Number").value_as_number)
    PythonFunction(stack, "Greet", source=code, memory_size=memory)
    assert only(stack, "AWS::Lambda::Function")["MemorySize"] == {"Ref": "Memory"}


def test_the_asset_is_built_without_docker(code: Path, installer: FakeInstaller, tmp_path: Path) -> None:
    """Synth writes the finished asset, under the same hash that a synth without bundling names."""

    def synthesize(name: str, context: dict[str, object]) -> tuple[str, Path]:
        app = cdk.App(outdir=str(tmp_path / name), context=context)
        stack = cdk.Stack(app, "Stack")
        PythonFunction(stack, "Greet", source=code)
        template = app.synth().get_stack_by_name("Stack").template
        (function,) = (each for each in template["Resources"].values() if each["Type"] == "AWS::Lambda::Function")
        return function["Properties"]["Code"]["S3Key"].removesuffix(".zip"), tmp_path / name

    key, output = synthesize("built", {})
    assert (output / f"asset.{key}" / "code" / "greet" / "handler.py").is_file()
    assert (output / f"asset.{key}" / "aws_lambda_powertools" / "__init__.py").is_file()
    assert synthesize("skipped", dict(NO_BUNDLING))[0] == key


@pytest.mark.requirement("LIB-04")
def test_a_package_that_cannot_be_bundled_is_the_callers_error(code: Path, installer: FakeInstaller) -> None:
    """It is raised where the function is made, as what it is, not out of the depths of synth."""
    (code / "requirements.txt").write_text("speedy==1.0\n")
    stack = cdk.Stack(cdk.App(), "Stack")
    with pytest.raises(ValueError, match=r"package speedy-1\.0"):
        PythonFunction(stack, "Greet", source=code)


def _resource(construct: cdk.Resource) -> cdk.CfnElement:
    child = construct.node.default_child
    assert isinstance(child, cdk.CfnElement)
    return child


def test_a_function_is_a_lambda_function(code: Path) -> None:
    """Whatever takes a function of CDK takes this one."""
    assert isinstance(PythonFunction(new_stack(), "Greet", source=code), lambda_.Function)
