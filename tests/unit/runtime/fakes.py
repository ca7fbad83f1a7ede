"""Stand-ins for what the consumers work with."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.runtime.quarantine import Case
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


@dataclass(frozen=True)
class DeadLetter:
    """What was put into a dead-letter queue."""

    arrival: Arrival
    reason: str
    function: str
    correlation_id: str | None


@dataclass
class MemoryDeadLetters:
    """Keeps messages in memory; the next *failures* sends fail."""

    failures: int = 0
    letters: list[DeadLetter] = field(default_factory=list)

    def keep(self, arrival: Arrival, *, reason: str, function: str, correlation_id: str | None) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no route")
        self.letters.append(DeadLetter(arrival, reason, function, correlation_id))
