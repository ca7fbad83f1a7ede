"""Stacks for tests of constructs, and what their templates say."""

from collections.abc import Mapping
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import assertions

# Building assets takes a second per function and is tested by itself.
NO_BUNDLING: Mapping[str, object] = {"aws:cdk:bundling-stacks": []}


def new_stack(region: str | None = "eu-west-1", *, name: str = "Stack") -> cdk.Stack:
    """An empty stack in an app of its own; None leaves its region open."""
    return cdk.Stack(cdk.App(context=dict(NO_BUNDLING)), name, env=cdk.Environment(region=region))


def resources(stack: cdk.Stack, kind: str) -> dict[str, dict[str, Any]]:
    """Resources of one CloudFormation type by logical id."""
    return cast("dict[str, dict[str, Any]]", dict(assertions.Template.from_stack(stack).find_resources(kind)))


def only(stack: cdk.Stack, kind: str) -> dict[str, Any]:
    """Properties of the one resource of that type."""
    (resource,) = resources(stack, kind).values()
    return cast("dict[str, Any]", resource["Properties"])


def statements(stack: cdk.Stack) -> list[dict[str, Any]]:
    """Every statement of every policy that a role in *stack* has."""
    attached = [policy["Properties"] for policy in resources(stack, "AWS::IAM::Policy").values()]
    inline = [
        policy
        for role in resources(stack, "AWS::IAM::Role").values()
        for policy in role["Properties"].get("Policies", [])
    ]
    return [statement for policy in attached + inline for statement in policy["PolicyDocument"]["Statement"]]
