"""Every call that leaves a function ends before the function does, and a queue waits for six such functions."""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from constructs_lib.runtime import clients
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.functions.health import probes
from constructs_lib.testing.assembly import Assembly
from lambdas.notify_slack import settings as slack
from lambdas.notify_teams import settings as teams
from lambdas.shared import aws_clients
from tests.unit.runtime.fakes import FakeContext

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "lambdas").rglob("*.py"), *(ROOT / "constructs_lib" / "runtime").rglob("*.py")])
# What makes something that calls out, and the argument that limits its calls.
CALLERS = {"client": "config", "create_client": "config", "resource": "config", "PoolManager": "timeout"}
# Functions that call a provider, with the most calls of one step (docstrings of their settings), and the settings.
PROVIDERS: Mapping[str, tuple[int, Callable[[Mapping[str, str]], Any]]] = {
    "notify_slack": (3, slack.Settings.from_environment),
    "notify_teams": (4, teams.Settings.from_environment),
}
# A function that fails leaves its message to be delivered again; SQS recommends six times its time-out
# (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
VISIBILITY_FACTOR = 6


def calls(source: Path) -> Iterator[ast.Call]:
    """Every call in a file of something that calls out."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CALLERS:
                yield node


def limited(call: ast.Call) -> bool:
    """Whether it is the runtime's own way to a client, which limits calls unless it is told otherwise."""
    return isinstance(call.func, ast.Name) and call.func.id == clients.client.__name__


def longest(config: Config) -> float:
    """Seconds that a call may take with *config*, its retries and the pauses before them included."""
    attempts: int = config.retries["total_max_attempts"]  # type: ignore[attr-defined]  # set at run time
    # The standard mode pauses for a random part of 1, 2, 4 ... seconds.
    pauses = sum(2**attempt for attempt in range(attempts - 1))
    return float(attempts * (config.connect_timeout + config.read_timeout) + pauses)  # type: ignore[attr-defined]


def functions(template: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The functions of a template that are ours, by logical id."""
    return {
        name: each["Properties"]
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::Lambda::Function" and "Environment" in each["Properties"]
    }


def service(function: Mapping[str, Any]) -> str:
    """The name of a function's code."""
    name: str = function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    return name


@pytest.mark.requirement("ISO-13")
def test_whatever_calls_out_has_a_time_limit() -> None:
    """The defaults of SDKs and HTTP libraries wait for a minute, or for ever."""
    found = [(source, call) for source in SOURCES for call in calls(source)]
    assert len(found) > 15
    unlimited = [
        f"{source.relative_to(ROOT)}:{call.lineno}"
        for source, call in found
        if not limited(call) and not any(keyword.arg in ("config", "timeout") for keyword in call.keywords)
    ]
    assert unlimited == []
    assert inspect.signature(clients.client).parameters["config"].default is clients.QUICK


@pytest.mark.requirement("ISO-13")
def test_all_tries_of_a_call_fit_into_the_function_that_makes_it(cdk_app: Assembly) -> None:
    """To AWS and to the provider, each call with all its tries, and for a provider each whole step."""
    to_aws = max(longest(config) for config in (clients.QUICK, clients.PROMPT, aws_clients.CONFIG))
    seen = set()
    for template in cdk_app.templates.values():
        for function in functions(template).values():
            name, timeout = service(function), function["Timeout"]
            assert (longest(probes._QUICK) if name == "health" else to_aws) < timeout, name
            if name in PROVIDERS:
                seen.add(name)
                most, settings_of = PROVIDERS[name]
                texts = {key: str(value) for key, value in function["Environment"]["Variables"].items()}
                step = most * settings_of(texts | {"AWS_REGION": "us-east-1"}).timeout_seconds
                deadline = Deadline(FakeContext(timeout_seconds=timeout))
                assert deadline.leaves_time(after_seconds=step), (
                    f"{name}: a step of {step} s does not end before {timeout} s"
                )
    assert seen == PROVIDERS.keys()


@pytest.mark.requirement("ISO-13")
def test_a_queue_waits_six_times_as_long_as_its_function_may_run(cdk_app: Assembly) -> None:
    """Else a message is handed out again while it is still at work."""
    checked = 0
    for template in cdk_app.templates.values():
        resources = template["Resources"]
        for mapping in resources.values():
            if mapping["Type"] != "AWS::Lambda::EventSourceMapping":
                continue
            source, function = mapping["Properties"]["EventSourceArn"], mapping["Properties"]["FunctionName"]["Ref"]
            queue = resources[source["Fn::GetAtt"][0]]
            if queue["Type"] == "AWS::SQS::Queue":
                checked += 1
                timeout = resources[function]["Properties"]["Timeout"]
                assert queue["Properties"]["VisibilityTimeout"] >= VISIBILITY_FACTOR * timeout
    # Events, the sideline of them, and actions.
    assert checked == 3 * sum(name.startswith("Alerting-") and name != "Alerting-Global" for name in cdk_app.templates)
