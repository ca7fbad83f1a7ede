"""Sagas compiled for a test, and a world of functions that fail as told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.saga_state_machine import SagaStep
from tests.support.asl import TaskError
from tests.support.synthesis import resources

OVERSIZE = "x" * 300_000
"""A result larger than Step Functions keeps."""


def function(scope: Construct, name: str) -> lambda_.IFunction:
    """A function somebody else deployed; its name is what `World` sees."""
    arn = f"arn:aws:lambda:eu-west-1:111111111111:function:{name}"
    existing = scope.node.try_find_child(name)
    return existing or lambda_.Function.from_function_arn(scope, name, arn)  # type: ignore[return-value]  # made here


def step(scope: Construct, name: str, *, compensated: bool = True, **options: Any) -> SagaStep:
    """A step whose functions are `do-<name>` and `undo-<name>`."""
    return SagaStep(
        name=name,
        action=function(scope, f"do-{name}"),
        compensation=function(scope, f"undo-{name}") if compensated else None,
        **options,
    )


def definitions(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    """Definition of every state machine in *stack* by logical id, references written as `${...}`."""
    return {
        logical_id: json.loads(_joined(machine["Properties"]["DefinitionString"]))
        for logical_id, machine in resources(stack, "AWS::StepFunctions::StateMachine").items()
    }


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return "aws" if value["Ref"] == "AWS::Partition" else f"${{{value['Ref']}}}"
    return "".join(_joined(part) for part in value["Fn::Join"][1])


@dataclass
class World:
    """Functions that do what the plan says.

    Args:
        plan: For a call such as `do b`, `undo a` or `record a`, what happens at each attempt: the name of an error, or
            `ok`, or `oversize`. The last one goes on for ever; a call that is not planned is `ok`.
        results: What an action returns. Default: `{"by": <step>}`.
    """

    plan: Mapping[str, Sequence[str]] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    payloads: dict[str, Any] = field(default_factory=dict)
    records: list[Any] = field(default_factory=list)

    def invoke(self, resource: str, arguments: Any) -> Any:
        """Do a task as the plan has it."""
        if resource.endswith(":sqs:sendMessage"):
            body = arguments["MessageBody"]
            return self._do(f"record {body['payload']['step']}", body, lambda: self.records.append(body))
        if ":::lambda:invoke" in resource:
            resource, arguments = arguments["FunctionName"], arguments["Payload"]
        verb, _, name = resource.rpartition(":")[2].partition("-")
        return self._do(f"{verb} {name}", arguments, lambda: self.results.get(name, {"by": name}))

    def _do(self, call: str, payload: Any, effect: Any) -> Any:
        attempt = self.calls.count(call)
        self.calls.append(call)
        self.payloads[call] = payload
        faults = self.plan.get(call, ["ok"])
        match faults[min(attempt, len(faults) - 1)]:
            case "ok":
                return effect()
            case "oversize":
                return OVERSIZE
            case error:
                raise TaskError(error, f"{call} failed")
