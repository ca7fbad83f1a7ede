"""Single writes: what they ask, and what they do to their item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.standins.dynamodb.accounting import Usage
from tests.standins.dynamodb.conditions import Condition, read_condition
from tests.standins.dynamodb.partiql import Statement
from tests.standins.dynamodb.refusals import RefusedError
from tests.standins.dynamodb.table import Place, Table, fit
from tests.standins.dynamodb.tokens import Tokens
from tests.standins.dynamodb.updates import Update, read_update
from tests.standins.dynamodb.values import Item, Value, size


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write.

    Attributes:
        verb: "put", "update", "delete" or "check".
        table, place, key: Which item.
        item: What a put leaves there.
        update: What an update does.
        condition: Has to hold for the item as it is; no item counts as an empty one. None: nothing has to.
        only_new: A put replaces none, as PartiQL's INSERT.
    """

    verb: str
    table: Table
    place: Place
    key: Mapping[str, Value]
    item: Item | None = None
    update: Update | None = None
    condition: Condition | None = None
    only_new: bool = False

    def outcome(self) -> Item | None:
        """The item as it becomes; it is not changed yet.

        Raises:
            RefusedError: If it may not become so.
        """
        old = self.table.get(self.place)
        if self.only_new and old is not None:
            raise RefusedError("DuplicateItem")
        if self.condition and not self.condition.holds(old or {}):
            raise RefusedError("ConditionalCheckFailed", item=old)
        if self.verb == "put":
            return self.item
        if self.verb == "update":
            assert self.update
            if self.update.attributes & set(self.table.key):
                raise RefusedError("ValidationError", "Cannot update an attribute that is part of the key")
            return self.update.apply(old or self.key)
        return None if self.verb == "delete" else old

    def charge(self, usage: Usage, *, transaction: bool = False) -> None:
        """Count what it costs, whether it is refused or not; to be called before it is done."""
        old = self.table.get(self.place)
        sizes = [size(old)] if old else []
        if self.verb == "put" and self.item is not None:
            sizes.append(size(self.item))
        elif self.verb == "update" and self.update:
            try:
                sizes.append(size(self.update.apply(old or self.key)))
            except RefusedError:
                sizes.append(0)
        usage.wrote(self.table.name, 0, *sizes, transaction=transaction)

    def check(self) -> None:
        """Check that it could be done.

        Raises:
            RefusedError: If not.
        """
        fit(self.outcome() or {})

    def do(self) -> Item | None:
        """Do it; return the item as it is then.

        Raises:
            RefusedError: If it is refused; nothing has changed then.
        """
        new = self.outcome()
        if self.verb != "check":
            self.table.put(self.place, new)
        return new


def read_write(verb: str, request: Mapping[str, Any], table: Table) -> Write:
    """Read the write that a request describes: of a call for one item, or an action of a transaction."""
    names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    used: set[str] = set()

    def tokens_of(expression: str) -> Tokens | None:
        return Tokens(request[expression], names=names, values=values) if expression in request else None

    condition, update = None, Update() if verb == "update" else None
    if tokens := tokens_of("ConditionExpression"):
        condition = read_condition(tokens)
        tokens.end()
        used |= tokens.used
    if tokens := tokens_of("UpdateExpression"):
        update = read_update(tokens)
        used |= tokens.used
    if unused := {*(names or {}), *(values or {})} - used:
        raise RefusedError("ValidationError", f"Value provided is unused in expressions: keys: {sorted(unused)}")
    item = request.get("Item")
    key = {name: item[name] for name in table.key if name in item} if item is not None else request["Key"]
    place = table.place(key, alone=True)
    return Write(verb=verb, table=table, place=place, key=key, item=item, update=update, condition=condition)


def statement_write(statement: Statement, table: Table) -> Write:
    """The write that a statement of PartiQL describes."""
    key = statement.key(table.key)
    verb = {"INSERT": "put", "UPDATE": "update", "DELETE": "delete"}[statement.verb]
    place = table.place(key)
    if statement.verb == "DELETE" and table.get(place) is None:
        # Nothing to delete is a success, whatever else is asked for.
        return Write(verb=verb, table=table, place=place, key=key)
    return Write(
        verb=verb,
        table=table,
        place=place,
        key=key,
        item=statement.item,
        update=statement.update,
        condition=statement.where,
        only_new=statement.verb == "INSERT",
    )
