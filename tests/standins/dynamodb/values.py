"""Attribute values in DynamoDB's form: `{"S": "text"}`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Value = Mapping[str, Any]
Item = Mapping[str, Value]

_SETS = {"SS", "NS", "BS"}


def plain(value: Value) -> Any:
    """Something that compares as DynamoDB compares; None for types that have no order and for other types' values."""
    kind, content = next(iter(value.items()))
    if kind == "N":
        return Decimal(content)
    if kind in _SETS:
        return frozenset(Decimal(each) if kind == "NS" else each for each in content)
    if kind == "L":
        return [(next(iter(each)), plain(each)) for each in content]
    if kind == "M":
        return {name: (next(iter(each)), plain(each)) for name, each in content.items()}
    return content


def equal(one: Value, other: Value) -> bool:
    """Whether they have the same type and content."""
    return next(iter(one)) == next(iter(other)) and bool(plain(one) == plain(other))


def before(one: Value, other: Value) -> bool:
    """Whether the first comes before the second; False for values of different types."""
    kind = next(iter(one))
    return kind == next(iter(other)) and kind in ("S", "N", "B") and bool(_sortable(one) < _sortable(other))


def _sortable(value: Value) -> Any:
    content = plain(value)
    # By bytes of UTF-8, which is not the order of Python's strings beyond the basic plane.
    return content.encode() if isinstance(content, str) else content


def size(item: Item) -> int:
    """Bytes that an item is charged for.

    By https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Value) -> int:
    kind, content = next(iter(value.items()))
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        # About a byte for two digits, and one more.
        return min(21, (len(content.strip("-+0.").replace(".", "")) + 1) // 2 + 1)
    if kind == "B":
        return len(content)
    if kind in _SETS:
        return sum(_size({kind[0]: each}) for each in content)
    if kind == "M":
        return 3 + len(content) + size(content)
    return 3 + sum(1 + _size(each) for each in content) if kind == "L" else 1
