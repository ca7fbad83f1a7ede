"""Calls for one item, and scans."""

from typing import Any

from tests.standins.dynamodb.conditions import read_condition
from tests.standins.dynamodb.partiql import Statement, read_statement
from tests.standins.dynamodb.refusals import RefusedError, alone, invalid
from tests.standins.dynamodb.request import Request, project
from tests.standins.dynamodb.table import Table
from tests.standins.dynamodb.tokens import Tokens
from tests.standins.dynamodb.values import Item, size
from tests.standins.dynamodb.writes import Write, read_write, statement_write


def put_item(request: Request) -> dict[str, Any]:
    """Answer PutItem."""
    return _single(request, "put")


def update_item(request: Request) -> dict[str, Any]:
    """Answer UpdateItem."""
    return _single(request, "update")


def delete_item(request: Request) -> dict[str, Any]:
    """Answer DeleteItem."""
    return _single(request, "delete")


def _single(request: Request, verb: str) -> dict[str, Any]:
    write = read_write(verb, request.write_arguments(), request.table())
    old = write.table.get(write.place)
    try:
        request.refuse(write.table, write.key)
        write.charge(request.usage)
        new = write.do()
    except RefusedError as refusal:
        raise alone(refusal, with_item=request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD") from None
    request.get("ReturnValuesOnConditionCheckFailure")
    shown = _returned(write, request.get("ReturnValues", "NONE"), old, new)
    return {"Attributes": shown} if shown else {}


def _returned(write: Write, wish: str, old: Item | None, new: Item | None) -> Item:
    if wish == "NONE":
        return {}
    if wish != "ALL_OLD" and write.verb != "update":
        raise invalid("Return values set to invalid value")
    item = (old if wish.endswith("OLD") else new) or {}
    changed = write.update.attributes if write.update else set()
    return item if wish.startswith("ALL") else {name: item[name] for name in changed if name in item}


def get_item(request: Request) -> dict[str, Any]:
    """Answer GetItem."""
    table, key = request.table(), request.get("Key")
    try:
        request.refuse(table, key)
    except RefusedError as refusal:
        raise alone(refusal, with_item=False) from None
    item = request.find(table, key, consistent=request.get("ConsistentRead", False))
    expression, names = request.get("ProjectionExpression"), request.get("ExpressionAttributeNames")
    return {} if item is None else {"Item": project(item, expression, names)}


def scan(request: Request) -> dict[str, Any]:
    """Answer Scan; without a limit with everything in one page."""
    table, consistent = request.table(), request.get("ConsistentRead", False)
    items, more = _page(list(table), table, request)
    request.usage.read(table.name, sum(size(item) for item in items), consistent=consistent)
    names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    scanned = len(items)
    if expression := request.get("FilterExpression"):
        tokens = Tokens(expression, names=names, values=values)
        condition = read_condition(tokens)
        tokens.end()
        items = [item for item in items if condition.holds(item)]
    shown = [project(item, request.get("ProjectionExpression"), names) for item in items]
    return {"Items": shown, "Count": len(shown), "ScannedCount": scanned, **more}


def _page(items: list[Item], table: Table, request: Request) -> tuple[list[Item], dict[str, Any]]:
    """The items of one page, before any filter, and where the next one begins."""
    # In an order that lasts while items come and go.
    items = sorted(items, key=lambda item: str(table.place(item)))
    if start := request.get("ExclusiveStartKey"):
        items = [item for item in items if str(table.place(item)) > str(table.place(start, alone=True))]
    limit = request.get("Limit")
    if limit is None or len(items) < limit:
        return items, {}
    # There may be nothing after it: that shows only by the next page.
    return items[:limit], {"LastEvaluatedKey": {name: items[limit - 1][name] for name in table.key}}


def execute_statement(request: Request) -> dict[str, Any]:
    """Answer ExecuteStatement."""
    statement = read_statement(request.get("Statement"), request.get("Parameters", ()))
    try:
        item = run_statement(request, statement, consistent=request.get("ConsistentRead", False))
    except RefusedError as refusal:
        raise alone(refusal, with_item=request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD") from None
    request.get("ReturnValuesOnConditionCheckFailure")
    return {"Items": [] if item is None else [item]}


def run_statement(request: Request, statement: Statement, *, consistent: bool) -> Item | None:
    """Run one statement; return the item that a SELECT finds.

    Raises:
        RefusedError: If it is refused.
    """
    table = request.table(statement.table)
    key = statement.key(table.key)
    request.refuse(table, key)
    if statement.verb != "SELECT":
        write = statement_write(statement, table)
        write.charge(request.usage)
        write.do()
        return None
    item = request.find(table, key, consistent=consistent)
    if item is None or (statement.where and not statement.where.holds(item)):
        return None
    return {name: item[name] for name in statement.columns or item if name in item}
