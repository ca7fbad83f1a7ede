"""What becomes of each record, by what the handler does with it."""

import pytest

from constructs_lib.runtime import (
    PermanentFailure,
)
from constructs_lib.runtime.batch_plan import BatchPlan
from constructs_lib.runtime.batch_tasks import Entry, Rules
from constructs_lib.runtime.records import stream_arrivals
from constructs_lib.runtime.stream_ports import Wait
from tests.unit.runtime.events import ARRIVED, change_record, kinesis_event
from tests.unit.runtime.fakes import MemoryQuarantine
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_batches import Consumer, batch, of, raising, records_from
from tests.unit.runtime.stream_world import (
    MemoryStatus,
)


def test_batch_without_trouble_is_done() -> None:
    """All records are handled in order, and the answer says that nothing is left."""
    consumer = Consumer()
    assert consumer.consume(*batch(3)) == []
    assert consumer.handled == ["m-1", "m-2", "m-3"]
    assert consumer.watch.published == {"RecordsDone": 3}


def test_young_batch_costs_one_read_and_no_write() -> None:
    """What goes well leaves no trace in the table: one small item is read, none is written."""
    consumer = Consumer()
    consumer.consume(*batch(3))
    assert (consumer.status.reads, consumer.journal.reads, consumer.journal.writes) == (1, 0, 0)


def test_keys_go_side_by_side_and_each_in_its_order() -> None:
    """Three keys of slow records take as long as the one with the most of them."""
    data = of("a", "b", "a", "c", "a", "b")
    consumer = Consumer(concurrency=100, seconds={f"m-{number}": 1.0 for number in range(1, 7)})
    assert consumer.consume(*data) == []
    assert consumer.begun == [(0, "m-1"), (0, "m-2"), (0, "m-4"), (1, "m-3"), (1, "m-6"), (2, "m-5")]


def test_no_more_keys_than_allowed_go_side_by_side() -> None:
    """The bound on concurrency holds, and the earliest record whose turn it is goes next."""
    consumer = Consumer(concurrency=2, seconds={f"m-{number}": float(number) for number in range(1, 5)})
    assert consumer.consume(*of("a", "b", "c", "d")) == []
    assert consumer.begun == [(0, "m-1"), (0, "m-2"), (1, "m-3"), (2, "m-4")]


def test_permanent_failure_goes_to_quarantine_and_the_next_record_continues() -> None:
    """A record that can never succeed costs itself: one attempt, kept with its reason."""
    consumer = Consumer({"m-2": raising(PermanentFailure("channel_not_found"))})
    records = batch(3)
    assert consumer.consume(*records) == []
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
    assert consumer.consume(data, *batch(1)) == []
    [case] = consumer.quarantine.cases
    assert (case.kind, case.record, case.attempts) == ("unreadable", None, 0)
    assert case.reason.startswith("not an envelope")
    assert consumer.handled == ["m-1"]


def test_unknown_failure_that_passes_is_done() -> None:
    """A few attempts in place spare a redelivery of the whole batch."""
    consumer = Consumer({"m-1": raising(OSError("reset"), OSError("reset"), None)})
    assert consumer.consume(*of("a", "a")) == []
    assert consumer.handled == ["m-1", "m-1", "m-1", "m-2"]
    assert not consumer.quarantine.cases


@pytest.mark.requirement("ISO-07")
def test_unknown_failure_that_stays_goes_to_quarantine() -> None:
    """After three attempts the record is kept with the exception's class and message, and its key goes on."""
    consumer = Consumer({"m-1": raising(KeyError("block"))})
    assert consumer.consume(*of("a", "a", "b")) == []
    [case] = consumer.quarantine.cases
    assert (case.kind, case.reason, case.attempts) == ("unknown", "KeyError: 'block'", 3)
    assert consumer.handled == ["m-1", "m-3", "m-1", "m-1", "m-2"]


def test_exit_of_the_handler_is_a_failure_of_its_record() -> None:
    """A handler that exits ends neither its thread unheard nor the function."""
    consumer = Consumer({"m-1": raising(SystemExit(1))})  # type: ignore[arg-type]  # it is no Exception
    assert consumer.consume(*batch(1)) == []
    assert [case.kind for case in consumer.quarantine.cases] == ["unknown"]


def test_pauses_between_attempts_are_short_and_jittered() -> None:
    """Attempts do not come at once nor in step, and never take more than a second and a quarter together."""
    consumer = Consumer({"m-1": raising(OSError())}, jitter=1.0)
    consumer.consume(*batch(1))
    assert [time for time, _ in consumer.begun] == pytest.approx([0, 0.4, 1.2])


def test_retries_wait_for_their_budget() -> None:
    """A retry is made when it has been paid for, and is not counted as a first call."""
    consumer = Consumer({"m-1": raising(OSError(), None)}, gate=OpenGate(retry_pauses=[3.0, 0.0]))
    assert consumer.consume(*batch(1)) == []
    assert [time for time, _ in consumer.begun] == pytest.approx([0, 3.2])
    assert consumer.gate.asked == [True, False]


def test_no_more_records_than_allowed_are_stored_side_by_side() -> None:
    """The bound on concurrency holds for the quarantine too."""
    consumer = Consumer(concurrency=2)
    plan = BatchPlan(
        [Entry(index=n, arrival=each, record=None) for n, each in enumerate(stream_arrivals(kinesis_event(["x"] * 3)))],
        Rules(concurrency=2, hold_seconds=consumer.hold_seconds, jitter=lambda: 0.5),
    )
    first, second = plan.errand(), plan.errand()
    assert first
    assert second
    assert plan.errand() is None
    plan.stored(first, ARRIVED, succeeded=True)
    assert plan.errand()


def test_status_that_cannot_be_read_stops_nobody_who_knew_it_before() -> None:
    """With the state table away, what this environment knew goes on."""
    consumer = Consumer()
    consumer.consume(*batch(1))
    consumer.status.failures = 10**6
    assert consumer.consume(*batch(2)) == []


def test_status_that_was_never_read_holds_the_batch() -> None:
    """Whoever has never known whether records are parked does not let others overtake them."""
    consumer = Consumer(status=MemoryStatus(failures=3))
    assert consumer.consume(*batch(1)) == []
    consumer = Consumer(status=MemoryStatus(failures=10**6))
    assert consumer.consume(*batch(1)) == ["1"]
    assert not consumer.handled


def test_record_that_cannot_be_put_into_quarantine_is_held() -> None:
    """It is not lost: it comes again, and nothing of its key goes on before it is kept."""
    consumer = Consumer({"m-2": raising(PermanentFailure("no"))}, quarantine=MemoryQuarantine(failures=10**6))
    data = of("a", "b", "b", "c")
    assert consumer.consume(*data) == ["2"]
    assert consumer.handled == ["m-1", "m-2", "m-4"]
    assert consumer.watch.published == {"RecordsDone": 2, "RecordsHeld": 2}
    assert "hush" not in str(consumer.watch.lines)

    consumer.quarantine.failures = 0
    assert consumer.invoke(records_from(data, 2)) == []
    assert len(consumer.quarantine.cases) == 1
    assert consumer.handled == ["m-1", "m-2", "m-4", "m-2", "m-3"], "what was done is not done again"
    assert not consumer.journal.pages


@pytest.mark.requirement("ISO-03")
def test_broken_handler_holds_its_records_instead_of_giving_all_up() -> None:
    """When most keys fail without a scope, it is the handler: everything waits, and an alarm can see it."""
    consumer = Consumer({f"m-{number}": raising(TypeError("bug")) for number in range(1, 9)}, concurrency=100)
    assert consumer.consume(*batch(8)) == ["1"]
    assert not consumer.quarantine.cases
    assert consumer.watch.published["HandlerFailing"] == 8
    assert consumer.watch.published["RecordsHeld"] == 8

    consumer.behaviour.clear()
    assert consumer.consume(*batch(8)) == []


def test_broken_record_is_given_up_where_the_other_keys_are_fine() -> None:
    """One key of five that fails is a broken record, not a broken handler."""
    consumer = Consumer({"m-3": raising(TypeError("bug"))}, concurrency=100)
    assert consumer.consume(*batch(5)) == []
    assert [case.kind for case in consumer.quarantine.cases] == ["unknown"]


def test_work_stops_before_the_deadline() -> None:
    """What does not fit is handed back untouched, and is not counted as held."""
    consumer = Consumer(seconds={f"m-{number}": 10.0 for number in range(1, 5)})
    assert consumer.consume(*batch(4)) == ["3"]
    assert consumer.handled == ["m-1", "m-2"]
    assert consumer.watch.published == {"RecordsDone": 2}


@pytest.mark.requirement("ISO-07")
def test_attempts_that_do_not_fit_are_made_in_the_next_invocations() -> None:
    """A slow failing record gets its three attempts over three invocations, then it is given up: no shard is blocked."""
    consumer = Consumer({"m-1": raising(OSError("timed out"))}, seconds={"m-1": 14.0})
    assert [consumer.consume(*batch(1)) for _ in range(3)] == [["1"], ["1"], []]
    assert [case.kind for case in consumer.quarantine.cases] == ["unknown"]
    assert consumer.handled == ["m-1"] * 3
    assert not consumer.journal.pages


def test_change_of_an_item_is_handed_back_at_its_sequence_number() -> None:
    """A DynamoDB stream takes back the sequence number of its record; an item's changes keep their order."""
    consumer = Consumer(gate=OpenGate([Wait(9e9)] * 9, is_open=True))
    assert consumer.invoke([change_record("111", "INSERT"), change_record("112")]) == ["111"]
