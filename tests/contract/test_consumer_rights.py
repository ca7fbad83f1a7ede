"""A consumer of messages may do what the runtime does with its queues and its memory, and nothing else."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis

from constructs_lib.idempotency_store import StronglyConsistentStore
from constructs_lib.idempotent_consumer import IdempotentConsumer, MessageQueue
from constructs_lib.idempotent_function import IdempotentFunction
from constructs_lib.idempotent_stream_consumer import IdempotentStreamConsumer, StreamSource
from constructs_lib.item_grants import grant_items
from constructs_lib.runtime import answer_work, engines, queue_wiring
from tests.support.functions import consumer, source_folder
from tests.support.rights import client_calls, in_transactions, modules_behind
from tests.support.synthesis import new_stack, resources, statements

# What a call of the SDK takes. Calls for a batch of items have rights of their own in DynamoDB, and none in SQS; a
# statement of PartiQL takes one by what it does; a transaction takes the rights of what is in it.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
CALLS = {
    "batch_get_item": "dynamodb:BatchGetItem",
    "batch_write_item": "dynamodb:BatchWriteItem",
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "send_message_batch": "sqs:SendMessage",
}
# Their rights are told by what is in them.
BY_CONTENT = {"batch_execute_statement", "execute_statement", "transact_write_items"}
STATEMENTS = {name: f"dynamodb:PartiQL{name.title()}" for name in ("insert", "update", "delete")}
IN_TRANSACTIONS = {"Put": "dynamodb:PutItem"}
# Lambda receives and deletes in the consumer's name.
BY_LAMBDA = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}


def partiql(tree: ast.Module) -> Iterator[str]:
    """What the statements do that a module makes with the functions of `partiql`."""
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "constructs_lib.runtime.partiql"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in imported & set(STATEMENTS)
        ):
            yield STATEMENTS[node.func.id]


def called(*roots: str) -> set[str]:
    """Rights that the SDK calls of the modules behind *roots* take."""
    seen: set[str] = set()
    used: set[str] = set()
    for root in roots:
        for tree in modules_behind(root, seen):
            used.update(CALLS[method] for method in client_calls(tree) if method not in BY_CONTENT)
            used.update(IN_TRANSACTIONS[kind] for kind in in_transactions(tree))
            used.update(partiql(tree))
    return used


def granted(stack: cdk.Stack) -> dict[str, set[str]]:
    """Actions by the resource they are granted on, logs and traces left out."""
    found: dict[str, set[str]] = {}
    for statement in statements(stack):
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        on: Any = statement["Resource"]
        for resource in on if isinstance(on, list) else [on]:
            found.setdefault(json.dumps(resource), set()).update(
                action for action in actions if not action.startswith(("logs:", "xray:"))
            )
    return found


@pytest.mark.requirement("SEC-01")
@pytest.mark.parametrize("ordered", [False, True], ids=["standard", "fifo"])
def test_what_is_granted_is_what_is_called(ordered: bool, tmp_path: Path) -> None:
    """A right too few shows on AWS only, where the local cloud's roles are not enforced; one too many never shows."""
    used = called(queue_wiring.__name__)
    stack = new_stack()
    queue = MessageQueue.fifo() if ordered else MessageQueue.standard()
    IdempotentConsumer(stack, "Orders", consumer=consumer(stack, "Take", source_folder(tmp_path)), queue=queue)
    rights = granted(stack)
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    main, dead = sorted(resources(stack, "AWS::SQS::Queue"), reverse=True)
    on_table, on_queue, on_dead = (rights[json.dumps({"Fn::GetAtt": [name, "Arn"]})] for name in (table, main, dead))
    assert on_table == {right for right in used if right.startswith("dynamodb:")}
    # A message of a FIFO queue is never sent anew: it would come out of order.
    assert on_queue == BY_LAMBDA | {"sqs:ChangeMessageVisibility"} | (set() if ordered else {"sqs:SendMessage"})
    assert on_dead == {"sqs:SendMessage"}
    assert {right for right in used if right.startswith("sqs:")} == {"sqs:ChangeMessageVisibility", "sqs:SendMessage"}


@pytest.mark.requirement("SEC-01")
def test_a_store_without_transactions_takes_no_right_for_them(tmp_path: Path) -> None:
    """The mark of a transaction is all that is put."""
    stack = new_stack()
    IdempotentConsumer(
        stack,
        "Orders",
        consumer=consumer(stack, "Take", source_folder(tmp_path)),
        store=StronglyConsistentStore.in_region(stack, "Done", "orders-done"),
    )
    used = called(queue_wiring.__name__)
    (on_table,) = (actions for resource, actions in granted(stack).items() if ":dynamodb:" in resource)
    assert on_table == {right for right in used if right.startswith("dynamodb:")} - {"dynamodb:PutItem"}


@pytest.mark.requirement("SEC-01")
def test_a_streams_consumer_remembers_with_the_same_rights_and_makes_no_notes(tmp_path: Path) -> None:
    """What fails on a stream is kept with its reason in the quarantine."""
    stack = new_stack()
    stream = kinesis.Stream.from_stream_arn(stack, "Orders", "arn:aws:kinesis:eu-west-1:123456789012:stream/orders")
    IdempotentStreamConsumer(
        stack,
        "ship",
        consumer=consumer(stack, "Ship", source_folder(tmp_path)),
        source=StreamSource.kinesis(stream, retention=Duration.days(1)),
    )
    (table,) = (name for name in resources(stack, "AWS::DynamoDB::Table") if "Done" in name)
    on_table = granted(stack)[json.dumps({"Fn::GetAtt": [table, "Arn"]})]
    assert on_table == {right for right in called(engines.__name__) if right.startswith("dynamodb:")}
    assert "dynamodb:BatchWriteItem" not in on_table


@pytest.mark.requirement("SEC-01")
def test_a_function_that_answers_once_remembers_and_nothing_else(tmp_path: Path) -> None:
    """Neither transactions nor notes are its business."""
    stack = new_stack()
    IdempotentFunction(stack, "Charges", function=consumer(stack, "Charge", source_folder(tmp_path)))
    (table,) = resources(stack, "AWS::DynamoDB::Table")
    on_table = granted(stack)[json.dumps({"Fn::GetAtt": [table, "Arn"]})]
    assert on_table == {right for right in called(answer_work.__name__) if right.startswith("dynamodb:")}


@pytest.mark.requirement("SEC-01")
def test_items_are_written_with_these_rights(tmp_path: Path) -> None:
    """On the table that was named; what a transaction does its owner grants."""
    stack = new_stack()
    table = dynamodb.Table.from_table_name(stack, "Invoices", "invoices")
    grant_items(table, consumer(stack, "Bill", source_folder(tmp_path)))
    ((resource, rights),) = ((on, actions) for on, actions in granted(stack).items() if actions)
    assert ":table/invoices" in resource
    kinds = ("item_inserts", "item_changes", "item_reads")
    used = {right for kind in kinds for right in called(f"constructs_lib.runtime.{kind}")}
    assert rights == used
