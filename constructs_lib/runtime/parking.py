"""The rules of the parking place: what is stored for a tenant that waits, and what changes together.

A tenant with parked records has a *marker* and one *row* per record. Whoever finds the marker knows that the tenant's
next record must wait behind them, so a marker must be there exactly as long as there are rows: both change in one
transaction only, the marker counts the rows, and the write that takes the last row away takes the marker away too, on
the condition that the count says so.

Rows are ordered by position. Positions of one key rise in the order of its records, also from a shard to those it is
split into, so a pile worked from its beginning keeps the order of each key.

One drainer at a time works for a tenant: it holds a lease on the marker. A lease that has run out without having been
given back tells that a drainer died in the middle of a record.

No clock, no I/O. Times are seconds since 1970.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

from constructs_lib.runtime.chunks import chunks
from constructs_lib.runtime.table_writes import Above, Delete, Is, Item, Put, Update, Value, Write

MARKERS = "parked"
STATUS = "status"

# Clocks of two environments may differ by so much without two drainers working for one tenant at once.
CLOCK_SKEW_SECONDS = 60.0

# A transaction takes 100 writes and 4 MB; less of both keeps conflicts between shards short.
MOST_ROWS = 50
MOST_BYTES = 3_000_000

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 300.0
_LONGEST_WAIT_SECONDS = 8 * 86_400.0
_LONGEST_NAME = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One parked record.

    Attributes:
        slot: Orders a tenant's rows, and tells one from another.
        arrived: When the stream accepted the record.
        content: What the record is made of again.
    """

    slot: str
    arrived: float
    content: Item

    def to_item(self) -> Item:
        """As stored."""
        return {"arrived": self.arrived, **self.content}

    @classmethod
    def from_item(cls, slot: str, item: Item) -> Self:
        """As read."""
        return cls(slot=slot, arrived=float(item["arrived"]), content=item)

    @property
    def size(self) -> int:
        """Its bytes, roughly."""
        return sum(len(name) + len(str(value).encode()) for name, value in self.to_item().items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What is known about a tenant with parked records.

    Attributes:
        rows: How many records wait.
        until: Before this time nothing is tried for the tenant.
        oldest: No waiting record arrived before this time; the oldest one may have been later.
        turned: When a drainer last had its turn with it; 0: never.
        misses: Turns in a row that found the tenant unavailable.
        owner: Drainer at work; empty: nobody.
        lease: Until when.
        head: Slot of the row that `tries` and `crashes` are about.
        tries: Attempts with it that failed.
        crashes: Attempts with it that were begun and never ended.
    """

    rows: int
    until: float
    oldest: float
    turned: float = 0.0
    misses: int = 0
    owner: str = ""
    lease: float = 0.0
    head: str = ""
    tries: int = 0
    crashes: int = 0

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """As read."""
        return cls(
            rows=int(item["rows"]),
            until=float(item["until"]),
            oldest=float(item["oldest"]),
            turned=float(item["turned"]),
            misses=int(item["misses"]),
            owner=str(item["owner"]),
            lease=float(item["lease"]),
            head=str(item["head"]),
            tries=int(item["tries"]),
            crashes=int(item["crashes"]),
        )

    def tries_of(self, slot: str) -> int:
        """How many attempts with the row at *slot* failed."""
        return self.tries if self.head == slot else 0

    def crashes_of(self, slot: str) -> int:
        """How many attempts with the row at *slot* were begun and never ended."""
        return self.crashes if self.head == slot else 0


def place_of(tenant: str) -> str:
    """Return the name of the tenant's place: itself where a key has room for it, a digest where it has not."""
    if len(tenant.encode()) <= _LONGEST_NAME:
        return f"={tenant}"
    return f"#{hashlib.sha256(tenant.encode()).hexdigest()}"


def rows_of(place: str) -> str:
    """Return the partition that holds the rows of a place."""
    return f"tenant#{place}"


def slot_of(position: str, name: str) -> str:
    """Return the slot of the record at *position*; *name* tells it from one of another shard.

    Source: Amazon Kinesis API reference: a sequence number has at most 129 digits.
    """
    return f"{position:0>129}#{name}"


def batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut *rows* into pieces that fit into one transaction each."""
    return chunks(rows, size=lambda row: row.size, most=MOST_ROWS, most_bytes=MOST_BYTES)


def adding(place: str, marker: Marker | None, rows: Sequence[Row], *, until: float) -> list[Write]:
    """Return what parks *rows*, one write per row first; *marker* is what is there now."""
    # Nothing waits longer than records may be held, whatever the other side asks for.
    until = min(until, max(row.arrived for row in rows) + _LONGEST_WAIT_SECONDS) if math.isfinite(until) else 0.0
    puts: list[Write] = [Put(rows_of(place), row.slot, row.to_item()) for row in rows]
    oldest = min(row.arrived for row in rows)
    if marker is None:
        first = Marker(rows=len(rows), until=until, oldest=oldest)
        return [*puts, Put(MARKERS, place, asdict(first)), _tenants(1)]
    # Only a change of a value needs to know that the value is still the one read: the count just adds up.
    changed = {
        name: value
        for name, value in (("until", max(until, marker.until)), ("oldest", min(oldest, marker.oldest)))
        if value != getattr(marker, name)
    }
    unchanged = tuple(Is(name, getattr(marker, name)) for name in changed)
    joins = Update(pk=MARKERS, sk=place, set=changed, add={"rows": len(rows)}, when=(Above("rows", 0), *unchanged))
    return [*puts, joins]


def leasing(place: str, marker: Marker, *, owner: str, until: float) -> list[Write]:
    """Return what takes the lease that *marker* showed to be free."""
    unchanged = (Is("owner", marker.owner), Is("lease", marker.lease))
    return [Update(pk=MARKERS, sk=place, set={"owner": owner, "lease": until}, add={}, when=unchanged)]


def beginning(place: str, marker: Marker, slot: str) -> list[Write]:
    """Return what notes that an attempt with the row at *slot* begins."""
    begun = noted(marker, slot, crashes=marker.crashes_of(slot) + 1)
    return [_noting(place, begun, {})]


def noted(marker: Marker, slot: str, *, tries: int | None = None, crashes: int | None = None) -> Marker:
    """Return *marker* with new counts for the row at *slot*; None: as they were."""
    return replace(
        marker,
        head=slot,
        tries=marker.tries_of(slot) if tries is None else tries,
        crashes=marker.crashes_of(slot) if crashes is None else crashes,
    )


def settling(place: str, marker: Marker, slot: str) -> list[Write]:
    """Return what takes a row away; with the last one goes the marker, unless another came meanwhile."""
    gone = Delete(rows_of(place), slot)
    if marker.rows == 1:
        return [gone, *closing(place, marker)]
    fewer = Update(pk=MARKERS, sk=place, set={}, add={"rows": -1}, when=(Is("owner", marker.owner), Above("rows", 1)))
    return [gone, fewer]


def closing(place: str, marker: Marker) -> list[Write]:
    """Return what takes the marker away, if it still counts the rows that *marker* does."""
    return [
        Delete(MARKERS, place, (Is("owner", marker.owner), Is("rows", marker.rows))),
        _tenants(-1),
    ]


def confirming(place: str, marker: Marker) -> list[Write]:
    """Return what succeeds only if no row has come since *marker* was read.

    A query is no snapshot: rows that one transaction stores may show one before the other, the later one of a key
    first. A write of the marker that succeeds after the query shows that no such transaction was under way meanwhile,
    for every one of them writes the marker too.

    Source: Amazon DynamoDB developer guide, isolation levels for transactions.
    """
    unchanged = (Is("owner", marker.owner), Is("rows", marker.rows))
    return [Update(pk=MARKERS, sk=place, set={"owner": marker.owner}, add={}, when=unchanged)]


def releasing(place: str, marker: Marker, *, until: float | None) -> list[Write]:
    """Return what gives the lease back and keeps what the turn has learnt; *until*: to be left alone so long."""
    values: dict[str, Value] = {"turned": marker.turned, "misses": marker.misses, "owner": "", "lease": 0.0}
    # Where the turn has learnt nothing about that, what others have learnt meanwhile stands.
    if until is not None:
        values["until"] = until
    return [_noting(place, marker, values)]


def tightening(place: str, marker: Marker, oldest: float) -> list[Write]:
    """Return what notes the oldest row's arrival, if no row has come since *marker* was read."""
    unchanged = (Is("owner", marker.owner), Is("rows", marker.rows))
    return [Update(pk=MARKERS, sk=place, set={"oldest": oldest}, add={}, when=unchanged)]


def is_suspect(marker: Marker) -> bool:
    """Whether the last turn with the tenant ended in the middle of a record."""
    return bool(marker.owner)


def due_at(marker: Marker, *, hold_seconds: float, paused_until: float = 0.0) -> float:
    """Return when there is something to do for a tenant: its time has come, or a record has waited too long.

    *paused_until*: before that nothing can be tried for anybody.
    """
    due = min(max(marker.until, paused_until), marker.oldest + hold_seconds)
    return max(due, marker.lease + CLOCK_SKEW_SECONDS) if marker.owner else due


def pause_for(misses: int, *, retry_after: float | None) -> float:
    """Return the seconds to leave a tenant alone that was unavailable so many times in a row.

    What the other side asked for is honoured; where it asked for nothing, pauses double, up to five minutes.
    """
    if retry_after is not None and math.isfinite(retry_after):
        return min(max(retry_after, _FIRST_PAUSE_SECONDS), _LONGEST_WAIT_SECONDS)
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(misses - 1, 30), _LONGEST_PAUSE_SECONDS)


def _tenants(more: int) -> Update:
    return Update(pk=STATUS, sk=STATUS, set={}, add={"parked": more})


def _noting(place: str, marker: Marker, values: Item) -> Update:
    """Return what writes the counts of *marker*, and *values*, if its owner still has the lease."""
    counts: Item = {"head": marker.head, "tries": marker.tries, "crashes": marker.crashes}
    return Update(pk=MARKERS, sk=place, set={**counts, **values}, add={}, when=(Is("owner", marker.owner),))
