"""Rules of the stream consumer that hold for every batch and every mixture of trouble."""

from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable, stream_consumer
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.stream_consumer import StreamPorts
from tests.unit.runtime.events import envelope, kinesis_event
from tests.unit.runtime.fakes import FakeContext, FakeTime, MemoryQuarantine, RecordingWatch

Trouble = Literal["none", "garbage", "permanent", "unknown", "tenant", "dependency"]


@dataclass(frozen=True)
class Fate:
    """What happens to one record: *trouble* for so many calls, then success; each call takes *seconds*."""

    trouble: Trouble
    calls: int
    seconds: float


fates = st.builds(
    Fate,
    trouble=st.sampled_from(["none", "none", "garbage", "permanent", "unknown", "tenant", "dependency"]),
    calls=st.integers(1, 5),
    seconds=st.sampled_from([0.0, 0.1, 3.0]),
)
batches = st.lists(fates, max_size=12)


@dataclass
class World:
    """A stream with these records, and a consumer of it."""

    fates: list[Fate]
    timeout_seconds: float
    quarantine: MemoryQuarantine
    time: FakeTime = field(default_factory=FakeTime)
    watch: RecordingWatch = field(default_factory=RecordingWatch)
    calls: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        ports = StreamPorts(quarantine=self.quarantine, watch=self.watch, sleep=self.time.sleep)
        self.handle = stream_consumer(self._handle, load=lambda: ports)
        self.data = [
            "garbage" if fate.trouble == "garbage" else envelope(str(index)).to_json()
            for index, fate in enumerate(self.fates)
        ]

    @property
    def quarantined(self) -> list[int]:
        return [int(case.arrival.position) - 1 for case in self.quarantine.cases]

    def _handle(self, record: Record) -> None:
        index = int(record.id)
        fate = self.fates[index]
        self.calls.append(index)
        self.time.pass_by(fate.seconds)
        if self.calls.count(index) <= fate.calls:
            match fate.trouble:
                case "permanent":
                    raise PermanentFailure("no")
                case "unknown":
                    raise RuntimeError("bug")
                case "tenant":
                    raise TenantUnavailable("429")
                case "dependency":
                    raise DependencyUnavailable("503")
        self.done.append(index)

    def invoke(self, start: int) -> int:
        """Deliver the records from *start* on; return the first that is handed back, or their number."""
        event = kinesis_event(self.data)
        context = FakeContext(self.time, timeout_seconds=self.timeout_seconds)
        response = self.handle({"Records": event["Records"][start:]}, context)
        assert context.get_remaining_time_in_millis() > 0, "the invocation ended before its deadline"
        assert response.keys() == {"batchItemFailures"}
        match response["batchItemFailures"]:
            case []:
                return len(self.data)
            case [{"itemIdentifier": position}]:
                assert start <= int(position) - 1 < len(self.data), "only a record of the batch is handed back"
                return int(position) - 1
            case other:
                raise AssertionError(f"a stream is handed back from one record on, not from {other}")


worlds = st.builds(
    World,
    fates=batches,
    timeout_seconds=st.sampled_from([15.0, 30.0, 900.0]),
    quarantine=st.builds(MemoryQuarantine, failures=st.sampled_from([0, 0, 1, 3])),
)


@given(world=worlds)
@settings(deadline=None)
def test_batch_is_split_into_settled_and_untouched(world: World) -> None:
    """Every record is done, in quarantine or handed back, never two of these; nothing after a held one is touched."""
    handed_back = world.invoke(0)
    settled = world.done + world.quarantined
    assert sorted(settled) == list(range(handed_back))
    assert world.calls == sorted(world.calls), "records are begun in their order"
    assert all(index <= handed_back for index in world.calls)
    published = world.watch.published
    assert (published["RecordsDone"], published["RecordsQuarantined"]) == (len(world.done), len(world.quarantined))


@given(world=worlds)
@settings(deadline=None)
def test_stream_is_worked_off_in_order_without_loss_or_repetition(world: World) -> None:
    """Delivered again from where it was handed back, a stream ends with each record settled once, in order."""
    start, settled = 0, 0
    for _ in range(200):
        if start == len(world.fates):
            break
        start = world.invoke(start)
        assert start >= settled, "what is settled does not come again"
        settled = start
    assert start == len(world.fates), "every hold ends when its cause does"
    assert world.done == sorted(set(world.done))
    assert world.quarantined == sorted(set(world.quarantined))
    assert sorted(world.done + world.quarantined) == list(range(len(world.fates)))
    for index, fate in enumerate(world.fates):
        if fate.trouble in {"none", "tenant", "dependency"}:
            assert index in world.done, "an outage is never taken for a poisoned record"
        if fate.trouble == "garbage":
            assert index in world.quarantined
