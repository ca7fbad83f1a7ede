"""What messages want of transactions, and which of them share one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.runtime.attribute_values import UnsupportedValueError, to_attributes
from constructs_lib.runtime.descriptions import clean
from constructs_lib.runtime.effects import Transact
from constructs_lib.runtime.item_reads import Address, Wanted
from constructs_lib.runtime.outcomes import Delivery

MOST_ACTIONS = 100
_KINDS = ("Put", "Update", "Delete", "ConditionCheck")


@dataclass(frozen=True, slots=True)
class Entry:
    """A message and its operations.

    Args:
        delivery: The message.
        mark: Where its mark is.
        actions: As the DynamoDB API takes them, without that of the mark.
        touched: The items they are known to touch.
    """

    delivery: Delivery
    mark: Wanted
    actions: Sequence[Mapping[str, Any]]
    touched: frozenset[Address]

    @classmethod
    def of(cls, delivery: Delivery, write: Transact, mark: Wanted) -> "Entry":
        """Make the entry of a message.

        Raises:
            UnsupportedValueError: If its operations are not for a transaction.
        """
        if not 0 < len(write.operations) < MOST_ACTIONS:
            raise UnsupportedValueError(
                f"a transaction has between 1 and {MOST_ACTIONS - 1} operations, got {len(write.operations)}"
            )
        actions = [_action(operation) for operation in write.operations]
        return cls(delivery, mark, actions, frozenset(_touched(actions)))

    @property
    def position(self) -> str:
        """What its outcome is told by."""
        return self.delivery.arrival.position


@dataclass(slots=True)
class _Pack:
    entries: list[Entry] = field(default_factory=list)
    touched: set[Address] = field(default_factory=set)
    actions: int = 0

    def takes(self, entry: Entry) -> bool:
        return self.actions + len(entry.actions) + 1 <= MOST_ACTIONS and not self.touched & entry.touched

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.touched |= entry.touched
        self.actions += len(entry.actions) + 1


def packs(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return *entries* in their order, as few transactions as follow from what is known of their items."""
    made = [_Pack()]
    for entry in entries:
        if not made[-1].takes(entry):
            made.append(_Pack())
        made[-1].add(entry)
    return [pack.entries for pack in made if pack.entries]


def _action(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation with attribute values in the places of plain ones."""
    if len(operation) != 1 or not operation.keys() <= set(_KINDS):
        raise UnsupportedValueError(
            f"an operation is a dict of one of {', '.join(_KINDS)}, got {clean(', '.join(map(str, operation)))}"
        )
    [(kind, request)] = operation.items()
    if "TableName" not in request:
        raise UnsupportedValueError(f"the {kind} of a transaction needs TableName")
    places = {"Item", "Key", "ExpressionAttributeValues"}
    return {kind: {name: to_attributes(value) if name in places else value for name, value in request.items()}}


def _touched(actions: Sequence[Mapping[str, Any]]) -> Iterator[Address]:
    """Yield which items the actions are known to touch: what a Put's key is, only its table knows."""
    for action in actions:
        [request] = action.values()
        if "Key" in request:
            yield Wanted(request["TableName"], request["Key"]).address
