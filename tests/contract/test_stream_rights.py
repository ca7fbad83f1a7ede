"""A dependency's consumer may do what the runtime does, and nothing else."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from constructs_lib.runtime import stream_wiring
from tests.support.functions import consumer, source_folder
from tests.support.synthesis import new_stack, statements

# What a call of the SDK takes; a transaction takes the rights of what is in it.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
CALLS = {
    "delete_item": "dynamodb:DeleteItem",
    "get_item": "dynamodb:GetItem",
    "get_object": "s3:GetObject",
    "put_item": "dynamodb:PutItem",
    "put_object": "s3:PutObject",
    "query": "dynamodb:Query",
    "update_item": "dynamodb:UpdateItem",
}
IN_TRANSACTIONS = {
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Delete": "dynamodb:DeleteItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
}
# Lambda polls and exports in the consumer's name; without the right to list, S3 answers a missing object with a refusal.
BY_LAMBDA = {
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "s3:ListBucket",
}


def modules_behind(module: str, seen: set[str]) -> Iterator[ast.Module]:
    """The runtime's modules that *module* is made of."""
    if module in seen or not module.startswith("constructs_lib.runtime."):
        return
    seen.add(module)
    tree = ast.parse(Path(importlib.import_module(module).__file__ or "").read_text())
    yield tree
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from modules_behind(node.module, seen)


def called(tree: ast.Module) -> Iterator[str]:
    """Rights that the SDK calls of a module take."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method), args=args
            ):
                if name.endswith("client"):
                    if method == "get_paginator":
                        (argument,) = args
                        assert isinstance(argument, ast.Constant)
                        yield CALLS[str(argument.value)]
                    elif method != "transact_write_items":
                        yield CALLS[method]
            case ast.Dict(keys=[ast.Constant(value=str(kind))]) if kind in IN_TRANSACTIONS:
                yield IN_TRANSACTIONS[kind]


@pytest.mark.requirement("SEC-01")
def test_what_is_granted_is_what_is_called(tmp_path: Path) -> None:
    """A right too few shows on AWS only, where the local cloud's roles are not enforced; one too many never shows."""
    used = {right for tree in modules_behind(stream_wiring.__name__, set()) for right in called(tree)}
    stack = new_stack()
    IsolatedDependencyStream(stack, "slack", consumer=consumer(stack, "Notify", source_folder(tmp_path)))
    granted = {
        action
        for statement in statements(stack)
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if not action.startswith(("logs:", "xray:"))
    }
    assert granted - BY_LAMBDA == used
    assert granted >= BY_LAMBDA
