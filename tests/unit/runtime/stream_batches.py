"""A stream consumer to try batches on, in memory and in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.runtime.handler_health import HandlerHealth
from constructs_lib.runtime.records import Record, stream_arrivals
from constructs_lib.runtime.stream_batch import Memory
from constructs_lib.runtime.stream_ports import Bounds, StreamPorts
from tests.unit.runtime.events import ARRIVED, envelope, kinesis_event
from tests.unit.runtime.fakes import MemoryQuarantine, RecordingWatch
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_world import (
    Clock,
    MemoryJournal,
    MemoryParking,
    MemoryStatus,
    VirtualInvocation,
    ports,
)


@dataclass
class Consumer:
    """A stream consumer over fakes in virtual time, whose handler acts by what *behaviour* holds for a record's id.

    Calls take *seconds*; one at a time, unless *concurrency* is more. Records have just arrived at the first invocation.
    """

    behaviour: dict[str, Callable[[], object]] = field(default_factory=dict)
    timeout_seconds: float = 30.0
    concurrency: int = 1
    seconds: dict[str, float] = field(default_factory=dict)
    hold_seconds: float = 6 * 86_400.0
    retention_seconds: float | None = None
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    watch: RecordingWatch = field(default_factory=RecordingWatch)
    gate: OpenGate = field(default_factory=OpenGate)
    parking: MemoryParking = field(default_factory=MemoryParking)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    status: MemoryStatus = field(default_factory=MemoryStatus)
    clock: Clock = field(default_factory=lambda: Clock(ARRIVED))
    memory: Memory = field(default_factory=Memory)
    suspicion: HandlerHealth = field(default_factory=HandlerHealth)
    handled: list[str] = field(default_factory=list)
    begun: list[tuple[float, str]] = field(default_factory=list)
    jitter: float = 0.5

    @property
    def ports(self) -> StreamPorts:
        return ports(
            quarantine=self.quarantine,
            watch=self.watch,
            gate=self.gate,
            parking=self.parking,
            journal=self.journal,
            status=self.status,
            suspicion=self.suspicion,
            clock=lambda: self.clock.now,
            jitter=lambda: self.jitter,
            bounds=Bounds(
                hold_seconds=self.hold_seconds,
                concurrency=self.concurrency,
                retention_seconds=self.retention_seconds,
            ),
        )

    def consume(self, *data: str | bytes) -> list[str] | None:
        """Invoke the function with these records; return the positions handed back, or None if it crashed."""
        return self.invoke(kinesis_event(data)["Records"])

    def invoke(self, records: list[Any]) -> list[str] | None:
        answers: list[list[str] | None] = []
        VirtualInvocation(
            self.clock,
            stream_arrivals({"Records": records}),
            ports=self.ports,
            memory=self.memory,
            handle_record=self._handle,
            seconds=self._seconds,
            timeout_seconds=self.timeout_seconds,
            ended=answers.append,
        )
        while not answers:
            self.clock.step()
        self.watch.flush()
        return answers[0]

    def _seconds(self, record: Record) -> float:
        self.begun.append((self.clock.now - ARRIVED, record.id))
        return self.seconds.get(record.id, 0.0)

    def _handle(self, record: Record) -> None:
        self.handled.append(record.id)
        self.behaviour.get(record.id, lambda: None)()


def raising(*errors: Exception | None) -> Callable[[], object]:
    """Return a behaviour that raises one error per call, the last one for ever."""
    left = list(errors)

    def behave() -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error:
            raise error

    return behave


def batch(size: int) -> list[str]:
    return [envelope(f"m-{number}").to_json() for number in range(1, size + 1)]


def of(*keys: str, tenant: str = "acme") -> list[str]:
    """Return records m-1, m-2, … of these keys."""
    return [envelope(f"m-{number}", key=key, tenant=tenant).to_json() for number, key in enumerate(keys, start=1)]


def records_from(data: list[str], position: int) -> list[Any]:
    """Return what Lambda delivers when it goes on from there."""
    records: list[Any] = kinesis_event(data)["Records"]
    return records[position - 1 :]
