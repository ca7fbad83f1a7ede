"""The rule: go through the store from where the last run stopped, delete what has long expired, stop in time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# Clocks of regions differ by less, and nothing is gained by deleting early: what has expired counts for nothing.
GRACE_SECONDS = 3_600
# Left of an invocation, for the page at work and for remembering where it stopped.
SPARE_SECONDS = 30.0

Key = Mapping[str, Any]
"""Key of an item as DynamoDB takes it; where a page ended."""


@dataclass(frozen=True, slots=True)
class Expired:
    """An item that may go.

    Args:
        id: Its key.
        expiration: Second since 1970 from which on it counts for nothing, as it was seen.
    """

    id: str
    expiration: int


@dataclass(frozen=True, slots=True)
class Position:
    """How far the store has been gone through.

    Args:
        since: Second since 1970 at which it had last been gone through to its end, or else the first time was begun.
        after: Where to go on; None for the beginning.
    """

    since: int
    after: Key | None = None


class Store(Protocol):
    """Port to the store."""

    def position(self) -> Position | None:
        """Return where the last run stopped; None if there was none."""

    def remember(self, position: Position) -> None:
        """Keep where this run stopped."""

    def expired(self, before: int, after: Key | None) -> tuple[Sequence[Expired], Key | None]:
        """Return the items of one page that expired before a second since 1970, and where the next page begins."""

    def delete(self, items: Sequence[Expired]) -> int:
        """Delete each item that still expires when it was seen to; return how many are gone."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a run came to.

    Args:
        deleted: Items deleted.
        age: Seconds since the store was gone through to its end.
    """

    deleted: int
    age: int


def sweep(store: Store, *, seconds_left: Callable[[], float], clock: Callable[[], float] = time.time) -> Swept:
    """Go through the store once, or as far as the time allows.

    An item that could not be deleted, or was renewed meanwhile, is left to the next pass.

    Args:
        store: The store.
        seconds_left: Time of this invocation that is left.
        clock: Seconds since 1970.
    """
    position = store.position() or Position(since=int(clock()))
    deleted = 0
    while seconds_left() > SPARE_SECONDS:
        items, after = store.expired(int(clock()) - GRACE_SECONDS, position.after)
        if items:
            deleted += store.delete(items)
        if after is None:
            position = Position(since=int(clock()))
            store.remember(position)
            break
        position = Position(position.since, after)
        # Of every page: a run that is cut off has not been in vain.
        store.remember(position)
    return Swept(deleted=deleted, age=int(clock()) - position.since)
