"""Effects of a stream's records made once: what the handler is spared, and that all else stays as it was."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable, stream_consumer
from constructs_lib.runtime.attempts import AlreadyDone, DependencyAway, Done, NotYetError, Result, Waits, note_aside
from constructs_lib.runtime.batch_plan import BatchPlan
from constructs_lib.runtime.batch_tasks import Call, Entry, Keep, Rules
from constructs_lib.runtime.effects import Inherent, Insert, Outside
from constructs_lib.runtime.envelope import Envelope
from constructs_lib.runtime.item_engine import ItemsEngine
from constructs_lib.runtime.outcomes import PAYLOAD_MISMATCH, Delivery, Failed, NotBegun, Outcome, Work
from constructs_lib.runtime.outcomes import Done as SettledDone
from constructs_lib.runtime.records import Record, stream_arrivals
from constructs_lib.runtime.sends import Sender
from constructs_lib.runtime.settings import SettingError
from constructs_lib.runtime.stream_batch import Memory
from constructs_lib.runtime.stream_invocation import carry_out, once
from constructs_lib.runtime.stream_ports import Bounds, Probe, StreamPorts
from constructs_lib.runtime.stream_ports import Outcome as Answer
from tests.standins.dynamodb import FakeDynamoDB, Faults
from tests.unit.runtime import item_world
from tests.unit.runtime.claim_world import World as Claims
from tests.unit.runtime.events import ARRIVED, envelope, kinesis_event
from tests.unit.runtime.fakes import FakeContext, FakeTime, MemoryQuarantine, RecordingWatch
from tests.unit.runtime.parking_world import OpenGate, Verdict, World, parked
from tests.unit.runtime.stream_world import Clock, Crash, MemoryJournal, MemoryParking, VirtualInvocation, ports


class ClockTime(FakeTime):
    """The virtual time, for those who count from the arrival of the records."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @property
    def seconds(self) -> float:
        return self.clock.now - ARRIVED

    @seconds.setter
    def seconds(self, value: float) -> None: ...


@dataclass
class Stream:
    """A stream's consumer in virtual time, whose handler acts by what *behaviour* holds for a record's id."""

    behaviour: dict[str, Callable[[], object]] = field(default_factory=dict)
    hold_seconds: float = 6 * 86_400.0
    clock: Clock = field(default_factory=lambda: Clock(ARRIVED))
    faults: Faults = field(default_factory=Faults)
    gate: OpenGate = field(default_factory=OpenGate)
    suspicion: Verdict = field(default_factory=Verdict)
    parking: MemoryParking = field(default_factory=MemoryParking)
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    watch: RecordingWatch = field(default_factory=RecordingWatch)
    handled: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.claims = Claims(time=ClockTime(self.clock))

    def consume(self, *records: str, timeout_seconds: float = 30.0) -> list[str] | None:
        """Invoke a new environment with these records; return the positions handed back, or None if it crashed."""
        worker = self.claims.worker(faults=self.faults)
        context = FakeContext(self.claims.time, timeout_seconds=timeout_seconds)
        made = ports(
            quarantine=self.quarantine,
            watch=self.watch,
            gate=self.gate,
            parking=self.parking,
            journal=MemoryJournal(),
            suspicion=self.suspicion,
            clock=lambda: self.clock.now,
            jitter=lambda: 0.5,
            bounds=Bounds(hold_seconds=self.hold_seconds),
            engine=worker.engine,
        )
        answers: list[list[str] | None] = []
        VirtualInvocation(
            self.clock,
            stream_arrivals(kinesis_event(records)),
            ports=made,
            memory=Memory(),
            handle_record=once(self._handle, made, context),
            seconds=lambda _: 0.0,
            timeout_seconds=timeout_seconds,
            ended=answers.append,
        )
        while not answers:
            self.clock.step()
        self.watch.flush()
        return answers[0]

    def _handle(self, record: Record) -> object:
        self.handled.append(record.id)
        return self.behaviour.get(record.id, lambda: None)()


def raising(*errors: BaseException | None) -> Callable[[], object]:
    """Return a behaviour that raises one error per call, the last one for ever."""
    left = list(errors)

    def behave() -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error:
            raise error

    return behave


def record(id: str = "m-1", **fields: Any) -> str:
    return envelope(id, **fields).to_json()


@pytest.mark.requirement("IDM-01")
def test_copies_on_a_stream_have_one_effect() -> None:
    """In one batch or in several, under different positions."""
    stream = Stream()
    assert stream.consume(record("a"), record("b"), record("a")) == []
    assert stream.consume(record("b")) == []
    assert stream.handled == ["a", "b"]
    assert stream.watch.published == {"RecordsDone": 4, "RecordsRepeated": 2}


@pytest.mark.requirement("IDM-05")
def test_batch_that_comes_again_after_a_crash_repeats_only_what_was_in_flight() -> None:
    """Without the journal's help: the first record is done, the second was at work, the third had not begun."""
    stream = Stream(behaviour={"b": raising(Crash(), None)})
    batch = (record("a"), record("b"), record("c"))
    assert stream.consume(*batch) is None
    stream.clock.now += 180
    assert stream.consume(*batch) == []
    assert sorted(stream.handled) == ["a", "b", "b", "c"]


def test_what_the_handler_raises_goes_through() -> None:
    """Quarantine, parking, circuit breaker and bounded attempts: each as without an effect."""
    stream = Stream(
        behaviour={
            "permanent": raising(PermanentFailure("no such channel")),
            "tenant": raising(TenantUnavailable("throttled", retry_after=60)),
            "away": raising(DependencyUnavailable("down", retry_after=2), None),
            "bug": raising(KeyError("x")),
            "exit": raising(SystemExit(3)),
        }
    )
    tenants = {"tenant": "globex"}
    batch = [record(name, tenant=tenants.get(name, "acme")) for name in stream.behaviour]
    assert stream.consume(*batch) == []
    assert sorted((case.kind, case.record.id) for case in stream.quarantine.cases if case.record) == [
        ("permanent", "permanent"),
        ("unknown", "bug"),
        ("unknown", "exit"),
    ]
    assert stream.parking.ids("globex") == ["tenant"]
    assert (Answer.UNAVAILABLE, 2, False) in stream.gate.told
    assert stream.handled.count("away") == 2
    assert stream.handled.count("bug") == 3
    assert stream.handled.count("exit") == 3
    assert [item["id"]["S"] for item in stream.claims.stored] == ["message#away"]


@pytest.mark.requirement("IDM-10")
def test_record_is_held_while_the_store_is_away() -> None:
    """Not called, not quarantined, and neither the circuit nor the retry budget nor the handler hears of it."""
    stream = Stream(faults=Faults(unreachable="refused"))
    stream.gate.retry_pauses = [99.0] * 99
    batch = (record("a"), record("b"))
    assert stream.consume(*batch) == ["1"]
    assert stream.handled == []
    assert stream.quarantine.cases == []
    assert {outcome for outcome, _, _ in stream.gate.told} == {Answer.UNCLEAR}
    assert stream.suspicion.seen == []
    assert len(stream.gate.retry_pauses) == 99
    assert stream.watch.published["RecordsHeld"] > 0
    assert stream.watch.published["StoreErrors"] > 0
    stream.faults.unreachable = None
    assert stream.consume(*batch) == []
    assert stream.handled == ["a", "b"]


def test_record_goes_on_as_soon_as_the_store_is_back() -> None:
    """In the same invocation; the record of its key behind it keeps its place."""
    stream = Stream(faults=Faults(unreachable="refused"))

    def come_back() -> None:
        stream.faults.unreachable = None

    stream.clock.at(ARRIVED + 10, come_back)
    assert stream.consume(record("a", key="k"), record("b", key="k")) == []
    assert stream.handled == ["a", "b"]


@pytest.mark.requirement("IDM-04")
def test_record_another_worker_is_at_work_on_waits_for_it() -> None:
    """However often it has to look: it is done when the other's claim has lapsed, and never given up."""
    stream = Stream(behaviour={"a": raising(Crash(), None)})
    assert stream.consume(record("a")) is None
    for _ in range(3):
        if stream.consume(record("a"), timeout_seconds=20.0) == []:
            break
    assert stream.handled == ["a", "a"]
    assert stream.clock.now >= ARRIVED + 35
    assert stream.quarantine.cases == []


def test_record_that_waits_for_too_long_goes_to_quarantine() -> None:
    """Lambda would drop it soon; there it can be read and sent again."""
    stream = Stream(faults=Faults(unreachable="refused"), hold_seconds=3_600)
    stream.clock.now += 3_600
    assert stream.consume(record("a")) == []
    [case] = stream.quarantine.cases
    assert case.kind == "expired"
    assert "the idempotency store does not answer" in case.reason
    assert stream.handled == []


@pytest.mark.requirement("IDM-06")
def test_other_payload_under_a_known_id_goes_to_quarantine_with_a_code() -> None:
    """And is counted, and says nothing about the dependency."""
    stream = Stream()
    stream.consume(record("a", body={"text": "one"}))
    stream.gate.told.clear()
    assert stream.consume(record("a", body={"text": "another"})) == []
    [case] = stream.quarantine.cases
    assert case.kind == "permanent"
    assert case.reason.startswith(PAYLOAD_MISMATCH)
    assert stream.watch.published["PayloadMismatches"] == 1
    assert stream.gate.told == [(Answer.UNCLEAR, None, False)]


def test_copy_closes_no_circuit() -> None:
    """That a record is done already says nothing about the dependency now: a probe with it has found out nothing."""
    stream = Stream()
    stream.consume(record("a"))
    stream.gate.told.clear()
    stream.gate.answers = [Probe()]
    stream.consume(record("a"))
    assert stream.gate.told == [(Answer.UNCLEAR, None, True)]


@dataclass
class Engine:
    """Settles as told, after some time."""

    outcome: Outcome | None = None
    settle_for: Callable[[], None] = lambda: None

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        self.settle_for()
        [delivery] = deliveries
        work.attempt(delivery)
        self.settle_for()
        return {delivery.arrival.position: self.outcome or SettledDone()}


def call(made: StreamPorts, handler: Callable[[Record], object]) -> Any:
    [arrival] = stream_arrivals(kinesis_event([record()]))
    entry = Entry(index=0, arrival=arrival, record=arrival.read())
    return carry_out(Call(entry), handle_record=once(handler, made, FakeContext()), ports=made, function="notify-slack")


def test_slow_store_is_no_slow_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that passes without the handler is told apart: the breaker may count slow calls as failed."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def take(seconds: float) -> None:
        now[0] += seconds

    ended = call(ports(engine=Engine(settle_for=lambda: take(4.0))), lambda _: take(1.0))
    assert ended.seconds == pytest.approx(9.0)
    assert ended.aside == pytest.approx(8.0)
    assert call(ports(), lambda _: take(1.0)).aside == 0.0


@dataclass
class TimingGate(OpenGate):
    """Remembers how long calls took."""

    took: list[float] = field(default_factory=list)

    def tell(self, *given: Any, took: float, **named: Any) -> None:
        self.took.append(took)
        super().tell(*given, took=took, **named)


def test_gate_is_told_how_long_the_handler_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not how long the store did: on the direct way and for parked records."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def take(seconds: float) -> None:
        now[0] += seconds

    gate = TimingGate()
    made = ports(engine=Engine(settle_for=lambda: take(4.0)), gate=gate, clock=lambda: ARRIVED)
    stream_consumer(lambda _: take(1.0), load=lambda: made)(kinesis_event([record()]), FakeContext())
    assert gate.took == [pytest.approx(1.0)]

    world = GuardedWorld(gate=TimingGate())
    world.park(parked(1))
    world.drain()
    assert isinstance(world.gate, TimingGate)
    assert world.gate.took == [pytest.approx(1.0)]


@pytest.mark.parametrize("outcome", [NotBegun(), Failed("no such table")])
def test_what_an_effect_cannot_do_is_not_taken_for_done(outcome: Outcome) -> None:
    """The record waits, or is tried again."""
    ended = call(ports(engine=Engine(outcome)), lambda _: None)
    assert type(ended.result).__name__ == {NotBegun: "Waits", Failed: "Unknown"}[type(outcome)]


def plan_of(*ids: str, away_attempts: int = 8) -> BatchPlan:
    entries = [
        Entry(index=index, arrival=arrival, record=arrival.read())
        for index, arrival in enumerate(stream_arrivals(kinesis_event([record(name) for name in ids])))
    ]
    rules = Rules(concurrency=9, away_attempts=away_attempts, hold_seconds=3_600, jitter=lambda: 0.5)
    return BatchPlan(entries, rules)


def tell(plan: BatchPlan, result: Result, now: float) -> None:
    """Call the handler with the next candidate, and have it end like this."""
    plan.release(now)
    entry = plan.candidate()
    assert entry
    plan.called(plan.begin(entry), result, now, is_open=False, is_failing=False)


@pytest.mark.parametrize(("asked_for", "pause"), [(None, 0.2), (12.0, 12.0), (600.0, 30.0)])
def test_record_waits_for_as_long_as_it_is_asked_to_but_looks_again(asked_for: float | None, pause: float) -> None:
    """Whoever is at work on its copy may end before its time."""
    plan = plan_of("a")
    tell(plan, Waits("busy", asked_for), ARRIVED)
    assert plan.next_time() - ARRIVED == pytest.approx(pause, abs=0.01)


@pytest.mark.parametrize("called", [True, False])
def test_copy_is_no_answer_to_others(*, called: bool) -> None:
    """A record is blamed for no answer only where others are answered, and a copy that is known was not asked for."""
    plan = plan_of("a", "b", away_attempts=1)
    tell(plan, DependencyAway("down", None), ARRIVED)
    tell(plan, Done(called=called), ARRIVED)
    tell(plan, DependencyAway("down", None), ARRIVED + 20)
    assert isinstance(plan.errand(), Keep) == called


@pytest.mark.parametrize("known", [True, False])
def test_copies_that_were_parked_are_no_answer_to_others(*, known: bool) -> None:
    """The same for the drainer."""
    world = World()
    world.behaviour["1"] = raising(DependencyUnavailable("down"))
    world.park(parked(1))

    def handle(record: Record) -> object:
        World.handle(world, record)
        return AlreadyDone.TOKEN if known else None

    world.handle = handle  # type: ignore[assignment, method-assign]
    for position in range(10, 30):
        world.park(parked(position, tenant="globex"))
        world.drain()
        world.time.pass_by(30)
    assert world.kinds() == ([] if known else [("1", "unavailable")])


class GuardedWorld(World):
    """Parked records whose handler takes a second, and what is around it eight."""

    def handle(self, record: Record) -> None:
        self.time.pass_by(9.0)
        note_aside(8.0)
        super().handle(record)


class WaitingWorld(World):
    """Parked records whose handler is not called, for something else is away."""

    waits_for = 2

    def handle(self, record: Record) -> None:
        if self.waits_for:
            self.waits_for -= 1
            raise NotYetError("the idempotency store does not answer")
        super().handle(record)


def test_parked_record_stays_parked_while_the_store_is_away() -> None:
    """It is tried again later, and no attempt is counted against it."""
    world = WaitingWorld(timeout_seconds=60)
    world.park(parked(1))
    world.drain()
    assert world.done == ["1"]
    assert world.quarantine.cases == []
    assert world.gate.told == [(Answer.UNCLEAR, None, False)] * 2 + [(Answer.ANSWERED, None, False)]
    assert world.suspicion.seen == [("k", False)]


def test_records_are_settled_side_by_side_in_threads() -> None:
    """The real driver, and a real engine for each thread's record."""
    claims = Claims()
    made = ports(engine=claims.worker().engine, clock=lambda: ARRIVED)
    handled: list[str] = []
    handle = stream_consumer(lambda record: handled.append(record.id), load=lambda: made)
    batch = [record(f"m-{number}") for number in range(50)]
    for _ in range(2):
        assert handle(kinesis_event([*batch, *batch]), FakeContext()) == {"batchItemFailures": []}
    assert sorted(handled) == sorted(f"m-{number}" for number in range(50))


def test_items_of_records_are_written_and_followed_in_threads() -> None:
    """One engine for all threads; each record is done with both of its messages, a copy sends them again."""
    destinations, database = item_world.FakeDestinations(), FakeDynamoDB()
    sender = Sender(sqs=lambda: destinations, kinesis=lambda: destinations)  # type: ignore[arg-type, return-value]
    engine = ItemsEngine(
        client=database.client(), sender=sender, claims_table=None, scope="message", strong=False, remember_seconds=60
    )
    made = ports(engine=engine, clock=lambda: ARRIVED)

    def insert(record: Record) -> Insert:
        follows = (item_world.send(f"queued-{record.id}"), item_world.put(f"streamed-{record.id}"))
        return Insert("events", {"id": record.id}, {"text": record.body["text"]}, follows)

    handle = stream_consumer(insert, load=lambda: made)
    names = [f"m-{number}" for number in range(40)]
    for copies in (1, 2):
        assert handle(kinesis_event([record(name) for name in names]), FakeContext()) == {"batchItemFailures": []}
        sent = Counter(Envelope.from_json(payload).id for _, payload in destinations.sent)
        assert sent == {f"{way}-{name}": copies for name in names for way in ("queued", "streamed")}
    assert len(database.items("events")) == len(names)


@pytest.mark.requirement("IDM-09")
def test_replay_on_a_stream_calls_nothing() -> None:
    """Its records are done, and the dependency is not heard of."""
    stream = Stream()
    assert stream.consume(record("a", replay=True)) == []
    assert stream.handled == []
    assert stream.gate.told == [(Answer.UNCLEAR, None, False)]


def test_without_an_effect_the_handler_itself_is_called() -> None:
    """Nothing stands between, and no store is needed."""

    def handler(_: Record) -> None: ...

    assert once(handler, ports(), FakeContext()) is handler


def test_effect_that_needs_a_store_needs_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by name on the first event; an inherent effect needs none."""
    for name, value in {
        "RESILIENCE_DEPENDENCY": "slack",
        "RESILIENCE_QUARANTINE_BUCKET": "bucket",
        "RESILIENCE_STATE_TABLE": "state",
        "RESILIENCE_HOLD_SECONDS": "3600",
        "POWERTOOLS_METRICS_NAMESPACE": "Resilience",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RESILIENCE_IDEMPOTENCY_TABLE", raising=False)
    from constructs_lib.runtime.engines import engine_of
    from constructs_lib.runtime.stream_wiring import from_environment

    assert from_environment().engine is None
    assert from_environment(engine_of(Inherent())).engine is not None
    with pytest.raises(SettingError, match="RESILIENCE_IDEMPOTENCY_TABLE"):
        stream_consumer(print, effect=Outside())({"Records": []}, FakeContext())
