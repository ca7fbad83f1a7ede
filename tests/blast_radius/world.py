"""Several dependencies side by side in one virtual time, with what they share.

Each dependency is the whole model of stream_model.py. What they can have in common is given: an account's concurrency
always; a stream with its function, or a circuit breaker, only to see what that does.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

from constructs_lib.local.event_source_mapping.messages import InvocationEnded, Invoke, NotInvoked
from constructs_lib.runtime.breaker_store import DynamoStatus
from constructs_lib.runtime.circuit_gate import CircuitGate
from constructs_lib.runtime.settings import BreakerSettings
from constructs_lib.runtime.stream_ports import Bounds
from tests.blast_radius.faults import Fault, Message, Trouble
from tests.unit.runtime.fake_status_table import StatusClient
from tests.unit.runtime.stream_model import START, Environment, Model, Sent, Shape, Shard

BATCH_SIZE = 100
PATIENCE_SECONDS = 3_600.0
# What Lambda gives a new account.
NEW_ACCOUNT_CONCURRENCY = 10
SCARCE_CONCURRENCY = 2
KEYS_PER_TENANT = 10


class Sharing(StrEnum):
    """What the dependencies have in common; the values are what the page calls it."""

    NOTHING = "nothing but an account's 10 invocations"
    STREAM = "one stream with one function"
    BREAKER = "one circuit breaker"
    CONCURRENCY = "2 invocations at once"
    RESERVED = "2 invocations at once, but the others have theirs reserved"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A dependency, and what is sent to it.

    Args:
        name: Its name.
        tenants: A letter for each; nobody else's.
        per_second: Messages on average.
        polled_at: Which part of a second its stream is polled at: mappings do not keep step.
        parallelization: Invocations at once.
    """

    name: str
    tenants: str
    per_second: float
    polled_at: float
    parallelization: int = 1


DEPENDENCIES = (
    Dependency("slack", "abcd", per_second=4.0, polled_at=0.0, parallelization=2),
    Dependency("teams", "efgh", per_second=2.5, polled_at=0.37),
    Dependency("pager", "ijkl", per_second=2.0, polled_at=0.71),
)


@dataclass(frozen=True, slots=True)
class Course:
    """When a fault begins and ends, and for how long messages are sent; seconds from the start."""

    begin: float
    end: float
    sent_for: float


@dataclass(slots=True)
class Pool:
    """Invocations that may be at work at once."""

    free: int

    def take(self) -> bool:
        """Take one, if there is one."""
        if self.free < 1:
            return False
        self.free -= 1
        return True

    def give_back(self) -> None:
        self.free += 1


class PooledShard(Shard):
    """A shard whose mapping is turned away when no concurrency is left, as Lambda does."""

    model: "Consumer"

    def _invoke(self, command: Invoke) -> None:
        if self.model.pool.take():
            super()._invoke(command)
        else:
            now = self.model.clock.now
            self.at(now, lambda: InvocationEnded(now, command.call, NotInvoked()))


class Consumer(Model):
    """One stream with its function, for one dependency; for several where that is shared."""

    def __init__(self, shape: Shape, *, polled_at: float, trouble: Trouble | None, pool: Pool) -> None:
        self.polled_at = polled_at
        self.pool = pool
        self.trouble = trouble
        self.messages: dict[str, Message] = {}
        self.arrived: dict[Message, list[float]] = {}
        super().__init__(shape, gate=_gate)
        self.delivered = self._note
        if trouble and trouble.fault is Fault.THROTTLED:
            self.clock.at(START + trouble.begin, lambda: self.away.add(f"tenant-{trouble.tenant}"))
            self.clock.at(START + trouble.end, self.away.clear)

    @property
    def next_time(self) -> float:
        """When something happens next."""
        return min(self.clock.next_time, *(shard.next_time for shard in self.shards))

    def expect(self, message: Message) -> None:
        """Have *message* sent at its time."""

        def send() -> None:
            self.messages[self.put(message.key).id] = message

        self.clock.at(START + message.at, send)

    def invoke(self, events: Sequence[Any], ended: Callable[[list[str] | None], None]) -> None:
        def over(handed_back: list[str] | None) -> None:
            self.pool.give_back()
            ended(handed_back)

        super().invoke(events, over)

    def _environment(self) -> Environment:
        environment = super()._environment()
        # The bounds that a function has for which nothing else is set.
        environment.ports = replace(environment.ports, bounds=Bounds())
        return environment

    def _begin(self, sent: Sent, **given: Any) -> None:
        super()._begin(sent, **given)
        message = self.messages[sent.id]
        sent.nature, seconds = "fine", message.seconds
        if self.trouble:
            sent.nature, seconds = self.trouble.meets(message, self.clock.now - START)
        # How long the call takes that begins now.
        self.shape = replace(self.shape, seconds=seconds)

    def _note(self, sent: Sent) -> None:
        self.arrived.setdefault(self.messages[sent.id], []).append(self.clock.now - START)

    def _add_shard(self, *, parents: list[Shard]) -> None:
        shard = PooledShard(self, f"shardId-{len(self.shards):012}", self.config, enabled=False)
        self.shards.append(shard)
        self.open.append(shard)
        assert not parents, "no stream is split here"
        self.clock.at(START + self.polled_at, lambda: shard.enable(at=self.clock.now))


def _gate(model: Model) -> CircuitGate:
    """A gate with the settings that a function has for which nothing else is set."""
    client = cast("Any", StatusClient(model.status_table))
    status = DynamoStatus(client, "state", clock=lambda: model.clock.now)
    return CircuitGate(BreakerSettings(), store=status, watch=model.watch, jitter=model.jitter)


@dataclass(frozen=True, slots=True)
class Books:
    """What became of the messages of one run.

    Args:
        arrived: When each message was delivered, perhaps more than once.
        recoverable: Those that were not, and can be sent again: they are in quarantine.
    """

    arrived: Mapping[Message, Sequence[float]]
    recoverable: frozenset[Message]


def messages(course: Course) -> Iterator[Message]:
    """What is sent: the same in every run."""
    for dependency in DEPENDENCIES:
        # Sums and products only, so that every machine draws the same.
        chance = random.Random(dependency.name)
        keys = [f"{tenant}{number}" for tenant in dependency.tenants for number in range(KEYS_PER_TENANT)]
        for number in range(int(course.sent_for * dependency.per_second)):
            at = (number + chance.random()) / dependency.per_second
            key = keys[int(len(keys) * chance.random())]
            yield Message(dependency.name, number, at, key, seconds=0.1 + 0.3 * chance.random() * chance.random())


def run(course: Course, sharing: Sharing, trouble: Trouble | None) -> Books:
    """Let everything happen, until nothing waits any more."""
    consumers = _consumers(sharing, trouble)
    for message in messages(course):
        consumers[message.dependency].expect(message)
    distinct = list(dict.fromkeys(consumers.values()))
    _run(distinct, until=START + course.sent_for)
    until = START + course.sent_for
    while any(consumer.still_open for consumer in distinct) and until < START + course.sent_for + PATIENCE_SECONDS:
        until += 60
        _run(distinct, until=until)
    assert not any(consumer.broken for consumer in distinct), "order per key is kept, and nothing is done again"
    arrived = {message: times for consumer in distinct for message, times in consumer.arrived.items()}
    recoverable = {
        consumer.messages[sent.id] for consumer in distinct for sent in consumer.quarantined if not sent.delivered
    }
    return Books(arrived, frozenset(recoverable))


def _run(consumers: Sequence[Consumer], *, until: float) -> None:
    """Let time pass for all of them, one event after the other: what they share sees events in their order."""
    while (now := min(consumer.next_time for consumer in consumers)) <= until:
        for consumer in consumers:
            consumer.run(now - consumer.clock.now)


def _consumers(sharing: Sharing, trouble: Trouble | None) -> dict[str, Consumer]:
    # A function that looks after parked records may be at work at any time; here each always is.
    account = Pool(NEW_ACCOUNT_CONCURRENCY - len(DEPENDENCIES))
    if sharing in (Sharing.CONCURRENCY, Sharing.RESERVED):
        account = Pool(SCARCE_CONCURRENCY)
    if sharing is Sharing.STREAM:
        shape = _shape(sum(dependency.parallelization for dependency in DEPENDENCIES))
        shared = Consumer(shape, polled_at=0.0, trouble=trouble, pool=account)
        return {dependency.name: shared for dependency in DEPENDENCIES}
    consumers = {}
    for dependency in DEPENDENCIES:
        has_share = sharing is Sharing.RESERVED and dependency is not DEPENDENCIES[0]
        pool = Pool(dependency.parallelization) if has_share else account
        struck = trouble if trouble and trouble.dependency == dependency.name else None
        shape = _shape(dependency.parallelization)
        consumers[dependency.name] = Consumer(shape, polled_at=dependency.polled_at, trouble=struck, pool=pool)
    if sharing is Sharing.BREAKER:
        first = consumers[DEPENDENCIES[0].name]
        for consumer in consumers.values():
            consumer.status_table = first.status_table
    return consumers


def _shape(parallelization: int) -> Shape:
    return Shape(batch_size=BATCH_SIZE, parallelization=parallelization, concurrency=BATCH_SIZE)
