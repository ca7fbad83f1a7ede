"""A stream consumer in memory, and in virtual time.

`ports` makes everything a consumer works with out of fakes; `VirtualInvocation` carries out what a batch asks for in
virtual time, as the threads of the real driver do in real time.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from constructs_lib.runtime.batch_tasks import Call, Task
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.handler_health import HandlerHealth
from constructs_lib.runtime.journal import Page, Shard
from constructs_lib.runtime.records import Arrival, Record
from constructs_lib.runtime.stream_batch import Ended, Memory, StreamBatch, Turn
from constructs_lib.runtime.stream_invocation import carry_out, read_status
from constructs_lib.runtime.stream_ports import HandleRecord, Parked, Status, StreamPorts
from tests.unit.runtime.fakes import MemoryQuarantine, RecordingWatch
from tests.unit.runtime.parking_world import OpenGate


@dataclass
class MemoryStatus:
    """The status item; the next *failures* reads fail."""

    status: Status = field(default_factory=Status)
    failures: int = 0
    reads: int = 0

    def read(self) -> Status:
        self.reads += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no route")
        return self.status


@dataclass
class MemoryParking:
    """Parked records in memory; the next *failures* calls fail."""

    parked: dict[str, list[Parked]] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)
    failures: int = 0

    def waiting(self, tenants: Any) -> frozenset[str]:
        self._fail()
        return frozenset(tenants) & self.parked.keys()

    def park(self, tenant: str, arrivals: Sequence[Parked], *, until: float) -> None:
        self._fail()
        there = self.parked.setdefault(tenant, [])
        names = {each.arrival.name for each in there}
        there += [each for each in arrivals if each.arrival.name not in names]
        self.until[tenant] = until

    def ids(self, tenant: str = "acme") -> list[str]:
        return [each.record.id for each in self.parked.get(tenant, [])]

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no route")


@dataclass
class MemoryJournal:
    """A journal in memory; *step* is called before and after everything that happens to it and may raise."""

    step: Callable[[], None] = lambda: None
    shards: dict[str, dict[str, Page]] = field(default_factory=dict)
    crashed: dict[str, frozenset[bytes]] = field(default_factory=dict)
    reads: int = 0
    writes: int = 0

    def read(self, shard: str) -> Shard:
        self.step()
        self.reads += 1
        return Shard(pages=list(self.shards.get(shard, {}).values()), crashed=self.crashed.get(shard, frozenset()))

    def write(self, shard: str, page: Page) -> None:
        self.step()
        self.writes += 1
        self.shards.setdefault(shard, {})[page.first] = page
        self.step()

    def erase(self, shard: str, first: str) -> None:
        self.step()
        self.writes += 1
        self.shards.get(shard, {}).pop(first, None)
        self.step()

    def write_crashed(self, shard: str, keys: frozenset[bytes]) -> None:
        self.step()
        self.writes += 1
        self.crashed[shard] = keys
        self.step()

    @property
    def pages(self) -> list[Page]:
        return [page for pages in self.shards.values() for page in pages.values()]


class NoDrainer:
    """A drainer that remembers when it was called."""

    def __init__(self) -> None:
        self.calls: list[Status | None] = []

    def drain(self, handle_record: HandleRecord, *, deadline: Deadline, function: str, status: Status | None) -> None:
        self.calls.append(status)


def ports(**given: Any) -> StreamPorts:
    """Return what a consumer works with: fakes, where nothing else is given."""
    fakes: dict[str, Any] = {
        "quarantine": MemoryQuarantine(),
        "watch": RecordingWatch(),
        "status": MemoryStatus(),
        "gate": OpenGate(),
        "parking": MemoryParking(),
        "drainer": NoDrainer(),
        "journal": MemoryJournal(),
        "suspicion": HandlerHealth(),
    }
    return StreamPorts(**(fakes | given))


class Crash(BaseException):
    """The execution environment ends here."""


class Clock:
    """Virtual time, and what is to happen in it."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def at(self, time: float, happening: Callable[[], object]) -> None:
        """Let something happen at this time."""
        self._count += 1
        heapq.heappush(self._agenda, (max(time, self.now), self._count, happening))

    @property
    def next_time(self) -> float:
        return self._agenda[0][0] if self._agenda else float("inf")

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, happening = heapq.heappop(self._agenda)
        happening()

    def run(self, until: float) -> None:
        while self.next_time <= until:
            self.step()
        self.now = max(self.now, until)


class VirtualInvocation:
    """One invocation of a consumer in virtual time.

    Args:
        clock: The time.
        arrivals: The records of the batch.
        ports: What the consumer works with.
        memory: Of the execution environment.
        handle_record: The handler; it takes no time, and is called when its time is over.
        seconds: How long a call with a record takes.
        timeout_seconds: Of the function.
        ended: Called at the end, with the positions handed back, or None when the function ended in the middle.

    Attributes:
        running: Records whose calls are under way.
    """

    def __init__(
        self,
        clock: Clock,
        arrivals: Sequence[Arrival],
        *,
        ports: StreamPorts,
        memory: Memory,
        handle_record: Callable[[Record], object],
        seconds: Callable[[Record], float],
        timeout_seconds: float,
        ended: Callable[[list[str] | None], None],
    ) -> None:
        self.running: list[Record] = []
        self._clock = clock
        self._ports = ports
        self._handle = handle_record
        self._seconds = seconds
        self._end = clock.now + timeout_seconds
        self._ended = ended
        self._over = False
        self._turn = 0
        self._results: list[Ended] = []
        clock.at(self._end, self.crash)
        try:
            status = read_status(ports)
            self._batch = StreamBatch(
                arrivals, ports=ports, memory=memory, deadline=Deadline(_Context(self)), status=status
            )
            self._work = self._batch.work()
            self._go_on(lambda: next(self._work))
        except Crash:
            self.crash()

    def crash(self) -> None:
        """End the function in the middle; what is under way never ends."""
        if not self._over:
            self._over = True
            self._ended(None)

    def _go_on(self, step: Callable[[], Turn]) -> None:
        try:
            turn = step()
        except StopIteration as stop:
            self._over = True
            self._batch.report()
            self._ended([stop.value.position] if stop.value else [])
            return
        except Crash:
            self.crash()
            return
        self._turn += 1
        for task in turn.tasks:
            self._begin(task)
        if turn.until != float("inf"):
            self._clock.at(turn.until, lambda number=self._turn: self._wake(number))  # type: ignore[misc]

    def _begin(self, task: Task) -> None:
        seconds = 0.0
        if isinstance(task, Call):
            assert task.entry.record
            self.running.append(task.entry.record)
            try:
                seconds = self._seconds(task.entry.record)
            except Crash:
                self._clock.at(self._clock.now, self.crash)
                return
        self._clock.at(self._clock.now + seconds, lambda: self._end_of(task, seconds))

    def _end_of(self, task: Task, seconds: float) -> None:
        if self._over:
            return
        try:
            ended = carry_out(task, handle_record=self._handle, ports=self._ports, function="notify-slack")
        except Crash:
            self.crash()
            return
        if isinstance(task, Call):
            assert task.entry.record
            self.running.remove(task.entry.record)
        self._results.append(replace(ended, seconds=seconds))
        # All that ends at one time is told at once, as the real driver does with what has gathered.
        self._clock.at(self._clock.now, lambda number=self._turn: self._wake(number))  # type: ignore[misc]

    def _wake(self, turn: int) -> None:
        if self._over or turn != self._turn:
            return
        results, self._results = self._results, []
        self._go_on(lambda: self._work.send(results))

    @property
    def millis_left(self) -> int:
        return int((self._end - self._clock.now) * 1_000)


class _Context:
    """Lambda's context object of a virtual invocation."""

    function_name = "notify-slack"
    aws_request_id = "request-1"

    def __init__(self, invocation: VirtualInvocation) -> None:
        self._invocation = invocation

    def get_remaining_time_in_millis(self) -> int:
        return self._invocation.millis_left
