"""One call, as the operations see it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.standins.dynamodb.faults import Action, Faults
from tests.standins.dynamodb.refusals import RefusedError
from tests.standins.dynamodb.table import Table
from tests.standins.dynamodb.tokens import Tokens
from tests.standins.dynamodb.values import Item, Value, size

if TYPE_CHECKING:
    from tests.standins.dynamodb.database import FakeDynamoDB

_ALWAYS = {"ReturnConsumedCapacity", "ReturnItemCollectionMetrics"}


class Request:
    """A call's arguments, and what it is answered from.

    Args:
        database: The tables and what is counted.
        operation: The client's method.
        arguments: Its arguments.
        faults: The faults of its client.
    """

    def __init__(self, database: "FakeDynamoDB", operation: str, arguments: Mapping[str, Any], faults: Faults) -> None:
        self.database, self.operation = database, operation
        self._arguments, self._faults = arguments, faults
        self._read: set[str] = set(_ALWAYS)

    @property
    def usage(self) -> Any:
        """Where to charge."""
        return self.database.usage

    def get(self, name: str, default: Any = None) -> Any:
        """An argument."""
        self._read.add(name)
        return self._arguments.get(name, default)

    def write_arguments(self) -> Mapping[str, Any]:
        """The arguments that describe a write."""
        for name in ("Item", "Key", "ConditionExpression", "UpdateExpression"):
            self.get(name)
        self.get("ExpressionAttributeNames")
        self.get("ExpressionAttributeValues")
        return self._arguments

    def must_be_read(self) -> None:
        """Check that no argument was passed over.

        Raises:
            NotImplementedError: If one was.
        """
        if unread := self._arguments.keys() - self._read:
            raise NotImplementedError(f"this double does not know what {self.operation} does by {sorted(unread)}")

    def table(self, name: str | None = None) -> Table:
        """The table named, by default the one that the arguments name."""
        return self.database.table(name or self.get("TableName"))

    def refuse(self, table: Table, key: Mapping[str, Value]) -> None:
        """Refuse this item's part, if the faults want it.

        Raises:
            RefusedError: As they want it.
        """
        code = self._faults.refuse(Action(self.operation, table.name, key))
        if code:
            raise RefusedError(code)

    def find(self, table: Table, key: Mapping[str, Value], *, consistent: bool) -> Item | None:
        """Read one item and charge for it."""
        item = table.get(table.place(key, alone=True))
        if not consistent and self._faults.stale(Action(self.operation, table.name, key)):
            item = None
        self.usage.read(table.name, size(item or {}), consistent=consistent)
        return item

    def consumed(self) -> dict[str, Any]:
        """The part of the answer that tells what the call cost, if that was asked for."""
        if self._arguments.get("ReturnConsumedCapacity", "NONE") == "NONE":
            return {}
        units = [{"TableName": name, "CapacityUnits": units} for name, units in self.usage.by_table.items()]
        batch = self.operation.startswith(("batch_", "transact_"))
        return {"ConsumedCapacity": units if batch else units[0]}


def project(item: Item, expression: str | None, names: Mapping[str, str] | None) -> Item:
    """The attributes of *item* that a projection names."""
    if expression is None:
        return item
    tokens = Tokens(expression, names=names)
    wanted = [tokens.name()]
    while tokens.took(","):
        wanted.append(tokens.name())
    tokens.end()
    return {name: item[name] for name in wanted if name in item}
