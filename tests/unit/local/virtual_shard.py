"""One shard, its function and its on-failure destination in virtual time, driven by the real state machine.

    shard = VirtualShard(Config(batch_size=10), function=failing("3"))
    shard.put(0.0, "a", "b", "c")
    shard.run(until=60.0)
    assert shard.delivered == ["1", "2"]

Sequence numbers count from 1. Nothing sleeps: an hour of retries takes milliseconds.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.machine import start, step
from constructs_lib.local.event_source_mapping.messages import (
    Delivered,
    Disabled,
    Discard,
    DiscardEnded,
    Enabled,
    Event,
    Fetch,
    FetchFailed,
    Filtered,
    FunctionFailed,
    InvocationEnded,
    Invoke,
    NotInvoked,
    Outcome,
    Record,
    RecordsFetched,
    Responded,
    TimeReached,
    WakeAt,
)

Answer = Outcome | tuple[float, Outcome]
"""What the function does: its outcome, or how many seconds it takes and then its outcome."""

Function = Callable[[list[str]], Answer]


@dataclass(frozen=True)
class Invocation:
    """A batch as the function saw it."""

    at: float
    sequences: list[str]


def succeeding(_sequences: list[str]) -> Answer:
    """A function without faults."""
    return Responded(None)


def failing(*poison: str, times: float = float("inf")) -> Function:
    """A function that raises on every batch that holds one of *poison*, the first *times* times."""
    count = 0

    def function(sequences: list[str]) -> Answer:
        nonlocal count
        if set(sequences) & set(poison) and count < times:
            count += 1
            return FunctionFailed()
        return Responded(None)

    return function


def reporting(*failed: str) -> Function:
    """A function that names those of *failed* that are in its batch as batch item failures."""

    def function(sequences: list[str]) -> Answer:
        items = [{"itemIdentifier": sequence} for sequence in sequences if sequence in failed]
        return Responded({"batchItemFailures": items})

    return function


def answering(*answers: Answer) -> Function:
    """A function that gives *answers* in turn and succeeds from then on."""
    left = list(answers)
    return lambda _sequences: left.pop(0) if left else Responded(None)


class VirtualShard:
    """Drives one shard's state machine; *destination* says whether a write to the destination succeeds."""

    def __init__(
        self,
        config: Config,
        *,
        function: Function = succeeding,
        destination: Callable[[], bool] = lambda: True,
        checkpoint: str | None = None,
        latency: float = 0.0,
        enabled: bool = True,
    ) -> None:
        self.state = start(config, checkpoint=checkpoint)
        self.now = 0.0
        self.stream: list[Record] = []
        self.shard_ends_at: float | None = None
        self.unreadable_until = 0.0
        self.invocations: list[Invocation] = []
        self.discards: list[Discard] = []
        self.delivered: list[str] = []
        self.filtered: list[str] = []
        self.checkpoints: list[str | None] = [checkpoint]
        self.reads: list[float] = []
        self._function = function
        self._destination = destination
        self._latency = latency
        self._agenda: list[tuple[float, int, Callable[[], Event | None]]] = []
        self._count = 0
        self._wakes = 0
        if enabled:
            self.enable(at=0.0)

    def put(
        self, at: float, *keys: str, size: int = 0, events: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ()
    ) -> list[str]:
        """Write one record for each of *keys* at one time. Gives their sequence numbers."""
        first = len(self.stream) + 1
        for index, key in enumerate(keys):
            event = events if isinstance(events, Mapping) else events[index] if events else {}
            self.stream.append(Record(str(first + index), key, at, size, event))
        return [str(first + index) for index in range(len(keys))]

    def enable(self, at: float) -> None:
        """Enable the mapping at this time."""
        self.at(at, lambda: Enabled(self.now))

    def disable(self, at: float) -> None:
        """Disable the mapping at this time."""
        self.at(at, lambda: Disabled(self.now))

    def at(self, time: float, happening: Callable[[], Event | None]) -> None:
        """Let something happen at this time."""
        self._count += 1
        heapq.heappush(self._agenda, (time, self._count, happening))

    def run(self, until: float) -> "VirtualShard":
        """Let time pass."""
        while self._agenda and self._agenda[0][0] <= until:
            time, _, happening = heapq.heappop(self._agenda)
            self.now = max(self.now, time)
            event = happening()
            if event is not None:
                self.feed(event)
        self.now = until
        return self

    def run_until_quiet(self, *, at_least: float, limit: float) -> "VirtualShard":
        """Let time pass until everything written is done with, *at_least* so long and at most to *limit*."""
        self.run(until=at_least)
        last = self.stream[-1] if self.stream else None
        while self.now < limit and last and self.state.checkpoint != last.sequence:
            if self.now > last.arrived + self.state.config.retention and all(
                lane.oldest is None for lane in self.state.lanes
            ):
                break
            self.run(until=self.now + 200.0)
        return self

    def feed(self, event: Event) -> None:
        """Give the state machine an event and carry out what it says."""
        self.state, commands = step(self.state, event)
        self.checkpoints.append(self.state.checkpoint)
        for command in commands:
            match command:
                case Fetch():
                    self._fetch(command)
                case Invoke():
                    self._invoke(command)
                case Discard():
                    self.discards.append(command)
                    if command.to_destination:
                        self._answer(self._latency, partial(self._tell, command.call))
                case Delivered(records):
                    self.delivered += _sequences(records)
                case Filtered(records):
                    self.filtered += _sequences(records)
                case WakeAt(time):
                    self._wakes += 1
                    self.at(time, partial(self._wake, self._wakes))

    @property
    def batches(self) -> list[list[str]]:
        """The batches the function saw, in order."""
        return [invocation.sequences for invocation in self.invocations]

    @property
    def times(self) -> list[float]:
        """When the function was invoked."""
        return [invocation.at for invocation in self.invocations]

    @property
    def discarded(self) -> list[str]:
        """Every record that was given up, in order."""
        return [sequence for discard in self.discards for sequence in _sequences(discard.records)]

    def _fetch(self, command: Fetch) -> None:
        self.reads.append(self.now)
        if self.now < self.unreadable_until:
            self._answer(self._latency, lambda: FetchFailed(self.now, command.call))
            return
        retention = self.state.config.retention
        after = int(command.after or 0)
        there = [record for record in self.stream[after:] if record.arrived <= self.now <= record.arrived + retention]
        answer = tuple(there[: command.limit])
        ended = self.shard_ends_at is not None and self.now >= self.shard_ends_at and len(answer) == len(there)
        self._answer(self._latency, lambda: RecordsFetched(self.now, command.call, answer, ended))

    def _invoke(self, command: Invoke) -> None:
        sequences = _sequences(command.records)
        answer = self._function(sequences)
        seconds, outcome = answer if isinstance(answer, tuple) else (self._latency, answer)
        if not isinstance(outcome, NotInvoked):
            self.invocations.append(Invocation(self.now, sequences))
        self._answer(seconds, lambda: InvocationEnded(self.now, command.call, outcome))

    def _tell(self, call: int) -> Event:
        return DiscardEnded(self.now, call, self._destination())

    def _wake(self, number: int) -> Event | None:
        # A later WakeAt replaced an earlier one.
        return TimeReached(self.now) if number == self._wakes else None

    def _answer(self, seconds: float, answer: Callable[[], Event]) -> None:
        self.at(self.now + seconds, answer)


def _sequences(records: Sequence[Record]) -> list[str]:
    return [record.sequence for record in records]
