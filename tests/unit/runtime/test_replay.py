"""Replays: all messages of the past again give the same state, and nothing outside notices."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.runtime.digests import record_digest
from constructs_lib.runtime.effects import Fold, Insert, Outside, Replace, Transact
from constructs_lib.runtime.envelope import Envelope, InvalidEnvelopeError
from constructs_lib.runtime.inherent import InherentEngine
from constructs_lib.runtime.outcomes import Delivery, Done, Work
from constructs_lib.runtime.queue_messages import queue_arrivals
from constructs_lib.runtime.records import Record, stream_arrivals
from constructs_lib.runtime.sends import Sender
from tests.unit.runtime import claim_world, item_world
from tests.unit.runtime.events import envelope, kinesis_event, sqs_event
from tests.unit.runtime.fakes import FakeContext

EVENT = {"detail-type": "Order", "source": "shop", "id": "e-1", "detail": {"n": 1}, "time": "2026-11-21T03:04:05Z"}


def again(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return the same messages as a replay."""
    return [replace(each, record=replace(each.record, replay=True)) for each in deliveries]


def read(body: object, **attributes: str) -> Record:
    """Read a message with these attributes from a queue."""
    [arrival] = queue_arrivals(sqs_event([body if isinstance(body, str) else json.dumps(body)], attributes=attributes))
    return arrival.read()


def write(record: Record) -> object:
    """Return each kind of write, with a message that follows."""
    number, then = int(record.body["n"]), (item_world.send(f"after-{record.id}"),)
    match number % 4:
        case 0:
            return Insert("events", {"id": record.id}, {"n": number}, then)
        case 1:

            def add(state: Any) -> dict[str, Any]:
                return {"sum": (state or {"sum": 0})["sum"] + number}

            return Fold("sums", {"id": f"sum-{number % 3}"}, add, then)
        case 2:
            return Replace("latest", {"id": f"latest-{number % 3}"}, {"n": number}, number, then)
        case _:
            put = {"Put": {"TableName": "pairs", "Item": {"id": record.id, "n": number}}}
            return Transact([put], then)


TABLES = ("events", "sums", "latest", "pairs")


def state(world: item_world.World) -> list[Any]:
    """What the tables hold, but for when it was written and in which turn."""
    return [
        sorted(
            (key, sorted((name, value) for name, value in item.items() if name in ("id", "n", "sum", "version")))
            for key, item in world.items(table).items()
        )
        for table in TABLES
    ]


@pytest.mark.requirement("IDM-09")
@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=40), seed=st.integers(0, 2**16))
def test_full_replay_gives_the_same_state_and_sends_nothing(numbers: list[int], seed: int) -> None:
    """Over what is there, and into empty tables; in another order, in other batches and with copies."""
    world = item_world.World()
    deliveries = [item_world.delivery(f"m-{number}", n=number) for number in numbers]
    world.settle(write, deliveries)
    before, sent = state(world), list(world.destinations.sent)
    assert len(sent) == len(numbers)

    chance = random.Random(seed)
    for target in (world, item_world.World(destinations=world.destinations)):
        for _ in range(2):
            chance.shuffle(deliveries)
            middle = chance.randint(0, len(deliveries))
            for batch in (deliveries[:middle], deliveries[middle:]):
                outcomes = target.settle(write, again(batch))
                assert all(isinstance(each, Done) for each in outcomes.values())
        assert state(target) == before
    assert world.destinations.sent == sent


@pytest.mark.requirement("IDM-09")
@pytest.mark.parametrize("effect", [Outside(), Outside(receiver_key=True), Outside(concurrency=3)])
def test_replay_calls_nothing_outside(effect: Outside) -> None:
    """Whether the message is remembered, forgotten or was never seen; and no store is asked for it."""
    world, provider = claim_world.World(), claim_world.Provider()
    worker = world.worker(effect=effect)
    worker.settle([claim_world.delivery("known")], provider.call)
    world.time.pass_by(2 * claim_world.REMEMBER_SECONDS)
    before = dict(world.database.usage.calls)
    messages = [claim_world.delivery(name) for name in ("known", "new")]
    assert worker.settle(again(messages), provider.call) == [Done(), Done()]
    assert provider.calls == ["known"]
    assert dict(world.database.usage.calls) == before
    assert worker.watch.published == {"MessagesReplayed": 2}
    assert worker.settle([*again(messages[:1]), messages[1]], provider.call) == [Done(), Done({"call": 2})]


@pytest.mark.requirement("IDM-09")
def test_replay_of_an_inherent_effect_sends_nothing() -> None:
    """The handler is called, for it may build up state; it is told, for it may do more than that."""
    destinations = item_world.FakeDestinations()
    world = claim_world.World()
    worker = world.worker()
    context = FakeContext(world.time)
    told: list[bool] = []

    def handler(record: Record) -> object:
        told.append(record.replay)
        return item_world.send("after")

    sender = Sender(sqs=lambda: destinations, kinesis=lambda: destinations)  # type: ignore[arg-type, return-value]
    work = Work(handler=handler, deadline=worker.deadline(), context=context, watch=worker.watch, now=worker.now)
    [delivery] = again([claim_world.delivery()])
    assert InherentEngine(sender).settle([delivery], work) == {delivery.arrival.position: Done()}
    assert told == [True]
    assert destinations.sent == []


def test_envelope_says_whether_it_is_a_replay() -> None:
    """Only where it is one, so that all others look as they always did."""
    assert "replay" not in json.loads(envelope().to_json())
    replayed = envelope(replay=True).to_json()
    assert Envelope.from_json(replayed).replay
    assert read(replayed).replay
    assert stream_arrivals(kinesis_event([replayed]))[0].read().replay
    assert not read(envelope().to_json()).replay


@pytest.mark.parametrize("value", [None, "true", 1])
def test_unclear_mark_of_an_envelope_is_refused(value: object) -> None:
    """To take it for a message of now could have effects outside."""
    fields = {**json.loads(envelope().to_json()), "replay": value}
    with pytest.raises(InvalidEnvelopeError, match="replay must be true or false"):
        Envelope.from_json(json.dumps(fields))


@pytest.mark.parametrize(
    "body",
    [
        envelope().to_json(),
        EVENT,
        {"Type": "Notification", "MessageId": "n-1", "Message": "hello"},
        {"Type": "Notification", "MessageId": "n-1", "Message": envelope().to_json()},
    ],
)
def test_attribute_marks_any_message(body: object) -> None:
    """So that a tool can send again what it cannot change; an attribute that is unclear is refused."""
    assert read(body, replay="true").replay
    assert not read(body, replay="false").replay
    with pytest.raises(InvalidEnvelopeError, match="replay must be the text true or false"):
        read(body, replay="yes")


def test_event_of_an_archive_is_a_replay_of_the_same_event() -> None:
    """EventBridge adds one field: what is known under the event's id is still the same payload."""
    now, later = read(EVENT), read({**EVENT, "replay-name": "rebuild"})
    assert not now.replay
    assert later.replay
    assert record_digest(now) == record_digest(later)


def test_field_of_that_name_in_another_body_is_payload() -> None:
    """Only events of EventBridge have it from EventBridge."""
    with_it, without = ({"replay-name": "x", "n": 1}, {"n": 1})
    first, second = (read(body, idempotency_key="k") for body in (with_it, without))
    assert not first.replay
    assert record_digest(first) != record_digest(second)
