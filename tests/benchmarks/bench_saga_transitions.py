"""Billed state transitions of a saga that succeeds, against the workflow as it is usually drawn by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk

from constructs_lib.saga_state_machine import SagaStateMachine
from tests.benchmarks.result import Figure
from tests.support import asl
from tests.support.sagas import definitions, step

# Each execution is billed one transition for its start, whatever it enters.
# https://aws.amazon.com/step-functions/pricing
START = 1


def measure() -> Sequence[Figure]:
    """Execute both with 3, 5 and 8 steps and count the states they enter."""
    return [
        Figure(what=f"{steps} steps: transitions", ours=ours(steps), baseline=by_hand(steps), target=0.34, counted=True)
        for steps in (3, 5, 8)
    ]


def ours(steps: int) -> int:
    """Transitions of a compiled saga in which every step has a compensation."""
    stack = cdk.Stack(cdk.App(), "Stack", env=cdk.Environment(region="eu-west-1"))
    SagaStateMachine(stack, "Saga", steps=[step(stack, f"step{number}") for number in range(steps)])
    (definition,) = definitions(stack).values()
    return transitions(definition)


def by_hand(steps: int) -> int:
    """Transitions where each step is a task, a choice by its status, and a state that keeps its result."""
    states: dict[str, Any] = {"Begin": through("Do0"), "End": {"Type": "Succeed"}}
    for number in range(steps):
        then = f"Do{number + 1}" if number + 1 < steps else "End"
        states[f"Do{number}"] = {"Type": "Task", "Resource": "do", "Arguments": {}, "Next": f"Check{number}"}
        states[f"Check{number}"] = through(f"Keep{number}")
        states[f"Keep{number}"] = through(then)
    return transitions({"QueryLanguage": "JSONata", "StartAt": "Begin", "States": states})


def through(then: str) -> Mapping[str, Any]:
    """A state that only leads on."""
    return {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": then}], "Default": then}


def transitions(definition: Mapping[str, Any]) -> int:
    """Run *definition* with functions that succeed."""
    done = asl.run(definition, {}, lambda _resource, _arguments: {"Payload": {}})
    assert done.status == "SUCCEEDED", done
    return START + len(done.states)
