"""Who settled what in a quarantine bucket: written beside the objects, which themselves stay as they are."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from constructs_lib.operations.quarantine.bucket import Bucket
from constructs_lib.operations.quarantine.items import Item, mark_of_object

PREFIX = "settled/"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The marks of one bucket.

    Args:
        bucket: The bucket.
        by: Who writes marks: ARN of an identity.
        clock: Default: the system's.
    """

    bucket: Bucket
    by: str
    clock: Callable[[], datetime] = now

    def marks(self) -> frozenset[str]:
        """Return the keys of all marks."""
        return frozenset(found.key for found in self.bucket.listed(PREFIX))

    def mark(self, item: Item) -> Mapping[str, Any] | None:
        """Return what is written about *item*; None where it is open."""
        stored = self.bucket.read(item.mark)
        return json.loads(stored.content) if stored else None

    def redriven(self, item: Item, *, stream: str, shard: str, position: str) -> None:
        """Note that *item* was put on that *stream* again, in that *shard* at that *position*."""
        self._write(item, "redriven", {"stream": stream, "shard": shard, "position": position})

    def discarded(self, item: Item, *, reason: str) -> None:
        """Note that nobody wants *item* any more, and why."""
        self._write(item, "discarded", {"reason": reason})

    def close(self, object_key: str) -> None:
        """Note that every record in that object of Lambda is settled."""
        self.bucket.write(mark_of_object(object_key), {"action": "closed", "by": self.by, "at": self._time()})

    def _write(self, item: Item, action: str, details: Mapping[str, str]) -> None:
        about = {"object": item.object_key, "id": item.record_id, "key": item.key, "tenant": item.tenant}
        self.bucket.write(item.mark, {"action": action, "by": self.by, "at": self._time(), **details, **about})

    def _time(self) -> str:
        return self.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
