"""Replicas of one global table as a state machine: no clock, no I/O, no threads.

    replication = Replication(["eu-west-1", "us-east-1"], lag=1.0)
    replication.write("us-east-1", key, item, time=10.0)
    replication.arrival("eu-west-1", now=11.0)   # that change; `accept` makes it part of the replica

Every write goes to every other replica, each pair of regions has its own queue, and what arrives is never sent on: so
nothing echoes. Whatever order changes arrive in, the latest version of an item is what every replica keeps.
Rules and their sources: docs/conformance/global-tables.md.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from constructs_lib.local.replication.unknowns import Backlog, TieBreak, UnchangedWrite, Unknowns

Key = tuple[tuple[str, str, str | bytes], ...]
"""The primary key of an item: name, type and value of each attribute, in the order of the names."""

Item = Mapping[str, Any]
"""An item as the API has it, attribute name to typed value."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Which of several writes of an item is the last one: the greatest.

    Attributes:
        time: Seconds at which it was written.
        tick: How many writes it follows that were known to it and yet have the same or a later time.
        rank: Of its region, for writes that nothing else tells apart.
    """

    time: float
    tick: int
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an item became. *item* is None for a deletion; *written* is the second of the write in region *origin*."""

    key: Key
    item: Item | None
    version: Version
    origin: str
    written: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatus:
    """One direction between two replicas.

    Attributes:
        source: Region of the writes.
        receiving: Region they go to.
        paused: Whether they are held back.
        waiting: How many have not arrived yet.
        behind: Seconds since the oldest of those was written; 0 without any.
        arrived: How many the receiving replica took.
        overruled: How many it did not take, as it had a later write already.
        latency: Milliseconds between write and arrival of the last one that arrived, as `ReplicationLatency`
            measures it; None before the first.
        longest_latency: The most of that until now.
    """

    source: str
    receiving: str
    paused: bool
    waiting: int
    behind: float
    arrived: int
    overruled: int
    latency: float | None
    longest_latency: float | None


@dataclass(slots=True)
class _Pair:
    """The way from one region to another."""

    paused: bool = False
    queue: deque[Change] = field(default_factory=deque)
    newest: dict[Key, Change] = field(default_factory=dict)
    arrived: int = 0
    overruled: int = 0
    latency: float | None = None
    longest_latency: float | None = None

    def append(self, change: Change) -> None:
        self.queue.append(change)
        self.newest[change.key] = change

    def pop(self) -> None:
        change = self.queue.popleft()
        if self.newest[change.key] is change:
            del self.newest[change.key]


class Replication:
    """The replicas of one table and what is on its way between them.

    Args:
        regions: Where the replicas are.
        lag: Seconds a change is on its way at least. Default: 0.
        unknowns: A choice for everything AWS's documentation leaves open. Default: the usual ones.
    """

    def __init__(self, regions: Sequence[str], *, lag: float = 0.0, unknowns: Unknowns | None = None) -> None:
        self._unknowns = unknowns or Unknowns()
        self._lag = lag
        lowest_first = sorted(regions, reverse=self._unknowns.tie_break is TieBreak.LOWER_REGION)
        self._rank = {region: rank for rank, region in enumerate(lowest_first)}
        self._replicas: dict[str, dict[Key, Change]] = {region: {} for region in regions}
        self._pairs = {pair: _Pair() for pair in permutations(regions, 2)}
        self._restoring: dict[str, deque[Change]] = {region: deque() for region in regions}
        self._isolated: set[str] = set()

    def write(self, region: str, key: Key, item: Item | None, time: float) -> bool:
        """Take in a write of the application to the replica in *region*; a write is never refused.

        Args:
            region: Where it was written.
            key: The item's primary key.
            item: The item from now on; None when it was deleted, by whom or what ever.
            time: Second of the write.

        Returns:
            Whether there is something to replicate.
        """
        before = self._replicas[region].get(key)
        if item == (before.item if before else None) and (
            before is None or self._unknowns.unchanged_write is UnchangedWrite.IS_NO_CHANGE
        ):
            return False
        rank = self._rank[region]
        version = Version(time, 0, rank)
        if before and before.version.time >= time:
            # What replaces an item knew it, so it is the later one, even within a moment.
            version = Version(before.version.time, before.version.tick + 1, rank)
        change = Change(key=key, item=item, version=version, origin=region, written=time)
        self._replicas[region][key] = change
        for (source, _), pair in self._pairs.items():
            if source == region:
                pair.append(change)
        return True

    def arrival(self, region: str, now: float) -> Change | None:
        """The next change to be written to the replica in *region*, or None; what lost already is dropped.

        It stays the next one until it is accepted, unless the replica changes or more arrives.
        """
        restoring = self._restoring[region]
        while restoring:
            if self._replicas[region][restoring[0].key] is restoring[0]:
                return restoring[0]
            restoring.popleft()
        due = [change for source in self._replicas if (change := self._next(source, region, now))]
        return min(due, key=lambda change: change.version, default=None)

    def accept(self, region: str, change: Change, now: float) -> None:
        """Make *change*, given by `arrival`, part of the replica in *region*, unless it was overruled since."""
        restoring = self._restoring[region]
        if restoring and restoring[0] is change:
            restoring.popleft()
            return
        pair = self._pairs.get((change.origin, region))
        if pair is None or not pair.queue or pair.queue[0] is not change:
            return
        pair.pop()
        pair.arrived += 1
        pair.latency = max(0.0, now - change.written) * 1000
        pair.longest_latency = max(pair.longest_latency or 0.0, pair.latency)
        self._replicas[region][change.key] = change

    def restore(self, region: str, key: Key) -> None:
        """Write the item once more: its replica in *region* is known to hold an earlier one by mistake."""
        self._restoring[region].append(self._replicas[region][key])

    def current(self, region: str, key: Key) -> Change | None:
        """The last change of the item in *region*, None if it never had any."""
        return self._replicas[region].get(key)

    def items(self, region: str) -> dict[Key, Item]:
        """The items of one replica."""
        return {key: change.item for key, change in self._replicas[region].items() if change.item is not None}

    def pause(self, a: str, b: str) -> None:
        """Hold back what goes from *a* to *b* and from *b* to *a*, as if the regions did not reach each other."""
        for _, pair in self._between(a, b):
            pair.paused = True

    def resume(self, a: str, b: str) -> None:
        """Let it go on; what waited arrives in its order."""
        for _, pair in self._between(a, b):
            pair.paused = False

    def pause_region(self, region: str) -> None:
        """Hold back everything from and to *region*; pauses of its pairs are another matter."""
        self._isolated.add(region)

    def resume_region(self, region: str) -> None:
        """Let it go on, except for pairs that are paused by themselves."""
        self._isolated.discard(region)

    def set_lag(self, seconds: float) -> None:
        """Let every change be on its way at least this long, also those that are."""
        self._lag = seconds

    def status(self, now: float) -> tuple[PairStatus, ...]:
        """Every direction at this moment."""
        return tuple(
            PairStatus(
                source=source,
                receiving=receiving,
                paused=self._is_held(source, receiving),
                waiting=len(pair.queue),
                behind=max(0.0, now - pair.queue[0].written) if pair.queue else 0.0,
                arrived=pair.arrived,
                overruled=pair.overruled,
                latency=pair.latency,
                longest_latency=pair.longest_latency,
            )
            for (source, receiving), pair in self._pairs.items()
        )

    def _next(self, source: str, receiving: str, now: float) -> Change | None:
        """The first change of one pair that is due and not decided against."""
        if source == receiving or self._is_held(source, receiving):
            return None
        pair, replica = self._pairs[source, receiving], self._replicas[receiving]
        while pair.queue and self._is_due(pair.queue[0], now):
            change = pair.queue[0]
            there = replica.get(change.key)
            if there is not None and there.version > change.version:
                pair.overruled += 1
            elif not self._is_superseded(change, pair, now):
                return change
            pair.pop()
        return None

    def _is_due(self, change: Change, now: float) -> bool:
        return now >= change.written + self._lag

    def _is_superseded(self, change: Change, pair: _Pair, now: float) -> bool:
        newest = pair.newest[change.key]
        return self._unknowns.backlog is Backlog.NEWEST_ONLY and newest is not change and self._is_due(newest, now)

    def _is_held(self, source: str, receiving: str) -> bool:
        return self._pairs[source, receiving].paused or not self._isolated.isdisjoint((source, receiving))

    def _between(self, a: str, b: str) -> Iterator[tuple[tuple[str, str], _Pair]]:
        return ((pair, way) for pair, way in self._pairs.items() if set(pair) == {a, b})
