"""Calls for several items, each of which succeeds or fails by itself."""

from collections.abc import Sequence
from typing import Any

from tests.standins.dynamodb.partiql import Statement, read_statement
from tests.standins.dynamodb.refusals import RefusedError, RequestRefusedError, invalid
from tests.standins.dynamodb.request import Request, project
from tests.standins.dynamodb.singles import run_statement
from tests.standins.dynamodb.table import Place, Table
from tests.standins.dynamodb.writes import Write

MOST_STATEMENTS = 25
MOST_KEYS = 100
MOST_WRITES = 25


def batch_execute_statement(request: Request) -> dict[str, Any]:
    """Answer BatchExecuteStatement."""
    asked: Sequence[dict[str, Any]] = request.get("Statements")
    _at_most(MOST_STATEMENTS, asked, "statements")
    read = [_read(each) for each in asked]
    statements = [each for each in read if isinstance(each, Statement)]
    if len({each.verb == "SELECT" for each in statements}) > 1:
        raise invalid("Statements in a batch must be either all reads or all writes")
    # That AWS refuses this is documented for BatchGetItem and BatchWriteItem only. Code that does without it is right
    # either way, for the order within a batch is not promised.
    _distinct([_place(request, each) for each in statements])
    return {"Responses": [_answer(request, one, each) for one, each in zip(asked, read, strict=True)]}


def _read(asked: dict[str, Any]) -> Statement | RefusedError:
    try:
        return read_statement(asked["Statement"], asked.get("Parameters", ()))
    except RefusedError as refusal:
        return refusal


def _place(request: Request, statement: Statement) -> tuple[str, Place] | None:
    table = request.table(statement.table)
    try:
        return table.name, table.place(statement.key(table.key))
    except RefusedError:
        return None


def _answer(request: Request, asked: dict[str, Any], statement: Statement | RefusedError) -> dict[str, Any]:
    table: dict[str, Any] = {}
    try:
        if isinstance(statement, RefusedError):
            raise statement
        table = {"TableName": statement.table}
        item = run_statement(request, statement, consistent=asked.get("ConsistentRead", False))
    except RefusedError as refusal:
        error: dict[str, Any] = {"Code": refusal.code, "Message": refusal.text}
        if refusal.item and asked.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
            error["Item"] = refusal.item
        # Told only of statements that reached their table.
        return {"Error": error, **(table if refusal.code != "ValidationError" else {})}
    return table if item is None else {**table, "Item": item}


def batch_get_item(request: Request) -> dict[str, Any]:
    """Answer BatchGetItem."""
    asked: dict[str, dict[str, Any]] = request.get("RequestItems")
    _at_most(MOST_KEYS, [key for each in asked.values() for key in each["Keys"]], "keys")
    found: dict[str, list[Any]] = {}
    left: dict[str, dict[str, Any]] = {}
    read = 0
    for name, wanted in asked.items():
        table = request.table(name)
        found[name] = []
        _distinct([(name, table.place(key, alone=True)) for key in wanted["Keys"]])
        for key in wanted["Keys"]:
            try:
                request.refuse(table, key)
            except RefusedError:
                left.setdefault(name, {**wanted, "Keys": []})["Keys"].append(key)
                continue
            read += 1
            item = request.find(table, key, consistent=wanted.get("ConsistentRead", False))
            if item is not None:
                names = wanted.get("ExpressionAttributeNames")
                found[name].append(project(item, wanted.get("ProjectionExpression"), names))
        # No order is promised; this one shows who relies on the one asked in.
        found[name].reverse()
    _some(read)
    return {"Responses": found, "UnprocessedKeys": left}


def batch_write_item(request: Request) -> dict[str, Any]:
    """Answer BatchWriteItem."""
    asked: dict[str, list[dict[str, Any]]] = request.get("RequestItems")
    _at_most(MOST_WRITES, [each for wanted in asked.values() for each in wanted], "writes")
    left: dict[str, list[dict[str, Any]]] = {}
    writes = [(each, _write(request.table(name), each)) for name, wanted in asked.items() for each in wanted]
    _distinct([(write.table.name, write.place) for _, write in writes])
    done = 0
    for each, write in writes:
        try:
            request.refuse(write.table, write.key)
        except RefusedError:
            left.setdefault(write.table.name, []).append(each)
            continue
        write.charge(request.usage)
        write.do()
        done += 1
    _some(done)
    return {"UnprocessedItems": left}


def _write(table: Table, asked: dict[str, Any]) -> Write:
    if "DeleteRequest" in asked:
        key = asked["DeleteRequest"]["Key"]
        return Write(verb="delete", table=table, place=table.place(key, alone=True), key=key)
    item = asked["PutRequest"]["Item"]
    place = table.place(item)
    return Write(verb="put", table=table, place=place, key={name: item[name] for name in table.key}, item=item)


def _some(done: int) -> None:
    if not done:
        raise RequestRefusedError("ProvisionedThroughputExceededException", "None of the items could be processed.")


def _at_most(most: int, given: Sequence[Any], what: str) -> None:
    if len(given) > most:
        raise invalid(
            f"1 validation error detected: {len(given)} {what}; Member must have length less than or equal to {most}"
        )


def _distinct(places: Sequence[tuple[str, Place] | None]) -> None:
    known = [place for place in places if place is not None]
    if len(set(known)) < len(known):
        raise invalid("Provided list of item keys contains duplicates")
