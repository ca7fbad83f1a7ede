"""Items of one table."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.standins.dynamodb.refusals import RefusedError
from tests.standins.dynamodb.values import Item, Value, plain, size

MOST_BYTES = 400 * 1_024
# Bytes of a partition key and of a sort key.
_MOST_KEY_BYTES = (2_048, 1_024)

Place = tuple[Any, ...]


class Table:
    """Items by their key.

    Args:
        name: Its name.
        key: Names of the key attributes: the partition key, and the sort key if there is one.
    """

    def __init__(self, name: str, key: Sequence[str]) -> None:
        self.name = name
        self.key = tuple(key)
        self._items: dict[Place, Item] = {}

    def place(self, key: Mapping[str, Value], *, alone: bool = False) -> Place:
        """Where the item of this key is.

        Args:
            key: The key, or an item with its key.
            alone: It must be the key and nothing else.

        Raises:
            RefusedError: If it is no key of this table.
        """
        if not set(self.key) <= key.keys() or (alone and len(key) != len(self.key)):
            raise RefusedError("ValidationError", "The provided key element does not match the schema")
        for name, most in zip(self.key, _MOST_KEY_BYTES, strict=False):
            kind, content = next(iter(key[name].items()))
            if kind not in ("S", "N", "B"):
                raise RefusedError(
                    "ValidationError", f"One or more parameter values were invalid: Type mismatch for key {name}"
                )
            if content in ("", b""):
                raise RefusedError(
                    "ValidationError",
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain"
                    f" an empty {'string' if kind == 'S' else 'binary'} value. Key: {name}",
                )
            if kind != "N" and len(content.encode() if kind == "S" else content) > most:
                raise RefusedError(
                    "ValidationError", f"One or more parameter values were invalid: {name} has more than {most} bytes"
                )
        return tuple((next(iter(key[name])), plain(key[name])) for name in self.key)

    def get(self, place: Place) -> Item | None:
        """The item there."""
        return self._items.get(place)

    def put(self, place: Place, item: Item | None) -> None:
        """Have this item there, or none.

        Raises:
            RefusedError: If it is larger than an item may be.
        """
        if item is None:
            self._items.pop(place, None)
        else:
            fit(item)
            self._items[place] = copy.deepcopy(item)

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)


def fit(item: Item) -> None:
    """Check that an item is no larger than one may be.

    Raises:
        RefusedError: If it is.
    """
    if size(item) > MOST_BYTES:
        raise RefusedError("ValidationError", "Item size has exceeded the maximum allowed size")
