"""A table with its stream in memory, behind the calls of DynamoDB a replica makes; it can race, fail and hang."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from constructs_lib.local.replication.machine import Item

SHARD = "shard-1"
_NOTHING: Callable[[], None] = lambda: None  # noqa: E731 - a value, not a function of this module


class FakeTable:
    """Stands for both clients, `dynamodb` and `dynamodbstreams`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.items: dict[str, Item] = {}
        self.records: list[dict[str, Any]] = []
        self.calls = 0
        self.before_write = _NOTHING
        self.lose_answers = 0
        self.refuse = ""
        self._clock = clock

    def application_puts(self, item: Item) -> None:
        """A write that is not ours."""
        self._change(item["id"]["S"], item)

    def application_deletes(self, name: str) -> None:
        """Likewise."""
        self._change(name, None)

    def expire(self, name: str) -> None:
        """The item goes without a record."""
        del self.items[name]

    def put_item(self, *, Item: Item, **options: Any) -> dict[str, Any]:  # noqa: N803 - the API's name
        """As DynamoDB."""
        return self._write(Item["id"]["S"], Item, options)

    def delete_item(self, *, Key: Item, **options: Any) -> dict[str, Any]:  # noqa: N803 - the API's name
        """As DynamoDB."""
        return self._write(Key["id"]["S"], None, options)

    def describe_stream(self, **_: Any) -> dict[str, Any]:
        """One shard."""
        self._fail()
        return {"StreamDescription": {"Shards": [{"ShardId": SHARD}]}}

    def get_shard_iterator(self, *, ShardIteratorType: str, SequenceNumber: str = "", **_: Any) -> dict[str, str]:  # noqa: N803
        """An iterator is the number of the next record."""
        self._fail()
        if ShardIteratorType == "TRIM_HORIZON":
            return {"ShardIterator": "0"}
        numbers = [record["dynamodb"]["SequenceNumber"] for record in self.records]
        return {"ShardIterator": str(numbers.index(SequenceNumber) + 1)}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        """Everything from there."""
        self._fail()
        found = self.records[int(ShardIterator) :]
        return {"Records": found, "NextShardIterator": str(int(ShardIterator) + len(found))}

    def _write(self, name: str, item: Item | None, options: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        self._fail()
        self.before_write()
        before = self.items.get(name)
        if not _holds(before or {}, options):
            error: Any = {"Error": {"Code": "ConditionalCheckFailedException"}}
            raise ClientError(error | ({"Item": before} if before else {}), "PutItem")
        self._change(name, item)
        if self.lose_answers:
            self.lose_answers -= 1
            raise ReadTimeoutError(endpoint_url="")
        return {"Attributes": before} if before else {}

    def _change(self, name: str, item: Item | None) -> None:
        before = self.items.pop(name, None)
        if item is not None:
            self.items[name] = item
        if item == before:
            return
        now = self._clock()
        change: dict[str, Any] = {
            "Keys": {"id": {"S": name}},
            "SequenceNumber": f"{round(now * 1000):020d}{len(self.records):010d}",
            "ApproximateCreationDateTime": datetime.fromtimestamp(int(now), UTC),
        }
        self.records.append({"dynamodb": change | ({"NewImage": item} if item is not None else {})})

    def _fail(self) -> None:
        if self.refuse:
            raise ClientError({"Error": {"Code": self.refuse}}, "AnyCall")


def _holds(item: Item, options: dict[str, Any]) -> bool:
    names, values = options.get("ExpressionAttributeNames", {}), options.get("ExpressionAttributeValues", {})
    for test in options.get("ConditionExpression", "").split(" AND ") if options.get("ConditionExpression") else ():
        if missing := re.fullmatch(r"attribute_not_exists\((#\w+)\)", test):
            if names[missing[1]] in item:
                return False
        else:
            name, value = test.split(" = ")
            if item.get(names[name]) != values[value]:
                return False
    return True
