"""Workers that share one table of claims and no clock, and deliveries for them."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from constructs_lib.runtime.claim_store import DynamoDbClaims
from constructs_lib.runtime.claims import Claims
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.digests import record_digest
from constructs_lib.runtime.effects import Outside
from constructs_lib.runtime.outcomes import Delivery, Outcome, Work
from constructs_lib.runtime.outside import OutsideEngine
from constructs_lib.runtime.records import Arrival, Record
from tests.standins.dynamodb import FakeDynamoDB, Faults
from tests.unit.runtime.events import ARRIVED, QUEUE_ARN, envelope
from tests.unit.runtime.fakes import FakeContext, FakeTime, RecordingWatch

TABLE = "done"
REMEMBER_SECONDS = 3_600
TIMEOUT_SECONDS = 30.0
# What AWS asks for, and the construct sets: so long after a delivery comes the next.
VISIBILITY_SECONDS = 6 * TIMEOUT_SECONDS


class Crash(BaseException):
    """The execution environment ends here."""


def delivery(id: str = "m-1", *, text: str = "sesame", deliveries: int = 1, position: str = "") -> Delivery:
    """Return a delivery of a message; copies of one have its id and another position."""
    position = position or f"position-of-{id}"
    sent = envelope(id, body={"text": text})
    record = Record(
        id=id,
        key=sent.key,
        tenant=sent.tenant,
        body=sent.body,
        position=position,
        correlation_id=sent.correlation_id,
        created=sent.created,
    )
    arrival = Arrival(
        position=position,
        name=position,
        source=QUEUE_ARN,
        arrived=datetime.fromtimestamp(ARRIVED, UTC),
        payload=sent.to_json(),
        payload_encoding="utf-8",
        deliveries=deliveries,
        read=lambda: record,
    )
    return Delivery(record, arrival, record_digest(record))


@dataclass
class Provider:
    """What the handler calls: remembers its calls, and can be asked for them.

    *step* is called before and after each call takes effect, and may raise; so does what *answers* holds for an id.
    """

    step: Callable[[], object] = lambda: None
    answers: dict[str, Callable[[], object]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, record: Record) -> object:
        self.step()
        with self._lock:
            self.calls.append(record.id)
            number = len(self.calls)
        self.step()
        return self.answers.get(record.id, lambda: {"call": number})()

    def find(self, record: Record) -> object:
        self.asked.append(record.id)
        self.step()
        return {"found": record.id} if record.id in self.calls else None

    @property
    def repetitions(self) -> int:
        """Calls beyond the first of each id."""
        return sum(Counter(self.calls).values()) - len(set(self.calls))


@dataclass
class World:
    """One table, and the time.

    Args:
        database: Where the table is.
        time: What all clocks go by; each worker's may be wrong in its own way.
    """

    database: FakeDynamoDB = field(default_factory=FakeDynamoDB)
    time: FakeTime = field(default_factory=FakeTime)

    def worker(self, **given: Any) -> "Worker":
        return Worker(self, **given)

    def client(self, faults: Faults) -> Any:
        return self.database.client(faults)

    @property
    def stored(self) -> list[dict[str, Any]]:
        return self.database.items(TABLE)


@dataclass
class Worker:
    """An execution environment.

    Args:
        world: What it lives in.
        effect: How its handler's effect is made once.
        ahead: How far its clock is ahead of the time, in seconds.
        faults: Of its way to the store.
        timeout_seconds: Of its function.
        scope: Of its messages.
        watch: What it logs and counts.
    """

    world: World
    effect: Outside = field(default_factory=Outside)
    ahead: float = 0.0
    faults: Faults = field(default_factory=Faults)
    timeout_seconds: float = TIMEOUT_SECONDS
    scope: str = "message"
    watch: RecordingWatch = field(default_factory=RecordingWatch)

    def __post_init__(self) -> None:
        store = DynamoDbClaims(client=self.world.client(self.faults), table=TABLE, sleep=self.world.time.pass_by)
        self.claims = Claims(store, scope=self.scope, remember_seconds=REMEMBER_SECONDS)
        self.engine = OutsideEngine(self.effect, claims=self.claims)

    def now(self) -> float:
        return ARRIVED + self.world.time.seconds + self.ahead

    def deadline(self) -> Deadline:
        return Deadline(FakeContext(self.world.time, timeout_seconds=self.timeout_seconds))

    def settle(self, deliveries: Sequence[Delivery], handler: Callable[[Record], object]) -> list[Outcome]:
        """Have one invocation settle *deliveries*; return the outcomes in their order."""
        context = FakeContext(self.world.time, timeout_seconds=self.timeout_seconds)
        work = Work(handler=handler, deadline=Deadline(context), context=context, watch=self.watch, now=self.now)
        outcomes = self.engine.settle(deliveries, work)
        self.watch.flush()
        assert outcomes.keys() == {each.arrival.position for each in deliveries}
        return [outcomes[each.arrival.position] for each in deliveries]
