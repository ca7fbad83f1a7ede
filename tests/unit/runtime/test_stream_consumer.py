"""What becomes of each record, by what the handler does with it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from constructs_lib.runtime import (
    DependencyUnavailable,
    PermanentFailure,
    TenantUnavailable,
    stream_consumer,
)
from constructs_lib.runtime.batch_plan import BatchPlan, Entry, Rules
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.handler_health import HandlerHealth
from constructs_lib.runtime.journal import Page
from constructs_lib.runtime.records import Record, stream_arrivals
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.stream_batch import Memory
from constructs_lib.runtime.stream_ports import Bounds, Go, Outcome, Probe, Status, StreamPorts, Wait
from tests.unit.runtime.events import ARRIVED, change_record, envelope, kinesis_event
from tests.unit.runtime.fakes import FakeContext, MemoryQuarantine, RealTime, RecordingWatch
from tests.unit.runtime.parking_world import OpenGate
from tests.unit.runtime.stream_world import (
    Clock,
    MemoryJournal,
    MemoryParking,
    MemoryStatus,
    NoDrainer,
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


@pytest.mark.requirement("ISO-16")
def test_unavailable_tenant_is_parked_and_the_others_go_on() -> None:
    """The record and the later ones of its tenant wait in the parking place, in order; nobody else does."""
    consumer = Consumer({"m-1": raising(TenantUnavailable("429", retry_after=30))}, concurrency=1)
    acme = of("a", "a", "b", tenant="acme")
    other = envelope("m-9", key="c", tenant="other").to_json()
    assert consumer.consume(*acme, other) == []
    assert consumer.handled == ["m-1", "m-9"]
    assert consumer.parking.ids("acme") == ["m-1", "m-2", "m-3"]
    assert consumer.parking.until == {"acme": ARRIVED + 30}
    assert consumer.watch.published == {"RecordsDone": 1, "RecordsParked": 3}


def test_records_of_a_tenant_are_parked_in_their_order_over_its_keys() -> None:
    """Whatever key they have: as they stand in the stream."""
    consumer = Consumer({"m-1": raising(TenantUnavailable("429"))})
    assert consumer.consume(*of("a", "b", "a", "b", "a")) == []
    assert consumer.parking.ids() == ["m-1", "m-2", "m-3", "m-4", "m-5"]


def test_record_is_not_parked_past_one_of_its_key_that_has_another_tenant() -> None:
    """Order per key holds even where a key's records are not all of one tenant."""
    consumer = Consumer(status=MemoryStatus(Status(parked=1)))
    consumer.parking.parked = {"acme": []}
    before: list[list[str]] = []
    consumer.behaviour = {"m-2": lambda: before.append(consumer.parking.ids())}
    tenants = ["acme", "other", "acme"]
    data = [envelope(f"m-{n}", key="a", tenant=tenant).to_json() for n, tenant in enumerate(tenants, start=1)]
    assert consumer.consume(*data) == []
    assert before == [["m-1"]]
    assert consumer.parking.ids() == ["m-1", "m-3"]


@pytest.mark.requirement("ISO-06")
def test_nothing_waits_for_ever_for_a_place_or_a_handler() -> None:
    """What cannot be parked, and what waits behind a broken handler, is exported like what waits for the dependency."""
    tenant_away = Consumer(
        {"m-1": raising(TenantUnavailable("429"))}, parking=MemoryParking(failures=10**6), hold_seconds=3_600
    )
    broken = {f"m-{number}": raising(TypeError("bug")) for number in range(1, 6)}
    for consumer, size in ((tenant_away, 1), (Consumer(broken, hold_seconds=3_600, concurrency=100), 5)):
        consumer.clock.now = ARRIVED + 3_600 - 60
        assert consumer.consume(*batch(size)) == []
        assert [case.kind for case in consumer.quarantine.cases] == ["expired"] * size


def test_record_of_another_key_that_is_at_work_keeps_its_place_before_those_parked() -> None:
    """What runs when its tenant becomes unavailable is not overtaken by the next record of its key."""
    consumer = Consumer(
        {"m-1": raising(TenantUnavailable("429")), "m-2": raising(OSError("reset"), None)},
        concurrency=100,
        seconds={"m-2": 2.0},
    )
    assert consumer.consume(*of("a", "b", "b")) == []
    assert consumer.handled == ["m-1", "m-2"], "its retry would be a call for a tenant that is away"
    assert consumer.parking.ids() == ["m-1", "m-2", "m-3"]


@pytest.mark.requirement("ISO-16")
def test_tenant_with_parked_records_is_parked_without_a_call() -> None:
    """Newer records of a tenant never overtake those that are parked already."""
    consumer = Consumer(status=MemoryStatus(Status(parked=1)))
    consumer.parking.parked = {"acme": []}
    assert consumer.consume(*batch(2)) == []
    assert not consumer.handled
    assert consumer.parking.ids() == ["m-1", "m-2"]


def test_parking_place_that_cannot_be_written_holds_the_records_of_that_tenant() -> None:
    """They are tried again, and in the end handed back; nothing of another tenant waits for them."""
    consumer = Consumer({"m-1": raising(TenantUnavailable("429"))}, parking=MemoryParking(failures=100))
    other = envelope("m-9", key="c", tenant="other").to_json()
    assert consumer.consume(*of("a", "a"), other) == ["1"]
    assert consumer.handled == ["m-1", "m-9"]
    [page] = consumer.journal.pages
    assert len(page.settled) == 1


def test_parking_place_that_cannot_be_read_holds_the_batch() -> None:
    """Whose records are parked must be known before anything is called."""
    consumer = Consumer(status=MemoryStatus(Status(parked=1)), parking=MemoryParking(failures=10**6))
    assert consumer.consume(*batch(2)) == ["1"]
    assert not consumer.handled


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


def test_what_is_done_behind_a_record_that_waits_is_not_done_again() -> None:
    """Handed back from the first open record, a batch goes on without those behind it that are settled."""
    consumer = Consumer(concurrency=2, seconds={"m-1": 12.6, "m-2": 12.6})
    data = of("a", "a", "b", "c")
    assert consumer.consume(*data) == ["2"]
    assert consumer.handled == ["m-3", "m-4", "m-1"]
    assert consumer.invoke(records_from(data, 2)) == []
    assert consumer.handled == ["m-3", "m-4", "m-1", "m-2"]
    assert not consumer.journal.pages


def test_what_is_done_is_handed_back_only_once_the_next_invocation_will_look_for_it() -> None:
    """Young batches are not looked up, so a record is handed back no earlier than it is suspect."""
    consumer = Consumer(concurrency=2, seconds={"m-1": 13.0, "m-2": 13.0})
    assert consumer.consume(*of("a", "a", "b")) == ["2"]
    assert consumer.clock.now - ARRIVED >= 15 + 1
    [page] = consumer.journal.pages
    assert len(page.settled) == 1


def test_old_batch_that_ends_cleanly_costs_two_writes_whatever_its_size() -> None:
    """It is noted before work and cleared after it."""
    consumer = Consumer(concurrency=100)
    consumer.clock.now = ARRIVED + 100
    assert consumer.consume(*batch(50)) == []
    assert (consumer.journal.reads, consumer.journal.writes, consumer.journal.pages) == (1, 2, [])


def test_journal_that_cannot_be_read_holds_an_old_batch_whole() -> None:
    """What may have been done already is not begun without looking."""

    def broken() -> None:
        raise ConnectionError("no route")

    consumer = Consumer(journal=MemoryJournal(step=broken))
    consumer.clock.now = ARRIVED + 100
    assert consumer.consume(*batch(3)) == ["1"]
    assert not consumer.handled
    assert consumer.watch.published == {"RecordsHeld": 3}


def test_journal_that_cannot_be_written_holds_an_old_batch_whole() -> None:
    """Nothing of an old batch begins that a crash could hide."""
    journal = MemoryJournal()
    consumer = Consumer(journal=journal)
    consumer.clock.now = ARRIVED + 100

    def refuse(shard: str, page: object) -> None:
        raise ConnectionError("no route")

    journal.write = refuse  # type: ignore[method-assign]
    assert consumer.consume(*batch(3)) == ["1"]
    assert not consumer.handled


@pytest.mark.requirement("ISO-07")
def test_record_that_hangs_is_found_at_once_and_given_up_after_three_times() -> None:
    """A call that runs into the end of the invocation is noted before Lambda ends the function."""
    consumer = Consumer(concurrency=100, seconds={"m-2": 10**6})
    data = of("a", "b", "b", "c")
    answers = [consumer.consume(*data) for _ in range(4)]
    assert answers == [None, None, None, []]
    assert consumer.handled == ["m-1", "m-4", "m-3"], (
        "the others are done once, and the record behind it when it is kept"
    )
    assert [case.kind for case in consumer.quarantine.cases] == ["crashed"]
    assert Outcome.UNAVAILABLE in [outcome for outcome, _, _ in consumer.gate.told], "the breaker hears of it"
    assert not consumer.journal.pages


def test_record_that_comes_back_late_is_not_blamed_for_the_one_that_hangs() -> None:
    """What ends after the overrun was noted is settled, though the function ends for another record."""
    consumer = Consumer(concurrency=100, seconds={"m-1": 10**6, "m-2": 28.0})
    assert [consumer.consume(*batch(2)) for _ in range(4)] == [None, None, None, []]
    assert consumer.handled == ["m-2"]
    assert [case.arrival.position for case in consumer.quarantine.cases] == ["1"]


def test_handler_that_ends_the_function_whatever_the_record_gives_up_no_more() -> None:
    """After three keys in a row the rest waits; once records come through again, all is well."""
    consumer = Consumer(seconds={f"m-{number}": 10**6 for number in range(1, 7)})
    data, start = batch(6), 1
    for _ in range(40):
        answer = consumer.invoke(records_from(data, start))
        start = int(answer[0]) if answer else start
    assert [case.arrival.position for case in consumer.quarantine.cases] == ["1", "2", "3"]
    assert consumer.watch.published["HandlerFailing"] > 10

    consumer.seconds.clear()
    assert consumer.invoke(records_from(data, start)) == []
    assert consumer.handled == ["m-4", "m-5", "m-6"]
    assert not any(consumer.journal.crashed.values())


def test_page_of_an_old_batch_is_replaced_when_it_is_handed_back() -> None:
    """One batch leaves one page, whichever record it begins with by then."""
    consumer = Consumer(concurrency=2, seconds={"m-1": 12.6, "m-2": 12.6})
    consumer.clock.now = ARRIVED + 100
    data = of("a", "a", "b")
    assert consumer.consume(*data) == ["2"]
    assert [page.first.rpartition("-")[2] for page in consumer.journal.pages] == ["2"]
    assert consumer.invoke(records_from(data, 2)) == []
    assert not consumer.journal.pages


def test_suspect_that_waits_is_not_blamed_for_a_crash_meanwhile() -> None:
    """Between its attempts the journal says that it is not at work."""
    consumer = Consumer({"m-1": raising(OSError("reset"), None)}, gate=OpenGate(retry_pauses=[5.0, 0.0]))
    consumer.clock.now = ARRIVED + 100
    [name] = [each.name for each in stream_arrivals(kinesis_event(batch(1)))]
    consumer.journal.write("shardId-000000000006", Page(first=name, through=name))
    seen: list[tuple[bytes, ...]] = []
    consumer.clock.at(ARRIVED + 103, lambda: seen.extend(page.begun for page in consumer.journal.pages))
    assert consumer.consume(*batch(1)) == []
    assert seen == [()]


def test_suspects_that_there_was_no_time_for_stay_suspects() -> None:
    """The next invocation runs them alone too, and not all at once."""
    consumer = Consumer(concurrency=100, seconds={f"m-{number}": 12.0 for number in range(1, 5)})
    consumer.clock.now = ARRIVED + 100
    data = batch(4)
    first, last = (each.name for each in stream_arrivals(kinesis_event(data)) if each.position in {"1", "4"})
    consumer.journal.write("shardId-000000000006", Page(first=first, through=last))
    assert consumer.consume(*data) == ["3"]
    assert [page.through for page in consumer.journal.pages] == [last]
    assert consumer.invoke(records_from(data, 3)) == []
    begun = [time for time, _ in consumer.begun]
    assert all(after - before >= 12 for before, after in pairwise(begun)), "never two at once"


def test_call_that_ends_after_all_is_not_counted_against_its_record() -> None:
    """A call that ran into the reserve and came back in time leaves nothing behind."""
    consumer = Consumer(seconds={"m-1": 27.0})
    assert consumer.consume(*batch(1)) == []
    assert not consumer.journal.pages
    assert len(consumer.gate.told) == 1


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


def test_change_of_an_item_is_handed_back_at_its_sequence_number() -> None:
    """A DynamoDB stream takes back the sequence number of its record; an item's changes keep their order."""
    consumer = Consumer(gate=OpenGate([Wait(9e9)] * 9, is_open=True))
    assert consumer.invoke([change_record("111", "INSERT"), change_record("112")]) == ["111"]


# The real driver: threads and the real clock.


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
