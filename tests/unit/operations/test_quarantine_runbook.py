"""The runbook of the quarantine: what it shows works, and what it asks for is what is needed."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest

from constructs_lib import cli
from constructs_lib.operations.quarantine.items import KINDS
from tests.unit.operations.test_quarantine_command import BUCKET, aws, run, upload
from tests.unit.operations.world import World

__all__ = ["aws"]

RUNBOOK = (Path(__file__).parents[3] / "docs" / "runbooks" / "quarantine.md").read_text()
# IAM names most actions like the operation of the API; these it names otherwise, and one it allows everybody.
ACTIONS = {"s3:ListObjectsV2": "s3:ListBucket", "sts:GetCallerIdentity": None}
# A stack is more than the AWS in memory has here.
STACK: dict[str, Any] = {
    "ListStackResources": {
        "StackResourceSummaries": [{"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": "f"}]
    },
    "GetFunctionConfiguration": {"FunctionName": "f"},
}
COMMANDS = [
    line.strip().replace("<id>", "1") for line in RUNBOOK.splitlines() if line.strip().startswith("resilience ")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_given(command: str) -> None:
    """Names and options are those of the command line."""
    program, *arguments = shlex.split(command, comments=True)
    assert program == "resilience"
    cli._parser().parse_args(arguments)


def test_every_kind_is_explained() -> None:
    """Whatever an operator meets has a line that says what to do first."""
    assert set(re.findall(r"^ *\| `(\w+)` \|", RUNBOOK, re.MULTILINE)) == set(KINDS)


def test_the_rights_are_those_that_are_used(monkeypatch: pytest.MonkeyPatch, aws: None) -> None:
    """Everything the commands call is in the policy, nothing else is, and only notes are written."""
    world = World()
    ids = [record.sequence for record in (world.record("a"), world.record("b"))]
    for record in world.made:
        world.by_runtime(record)
    upload(world)
    used: set[str | None] = set()
    call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]  # not in the stubs

    def recorded(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        name = f"{client.meta.service_model.service_name}:{operation}"
        used.add(ACTIONS.get(name, name))
        if name == "s3:PutObject":
            assert parameters["Key"].startswith("settled/")
        return STACK[operation] if operation in STACK else call(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", recorded)
    assert run("list") == run("show", ids[0]) == run("redrive", ids[0]) == 0
    assert run("discard", ids[1], "--reason", "x") == run("redrive", ids[1], "--again") == 0
    assert cli.main(["quarantine", "list", "--dependency", "Slack"]) == 1
    assert cli.main(["quarantine", "list", "--stack", "Alerts"]) == 1
    [policy] = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", RUNBOOK, re.DOTALL)]
    granted = set()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        granted |= {actions} if isinstance(actions, str) else set(actions)
    assert used - {None} == granted
    assert boto3.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 5
