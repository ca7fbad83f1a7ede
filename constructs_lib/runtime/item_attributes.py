"""What the runtime keeps in users' items, beside what is theirs.

===================  ==============================================================================
`event_digest`       of an `Insert` or `Replace`: tells a copy of the event from another event
`event_version`      of a `Replace`: the version that is stored
`event_ids`          of a `Fold`: which events are in the state, the newest last, 8 bytes for each
`event_revision`     of a `Fold`: how often the item was written
===================  ==============================================================================

An item or key of a user that has an attribute of such a name is refused; a `Fold` does not see them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from constructs_lib.runtime.attribute_values import UnsupportedValueError, from_attribute, to_attributes
from constructs_lib.runtime.outcomes import Delivery

DIGEST = "event_digest"
VERSION = "event_version"
IDS = "event_ids"
REVISION = "event_revision"
RESERVED = frozenset({DIGEST, VERSION, IDS, REVISION})

# A hundred of them and a small state are one unit of writing. Of a million million million events five are taken for one
# that is remembered, and so lost, among a hundred remembered ones. One in three million million meets the hash of another
# id and is refused, where it can be seen. A sender that uses an id twice is noticed all but once in 65,536 times.
_ID_BYTES = 6
_DIGEST_BYTES = 2
_ENTRY_BYTES = _ID_BYTES + _DIGEST_BYTES


def key_attributes(key: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key as attribute values.

    Raises:
        UnsupportedValueError: If it cannot be one.
    """
    attributes = _own(key)
    if not attributes:
        raise UnsupportedValueError("the key of an item names at least one attribute")
    return attributes


def other_attributes(item: object, key: Mapping[str, Any]) -> dict[str, Any]:
    """Return what *item* has beside its *key*, as attribute values.

    Raises:
        UnsupportedValueError: If it is no item, has an attribute of the runtime's, or another value for one of the key.
    """
    attributes = _own(item)
    for name in attributes.keys() & key.keys():
        if attributes.pop(name) != key[name]:
            raise UnsupportedValueError(f"{name} has one value in the item and another in its key")
    return attributes


def users_attributes(stored: Mapping[str, Any], key: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is the user's in a stored item, without its key."""
    return {name: value for name, value in stored.items() if name not in RESERVED and name not in key}


def number_in(stored: Mapping[str, Any] | None, name: str) -> int | None:
    """Return what a stored item has under one of the runtime's names; None if it has nothing.

    Raises:
        UnsupportedValueError: If something else wrote that.
    """
    if stored is None or name not in stored:
        return None
    number = from_attribute(stored[name])
    if type(number) is not int:
        raise UnsupportedValueError(f"{name} of the stored item is not what the runtime keeps there")
    return number


@dataclass(frozen=True, slots=True)
class Memory:
    """The events that are in a folded item, the newest last."""

    entries: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, attribute: Mapping[str, Any] | None) -> "Memory":
        """Read what an item has in `event_ids`.

        Raises:
            UnsupportedValueError: If something else wrote that.
        """
        if attribute is None:
            return cls()
        kept = attribute.get("B")
        if kept is None or len(kept) % _ENTRY_BYTES:
            raise UnsupportedValueError(f"{IDS} of the stored item is not what the runtime keeps there")
        return cls(tuple(kept[start : start + _ENTRY_BYTES] for start in range(0, len(kept), _ENTRY_BYTES)))

    def knows(self, delivery: Delivery) -> bool:
        """Return whether an event of this id is in the state."""
        name = _name(delivery)
        return any(entry.startswith(name) for entry in self.entries)

    def agrees(self, delivery: Delivery) -> bool:
        """Return whether this very event is in the state."""
        return _entry(delivery) in self.entries

    def with_event(self, delivery: Delivery, *, remembered: int) -> "Memory":
        """Return it with one more event, cut to so many."""
        return Memory((*self.entries, _entry(delivery))[-remembered:])

    @property
    def attribute(self) -> dict[str, Any]:
        """As the item keeps it."""
        return {"B": b"".join(self.entries)}


def _entry(delivery: Delivery) -> bytes:
    return _name(delivery) + hashlib.sha256(delivery.digest.encode()).digest()[:_DIGEST_BYTES]


def _name(delivery: Delivery) -> bytes:
    return hashlib.sha256(delivery.record.id.encode()).digest()[:_ID_BYTES]


def _own(values: Any) -> dict[str, Any]:
    attributes = to_attributes(values)
    if taken := sorted(RESERVED & attributes.keys()):
        raise UnsupportedValueError(
            f"{', '.join(taken)}: the runtime keeps its own values under {', '.join(sorted(RESERVED))}; "
            "give the attribute another name"
        )
    return attributes
