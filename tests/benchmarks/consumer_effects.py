"""One handler for each kind of effect, and what it left behind, counted by the id of the event."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from constructs_lib.runtime.effects import AnyEffect, Fold, Inherent, Insert, Items, Outside, Replace, Send, Transact
from constructs_lib.runtime.envelope import Envelope
from constructs_lib.runtime.records import Record
from tests.benchmarks.queue_world import AFTERWARDS, QueueWorld, Receiver

TABLE, STREAM = "effects", "afterwards"
ONCE_MORE = "SET seen = list_append(if_not_exists(seen, :none), :one)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of effect.

    Attributes:
        name: For the table.
        effect: As the consumer is told.
        handler: Makes the handler of one world.
        count: How often the effect of each event happened, by its id.
        outside: Whether it is outside DynamoDB.
        repetitions: Most effects too many for each crash, as documented.
    """

    name: str
    effect: AnyEffect
    handler: Callable[[QueueWorld, Receiver], Callable[[Record], object]]
    count: Callable[[QueueWorld, Receiver], Counter[str]]
    outside: bool = False
    repetitions: int = 0


def insert(record: Record) -> Insert:
    """A new item for each event."""
    return Insert(TABLE, {"id": record.id}, {"n": record.body["n"]})


def insert_and_tell(record: Record) -> Insert:
    """A new item, and two messages after it."""
    return Insert(TABLE, {"id": record.id}, {"n": record.body["n"]}, then=messages(record))


def messages(record: Record) -> tuple[Send, Send]:
    """One to a queue and one to a stream."""
    follows = Envelope(
        id=record.id,
        key=record.key,
        tenant=record.tenant,
        correlation_id=record.correlation_id,
        created=record.created,
        body={},
    )
    return Send.queue(AFTERWARDS, follows), Send.stream(STREAM, follows)


def fold(record: Record) -> Fold:
    """An item for each key that collects the ids of its events."""

    def apply(state: Mapping[str, Any] | None) -> Mapping[str, Any]:
        return {"seen": [*(state or {}).get("seen", ()), record.id]}

    return Fold(TABLE, {"id": record.key}, apply)


def replace(record: Record) -> Replace:
    """An item for each key in the version of its newest event."""
    return Replace(TABLE, {"id": record.key}, {"seen": [record.id]}, version=record.body["n"] + 1)


def transact(record: Record) -> Transact:
    """Two items that belong together."""
    values = {":none": [], ":one": [record.id]}
    collect = {"UpdateExpression": ONCE_MORE, "ExpressionAttributeValues": values}
    return Transact(
        [
            {"Put": {"TableName": TABLE, "Item": {"id": record.id}}},
            {"Update": {"TableName": TABLE, "Key": {"id": record.key}, **collect}},
        ]
    )


def items_by_event(world: QueueWorld, _receiver: Receiver) -> Counter[str]:
    """One for each item named by an event."""
    return Counter(item["id"]["S"] for item in world.database.items(TABLE))


def ids_collected(world: QueueWorld, _receiver: Receiver) -> Counter[str]:
    """What the items have collected."""
    return Counter(each["S"] for item in world.database.items(TABLE) if "seen" in item for each in item["seen"]["L"])


def newest_of_key(world: QueueWorld, _receiver: Receiver) -> Counter[str]:
    """Every event, if its key's item shows the newest of them."""
    found = {item["id"]["S"]: item["seen"]["L"][0]["S"] for item in world.database.items(TABLE)}
    return Counter(
        f"event-{number}" for number in range(6) if found.get(f"key-{number % 3}") == f"event-{number % 3 + 3}"
    )


def items_and_messages(world: QueueWorld, receiver: Receiver) -> Counter[str]:
    """Items by event, where both messages are there too. The receivers know copies of messages by their ids."""
    told = [{json.loads(text)["id"] for text in world.queues.get(name, ())} for name in (AFTERWARDS, STREAM)]
    items = items_by_event(world, receiver)
    return Counter({event: number for event, number in items.items() if all(event in ids for ids in told)})


def calls(_world: QueueWorld, receiver: Receiver) -> Counter[str]:
    """Calls, by what they were for."""
    return Counter(receiver.calls)


def calls_known(_world: QueueWorld, receiver: Receiver) -> Counter[str]:
    """Calls, where the receiver tells copies apart."""
    return Counter(set(receiver.calls))


def _writing(handler: Callable[[Record], object]) -> Callable[[QueueWorld, Receiver], Callable[[Record], object]]:
    return lambda _world, _receiver: handler


def _calling(_world: QueueWorld, receiver: Receiver) -> Callable[[Record], object]:
    return lambda record: receiver.post(record.id)


def _writing_itself(world: QueueWorld, _receiver: Receiver) -> Callable[[Record], object]:
    def handle(record: Record) -> object:
        with suppress(world.dynamodb.exceptions.ConditionalCheckFailedException):
            world.dynamodb.put_item(
                TableName=TABLE, Item={"id": {"S": record.id}}, ConditionExpression="attribute_not_exists(id)"
            )
        return messages(record)

    return handle


def cases(receiver_of: Callable[[], Receiver]) -> list[Case]:
    """All kinds.

    Args:
        receiver_of: The receiver of the world at work, for what is asked whether a call took place.
    """
    return [
        Case(name="Insert", effect=Items(), handler=_writing(insert), count=items_by_event),
        Case(name="Insert and messages", effect=Items(), handler=_writing(insert_and_tell), count=items_and_messages),
        Case(name="Fold", effect=Items(), handler=_writing(fold), count=ids_collected),
        Case(name="Replace", effect=Items(), handler=_writing(replace), count=newest_of_key),
        Case(name="Transact", effect=Items(), handler=_writing(transact), count=ids_collected),
        Case(name="Inherent and messages", effect=Inherent(), handler=_writing_itself, count=items_and_messages),
        Case(name="Outside", effect=Outside(), handler=_calling, count=calls, outside=True, repetitions=1),
        Case(
            name="Outside, receiver_key",
            effect=Outside(receiver_key=True),
            handler=_calling,
            count=calls_known,
            outside=True,
        ),
        Case(
            name="Outside, reconcile",
            effect=Outside(reconcile=lambda record: receiver_of().knows(record.id)),
            handler=_calling,
            count=calls,
            outside=True,
        ),
    ]
