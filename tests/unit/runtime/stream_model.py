"""A whole dependency in virtual time: shards, mapping, functions, state table, breaker, parking place, and faults.

The consumer is the real one, from the batch plan to breaker, journal, parking place and drainer; so is the event source
mapping, the local cloud's pure core. Only threads, HTTP and the clock are replaced. The model keeps account of every
record, and notes when a promise is broken:

* two records of one key are never at work at the same time, and none begins before the earlier ones are settled; but
  an environment that cannot read the state table may not know of records that another one has parked;
* no record that was delivered is begun again, unless a function ended in the middle of a batch it was in.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from constructs_lib.local.event_source_mapping.config import DAY, Config
from constructs_lib.local.event_source_mapping.messages import FunctionFailed, InvocationEnded, Invoke, Responded
from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, TenantUnavailable
from constructs_lib.runtime.batch_response import batch_response
from constructs_lib.runtime.breaker_store import DynamoStatus
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.drain import ParkingDrainer
from constructs_lib.runtime.drain_ports import DrainPorts
from constructs_lib.runtime.handler_health import HandlerHealth
from constructs_lib.runtime.parking_store import ParkingStore
from constructs_lib.runtime.records import Record, stream_arrivals
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.stream_batch import Memory
from constructs_lib.runtime.stream_invocation import read_status
from constructs_lib.runtime.stream_ports import Bounds, Gate, Status, StreamPorts
from tests.unit.local.virtual_shard import VirtualShard
from tests.unit.runtime.events import envelope, kinesis_event
from tests.unit.runtime.fake_status_table import StatusClient, StatusTable, TrueTime
from tests.unit.runtime.fakes import FakeContext, FakeTime, MemoryQuarantine, RecordingWatch
from tests.unit.runtime.parking_world import MemoryPayloads, MemoryTable
from tests.unit.runtime.stream_world import Clock, Crash, MemoryJournal, VirtualInvocation, ports

START = 1_800_000_000.0
HOLD_SECONDS = 6 * DAY

Nature = Literal["fine", "slow", "late", "refused", "buggy", "flaky", "unanswered", "crashing", "hanging", "garbage"]
"""What a record does to the function.

*late* runs into the end of the invocation and comes back; *unanswered* makes the dependency fail for it alone; *flaky*
fails twice; *crashing* ends the function, *hanging* never comes back.
"""

SECONDS = {"slow": 3.0, "late": 28.0, "hanging": 1e9}


@dataclass(eq=False)
class Sent:
    """One record that the stream has accepted, and what became of it."""

    id: str
    key: str
    tenant: str
    nature: Nature
    begun: int = 0
    delivered: int = 0
    crashes: int = 0
    may_come_again: bool = False


@dataclass(frozen=True)
class Shape:
    """How mapping and consumer are set."""

    batch_size: int = 10
    parallelization: int = 1
    concurrency: int = 10
    seconds: float = 0.1
    seed: int = 0
    timeout_seconds: float = 30.0
    every: float = 1.0
    """Seconds between reads of an idle shard; parked records are worked off every sixtieth time."""


class Shard(VirtualShard):
    """A shard whose invocations last as long as the virtual function does."""

    def __init__(self, model: "Model", name: str, config: Config, *, enabled: bool) -> None:
        super().__init__(config, enabled=enabled)
        self.name = name
        self.model = model
        # Sequence numbers grow with time, across shards too.
        self.first_position = 1_000_000 * (len(model.shards) + 1)
        self.now = model.clock.now

    @property
    def next_time(self) -> float:
        return self._agenda[0][0] if self._agenda else float("inf")

    def name_of(self, sequence: str | int) -> str:
        """Name of the record with this sequence number in this shard."""
        return f"{self.name}-{self.first_position + int(sequence)}"

    def _invoke(self, command: Invoke) -> None:
        def ended(handed_back: list[str] | None) -> None:
            outcome: FunctionFailed | Responded = FunctionFailed()
            if handed_back is not None:
                here = [str(int(position) - self.first_position) for position in handed_back]
                outcome = Responded(batch_response(here))
            self.at(self.model.clock.now, lambda: InvocationEnded(self.model.clock.now, command.call, outcome))

        # Not from within the mapping's own step.
        events = [record.event for record in command.records]
        self.model.clock.at(self.model.clock.now, lambda: self.model.invoke(events, ended))


@dataclass
class Environment:
    """One execution environment of the function."""

    ports: StreamPorts
    memory: Memory = field(default_factory=Memory)


class Model:
    """The world of one dependency.

    Args:
        shape: How mapping and consumer are set.
        gate: Makes the gate of an environment. Default: the real one.
    """

    def __init__(self, shape: Shape, *, gate: "Callable[[Model], Gate] | None" = None) -> None:
        self.shape = shape
        self._gate = gate
        self.clock = Clock(START)
        self.sent: dict[str, Sent] = {}
        self.order: dict[str, list[Sent]] = {}
        self._by_id: dict[str, Sent] = {}
        self.at_work: Counter[str] = Counter()
        self.quarantine = MemoryQuarantine()
        self.watch = RecordingWatch()
        self.status_table = StatusTable(_True(self.clock))
        self.table = MemoryTable(step=self.step, page=100)
        self.journal = MemoryJournal(step=self.step)
        self.parking = ParkingStore(self.table, MemoryPayloads())
        self.down = False
        self.away: set[str] = set()
        self.store_down = False
        self.store_failed = False
        """Whether anything ever could not be written or read."""
        self.crash_in: int | None = None
        self.delivered: Callable[[Sent], None] = lambda sent: None
        self.broken: list[str] = []
        """Promises that were broken; an error raised in a handler would be a failure of its record."""
        self.environments: list[Environment] = []
        self.under_way: list[list[Sent]] = []
        self._jitters = shape.seed
        self.config = Config(
            batch_size=shape.batch_size,
            parallelization=shape.parallelization,
            partial_responses=True,
            destination=True,
            record_age=HOLD_SECONDS,
            retention=7 * DAY,
            poll_interval=shape.every,
        )
        self.shards: list[Shard] = []
        self.open: list[Shard] = []
        self.children: list[tuple[list[Shard], Shard]] = []
        self._add_shard(parents=[])
        self.clock.at(START + 60, self._drain)

    # What happens to the world.

    def put(self, key: str, nature: Nature = "fine") -> Sent:
        """Have the stream accept a record."""
        number = len(self.sent) + 1
        sent = Sent(id=f"m-{number}", key=key, tenant=f"tenant-{key[0]}", nature=nature)
        shard = self.open[ord(key[-1]) % len(self.open)]
        data = envelope(sent.id, key=key, tenant=sent.tenant).to_json()
        [raw] = kinesis_event(["garbage" if nature == "garbage" else data])["Records"]
        position = str(shard.first_position + len(shard.stream) + 1)
        raw["eventID"] = f"{shard.name}:{position}"
        raw["kinesis"] |= {
            "sequenceNumber": position,
            "partitionKey": key,
            "approximateArrivalTimestamp": self.clock.now,
        }
        shard.put(self.clock.now, key, events=raw)
        self.sent[f"{shard.name}-{position}"] = sent
        self.order.setdefault(key, []).append(sent)
        self._by_id[sent.id] = sent
        return sent

    def reshard(self) -> None:
        """Split the stream: what is sent from now on goes to two new shards, which are read when the old ones are done."""
        parents, self.open = self.open, []
        for parent in parents:
            parent.shard_ends_at = self.clock.now
        for _ in range(2):
            self._add_shard(parents=parents)

    def step(self) -> None:
        """A moment at which the function may end, or the store not answer."""
        if self.store_down:
            self.store_failed = True
            raise ConnectionError("no route")
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                self.crash_in = None
                raise Crash

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.clock.now + seconds
        while True:
            for parents, child in list(self.children):
                if all(parent.state.finished for parent in parents):
                    self.children.remove((parents, child))
                    child.enable(at=self.clock.now)
            now = min([self.clock.next_time, *(shard.next_time for shard in self.shards)])
            if now > until:
                break
            self.clock.now = max(self.clock.now, now)
            for shard in self.shards:
                if shard.next_time <= self.clock.now:
                    shard.run(until=self.clock.now)
            if self.clock.next_time <= self.clock.now:
                self.clock.step()
        self.clock.now = until

    def heal(self) -> None:
        """End every fault."""
        self.down = self.store_down = False
        self.away.clear()
        self.crash_in = None

    # What the accounts say.

    @property
    def quarantined(self) -> set[Sent]:
        exported = {self.sent[shard.name_of(sequence)] for shard in self.shards for sequence in shard.discarded}
        return {self.sent[case.arrival.name] for case in self.quarantine.cases} | exported

    @property
    def parked(self) -> set[str]:
        """Names of parked records."""
        # An account, not a call: nothing can go wrong with it.
        store = ParkingStore(MemoryTable(page=1_000, rows=self.table.rows), MemoryPayloads())
        tenants = {sent.tenant for sent in self.sent.values()}
        return {str(row.content["name"]) for tenant in tenants for row in store.rows(f"={tenant}")}

    def is_settled(self, sent: Sent) -> bool:
        return bool(sent.delivered) or sent in self.quarantined

    @property
    def still_open(self) -> list[Sent]:
        return [sent for sent in self.sent.values() if not self.is_settled(sent)]

    # The function.

    def invoke(self, events: Sequence[Any], ended: Callable[[list[str] | None], None]) -> None:
        """Run the function with a batch, in an environment that is free."""
        environment = self.environments.pop() if self.environments else self._environment()
        arrivals = stream_arrivals({"Records": events})
        batch = [self.sent[arrival.name] for arrival in arrivals]
        self.under_way.append(batch)
        running: list[Sent] = []
        blind = self.store_down

        def seconds(record: Record) -> float:
            sent = self._sent(record)
            self._begin(sent, blind=blind)
            running.append(sent)
            if sent.nature == "crashing":
                raise Crash
            self.step_of_function()
            return SECONDS.get(sent.nature, self.shape.seconds)

        def handle(record: Record) -> None:
            sent = self._sent(record)
            running.remove(sent)
            self.at_work[sent.key] -= 1
            self._effect(sent)

        def over(handed_back: list[str] | None) -> None:
            self.under_way.remove(batch)
            if handed_back is None:
                for sent in batch:
                    sent.may_come_again = True
                for sent in running:
                    sent.crashes += 1
                    self.at_work[sent.key] -= 1
            else:
                assert not running, "no call may go on after the invocation's end"
                self.environments.append(environment)
            if self.store_down:
                for sent in batch:
                    sent.may_come_again = True
            ended(handed_back)

        VirtualInvocation(
            self.clock,
            arrivals,
            ports=environment.ports,
            memory=environment.memory,
            handle_record=handle,
            seconds=seconds,
            timeout_seconds=self.shape.timeout_seconds,
            ended=over,
        )

    def step_of_function(self) -> None:
        """A moment at which the function may end, with the store well or not."""
        was, self.store_down = self.store_down, False
        try:
            self.step()
        finally:
            self.store_down = was

    def _environment(self) -> Environment:
        watch = self.watch
        status = DynamoStatus(cast("Any", _Client(self)), "state", clock=lambda: self.clock.now)
        gate: Gate = CircuitGate(
            BreakerSettings(minimum_calls=3, window_seconds=60, probe_seconds=5),
            store=status,
            watch=watch,
            jitter=self.jitter,
        )
        if self._gate:
            gate = self._gate(self)
        suspicion = HandlerHealth()
        return Environment(
            ports(
                quarantine=self.quarantine,
                watch=watch,
                status=_Status(self, status),
                gate=gate,
                parking=self.parking,
                journal=self.journal,
                suspicion=suspicion,
                bounds=Bounds(hold_seconds=HOLD_SECONDS, concurrency=self.shape.concurrency, away_attempts=6),
                clock=lambda: self.clock.now,
                jitter=self.jitter,
            )
        )

    def jitter(self) -> float:
        """Return a number from 0 to 1 that follows from the seed."""
        self._jitters = (self._jitters * 1_103_515_245 + 12_345) % 2**31
        return self._jitters / 2**31

    # The schedule that has parked records worked off.

    def _drain(self) -> None:
        self.clock.at(self.clock.now + 60 * self.shape.every, self._drain)
        environment = self._environment()
        time = FakeTime(self.clock.now)
        drainer = ParkingDrainer(
            DrainPorts(
                store=self.parking,
                gate=environment.ports.gate,
                suspicion=environment.ports.suspicion,
                quarantine=self.quarantine,
                watch=self.watch,
                now=lambda: time.seconds,
                sleep=time.sleep,
            ),
            hold_seconds=HOLD_SECONDS,
            lanes=1,
        )
        parked = [self.sent[name] for name in self.parked] if not self.store_down else []

        def handle(record: Record) -> None:
            sent = self._sent(record)
            self._begin(sent)
            self.at_work[sent.key] -= 1
            if sent.nature in {"crashing", "hanging"}:
                sent.crashes += 1
                raise Crash
            self._effect(sent)

        try:
            read_status(environment.ports)
            drainer.drain(
                handle,
                deadline=Deadline(FakeContext(time, timeout_seconds=self.shape.timeout_seconds)),
                function="notify-slack",
                status=None,
            )
        except ConnectionError:
            pass
        except Crash:
            for sent in parked:
                sent.may_come_again = True

    # The handler.

    def _sent(self, record: Record) -> Sent:
        return self._by_id[record.id]

    def _begin(self, sent: Sent, *, blind: bool = False) -> None:
        sent.begun += 1
        before = self.order[sent.key][: self.order[sent.key].index(sent)]
        # What cannot be read names no key to keep the order of.
        overtaken = [each for each in before if each.nature != "garbage" and not self.is_settled(each)]
        if blind:
            # Whoever cannot read the status goes on by what it knew: others may have parked since.
            parked = {self.sent[name] for name in self.parked}
            overtaken = [each for each in overtaken if each not in parked]
        if self.at_work[sent.key]:
            self.broken.append(f"{sent.id} begins while another record of {sent.key} is at work")
        if overtaken:
            self.broken.append(f"{sent.id} overtakes {[each.id for each in overtaken]}")
        if sent.delivered and not sent.may_come_again:
            self.broken.append(f"{sent.id} is done again")
        self.at_work[sent.key] += 1

    def _effect(self, sent: Sent) -> None:
        if self.down:
            raise DependencyUnavailable("503")
        if sent.tenant in self.away:
            raise TenantUnavailable("429", retry_after=20)
        match sent.nature:
            case "refused":
                raise PermanentFailure("no such channel")
            case "buggy":
                raise KeyError("bug")
            case "unanswered":
                raise DependencyUnavailable("500")
            case "flaky" if sent.begun <= 2:
                raise OSError("reset")
        sent.delivered += 1
        sent.may_come_again = False
        self.delivered(sent)

    def _add_shard(self, *, parents: list[Shard]) -> None:
        shard = Shard(self, f"shardId-{len(self.shards):012}", self.config, enabled=False)
        self.shards.append(shard)
        self.open.append(shard)
        self.children.append((parents, shard))


class _True(TrueTime):
    """The time at the store: the model's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def now(self) -> float:
        return self._clock.now

    @now.setter
    def now(self, value: float) -> None: ...


class _Client(StatusClient):
    """The way to the status item, as well as the model's store."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.status_table)
        self._model = model

    def _exchange(self, question: Callable[[], Any]) -> Any:
        self._model.step()
        answer = super()._exchange(question)
        self._model.step()
        return answer


class _Status:
    """The status item, whose two halves the fakes keep apart."""

    def __init__(self, model: Model, status: DynamoStatus) -> None:
        self._model = model
        self._status = status

    def read(self) -> Status:
        parked = self._model.table.rows.get(("status", "status"), {}).get("parked", 0)
        return Status(breaker=self._status.read().breaker, parked=int(parked))
