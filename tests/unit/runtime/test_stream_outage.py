"""What a batch does while the dependency is away, or away for one record only."""

from itertools import pairwise
from typing import Any

import pytest

from constructs_lib.runtime import (
    DependencyUnavailable,
    PermanentFailure,
    TenantUnavailable,
)
from constructs_lib.runtime.stream_ports import Go, Outcome, Probe, Wait
from tests.unit.runtime.events import ARRIVED, envelope, kinesis_event
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_batches import Consumer, batch, raising


def test_gate_hears_what_each_call_says_about_the_dependency() -> None:
    """Answers of every kind are answers; what names no scope is not held against the dependency."""
    consumer = Consumer(
        {
            "m-2": raising(PermanentFailure("no")),
            "m-3": raising(TenantUnavailable("429", retry_after=7)),
            "m-4": raising(DependencyUnavailable("503", retry_after=9), None),
            "m-5": raising(OSError("reset"), None),
        }
    )
    consumer.consume(*[envelope(f"m-{number}", tenant=f"tenant-{number}").to_json() for number in range(1, 6)])
    answered, away, unclear = Outcome.ANSWERED, Outcome.UNAVAILABLE, Outcome.UNCLEAR
    assert [outcome for outcome, _, _ in consumer.gate.told[:5]] == [answered, answered, answered, away, unclear]
    assert [retry_after for _, retry_after, _ in consumer.gate.told[:5]] == [None, None, None, 9, None]


@pytest.mark.requirement("ISO-12")
def test_open_circuit_stops_all_calls_and_the_records_wait_inside() -> None:
    """While the circuit is open nothing is called; what waits goes on when it closes."""
    consumer = Consumer(gate=OpenGate([Wait(ARRIVED + 5), Wait(ARRIVED + 9), Probe()]), concurrency=100)
    assert consumer.consume(*batch(3)) == []
    assert [time for time, _ in consumer.begun] == [9, 9, 9]
    assert [probe for _, _, probe in consumer.gate.told] == [True, False, False]
    assert consumer.watch.published == {"RecordsDone": 3}


@pytest.mark.requirement("ISO-12", "ISO-05")
def test_outage_hands_the_batch_back_whole_before_the_deadline() -> None:
    """What cannot be called for is held, not failed: no attempt, no quarantine, no trace in the journal."""
    consumer = Consumer(gate=OpenGate([Wait(ARRIVED + 10.0 * number) for number in range(1, 9)], is_open=True))
    assert consumer.consume(*batch(3)) == ["1"]
    assert consumer.clock.now - ARRIVED == pytest.approx(25, abs=0.1)
    assert not consumer.handled
    assert not consumer.quarantine.cases
    assert not consumer.journal.pages
    assert consumer.watch.published == {"RecordsHeld": 3}


def test_probes_take_turns_so_that_no_record_hogs_them() -> None:
    """With the circuit open, a record that cannot be answered is not the probe every time."""
    down = raising(DependencyUnavailable("503"))
    consumer = Consumer({"m-1": down, "m-2": down, "m-3": down}, concurrency=100)
    turns: list[Go | Probe | Wait] = [Probe(), Wait(ARRIVED + 5), Probe(), Wait(ARRIVED + 10), Probe()]
    consumer.gate = OpenGate([*turns, *[Wait(9e9)] * 9], is_open=True)
    assert consumer.consume(*batch(3)) == ["1"]
    assert sorted(consumer.handled) == ["m-1", "m-2", "m-3"]


@pytest.mark.requirement("ISO-07")
def test_record_that_the_dependency_never_answers_goes_to_quarantine_while_others_are_answered() -> None:
    """One payload that makes a provider answer 500 does not pose as an outage."""
    consumer = Consumer({"m-1": raising(DependencyUnavailable("500"))}, timeout_seconds=900)
    assert consumer.consume(*batch(3)) == []
    [case] = consumer.quarantine.cases
    assert (case.kind, case.attempts) == ("unavailable", 9)
    assert consumer.watch.published == {"RecordsDone": 2, "RecordsQuarantined": 1}


@pytest.mark.requirement("ISO-07")
def test_outage_that_the_breaker_has_not_seen_yet_gives_up_no_record() -> None:
    """After much that went well the circuit opens late; until then no record is blamed for what nobody is answered."""
    consumer = Consumer(timeout_seconds=900, concurrency=100)
    assert consumer.consume(*batch(3)) == []
    consumer.behaviour = {f"m-{number}": raising(DependencyUnavailable("503")) for number in range(1, 4)}
    assert consumer.consume(*batch(3)) == ["1"]
    assert len(consumer.handled) > 3 * 20, "each was tried for a quarter of an hour"
    assert not consumer.quarantine.cases


def test_answer_to_others_says_nothing_about_what_happens_half_a_minute_later() -> None:
    """The outage may have begun just after it."""
    consumer = Consumer({"m-1": raising(DependencyUnavailable("503"))}, timeout_seconds=900, jitter=1.0)
    assert consumer.consume(*batch(2)) == ["1"]
    assert len(consumer.handled) > 100
    assert not consumer.quarantine.cases


def test_lone_record_is_tried_often_enough_to_open_the_circuit() -> None:
    """Its pauses stay short enough for the minimum of calls in the breaker's window."""
    consumer = Consumer({"m-1": raising(DependencyUnavailable("503"))}, timeout_seconds=900, jitter=1.0)
    consumer.consume(*batch(1))
    times = [time for time, _ in consumer.begun]
    assert all(after - before <= 8 for before, after in pairwise(times))


def test_retry_after_of_the_dependency_is_honoured() -> None:
    """With the circuit closed, the record is not tried again before the time the dependency named."""
    consumer = Consumer({"m-1": raising(DependencyUnavailable("503", retry_after=8), None)})
    assert consumer.consume(*batch(1)) == []
    assert [time for time, _ in consumer.begun] == [0, 8]


@pytest.mark.parametrize("retry_after", [float("nan"), -1.0, "soon"])
def test_retry_after_that_makes_no_sense_counts_as_none(retry_after: Any) -> None:
    """What another side wrote into a header cannot stop the work."""
    consumer = Consumer({"m-1": raising(DependencyUnavailable("503", retry_after=retry_after), None)})
    assert consumer.consume(*batch(1)) == []


@pytest.mark.requirement("ISO-06")
def test_record_that_has_waited_as_long_as_it_may_goes_to_quarantine_before_lambda_drops_it() -> None:
    """Two time-outs before the end, what is held is exported with its payload; what is younger is held on."""
    consumer = Consumer(hold_seconds=3_600, gate=OpenGate([Wait(9e9)] * 9, is_open=True))
    records = kinesis_event(batch(2))["Records"]
    records[1]["kinesis"]["approximateArrivalTimestamp"] += 3_000
    consumer.clock.now = ARRIVED + 3_600 - 60
    assert consumer.invoke(records) == ["2"]
    assert [(case.kind, case.arrival.position) for case in consumer.quarantine.cases] == [("expired", "1")]
