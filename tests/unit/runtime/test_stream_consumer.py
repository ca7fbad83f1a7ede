"""What becomes of each record, by what the handler does with it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from constructs_lib.runtime import (
    DependencyUnavailable,
    PermanentFailure,
    TenantUnavailable,
    stream_consumer,
)
from constructs_lib.runtime.batch_response import BatchResponse
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.stream_consumer import StreamPorts
from tests.unit.runtime.events import change_record, envelope, kinesis_event
from tests.unit.runtime.fakes import FakeContext, FakeTime, MemoryQuarantine, RecordingWatch


@dataclass
class Consumer:
    """A stream consumer over fakes, whose handler acts by what *behaviour* holds for a record's id."""

    behaviour: dict[str, Callable[[], object]] = field(default_factory=dict)
    timeout_seconds: float = 30.0
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    watch: RecordingWatch = field(default_factory=RecordingWatch)
    time: FakeTime = field(default_factory=FakeTime)
    handled: list[str] = field(default_factory=list)

    def consume(self, *data: str | bytes) -> BatchResponse:
        ports = StreamPorts(quarantine=self.quarantine, watch=self.watch, sleep=self.time.sleep)
        handle = stream_consumer(self._handle, load=lambda: ports)
        return handle(kinesis_event(data), FakeContext(self.time, timeout_seconds=self.timeout_seconds))

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


def test_batch_without_trouble_is_done() -> None:
    """All records are handled in order, and the answer says that nothing is left."""
    consumer = Consumer()
    assert consumer.consume(*batch(3)) == {"batchItemFailures": []}
    assert consumer.handled == ["m-1", "m-2", "m-3"]
    assert consumer.watch.published == {"RecordsDone": 3}


def test_event_without_records_is_done() -> None:
    """An empty batch is a success, and counts nothing."""
    consumer = Consumer()
    assert consumer.consume() == {"batchItemFailures": []}
    assert not consumer.watch.published


def test_permanent_failure_goes_to_quarantine_and_the_next_record_continues() -> None:
    """A record that can never succeed costs itself: one attempt, kept with its reason."""
    consumer = Consumer({"m-2": raising(PermanentFailure("channel_not_found"))})
    records = batch(3)
    assert consumer.consume(*records) == {"batchItemFailures": []}
    [case] = consumer.quarantine.cases
    assert (case.kind, case.reason, case.attempts, case.function) == (
        "permanent",
        "channel_not_found",
        1,
        "notify-slack",
    )
    assert case.arrival.payload == records[1]
    assert case.record is not None
    assert case.record.correlation_id == "correlation-of-m-2"
    assert consumer.handled == ["m-1", "m-2", "m-3"]
    assert consumer.watch.published == {"RecordsDone": 2, "RecordsQuarantined": 1}


@pytest.mark.parametrize("data", ["{}", b"\xff"])
def test_record_that_is_no_envelope_goes_to_quarantine_unhandled(data: str | bytes) -> None:
    """The handler never sees it; the next record continues."""
    consumer = Consumer()
    assert consumer.consume(data, *batch(1)) == {"batchItemFailures": []}
    [case] = consumer.quarantine.cases
    assert (case.kind, case.record, case.attempts) == ("unreadable", None, 0)
    assert case.reason.startswith("not an envelope")
    assert consumer.handled == ["m-1"]


@pytest.mark.parametrize("failure", [DependencyUnavailable("slack: 503"), TenantUnavailable("429", retry_after=30)])
def test_unavailable_holds_the_stream_at_that_record(failure: Exception) -> None:
    """What is away will be back: the record is neither tried again nor given up, and nothing overtakes it."""
    consumer = Consumer({"m-2": raising(failure)})
    assert consumer.consume(*batch(4)) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert consumer.handled == ["m-1", "m-2"]
    assert not consumer.quarantine.cases
    assert not consumer.time.pauses
    assert consumer.watch.published == {"RecordsDone": 1, "RecordsHeld": 3}


def test_outage_is_never_taken_for_a_poisoned_record() -> None:
    """However often the held record comes again, it is held."""
    consumer = Consumer({"m-1": raising(DependencyUnavailable("down"))})
    for _ in range(50):
        assert consumer.consume(*batch(1)) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert not consumer.quarantine.cases


def test_unknown_failure_that_passes_is_done() -> None:
    """A few attempts in place spare a redelivery of the whole batch."""
    consumer = Consumer({"m-1": raising(OSError("reset"), OSError("reset"), None)})
    assert consumer.consume(*batch(2)) == {"batchItemFailures": []}
    assert consumer.handled == ["m-1", "m-1", "m-1", "m-2"]
    assert not consumer.quarantine.cases


def test_unknown_failure_that_stays_goes_to_quarantine() -> None:
    """After three attempts the record is kept with the exception's class and message, and the next continues."""
    consumer = Consumer({"m-1": raising(KeyError("block"))})
    assert consumer.consume(*batch(2)) == {"batchItemFailures": []}
    [case] = consumer.quarantine.cases
    assert (case.kind, case.reason, case.attempts) == ("unknown", "KeyError: 'block'", 3)
    assert consumer.handled == ["m-1", "m-1", "m-1", "m-2"]


def test_pauses_between_attempts_are_short_and_jittered() -> None:
    """Attempts do not come at once nor in step, and never take more than a second and a quarter together."""
    pauses = set()
    for _ in range(5):
        consumer = Consumer({"m-1": raising(OSError())})
        consumer.consume(*batch(1))
        assert len(consumer.time.pauses) == 2
        assert sum(consumer.time.pauses) <= 1.25
        pauses.update(consumer.time.pauses)
    assert len(pauses) == 10


def test_reason_holds_no_credentials() -> None:
    """What is kept and logged about a failure is cleaned of credentials."""
    consumer = Consumer(
        {
            "m-1": raising(OSError("POST https://hooks.slack.com/services/T/B/hush")),
            "m-2": raising(PermanentFailure("token=hush refused")),
            "m-3": raising(DependencyUnavailable("Bearer hushhushhush refused")),
        }
    )
    consumer.consume(*batch(3))
    assert "hush" not in str([case.reason for case in consumer.quarantine.cases])
    assert "hush" not in str(consumer.watch.lines)


def test_record_that_cannot_be_put_into_quarantine_is_held() -> None:
    """It is not lost: it comes again, and with it all behind it."""
    consumer = Consumer({"m-2": raising(PermanentFailure("no"))}, quarantine=MemoryQuarantine(failures=1))
    assert consumer.consume(*batch(3)) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert consumer.handled == ["m-1", "m-2"]
    assert consumer.watch.published == {"RecordsDone": 1, "RecordsHeld": 2}
    assert consumer.watch.lines[-1].level == "error"
    assert "hush" not in str(consumer.watch.lines)

    assert consumer.consume(*batch(3)[1:]) == {"batchItemFailures": []}
    assert len(consumer.quarantine.cases) == 1


def test_work_stops_before_the_deadline() -> None:
    """What does not fit is handed back untouched, and is not counted as held."""
    consumer = Consumer(timeout_seconds=30)
    consumer.behaviour = {f"m-{number}": lambda: consumer.time.pass_by(10) for number in range(1, 5)}
    assert consumer.consume(*batch(4)) == {"batchItemFailures": [{"itemIdentifier": "3"}]}
    assert consumer.handled == ["m-1", "m-2"]
    assert consumer.watch.published == {"RecordsDone": 2}


def test_attempts_that_do_not_fit_come_first_in_the_next_invocation() -> None:
    """A slow failing record behind others is handed back, so that it gets its attempts."""
    consumer = Consumer(timeout_seconds=30)

    def slow_failure() -> None:
        consumer.time.pass_by(14)
        raise OSError("timed out")

    consumer.behaviour = {"m-2": slow_failure}
    assert consumer.consume(*batch(2)) == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert not consumer.quarantine.cases


def test_slow_failing_record_does_not_block_its_shard() -> None:
    """A record with an invocation of its own gets the attempts that fit into it, then it is given up."""
    consumer = Consumer(timeout_seconds=30)

    def slow_failure() -> None:
        consumer.time.pass_by(14)
        raise OSError("timed out")

    consumer.behaviour = {"m-1": slow_failure}
    assert consumer.consume(*batch(1)) == {"batchItemFailures": []}
    assert [case.attempts for case in consumer.quarantine.cases] == [1]


def test_change_of_an_item_is_held_at_its_sequence_number() -> None:
    """A DynamoDB stream takes back the sequence number of its record."""
    handled: list[str] = []

    def handle_record(record: Record) -> None:
        handled.append(record.body["event_name"])
        if record.position == "112":
            raise DependencyUnavailable("down")

    ports = StreamPorts(quarantine=MemoryQuarantine(), watch=RecordingWatch())
    event = {"Records": [change_record("111", "INSERT"), change_record("112"), change_record("113", "REMOVE")]}
    response = stream_consumer(handle_record, load=lambda: ports)(event, FakeContext())
    assert response == {"batchItemFailures": [{"itemIdentifier": "112"}]}
    assert handled == ["INSERT", "MODIFY"]


def test_every_line_about_a_record_carries_its_correlation_id() -> None:
    """One query for the correlation id finds what became of the record, and the invocation."""
    consumer = Consumer(
        {
            "m-2": raising(OSError("reset"), None),
            "m-3": raising(PermanentFailure("no")),
            "m-4": raising(DependencyUnavailable("down")),
        }
    )
    consumer.consume(*batch(4))
    told = [(line.fields["correlation_id"], line.message) for line in consumer.watch.lines]
    assert told == [
        ("correlation-of-m-1", "record done"),
        ("correlation-of-m-2", "attempt failed"),
        ("correlation-of-m-2", "record done"),
        ("correlation-of-m-3", "record quarantined"),
        ("correlation-of-m-4", "record held"),
    ]
    assert {line.fields["function_request_id"] for line in consumer.watch.lines} == {"request-1"}


def test_payload_is_never_logged() -> None:
    """Whatever becomes of a record, its body stays out of the log."""
    consumer = Consumer(
        {
            "m-2": raising(OSError("reset")),
            "m-3": raising(PermanentFailure("no")),
            "m-4": raising(DependencyUnavailable("down")),
        }
    )
    consumer.consume(*batch(3), "sesame", *batch(4)[3:])
    assert len(consumer.watch.lines) == 8
    assert "sesame" not in str(consumer.watch.lines)


def test_ports_are_made_once_and_on_the_first_event() -> None:
    """Clients are made when the first event comes, and kept for the next."""
    made: list[StreamPorts] = []

    def load() -> StreamPorts:
        made.append(StreamPorts(quarantine=MemoryQuarantine(), watch=RecordingWatch()))
        return made[-1]

    handle = stream_consumer(lambda record: None, load=load)
    assert not made
    handle(kinesis_event(batch(1)), FakeContext())
    handle(kinesis_event(batch(1)), FakeContext())
    assert len(made) == 1
