"""What becomes of each message, by what the handler does with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable, queue_consumer
from constructs_lib.runtime.batch_response import BatchResponse
from constructs_lib.runtime.effects import Inherent
from constructs_lib.runtime.records import Record
from tests.unit.runtime.events import ARRIVED, envelope, sqs_event
from tests.unit.runtime.fakes import (
    FakeContext,
    FakeTime,
    MemoryDeadLetters,
    MemoryNotes,
    MemoryOwnQueue,
    RecordingWatch,
    queue_ports,
)


@dataclass
class Consumer:
    """A queue consumer over fakes, whose handler acts by what *behaviour* holds for a message's id."""

    behaviour: dict[str, Callable[[], object]] = field(default_factory=dict)
    dead_letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    queue: MemoryOwnQueue = field(default_factory=MemoryOwnQueue)
    notes: MemoryNotes = field(default_factory=MemoryNotes)
    watch: RecordingWatch = field(default_factory=RecordingWatch)
    time: FakeTime = field(default_factory=FakeTime)
    handled: list[str] = field(default_factory=list)

    def consume(self, *bodies: str, deliveries: int = 1) -> BatchResponse:
        ports = queue_ports(
            queue=self.queue,
            dead_letters=self.dead_letters,
            notes=self.notes,
            watch=self.watch,
            now=lambda: ARRIVED + self.time.seconds,
        )
        handle = queue_consumer(self._handle, effect=Inherent(), load=lambda: ports)
        event = sqs_event(bodies, deliveries=deliveries)
        return handle(event, FakeContext(self.time, function_name="process-event"))

    def _handle(self, record: Record) -> None:
        self.handled.append(record.id)
        self.behaviour.get(record.id, lambda: None)()


def raising(error: Exception) -> Callable[[], object]:
    def behave() -> None:
        raise error

    return behave


def batch(size: int) -> list[str]:
    return [envelope(f"m-{number}").to_json() for number in range(1, size + 1)]


def failed(*positions: str) -> BatchResponse:
    return {"batchItemFailures": [{"itemIdentifier": position} for position in positions]}


@pytest.mark.requirement("MSG-02")
@pytest.mark.parametrize(
    ("failure", "metric"),
    [
        (OSError("reset"), "MessagesFailed"),
        (DependencyUnavailable("503"), "MessagesHeld"),
        (TenantUnavailable("429", retry_after=1), "MessagesHeld"),
    ],
)
def test_only_the_failed_message_of_ten_is_delivered_again(failure: Exception, metric: str) -> None:
    """One bad message costs the nine others nothing."""
    consumer = Consumer({"m-4": raising(failure)})
    assert consumer.consume(*batch(10)) == failed("4")
    assert consumer.handled == [f"m-{number}" for number in range(1, 11)]
    assert not consumer.dead_letters.letters
    assert list(consumer.queue.hidden) == ["4"]
    assert consumer.watch.published == {"MessagesDone": 9, metric: 1}


@pytest.mark.requirement("MSG-01")
def test_failing_message_comes_again_later_each_time_and_its_reason_is_noted() -> None:
    """Its deliveries are the queue's to count: at the limit the queue moves it, and the note explains it."""
    consumer = Consumer({"m-1": raising(OSError("token=hush"))})
    waits = []
    for deliveries in range(1, 6):
        assert consumer.consume(*batch(1), deliveries=deliveries) == failed("1")
        waits.append(consumer.queue.hidden["1"])
        note = consumer.notes.notes["1"]
        assert (note.reason, note.deliveries) == ("OSError: token=***", deliveries)
    assert waits == [5, 20, 80, 320, 900]
    assert not consumer.queue.again
    assert not consumer.dead_letters.letters


def test_note_that_cannot_be_kept_costs_nothing() -> None:
    """The log has the reason too."""
    consumer = Consumer({"m-1": raising(OSError("reset"))}, notes=MemoryNotes(away=True))
    assert consumer.consume(*batch(2)) == failed("1")
    assert consumer.watch.published == {"MessagesDone": 1, "MessagesFailed": 1}


def test_message_that_waits_for_something_is_held_and_not_failed() -> None:
    """However often: before its deliveries run out it is sent to the queue again, and this delivery acknowledged."""
    consumer = Consumer({"m-1": raising(DependencyUnavailable("503", retry_after=60))})
    for deliveries in (1, 2):
        assert consumer.consume(*batch(1), deliveries=deliveries) == failed("1")
        assert consumer.queue.hidden == {"1": 60}
    assert not consumer.queue.again
    assert consumer.consume(*batch(1), deliveries=3) == failed()
    assert consumer.queue.again["1"].seconds == 60
    assert consumer.watch.published == {"MessagesHeld": 3}
    assert not consumer.notes.notes


def test_what_a_handler_hands_on_as_it_got_it_concerns_its_own_message_only() -> None:
    """A header's text for a number of seconds, an exception for a reason: mistakes that must not fail a whole batch."""
    header: Any = "30"
    caught: Any = ValueError("no such channel")
    consumer = Consumer(
        {
            "m-1": raising(DependencyUnavailable("429", retry_after=header)),
            "m-2": raising(PermanentFailure(caught)),
            "m-3": raising(TenantUnavailable(caught)),
        }
    )
    assert consumer.consume(*batch(4)) == failed("1", "3")
    assert consumer.queue.hidden == {"1": 5, "3": 5}
    assert [letter.reason for letter in consumer.dead_letters.letters] == ["no such channel"]


def test_batch_without_trouble_is_done() -> None:
    """Nothing is reported, so the queue deletes all of it."""
    consumer = Consumer()
    assert consumer.consume(*batch(2)) == failed()
    assert consumer.watch.published == {"MessagesDone": 2}


def test_batch_that_fails_entirely_is_reported_and_not_raised() -> None:
    """Each message is reported by its own id."""
    consumer = Consumer({f"m-{number}": raising(OSError()) for number in (1, 2)})
    assert consumer.consume(*batch(2)) == failed("1", "2")


def test_permanent_failure_is_dead_at_once_and_explained() -> None:
    """It takes no redeliveries: payload and reason are in the dead-letter queue, and the message is acknowledged."""
    consumer = Consumer({"m-2": raising(PermanentFailure("unknown tenant, token=hush"))})
    messages = batch(3)
    assert consumer.consume(*messages) == failed()
    [letter] = consumer.dead_letters.letters
    assert letter.arrival.payload == messages[1]
    assert letter.reason == "unknown tenant, token=***"
    assert (letter.function, letter.correlation_id) == ("process-event", "correlation-of-m-2")
    assert consumer.watch.published == {"MessagesDone": 2, "MessagesDeadLettered": 1}
    [line] = [line for line in consumer.watch.lines if line.level == "error"]
    assert (line.message, line.fields["reason"]) == ("message dead-lettered", letter.reason)
    assert line.fields["correlation_id"] == "correlation-of-m-2"


@pytest.mark.parametrize("body", ["no json", "{}"])
def test_message_that_is_no_envelope_is_dead_at_once(body: str) -> None:
    """The handler never sees it; it is kept as received."""
    consumer = Consumer()
    assert consumer.consume(body, *batch(1)) == failed()
    [letter] = consumer.dead_letters.letters
    assert (letter.arrival.payload, letter.correlation_id, letter.code) == (body, None, None)
    assert consumer.handled == ["m-1"]


def test_message_that_cannot_be_dead_lettered_is_delivered_again() -> None:
    """It is not lost: the queue keeps it, and its own rule still ends in the dead-letter queue. The reason is noted."""
    consumer = Consumer({"m-1": raising(PermanentFailure("no"))}, dead_letters=MemoryDeadLetters(failures=1))
    assert consumer.consume(*batch(2)) == failed("1")
    assert {name: note.reason for name, note in consumer.notes.notes.items()} == {"1": "no"}
    assert consumer.watch.published == {"MessagesDone": 1, "MessagesFailed": 1}


def test_messages_there_is_no_time_for_are_handed_back() -> None:
    """They are neither begun nor counted as failed, and an earlier failure is still reported."""
    consumer = Consumer()

    def slow_failure() -> None:
        consumer.time.pass_by(10)
        raise OSError

    consumer.behaviour = {"m-1": slow_failure, "m-2": lambda: consumer.time.pass_by(10)}
    assert consumer.consume(*batch(4)) == failed("1", "3", "4")
    assert consumer.handled == ["m-1", "m-2"]
    assert consumer.queue.hidden == {"1": 5, "3": 0, "4": 0}
    assert consumer.watch.published == {"MessagesDone": 1, "MessagesFailed": 1}


def test_payload_is_never_logged() -> None:
    """Whatever becomes of a message, its body stays out of the log."""
    consumer = Consumer(
        {
            "m-1": raising(OSError("reset")),
            "m-2": raising(PermanentFailure("no")),
            "m-3": raising(DependencyUnavailable("down")),
        }
    )
    consumer.consume(*batch(4), "sesame")
    assert len(consumer.watch.lines) == 5
    assert "sesame" not in str(consumer.watch.lines)
