"""Stand-ins for what the consumers work with."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.runtime.dead_letters import DeadLetters, Letter
from constructs_lib.runtime.effects import Send
from constructs_lib.runtime.failure_notes import Note
from constructs_lib.runtime.inherent import InherentEngine
from constructs_lib.runtime.outcomes import Effect, Held, Outcome, Work
from constructs_lib.runtime.own_queue import OwnQueue
from constructs_lib.runtime.quarantine import Case
from constructs_lib.runtime.queue_consumer import QueuePorts
from constructs_lib.runtime.queue_holds import Holds, SendAgain
from constructs_lib.runtime.records import Arrival


@dataclass
class FakeTime:
    """A clock that only its users move."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.pass_by(seconds)


class RealTime(FakeTime):
    """A clock that goes by itself."""

    @property
    def seconds(self) -> float:
        return time.monotonic()

    @seconds.setter
    def seconds(self, value: float) -> None: ...


@dataclass
class FakeContext:
    """Lambda's context object under a fake clock."""

    time: FakeTime = field(default_factory=FakeTime)
    timeout_seconds: float = 30.0
    function_name: str = "notify-slack"
    aws_request_id: str = "request-1"

    def __post_init__(self) -> None:
        self._end = self.time.seconds + self.timeout_seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - self.time.seconds) * 1_000)


@dataclass(frozen=True)
class Line:
    """One log line."""

    level: str
    message: str
    fields: dict[str, object]


@dataclass
class RecordingWatch:
    """Remembers what was logged and counted."""

    lines: list[Line] = field(default_factory=list)
    published: Counter[str] = field(default_factory=Counter)
    gauges: dict[str, tuple[float, str]] = field(default_factory=dict)
    _keys: ContextVar[dict[str, str]] = field(default_factory=lambda: ContextVar("keys", default={}))  # noqa: B039 - never changed
    _counts: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def about(self, **keys: str) -> Iterator[None]:
        before = self._keys.get()
        assert not keys.keys() & before.keys(), "Powertools would drop a key that is there already"
        token = self._keys.set(before | keys)
        try:
            yield
        finally:
            self._keys.reset(token)

    def info(self, message: str, /, **fields: object) -> None:
        self._log("info", message, fields)

    def warning(self, message: str, /, **fields: object) -> None:
        self._log("warning", message, fields)

    def error(self, message: str, /, **fields: object) -> None:
        self._log("error", message, fields)

    def _log(self, level: str, message: str, fields: dict[str, Any]) -> None:
        self.lines.append(Line(level, message, {**self._keys.get(), **fields}))

    def count(self, metric: str, number: int = 1) -> None:
        self._counts[metric] += number

    def gauge(self, metric: str, value: float, unit: str) -> None:
        self.gauges[metric] = value, unit

    def flush(self) -> None:
        self.published += self._counts
        self._counts.clear()


@dataclass
class MemoryQuarantine:
    """Keeps cases in memory; the next *failures* writes fail."""

    failures: int = 0
    cases: list[Case] = field(default_factory=list)

    def keep(self, case: Case) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no route to https://bucket.example/?X-Amz-Signature=hush")
        self.cases.append(case)


@dataclass
class MemoryDeadLetters:
    """Keeps letters in memory; the next *failures* are refused."""

    failures: int = 0
    letters: list[Letter] = field(default_factory=list)

    def keep(self, letters: Sequence[Letter]) -> Mapping[int, str]:
        refused = {}
        for index, letter in enumerate(letters):
            if self.failures:
                self.failures -= 1
                refused[index] = "no route"
            else:
                self.letters.append(letter)
        return refused


@dataclass
class MemoryOwnQueue:
    """Remembers what is to wait, by position."""

    again: dict[str, SendAgain] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)

    def send_again(self, messages: Sequence[tuple[Arrival, SendAgain]]) -> Mapping[int, str]:
        self.again |= {arrival.position: how for arrival, how in messages}
        return {}

    def hide(self, messages: Sequence[tuple[Arrival, int]]) -> Mapping[int, str]:
        self.hidden |= {arrival.position: seconds for arrival, seconds in messages}
        return {}


@dataclass
class MemoryNotes:
    """Keeps notes in memory."""

    notes: dict[str, Note] = field(default_factory=dict)
    away: bool = False

    def keep(self, notes: Mapping[str, Note], now: float) -> None:
        if self.away:
            raise ConnectionError("no route")
        self.notes |= notes


@dataclass
class MemorySends:
    """Takes every message, but for those to destinations that are *away*."""

    sent: list[Send] = field(default_factory=list)
    away: set[str] = field(default_factory=set)

    def confirm(
        self, outcomes: Mapping[str, Outcome], sends: Mapping[str, Sequence[Send]], work: Work
    ) -> Mapping[str, Outcome]:
        confirmed = dict(outcomes)
        for position, follow in sends.items():
            for send in follow:
                if send.to in self.away:
                    confirmed[position] = Held(f"{send.to} is throttled")
                else:
                    self.sent.append(send)
        return confirmed


def queue_ports(
    *,
    queue: OwnQueue | None = None,
    dead_letters: DeadLetters | None = None,
    notes: MemoryNotes | None = None,
    engine: Effect | None = None,
    watch: RecordingWatch | None = None,
    now: Callable[[], float] = time.time,
    max_receive_count: int = 5,
    retention_seconds: float = 345_600.0,
) -> QueuePorts:
    """Ports in memory; the default engine calls the handler every time and sends nowhere."""
    return QueuePorts(
        queue=queue or MemoryOwnQueue(),
        dead_letters=dead_letters or MemoryDeadLetters(),
        notes=notes or MemoryNotes(),
        holds=Holds(max_receive_count=max_receive_count, retention_seconds=retention_seconds, jitter=lambda: 1.0),
        engine=engine or InherentEngine(MemorySends()),
        watch=watch or RecordingWatch(),
        now=now,
    )
