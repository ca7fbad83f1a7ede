"""How AWS feeds one shard of a Kinesis or DynamoDB stream to a function, as a pure state machine.

    state = start(config)
    state, commands = step(state, Enabled(now=0.0))

The caller carries the commands out, in any way and at any time, and answers each with its event; the runner does it
over HTTP, tests do it in virtual time. Every record that a `Fetch` brings is in the end delivered, filtered or
discarded. The rules with their sources are in docs/conformance/event-source-mapping.md.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from constructs_lib.local.event_source_mapping import lane as lanes
from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.lane import Item, Lane
from constructs_lib.local.event_source_mapping.messages import (
    Command,
    Delivered,
    Disabled,
    Discard,
    DiscardEnded,
    Enabled,
    Event,
    Fetch,
    FetchFailed,
    Filtered,
    InvocationEnded,
    Invoke,
    Record,
    RecordsFetched,
    WakeAt,
)
from constructs_lib.local.event_source_mapping.unknowns import (
    BlockedLane,
    CheckpointScope,
    FilteredRecords,
    InFlightWhenDisabled,
    Resharding,
    Unknowns,
)

_LEAST_READ_AHEAD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One shard of one mapping.

    *checkpoint* is the sequence number up to which everything is done (`None`: nothing yet); reading resumes there.
    """

    config: Config
    enabled: bool = False
    stopping: bool = False
    """Disabled, with invocations still under way whose results count."""
    checkpoint: str | None = None
    read: str | None = None
    """The last sequence number fetched."""
    shard_ended: bool = False
    lanes: tuple[Lane, ...] = ()
    done_beyond: frozenset[str] = field(default_factory=frozenset)
    """Sequence numbers done after the checkpoint, where lanes have a memory of their own."""
    skip: frozenset[str] = field(default_factory=frozenset)
    """Those of them from before a pause: passed over when they are read again."""
    calls: int = 0
    fetching: int | None = None
    fetch_at: float = 0.0
    ordinal: int = 0

    @property
    def finished(self) -> bool:
        """Whether the shard is closed and everything in it is done."""
        return self.shard_ended and not self.stopping and all(lane.oldest is None for lane in self.lanes)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self.fetching is None and all(lane.call is None for lane in self.lanes)


def start(config: Config, *, checkpoint: str | None = None) -> State:
    """A shard before its first event; with *checkpoint* it resumes after that sequence number."""
    return State(config=config, checkpoint=checkpoint, read=checkpoint)


def step(state: State, event: Event) -> tuple[State, tuple[Command, ...]]:
    """What *event* makes of *state*, and what is to be done about it."""
    turn = _Turn(state, event.now)
    turn.take(event)
    turn.settle()
    if turn.enabled and not turn.stopping:
        turn.proceed()
        turn.fetch()
    turn.wake()
    return turn.state(), tuple(turn.commands)


def readable(parents: Sequence[str], unfinished: Collection[str], unknowns: Unknowns) -> bool:
    """Whether a shard that came of *parents* may be read while the shards *unfinished* still hold records."""
    return unknowns.resharding is Resharding.AT_ONCE or not any(parent in unfinished for parent in parents)


class _Turn:
    """One step: the state taken apart, so that its rules can be told one by one."""

    def __init__(self, state: State, now: float) -> None:
        self.before = state
        self.now = now
        self.commands: list[Command] = []
        self.config = state.config
        self.enabled = state.enabled
        self.stopping = state.stopping
        self.checkpoint = state.checkpoint
        self.read = state.read
        self.shard_ended = state.shard_ended
        self.lanes = list(state.lanes)
        self.done_beyond = state.done_beyond
        self.skip = state.skip
        self.calls = state.calls
        self.fetching = state.fetching
        self.fetch_at = state.fetch_at
        self.ordinal = state.ordinal
        self.wake_at = inf

    def state(self) -> State:
        return State(
            config=self.config,
            enabled=self.enabled,
            stopping=self.stopping,
            checkpoint=self.checkpoint,
            read=self.read,
            shard_ended=self.shard_ended,
            lanes=tuple(self.lanes),
            done_beyond=self.done_beyond,
            skip=self.skip,
            calls=self.calls,
            fetching=self.fetching,
            fetch_at=self.fetch_at,
            ordinal=self.ordinal,
        )

    def take(self, event: Event) -> None:
        """Note what happened."""
        match event:
            case Enabled():
                self.enabled = True
            case Disabled():
                self.enabled = False
                self.stopping = True
                self.fetching = None
                if self.config.unknowns.in_flight_when_disabled is InFlightWhenDisabled.IGNORED:
                    self.lanes = [replace(lane, call=None) for lane in self.lanes]
            case RecordsFetched() if event.call == self.fetching:
                self._take_records(event)
            case FetchFailed() if event.call == self.fetching:
                self.fetching = None
                self.fetch_at = self.now + self.config.poll_interval
            case InvocationEnded():
                if (index := self._lane_of(event.call)) is not None:
                    lane, done = lanes.invoked(self.lanes[index], event.outcome, self.now, self.config)
                    self._finish(index, lane, done)
                    if done:
                        self.commands.append(Delivered(_records(done)))
            case DiscardEnded():
                if (index := self._lane_of(event.call)) is not None:
                    lane, done = lanes.discarded(
                        self.lanes[index], delivered=event.delivered, now=self.now, config=self.config
                    )
                    self._finish(index, lane, done)
            case _:
                pass

    def _take_records(self, event: RecordsFetched) -> None:
        self.fetching = None
        self.shard_ended = event.shard_ended
        # More is read at once while there is more; an empty answer means the shard has been read to its tip.
        self.fetch_at = self.now if event.records else self.now + self.config.poll_interval
        arrived: dict[int, list[Item]] = {}
        left_out: list[Record] = []
        for record in event.records:
            matches = self.config.filters is None or self.config.filters.admit(record.event)
            item = Item(record, self.ordinal, self.read, matches)
            self.ordinal += 1
            self.read = record.sequence
            if record.sequence in self.skip:
                self.skip -= {record.sequence}
                continue
            if matches or self.config.unknowns.filtered_records is FilteredRecords.TAKE_ROOM:
                arrived.setdefault(self._lane_for(record), []).append(item)
            else:
                left_out.append(record)
        for index, items in arrived.items():
            self.lanes[index] = lanes.receive(self.lanes[index], tuple(items), self.now)
        if left_out:
            self.commands.append(Filtered(tuple(left_out)))

    def settle(self) -> None:
        """Move the checkpoint to where everything before is done; once stopped, forget what was read beyond it."""
        oldest = min((item for lane in self.lanes if (item := lane.oldest)), key=_ordinal, default=None)
        self.checkpoint = self.read if oldest is None else oldest.previous
        if oldest is None and not self.stopping:
            self.done_beyond = frozenset()
        if self.stopping and all(lane.call is None for lane in self.lanes):
            self.stopping = False
            self.lanes = []
            self.skip |= self.done_beyond
            self.done_beyond = frozenset()
            self.read = self.checkpoint
            self.shard_ended = False
        if self.enabled and not self.stopping and not self.lanes:
            self.lanes = [Lane(window_opened=self.now)] * self.config.parallelization
            self.fetch_at = self.now

    def proceed(self) -> None:
        """Let each lane do what is due."""
        holds = self.config.unknowns.blocked_lane is BlockedLane.HOLDS_SHARD
        held = holds and any(lane.in_trouble for lane in self.lanes)
        for index in range(len(self.lanes)):
            if held and not self.lanes[index].in_trouble:
                continue
            for lane, act in lanes.proceed(self.lanes[index], self.now, self.config):
                self.lanes[index] = lane
                self._act(index, act)
        # What lanes left out or gave up without an answer to wait for is done.
        self.settle()

    def _act(self, index: int, act: lanes.Wait | lanes.Send | lanes.GiveUp | lanes.LeaveOut) -> None:
        match act:
            case lanes.Wait(until):
                self.wake_at = min(self.wake_at, until)
            case lanes.Send(items):
                self.commands.append(Invoke(self._call_of(index), _records(items)))
            case lanes.GiveUp(items, fate):
                call = self._call_of(index) if fate.to_destination else 0
                self.commands.append(Discard(call, _records(items), *fate))
                if not fate.to_destination:
                    self._remember(items)
            case lanes.LeaveOut(items):
                self.commands.append(Filtered(_records(items)))
                self._remember(items)

    def fetch(self) -> None:
        """Read on when there is room, none is under way and its time has come."""
        if self.fetching is not None or self.shard_ended:
            return
        waiting = sum(len(lane.waiting) for lane in self.lanes)
        room = max(_LEAST_READ_AHEAD, 2 * self.config.batch_size * self.config.parallelization)
        if 2 * waiting > room:
            return
        if self.now < self.fetch_at:
            self.wake_at = min(self.wake_at, self.fetch_at)
            return
        self.calls += 1
        self.fetching = self.calls
        self.commands.append(Fetch(self.calls, self.read, room - waiting))

    def wake(self) -> None:
        """Ask to be woken for the earliest thing that waits for time."""
        if self.wake_at < inf:
            self.commands.append(WakeAt(self.wake_at))

    def _finish(self, index: int, lane: Lane, done: tuple[Item, ...]) -> None:
        self.lanes[index] = lane
        self._remember(done)

    def _remember(self, done: tuple[Item, ...]) -> None:
        if self.config.unknowns.checkpoint_scope is CheckpointScope.LANE and len(self.lanes) > 1:
            self.done_beyond |= {item.record.sequence for item in done}

    def _lane_for(self, record: Record) -> int:
        if len(self.lanes) == 1:
            return 0
        digest = hashlib.md5(record.key.encode(), usedforsecurity=False).digest()
        return int.from_bytes(digest[:4]) % len(self.lanes)

    def _lane_of(self, call: int) -> int | None:
        return next((index for index, lane in enumerate(self.lanes) if lane.call == call), None)

    def _call_of(self, index: int) -> int:
        self.calls += 1
        self.lanes[index] = replace(self.lanes[index], call=self.calls)
        return self.calls


def _ordinal(item: Item) -> int:
    return item.ordinal


def _records(items: tuple[Item, ...]) -> tuple[Record, ...]:
    return tuple(item.record for item in items)
