"""Nothing is lost wherever the function ends: before or after any call, whatever becomes of the message."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from constructs_lib.runtime import DependencyUnavailable, PermanentFailure, queue_consumer
from constructs_lib.runtime.dead_letters import SqsDeadLetters
from constructs_lib.runtime.outcomes import Delivery, Done, Held, NotBegun, Outcome, Returned, Work, mismatch
from constructs_lib.runtime.own_queue import SqsOwnQueue
from constructs_lib.runtime.records import Record
from tests.unit.runtime.events import envelope
from tests.unit.runtime.fakes import FakeContext, FakeTime, RecordingWatch, queue_ports
from tests.unit.runtime.queue_model import DAY, Crash, ModelQueue, ModelSqs, deliver

QUEUE, DEAD = "https://sqs/events", "https://sqs/dead"


@dataclass
class OnceInMemory:
    """An effect made once by a store in memory, which may be *away*."""

    digests: dict[str, str] = field(default_factory=dict)
    away: bool = False

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        return {delivery.arrival.position: self._settle(delivery, work) for delivery in deliveries}

    def _settle(self, delivery: Delivery, work: Work) -> Outcome:
        if self.away:
            return Held("the store does not answer")
        if not work.deadline.leaves_time():
            return NotBegun()
        seen = self.digests.get(delivery.record.id)
        if seen is not None:
            return Done(repeated=True) if seen == delivery.digest else mismatch(delivery.record.id)
        ending = work.attempt(delivery)
        if not isinstance(ending, Returned):
            return ending
        self.digests[delivery.record.id] = delivery.digest
        return Done()


class World:
    """A queue with its consumer, on real adapters over a model of SQS."""

    def __init__(self, behave: Callable[[Record], None], *, fifo: bool = False, max_receive_count: int = 5) -> None:
        self.time = FakeTime()
        self.dead = ModelQueue(self.time, "dead", retention=14 * DAY, fifo=fifo)
        self.queue = ModelQueue(self.time, dead=self.dead, fifo=fifo, max_receive_count=max_receive_count)
        self.sqs = ModelSqs({QUEUE: self.queue, DEAD: self.dead})
        self.effect = OnceInMemory()
        self.effects: list[str] = []
        self.watch = RecordingWatch()

        def handle(record: Record) -> None:
            behave(record)
            self.effects.append(record.id)

        ports = queue_ports(
            queue=SqsOwnQueue(client=self.sqs, queue_url=QUEUE),  # type: ignore[arg-type]  # the part that is used
            dead_letters=SqsDeadLetters(client=self.sqs, queue_url=DEAD),  # type: ignore[arg-type]
            engine=self.effect,
            watch=self.watch,
            now=lambda: self.queue.now,
            max_receive_count=max_receive_count,
        )
        consumer = queue_consumer(handle, load=lambda: ports)
        self.handle = lambda event: consumer(event, FakeContext(self.time))

    def send(self, *ids: str, group: str | None = None) -> None:
        for name in ids:
            self.queue.send(envelope(name).to_json(), group=group)

    def pass_until_empty(self, *, within: float = 30 * DAY, order: random.Random | None = None) -> None:
        """Deliver, and let time pass, until the queue is empty."""
        end = self.time.seconds + within
        while self.time.seconds < end:
            if deliver(self.queue, self.handle, order=order):
                continue
            wait = self.queue.next_visible()
            if wait is None:
                return
            self.time.pass_by(wait + 0.001)
        raise AssertionError(f"still there: {self.queue.messages}")

    def dead_ids(self) -> list[str]:
        return [id_of(message.body) for message in self.dead.messages]


def id_of(body: str) -> str:
    return body.partition('"id":"')[2].partition('"')[0]


def away_at_first(record: Record, tries: dict[str, int], *, until: int) -> None:
    tries[record.id] = tries.get(record.id, 0) + 1
    if record.id.startswith("held") and tries[record.id] <= until:
        raise DependencyUnavailable("503")
    if record.id.startswith("bad"):
        raise PermanentFailure("never")
    if record.id.startswith("broken"):
        raise OSError("reset")


MESSAGES = ("good-1", "held-1", "bad-1", "broken-1", "good-2", "held-2")


def run(crash_at: int | None) -> tuple[World, int]:
    """Run all kinds of messages to their end, with the function ending at one moment; return how many there were."""
    tries: dict[str, int] = {}
    world = World(lambda record: away_at_first(record, tries, until=7))
    moments = 0

    def moment(_name: str) -> None:
        nonlocal moments
        moments += 1
        if moments == crash_at:
            raise Crash

    world.sqs.watch = moment
    world.send(*MESSAGES)
    world.pass_until_empty()
    return world, moments


def check(world: World) -> None:
    """Every message has had its effect or is a dead letter, and none has been dropped."""
    assert not world.queue.dropped
    assert not world.dead.dropped
    assert set(world.effects) == {"good-1", "good-2", "held-1", "held-2"}
    assert set(world.dead_ids()) == {"bad-1", "broken-1"}
    assert len(world.effects) == len(set(world.effects))


@pytest.mark.requirement("MSG-01")
def test_each_kind_of_message_ends_in_its_place() -> None:
    """Held ones have their effect though they were held more often than they may be delivered."""
    world, _ = run(None)
    check(world)
    assert sorted(world.dead_ids()) == ["bad-1", "broken-1"]
    [bad] = [message for message in world.dead.messages if id_of(message.body) == "bad-1"]
    assert bad.attributes["reason"]["StringValue"] == "never"


def test_nothing_is_lost_at_any_moment_the_function_may_end() -> None:
    """Before and after every call to SQS, the answer to Lambda never given."""
    _, moments = run(None)
    assert moments > 10
    for moment in range(1, moments + 1):
        world, _ = run(moment)
        check(world)


def test_nothing_is_lost_while_the_queues_take_nothing() -> None:
    """What cannot be sent again or buried stays where it is, and goes its way afterwards."""
    tries: dict[str, int] = {}
    world = World(lambda record: away_at_first(record, tries, until=7))
    world.send(*MESSAGES)
    world.sqs.refuse = lambda _call, _entry: True
    for _ in range(3):
        deliver(world.queue, world.handle)
        world.time.pass_by(181)
    assert len(world.queue.messages) == 4
    world.sqs.refuse = lambda _call, _entry: False
    world.pass_until_empty()
    check(world)


def test_store_away_for_longer_than_all_deliveries_makes_no_dead_letter() -> None:
    """Messages are held for hours and done when the store is back; each once."""
    world = World(lambda _record: None)
    world.effect.away = True
    world.send(*(f"m-{number}" for number in range(30)))
    while world.time.seconds < 10 * 3_600:
        if not deliver(world.queue, world.handle):
            world.time.pass_by((world.queue.next_visible() or 0.0) + 1)
    assert not world.dead.messages
    world.effect.away = False
    world.pass_until_empty(within=3_600)
    assert sorted(world.effects) == sorted(f"m-{number}" for number in range(30))
    assert not world.dead.messages


def test_store_away_for_longer_than_the_retention_ends_in_dead_letters_that_say_so() -> None:
    """Nothing is dropped by the queue, and nothing is held for ever."""
    world = World(lambda _record: None)
    world.effect.away = True
    world.send("m-1")
    world.pass_until_empty()
    assert not world.queue.dropped
    [letter] = world.dead.messages
    assert letter.attributes["reason"]["StringValue"].startswith("held for longer than 345600 seconds")
    assert "held_since" not in letter.attributes
    assert 4 * DAY < world.time.seconds < 4.2 * DAY


def test_groups_of_a_fifo_queue_keep_their_order_through_holds_and_crashes() -> None:
    """A held message keeps those behind it back; after a crash they come again in the same order."""
    _, moments = fifo_run(None)
    for moment in range(1, moments + 1):
        world, _ = fifo_run(moment)
        for group in "ab":
            assert [name for name in world.effects if name[0] == group] == [f"{group}{number}" for number in range(3)]
        assert not world.dead.messages


@pytest.mark.parametrize("error", [OSError("reset"), DependencyUnavailable("503")])
def test_a_message_of_a_fifo_queue_that_never_succeeds_takes_none_behind_it_along(error: Exception) -> None:
    """They are delivered as often as it is, and handed back: when it is given up they are begun at last."""

    def behave(record: Record) -> None:
        if record.id == "a0":
            raise error

    world = World(behave, fifo=True)
    world.send("a0", "a1", "a2", group="a")
    world.pass_until_empty()
    assert world.effects == ["a1", "a2"]
    assert world.dead_ids() == ["a0"]
    assert world.dead.messages[0].attributes["reason"]["StringValue"].startswith("it has been delivered 5 times: ")


def fifo_run(crash_at: int | None) -> tuple[World, int]:
    tries: dict[str, int] = {}

    def behave(record: Record) -> None:
        tries[record.id] = tries.get(record.id, 0) + 1
        if record.id == "a1" and tries["a1"] <= 2:
            raise DependencyUnavailable("503")

    world = World(behave, fifo=True)
    moments = 0

    def moment(_name: str) -> None:
        nonlocal moments
        moments += 1
        if moments == crash_at:
            raise Crash

    world.sqs.watch = moment
    for number in range(3):
        world.send(f"a{number}", group="a")
        world.send(f"b{number}", group="b")
    world.pass_until_empty()
    return world, moments
