"""The real driver of a batch: threads and the real clock."""

import threading
import time
from typing import Any, ClassVar

import pytest

from constructs_lib.runtime import (
    PermanentFailure,
    stream_consumer,
)
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.stream_ports import Status, StreamPorts, Wait
from tests.unit.runtime.events import kinesis_event
from tests.unit.runtime.fakes import FakeContext, MemoryQuarantine, RealTime, RecordingWatch
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_batches import batch, raising
from tests.unit.runtime.stream_world import (
    MemoryStatus,
    NoDrainer,
    ports,
)


def test_event_without_records_is_done() -> None:
    """An empty batch is a success, and counts nothing."""
    watch = RecordingWatch()
    handle = stream_consumer(print, load=lambda: ports(watch=watch))
    assert handle({"Records": []}, FakeContext()) == {"batchItemFailures": []}
    assert not watch.published


def test_keys_of_a_batch_meet_in_their_handlers() -> None:
    """Records of different keys are handled at the same time, each with its own log keys and those of the invocation."""
    watch, barrier = RecordingWatch(), threading.Barrier(20, timeout=20)

    def meet(record: Record) -> None:
        barrier.wait()
        watch.info("met", own=record.correlation_id)

    handle = stream_consumer(meet, load=lambda: ports(watch=watch))
    for _ in range(2):  # the second time with the threads of the first
        assert handle(kinesis_event(batch(20)), FakeContext()) == {"batchItemFailures": []}
    met = [line.fields for line in watch.lines if line.message == "met"]
    assert len(met) == 40
    assert all(fields["own"] == fields["correlation_id"] for fields in met)
    assert {fields["function_request_id"] for fields in met} == {"request-1"}
    assert watch.published == {"RecordsDone": 40}


def test_real_driver_tries_again_and_hands_back() -> None:
    """Threads and clock do what the virtual driver does: attempts, quarantine, and the position to go on from."""
    quarantine = MemoryQuarantine()
    behaviour = {"m-1": raising(OSError("reset"), None), "m-2": raising(PermanentFailure("no"))}
    handle = stream_consumer(
        lambda record: behaviour.get(record.id, lambda: None)(), load=lambda: ports(quarantine=quarantine)
    )
    assert handle(kinesis_event(batch(3)), FakeContext()) == {"batchItemFailures": []}
    assert [case.arrival.position for case in quarantine.cases] == ["2"]

    waiting = ports(gate=OpenGate([Wait(9e9)] * 99, is_open=True))
    handle = stream_consumer(print, load=lambda: waiting)
    context = FakeContext(RealTime(), timeout_seconds=0.2)
    assert handle(kinesis_event(batch(2)), context) == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_nothing_runs_on_when_an_invocation_breaks() -> None:
    """Whatever goes wrong in it: calls that are under way end before it does, and do not meet the next invocation."""

    class BrokenGate(OpenGate):
        def tell(self, *arguments: Any, **named: Any) -> None:
            raise RuntimeError("bug")

    first_is_done, over = threading.Event(), []

    def handle_record(record: Record) -> None:
        if record.id == "m-1":
            first_is_done.set()
        else:
            first_is_done.wait(10)
            time.sleep(0.1)
            over.append(record.id)

    handle = stream_consumer(handle_record, load=lambda: ports(gate=BrokenGate()))
    with pytest.raises(RuntimeError, match="bug"):
        handle(kinesis_event(batch(2)), FakeContext())
    assert over == ["m-2"]


def test_gate_learns_the_status_at_the_start_of_each_invocation() -> None:
    """Read once, given to the gate, or nothing where it cannot be read."""

    class LearningGate(OpenGate):
        learnt: ClassVar[list[Status | None]] = []

        def refresh(self, status: Status | None, now: float) -> None:
            self.learnt.append(status)

    gate, status = LearningGate(), MemoryStatus(Status(breaker={"breaker_state": "closed"}))
    handle = stream_consumer(lambda record: None, load=lambda: given)
    given = ports(gate=gate, status=status)
    handle(kinesis_event(batch(1)), FakeContext())
    status.failures = 1
    handle(kinesis_event(batch(1)), FakeContext())
    assert gate.learnt == [status.status, None]


def test_log_that_cannot_be_written_stops_no_batch() -> None:
    """A task that breaks is heard of: its record is treated as one that failed."""

    class BrokenWatch(RecordingWatch):
        def info(self, message: str, /, **fields: object) -> None:
            if message == "record done":
                raise OSError("no space left on device")

    quarantine = MemoryQuarantine()
    given = ports(watch=BrokenWatch(), quarantine=quarantine)
    handle = stream_consumer(lambda record: None, load=lambda: given)
    assert handle(kinesis_event(batch(1)), FakeContext(RealTime())) == {"batchItemFailures": []}
    assert [case.kind for case in quarantine.cases] == ["unknown"]


def test_visit_to_what_is_parked_goes_to_the_drainer() -> None:
    """The schedule's event reaches the drainer with the status, and is answered without failures."""
    watch, drainer = RecordingWatch(), NoDrainer()
    gate = CircuitGate(BreakerSettings(), store=MemoryStatus(), watch=watch)  # type: ignore[arg-type]  # it is not asked
    status = MemoryStatus(Status(parked=2))
    given = ports(drainer=drainer, status=status, watch=watch, gate=gate)
    handle = stream_consumer(lambda record: None, load=lambda: given)
    watch.count("RecordsUnparked")
    assert handle({"resilience": "drain"}, FakeContext()) == {"batchItemFailures": []}
    assert drainer.calls == [Status(parked=2)]
    assert watch.published == {"RecordsUnparked": 1}
    assert "BreakerOpen" in watch.gauges


def test_ports_are_made_once_and_on_the_first_event() -> None:
    """Clients are made when the first event comes, and kept for the next."""
    made: list[StreamPorts] = []

    def load() -> StreamPorts:
        made.append(ports())
        return made[-1]

    handle = stream_consumer(lambda record: None, load=load)
    assert not made
    handle(kinesis_event(batch(1)), FakeContext())
    handle(kinesis_event(batch(1)), FakeContext())
    assert len(made) == 1
