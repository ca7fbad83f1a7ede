"""What a batch says in its logs and metrics."""

import pytest

from constructs_lib.runtime import (
    DependencyUnavailable,
    PermanentFailure,
    TenantUnavailable,
)
from constructs_lib.runtime.journal import Page
from constructs_lib.runtime.records import Record, stream_arrivals
from constructs_lib.runtime.stream_ports import Wait
from tests.unit.runtime.events import ARRIVED, envelope, kinesis_event
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_batches import Consumer, batch, raising


def test_time_to_data_loss_is_told() -> None:
    """It is the retention less the age of the oldest record that is not settled."""
    consumer = Consumer(retention_seconds=86_400, gate=OpenGate([Wait(9e9)] * 9, is_open=True))
    consumer.clock.now = ARRIVED + 3_600
    consumer.consume(*batch(1))
    value, unit = consumer.watch.gauges["TimeToDataLoss"]
    assert value == pytest.approx(86_400 - 3_625, abs=1)
    assert unit == "Seconds"


def test_time_to_data_loss_of_a_settled_batch_is_that_of_its_last_record() -> None:
    """What comes next in the stream is no older."""
    consumer = Consumer(retention_seconds=86_400)
    records = kinesis_event(batch(2))["Records"]
    records[1]["kinesis"]["approximateArrivalTimestamp"] += 3_000
    consumer.clock.now = ARRIVED + 3_600
    assert consumer.invoke(records) == []
    assert consumer.watch.gauges["TimeToDataLoss"][0] == pytest.approx(86_400 - 600, abs=1)


def test_what_was_counted_is_published_before_a_suspect_runs() -> None:
    """The function may end with it, and the counts of the records before it would be gone."""
    consumer = Consumer(concurrency=100, seconds={"m-2": 10**6})
    consumer.clock.now = ARRIVED + 100
    data = batch(2)
    first, last = (each.name for each in stream_arrivals(kinesis_event(data)))
    consumer.journal.write("shardId-000000000006", Page(first=first, through=last))
    published: list[int] = []
    seconds = consumer._seconds

    def look(record: Record) -> float:
        if record.id == "m-2":
            published.append(consumer.watch.published["RecordsDone"])
        return seconds(record)

    consumer._seconds = look  # type: ignore[method-assign]
    assert consumer.consume(*data) is None
    assert published == [1]


def test_long_invocation_publishes_what_it_knows_every_minute() -> None:
    """An alarm about records that wait does not wait with them for the end of a long invocation."""
    consumer = Consumer(timeout_seconds=900, gate=OpenGate([Wait(9e9)] * 99, is_open=True))
    consumer.consume(*batch(2))
    assert consumer.watch.published["RecordsHeld"] >= 2 * 14


def test_reason_holds_no_credentials() -> None:
    """What is kept and logged about a failure is cleaned of credentials."""
    consumer = Consumer(
        {
            "m-1": raising(OSError("POST https://hooks.slack.com/services/T/B/hush")),
            "m-2": raising(PermanentFailure("token=hush refused")),
            "m-3": raising(DependencyUnavailable("Bearer hushhushhush refused")),
        },
        timeout_seconds=900,
    )
    consumer.consume(*batch(3))
    assert "hush" not in str([case.reason for case in consumer.quarantine.cases])
    assert "hush" not in str(consumer.watch.lines)


def test_every_line_about_a_record_carries_its_correlation_id() -> None:
    """One query for the correlation id finds what became of the record."""
    consumer = Consumer(
        {
            "m-2": raising(OSError("reset"), None),
            "m-3": raising(PermanentFailure("no")),
            "m-4": raising(TenantUnavailable("429")),
        }
    )
    others = [envelope(f"m-{number}", tenant="other").to_json() for number in range(1, 4)]
    consumer.consume(*others, *batch(4)[3:])
    told = {(line.fields.get("correlation_id"), line.message) for line in consumer.watch.lines}
    assert told == {
        ("correlation-of-m-1", "record done"),
        ("correlation-of-m-2", "attempt failed"),
        ("correlation-of-m-2", "record done"),
        ("correlation-of-m-3", "record quarantined"),
        ("correlation-of-m-4", "tenant unavailable"),
        ("correlation-of-m-4", "record parked"),
    }


def test_payload_is_never_logged() -> None:
    """Whatever becomes of a record, its body stays out of the log."""
    consumer = Consumer(
        {
            "m-2": raising(OSError("reset")),
            "m-3": raising(PermanentFailure("no")),
            "m-4": raising(DependencyUnavailable("down"), None),
            "m-5": raising(TenantUnavailable("down")),
        }
    )
    consumer.consume(*batch(3), "sesame", *batch(5)[3:])
    assert len(consumer.watch.lines) >= 8
    assert "sesame" not in str(consumer.watch.lines)
