"""The runbook of dead letters: what it shows works, and what it asks for is what is needed."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import botocore.client
import pytest

from constructs_lib import cli
from constructs_lib.operations.dead_letters.letters import CRASHED
from tests.unit.operations.test_dead_letters_command import Account, account, aws, hurry, run

__all__ = ["account", "aws", "hurry"]

RUNBOOK = (Path(__file__).parents[3] / "docs" / "runbooks" / "dead-letters.md").read_text()
COMMANDS = [line.strip() for line in RUNBOOK.splitlines() if line.strip().startswith("resilience ")]
# IAM has one right for a call and its batch.
RIGHTS = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
# A stack is more than the AWS in memory has here.
STACK: dict[str, Any] = {
    "ListStackResources": {
        "StackResourceSummaries": [{"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": "f"}]
    },
    "GetFunctionConfiguration": {"FunctionName": "f"},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_given(command: str) -> None:
    """Names and options are those of the command line."""
    program, *arguments = shlex.split(command.partition(" >")[0].replace("<id>", "1"), comments=True)
    assert program == "resilience"
    cli._parser().parse_args(arguments)


def test_the_reason_nobody_could_write_is_explained() -> None:
    assert f"| `{CRASHED}` |" in RUNBOOK


def test_the_rights_are_those_that_are_used(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything the commands call is in the policy, and nothing else is."""
    first, second = account.bury(1), account.bury(2)
    used: set[str] = set()
    call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined] # every call of every client

    def noted(client: Any, operation: str, parameters: Any) -> Any:
        used.add(f"{client.meta.service_model.service_name}:{RIGHTS.get(operation, operation)}")
        return STACK[operation] if operation in STACK else call(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", noted)
    for arguments in (["list"], ["show", first], ["redrive", first], ["discard", second]):
        assert run(*arguments) == 0
    assert run("list", "--stack", "Alerts") == 1
    policy = json.loads(re.findall(r"```json\n(.*?)```", RUNBOOK, re.DOTALL)[0])
    granted = {
        action
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert used == granted
