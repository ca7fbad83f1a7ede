"""Conditional changes of the state table that happen together or not at all."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from constructs_lib.runtime.table_writes import Above, Condition, Delete, Is, Item, Put, Value, Write

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# Conflicts pass within milliseconds; after some four seconds of them something else is wrong.
_TRIES = 8
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0

# Nothing has happened, and the same may succeed at once.
_PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_PASSING_ERRORS = frozenset({"TransactionInProgressException", "TransactionConflictException"})
_UNMET = "ConditionalCheckFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDBTable:
    """The table in DynamoDB. Safe to use from several threads.

    Args:
        client: DynamoDB client.
        name: Name of the table, which has the keys `pk` and `sk`.
        sleep: Waits so many seconds.
    """

    client: "DynamoDBClient"
    name: str
    sleep: Callable[[float], None] = time.sleep

    def transact(self, writes: Sequence[Write]) -> frozenset[int]:
        """Do all *writes*, or none and return the indexes of those whose conditions do not hold.

        What other transactions are in the way of is tried again for a few seconds.

        Raises:
            ClientError: If that did not help, or anything else is wrong.
        """
        request: Any = [self._request(write) for write in writes]
        pause = _FIRST_PAUSE_SECONDS
        for tries_left in reversed(range(_TRIES)):
            try:
                self.client.transact_write_items(TransactItems=request)
            except ClientError as error:
                codes = [reason.get("Code", "") for reason in error.response.get("CancellationReasons", ())]
                if _UNMET in codes:
                    return frozenset(index for index, code in enumerate(codes) if code == _UNMET)
                passes = _PASSING.intersection(codes) or error.response["Error"]["Code"] in _PASSING_ERRORS
                if not passes or not tries_left:
                    raise
                self.sleep(random.uniform(0, pause))  # noqa: S311 - jitter is no secret
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                break
        return frozenset()

    def item(self, pk: str, sk: str) -> Item | None:
        """Return the attributes of one item."""
        answer = self.client.get_item(TableName=self.name, Key=_key(pk, sk), ConsistentRead=True)
        return _item(answer["Item"]) if "Item" in answer else None

    def items(self, pk: str, *, most: int | None = None) -> Iterator[tuple[str, Item]]:
        """Return sort key and attributes of the items of a partition in order, at most so many."""
        limit: Any = {} if most is None else {"MaxItems": most, "PageSize": most}
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
            PaginationConfig=limit,
        )
        for page in pages:
            for item in page["Items"]:
                yield item["sk"]["S"], _item(item)

    def _request(self, write: Write) -> Mapping[str, Any]:
        if isinstance(write, Put):
            item = {**_key(write.pk, write.sk), **{name: _stored(value) for name, value in write.item.items()}}
            absent = "attribute_not_exists(pk)"
            return {"Put": {"TableName": self.name, "Item": item, "ConditionExpression": absent}}
        words = _Words()
        request: dict[str, Any] = {"TableName": self.name, "Key": _key(write.pk, write.sk)}
        if isinstance(write, Delete):
            request["ConditionExpression"] = " AND ".join(["attribute_exists(pk)", *words.conditions(write.when)])
            return {"Delete": request | words.to_request()}
        sets = [f"{words.name(name)} = {words.value(value)}" for name, value in write.set.items()]
        adds = [f"{words.name(name)} {words.value(value)}" for name, value in write.add.items()]
        clauses = [f"{verb} {', '.join(parts)}" for verb, parts in (("SET", sets), ("ADD", adds)) if parts]
        request["UpdateExpression"] = " ".join(clauses)
        if write.when:
            request["ConditionExpression"] = " AND ".join(words.conditions(write.when))
        return {"Update": request | words.to_request()}


class _Words:
    """Names and values of one request's expressions, by placeholders: names may be words that DynamoDB reserves."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def name(self, name: str) -> str:
        self._names[f"#{name}"] = name
        return f"#{name}"

    def value(self, value: Value) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = _stored(value)
        return placeholder

    def conditions(self, conditions: Iterable[Condition]) -> list[str]:
        signs: Mapping[type[Condition], str] = {Is: "=", Above: ">"}
        return [f"{self.name(each.attribute)} {signs[type(each)]} {self.value(each.value)}" for each in conditions]

    def to_request(self) -> dict[str, Any]:
        given = {"ExpressionAttributeNames": self._names, "ExpressionAttributeValues": self._values}
        return {name: words for name, words in given.items() if words}


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _stored(value: Value) -> Any:
    return {"S": value} if isinstance(value, str) else {"N": repr(value)}


def _item(stored: Mapping[str, Any]) -> Item:
    return {
        name: attribute["S"] if "S" in attribute else float(attribute["N"])
        for name, attribute in stored.items()
        if name not in ("pk", "sk")
    }
