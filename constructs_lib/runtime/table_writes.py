"""Conditional writes as data: what rules say, what a table does, all of it or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Value = str | float
Item = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Is:
    """The attribute has this value."""

    attribute: str
    value: Value


@dataclass(frozen=True, slots=True)
class Above:
    """The attribute is a number above this one."""

    attribute: str
    value: float


Condition = Is | Above


@dataclass(frozen=True, slots=True)
class Put:
    """Store an item, if there is none of its key."""

    pk: str
    sk: str
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change attributes of an item, if all conditions hold; without conditions it is made where it is missing."""

    pk: str
    sk: str
    set: Item
    add: Mapping[str, int]
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an item that is there, if all conditions hold."""

    pk: str
    sk: str
    when: tuple[Condition, ...] = ()


Write = Put | Update | Delete


class Table(Protocol):
    """Port to a table with the keys `pk` and `sk`. All reads are strongly consistent."""

    def transact(self, writes: Sequence[Write]) -> frozenset[int]:
        """Do all *writes*, or none and return the indexes of those whose conditions do not hold."""

    def item(self, pk: str, sk: str) -> Item | None:
        """Return the attributes of one item."""

    def items(self, pk: str, *, most: int | None = None) -> Iterator[tuple[str, Item]]:
        """Return sort key and attributes of the items of a partition in order, at most so many."""
