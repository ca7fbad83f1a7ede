"""A dependency's consumer may do what the runtime does, and nothing else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructs_lib.isolated_dependency_stream import IsolatedDependencyStream
from constructs_lib.runtime import engines, stream_wiring
from tests.support.functions import consumer, source_folder
from tests.support.rights import client_calls, in_transactions, modules_behind
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


def called(tree: ast.Module) -> Iterator[str]:
    """Rights that the SDK calls of a module take."""
    yield from (CALLS[method] for method in client_calls(tree) if method != "transact_write_items")
    yield from (IN_TRANSACTIONS[kind] for kind in in_transactions(tree))


@pytest.mark.requirement("SEC-01")
def test_what_is_granted_is_what_is_called(tmp_path: Path) -> None:
    """A right too few shows on AWS only, where the local cloud's roles are not enforced; one too many never shows."""
    # What makes effects once has a table of its own, and rights of its own: see test_consumer_rights.py.
    left_out = {engines.__name__}
    used = {right for tree in modules_behind(stream_wiring.__name__, left_out) for right in called(tree)}
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
