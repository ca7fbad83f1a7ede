"""Drives the state machine of one shard: one thread that reads, and one per call under way."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from constructs_lib.local.event_source_mapping.clients import CALL_FAILED
from constructs_lib.local.event_source_mapping.config import Config
from constructs_lib.local.event_source_mapping.function import Calls
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
    RecordsFetched,
    TimeReached,
    WakeAt,
)
from constructs_lib.local.event_source_mapping.stream import ShardReader

_LOG = logging.getLogger(__name__)
_C = TypeVar("_C", Invoke, Discard)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardStatus:
    """Where a mapping stands in one shard.

    *lag* is the age in seconds of the oldest record that was read and is not done; 0 when there is none.
    """

    shard_id: str
    checkpoint: str | None
    waiting: int
    in_flight: int
    delivered: int
    filtered: int
    discarded: int
    lag: float
    trouble: str


@dataclass(frozen=True, slots=True)
class _Reconfigured:
    config: Config
    calls: Calls


@dataclass(frozen=True, slots=True)
class _Stopped:
    deadline: float


_Message = Event | _Reconfigured | _Stopped


class ShardWorker:
    """One mapping on one shard."""

    def __init__(self, *, shard_id: str, config: Config, calls: Calls, reader: ShardReader, enabled: bool) -> None:
        self.shard_id = shard_id
        self._calls = calls
        self._reader = reader
        self._state = start(config)
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._following: _Reconfigured | None = None
        self._enabled = enabled
        self._deadline: float | None = None
        self._wake_at: float | None = None
        self._gone = threading.Event()
        self._delivered = self._filtered = self._discarded = 0
        self._trouble = ""
        self._thread = threading.Thread(
            target=self._run, name=f"mapping {calls.mapping_id[:8]} {shard_id}", daemon=True
        )
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether the shard is closed and everything in it is done."""
        return self._state.finished

    def enable(self, enabled: bool) -> None:
        """Start or stop reading and invoking."""
        if enabled is not self._enabled:
            self._enabled = enabled
            self._inbox.put(Enabled(time.time()) if enabled else Disabled(time.time()))

    def reconfigure(self, config: Config, calls: Calls) -> None:
        """Go on from the checkpoint with other settings, once what is under way has ended."""
        self._inbox.put(_Reconfigured(config, calls))

    def shard_gone(self) -> None:
        """The stream no longer lists this shard: what was read from it is all there is."""
        self._gone.set()

    def stop(self, deadline: float) -> None:
        """End when nothing is under way any more, at *deadline* (in `time.time()`) at the latest."""
        self._inbox.put(_Stopped(deadline))

    def join(self, timeout: float) -> None:
        """Wait for the end that `stop` asked for."""
        self._thread.join(max(0.0, timeout))

    def status(self) -> ShardStatus:
        """A picture of this moment."""
        state = self._state
        oldest = [lane.oldest for lane in state.lanes if lane.oldest]
        return ShardStatus(
            shard_id=self.shard_id,
            checkpoint=state.checkpoint,
            waiting=sum(len(lane.waiting) + sum(len(batch.items) for batch in lane.work) for lane in state.lanes),
            in_flight=sum(lane.call is not None for lane in state.lanes),
            lag=max((time.time() - item.record.arrived for item in oldest), default=0.0),
            trouble=self._trouble if self._thread.is_alive() or self._deadline else "it ended on an error of its own",
            delivered=self._delivered,
            filtered=self._filtered,
            discarded=self._discarded,
        )

    def _run(self) -> None:
        if self._enabled:
            self._feed(Enabled(time.time()))
        while self._deadline is None or (time.time() < self._deadline and not self._state.idle):
            self._feed_one(self._next_message())

    def _next_message(self) -> _Message:
        limits = [limit for limit in (self._wake_at, self._deadline) if limit is not None]
        try:
            return self._inbox.get(timeout=max(0.0, min(limits) - time.time()) if limits else None)
        except queue.Empty:
            return TimeReached(time.time())

    def _feed_one(self, message: _Message) -> None:
        match message:
            case _Stopped(deadline):
                self._deadline = deadline
                self._feed(Disabled(time.time()))
            case _Reconfigured():
                self._following = message
                self._feed(Disabled(time.time()))
            case _:
                self._feed(message)
        if self._following and not self._state.stopping:
            self._state = start(self._following.config, checkpoint=self._state.checkpoint)
            self._calls = self._following.calls
            self._following = None
            if self._enabled and self._deadline is None:
                self._feed(Enabled(time.time()))

    def _feed(self, event: Event) -> None:
        following: Event | None = event
        while following is not None:
            self._state, commands = step(self._state, following)
            following = None
            self._wake_at = None
            for command in commands:
                match command:
                    case Fetch():
                        following = self._fetch(command)
                    case Invoke():
                        self._in_background(self._invoke, command, self._calls)
                    case Discard():
                        self._discard(command)
                    case Delivered(records):
                        self._delivered += len(records)
                    case Filtered(records):
                        self._filtered += len(records)
                    case WakeAt(time=moment):
                        self._wake_at = moment

    def _fetch(self, command: Fetch) -> Event:
        try:
            records, ended = self._reader.read(command.after, command.limit, time.time())
        except CALL_FAILED as error:
            if self._gone.is_set():
                return RecordsFetched(time.time(), command.call, (), shard_ended=True)
            self._trouble = f"reading failed: {error}"
            return FetchFailed(time.time(), command.call)
        if self._trouble.startswith("reading"):
            self._trouble = ""
        return RecordsFetched(time.time(), command.call, records, shard_ended=ended)

    def _in_background(self, call: Callable[[_C, Calls], None], command: _C, calls: Calls) -> None:
        # A thread for each call rather than a pool: at most one per lane is alive, and a daemon never holds up the end
        # of the process while a function runs on.
        threading.Thread(target=call, args=(command, calls), daemon=True).start()

    def _invoke(self, command: Invoke, calls: Calls) -> None:
        outcome = calls.invoke(command)
        if isinstance(outcome, NotInvoked):
            self._trouble = "the function could not be invoked"
        elif isinstance(outcome, FunctionFailed):
            self._trouble = "the function failed"
        elif not self._trouble.startswith("reading"):
            self._trouble = ""
        self._inbox.put(InvocationEnded(time.time(), command.call, outcome))

    def _discard(self, command: Discard) -> None:
        self._discarded += len(command.records)
        why = command.condition or "left the stream unprocessed"
        _LOG.warning(
            "%s: gave up %d records of %s: %s", self._calls.function_arn, len(command.records), self.shard_id, why
        )
        if command.to_destination:
            self._in_background(self._tell, command, self._calls)

    def _tell(self, command: Discard, calls: Calls) -> None:
        delivered = calls.tell_destination(command, self.shard_id, time.time())
        if not delivered:
            self._trouble = "the on-failure destination cannot be reached"
        self._inbox.put(DiscardEnded(time.time(), command.call, delivered))
