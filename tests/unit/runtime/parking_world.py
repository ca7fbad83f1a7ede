"""Parking and draining in memory: a table, a dependency, and actors that take turns at every call."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from constructs_lib.runtime import TenantUnavailable
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.drain import ParkingDrainer
from constructs_lib.runtime.drain_ports import DrainPorts
from constructs_lib.runtime.parking_store import ParkingStore
from constructs_lib.runtime.records import Record, arrival_again
from constructs_lib.runtime.stream_ports import Go, Outcome, Parked, Probe, Status, Wait
from constructs_lib.runtime.table_writes import Above, Condition, Delete, Item, Put, Write
from tests.unit.runtime.events import ARRIVED, STREAM_ARN, envelope
from tests.unit.runtime.fakes import FakeContext, FakeTime, MemoryQuarantine, RecordingWatch

HOLD_SECONDS = 6 * 86_400.0


class Crash(BaseException):
    """The environment ends here; nothing of what it was about to do happens."""


@dataclass
class MemoryTable:
    """A table in memory; *step* is called before and after everything that happens to it."""

    step: Callable[[], None] = lambda: None
    page: int = 2
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    calls: int = 0
    checks: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def transact(self, writes: Sequence[Write]) -> frozenset[int]:
        self._called()
        with self._lock:
            unmet = self._transact(writes)
        self.step()
        return unmet

    def _transact(self, writes: Sequence[Write]) -> frozenset[int]:
        assert len(writes) <= 100
        assert sum(_size(write) for write in writes) <= 4_000_000
        assert all(len(write.pk.encode()) <= 2_048 and 0 < len(write.sk.encode()) <= 1_024 for write in writes)
        assert len({(write.pk, write.sk) for write in writes}) == len(writes), "DynamoDB refuses two writes of one item"
        unmet = frozenset(index for index, write in enumerate(writes) if not self._holds(write))
        if not unmet:
            for write in writes:
                self._do(write)
            if self.checks:
                check(self)
        return unmet

    def item(self, pk: str, sk: str) -> Item | None:
        self._called()
        item = self.rows.get((pk, sk))
        found = None if item is None else dict(item)
        self.step()
        return found

    def items(self, pk: str, *, most: int | None = None) -> Iterator[tuple[str, Item]]:
        last = ""
        left = most
        while left is None or left:
            self._called()
            keys = sorted(sk for found, sk in self.rows if found == pk and sk > last)[: self.page]
            keys = keys if left is None else keys[:left]
            read = [(sk, dict(self.rows[pk, sk])) for sk in keys]
            self.step()
            if not read:
                return
            yield from read
            last = keys[-1]
            left = None if left is None else left - len(keys)

    def _called(self) -> None:
        self.calls += 1
        self.step()

    def _holds(self, write: Write) -> bool:
        item = self.rows.get((write.pk, write.sk))
        if isinstance(write, Put):
            return item is None
        if isinstance(write, Delete) and item is None:
            return False
        return all(item is not None and _holds(condition, item) for condition in write.when)

    def _do(self, write: Write) -> None:
        key = (write.pk, write.sk)
        if isinstance(write, Put):
            self.rows[key] = dict(write.item)
        elif isinstance(write, Delete):
            del self.rows[key]
        else:
            item = self.rows.setdefault(key, {})
            item |= write.set
            for name, number in write.add.items():
                item[name] = item.get(name, 0) + number


def _size(write: Write) -> int:
    return sum(len(str(value).encode()) for value in write.item.values()) if isinstance(write, Put) else 0


def _holds(condition: Condition, item: Item) -> bool:
    value = item.get(condition.attribute)
    if value is None:
        return False
    return float(value) > condition.value if isinstance(condition, Above) else value == condition.value


def check(table: MemoryTable) -> None:
    """Marker, rows and the number of tenants tell the same, always."""
    markers = {sk: item["rows"] for (pk, sk), item in table.rows.items() if pk == "parked"}
    counted: dict[str, int] = {}
    for pk, _ in table.rows:
        if pk.startswith("tenant#"):
            place = pk.removeprefix("tenant#")
            counted[place] = counted.get(place, 0) + 1
    assert markers == counted
    assert table.rows.get(("status", "status"), {}).get("parked", 0) == len(markers)


@dataclass
class MemoryPayloads:
    """Large payloads in memory."""

    kept: dict[str, str] = field(default_factory=dict)

    def keep(self, name: str, payload: str) -> str:
        self.kept[f"parked/{name}"] = payload
        return f"parked/{name}"

    def read(self, where: str) -> str:
        return self.kept[where]


@dataclass
class OpenGate:
    """A gate that lets everything through, until *answers* hold something else to say."""

    answers: list[Go | Probe | Wait] = field(default_factory=list)
    retry_pauses: list[float] = field(default_factory=list)
    is_open: bool = False
    told: list[tuple[Outcome, float | None, bool]] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)

    def refresh(self, status: Status | None, now: float) -> None: ...

    def ask(self, now: float, *, first: bool = True) -> Go | Probe | Wait:
        self.asked.append(first)
        return self.answers.pop(0) if self.answers else Go()

    def tell(
        self,
        now: float,
        outcome: Outcome,
        *,
        key: str,
        took: float,
        retry_after: float | None = None,
        probe: bool = False,
    ) -> None:
        self.told.append((outcome, retry_after, probe))

    def retry(self, now: float) -> float:
        return self.retry_pauses.pop(0) if self.retry_pauses else 0.0

    def report(self, now: float) -> None: ...


@dataclass
class Verdict:
    """Whether the handler is to blame, as told."""

    blames_handler: bool = False
    seen: list[tuple[str, bool]] = field(default_factory=list)

    def saw(self, key: str, *, failed: bool) -> None:
        self.seen.append((key, failed))


def parked(position: int, *, tenant: str = "acme", key: str = "k", arrived: float = ARRIVED, text: str = "") -> Parked:
    """A record on its way into the parking place; its id is its position."""
    data = envelope(str(position), tenant=tenant, key=key, body={"text": text}).to_json()
    arrival = arrival_again(
        position=str(position),
        name=f"shardId-000000000006-{position}",
        source=STREAM_ARN,
        arrived=arrived,
        payload=data,
        payload_encoding="utf-8",
        partition_key=key,
    )
    return Parked(arrival=arrival, record=arrival.read())


@dataclass
class World:
    """A parking place, its drainer, and a handler that acts by what *behaviour* holds for a record's id."""

    table: MemoryTable = field(default_factory=MemoryTable)
    time: FakeTime = field(default_factory=lambda: FakeTime(ARRIVED))
    behaviour: dict[str, Callable[[], object]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    seconds_per_call: float = 0.0
    timeout_seconds: float = 60.0
    gate: OpenGate = field(default_factory=OpenGate)
    suspicion: Verdict = field(default_factory=Verdict)
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    watch: RecordingWatch = field(default_factory=RecordingWatch)
    called: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ParkingStore(self.table, MemoryPayloads())

    def park(self, *arrivals: Parked, until: float = 0.0) -> None:
        self.store.park(arrivals[0].record.tenant, arrivals, until=until)

    def drain(self, *, ahead: float = 0.0, watch: RecordingWatch | None = None, lanes: int = 1) -> None:
        """One invocation of a drainer whose clock is *ahead* by so many seconds."""
        watch = watch or self.watch
        ports = DrainPorts(
            store=self.store,
            gate=self.gate,
            suspicion=self.suspicion,
            quarantine=self.quarantine,
            watch=watch,
            now=lambda: self.time.seconds + ahead,
            sleep=self._sleep,
        )
        drainer = ParkingDrainer(ports, hold_seconds=HOLD_SECONDS, lanes=lanes)
        deadline = Deadline(FakeContext(self.time, timeout_seconds=self.timeout_seconds))
        drainer.drain(self.handle, deadline=deadline, function="notify-slack", status=None)
        watch.flush()

    def handle(self, record: Record) -> None:
        self.called.append(record.id)
        self.table.step()
        self.time.pass_by(self.seconds_per_call)
        if record.tenant in self.away:
            raise TenantUnavailable("429", retry_after=2)
        self.behaviour.get(record.id, lambda: None)()
        self.done.append(record.id)
        self.table.step()

    def waits(self, tenant: str = "acme") -> list[str]:
        """The positions of a tenant's parked records, in order."""
        return [str(row.content["position"]) for row in self.store.rows(f"={tenant}")]

    def kinds(self) -> list[tuple[str, str]]:
        return [(case.arrival.position, case.kind) for case in self.quarantine.cases]

    def _sleep(self, seconds: float) -> None:
        self.time.sleep(seconds)
        self.table.step()


@dataclass
class Actors:
    """Lets actors run side by side, one at a time: *choose* says who goes on at every step, and who dies.

    *choose* is given the names of those that go on; it returns one, and whether that one crashes now. With *restarts*
    one that has crashed begins anew.
    """

    choose: Callable[[list[str]], tuple[str, bool]]
    restarts: bool = False
    _current: str = ""
    _alive: dict[str, threading.Semaphore] = field(default_factory=dict)
    _doomed: set[str] = field(default_factory=set)
    _here: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _errors: list[BaseException] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    def run(self, actors: dict[str, Callable[[], None]]) -> None:
        threads = []
        for name, act in actors.items():
            self._alive[name] = threading.Semaphore(0)
            threads.append(threading.Thread(target=self._live, args=(name, act), daemon=True))
        for thread in threads:
            thread.start()
        while self._alive:
            self._current, crashes = self.choose(list(self._alive))
            if crashes:
                self._doomed.add(self._current)
            self._alive[self._current].release()
            assert self._here.acquire(timeout=20), f"{self._current} hangs"
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def step(self) -> None:
        """Let somebody else go on, perhaps."""
        me = self._current
        if not me:
            return
        if me not in self._doomed:
            self._here.release()
            self._alive[me].acquire()
        if me in self._doomed:
            raise Crash

    def _live(self, name: str, act: Callable[[], None]) -> None:
        self._alive[name].acquire()
        goes_on = True
        while goes_on:
            goes_on = False
            try:
                act()
            except Crash:
                self.crashed.append(name)
                self._doomed.discard(name)
                goes_on = self.restarts
            except BaseException as error:  # noqa: BLE001 - shown by the one who waits
                self._errors.append(error)
        del self._alive[name]
        if not self._alive:
            self._current = ""
        self._here.release()
