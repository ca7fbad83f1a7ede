"""What handlers return, written over HTTP: real clients against the emulator, whose PartiQL is not ours."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
from botocore.session import Session

from constructs_lib.local.emulator import Emulator
from constructs_lib.runtime.attribute_values import from_attributes
from constructs_lib.runtime.clients import QUICK
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.effects import Fold, Insert, Replace, Send, Transact
from constructs_lib.runtime.item_engine import ItemsEngine
from constructs_lib.runtime.outcomes import PAYLOAD_MISMATCH, Delivery, Done, Outcome, Refused, Work
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.sends import Sender
from tests.unit.runtime.events import envelope
from tests.unit.runtime.fakes import FakeContext, RealTime, RecordingWatch
from tests.unit.runtime.item_world import delivery, left

pytestmark = pytest.mark.local_cloud

KINDS = ("insert", "fold", "replace", "transact")
# Every kind of value that an item can hold.
VALUES = {
    "text": "ä'\"?",
    "amount": Decimal("1.50"),
    "bytes": b"\x00\xff",
    "flag": True,
    "nothing": None,
    "list": [1, {"deep": "x"}],
    "set": frozenset({"a", "b"}),
}


class Consumer:
    """The engine with clients of the emulator, and tables, a queue and a stream."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = Session()
        self._session.set_credentials("test", "test")
        self.dynamodb = self._client("dynamodb")
        self.sqs = self._client("sqs")
        self.kinesis = self._client("kinesis")
        self.queue_url = self.sqs.create_queue(QueueName="follow-ups")["QueueUrl"]
        self.kinesis.create_stream(StreamName="slack", ShardCount=1)
        self._table("marks", "id")
        # A key of two attributes, one of them a word that DynamoDB reserves and one a number.
        self._table("items", "state", "number")

    def _client(self, service: str) -> Any:
        return self._session.create_client(service, region_name="eu-west-1", endpoint_url=self._url, config=QUICK)

    def _table(self, name: str, *key: str) -> None:
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": part, "KeyType": kind} for part, kind in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": part, "AttributeType": _type(part)} for part in key],
            BillingMode="PAY_PER_REQUEST",
        )

    def settle(self, deliveries: list[Delivery]) -> dict[str, Outcome]:
        """Have a new environment of the consumer settle a batch."""
        engine = ItemsEngine(
            client=self._client("dynamodb"),
            sender=Sender(sqs=lambda: self.sqs, kinesis=lambda: self.kinesis),
            claims_table="marks",
            scope="message",
            strong=False,
            remember_seconds=3_600,
        )
        context = FakeContext(RealTime())
        work = Work(
            handler=self.write,
            deadline=Deadline(context),
            context=context,
            watch=RecordingWatch(),
            now=time.time,
        )
        return dict(engine.settle(deliveries, work))

    def write(self, record: Record) -> Insert | Fold | Replace | Transact:
        """What each kind makes of a record; a message to the queue and one to the stream follow."""
        kind, number = record.body["kind"], record.body["number"]
        follow = [Send.queue(self.queue_url, envelope(record.id)), Send.stream("slack", envelope(record.id))]
        match kind:
            case "insert":
                return Insert("items", {"state": record.id, "number": number}, VALUES, then=follow)
            case "fold":
                return Fold(
                    "items", {"state": "fold", "number": number % 2}, lambda state: _added(state, record), follow
                )
            case "replace":
                return Replace(
                    "items", {"state": "replace", "number": 0}, {f"only-{number}": record.id}, number, follow
                )
        return Transact([_adds("left", -1), _adds(record.id, 1)], then=follow)

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The items that the events of this kind have left."""
        found = self.dynamodb.scan(TableName="items", ConsistentRead=True)["Items"]
        items = [from_attributes(item) for item in found]
        return [item for item in items if item["state"].startswith(kind)]

    def sent(self) -> Counter[str]:
        """How often each message is in the queue and on the stream."""
        ids: Counter[str] = Counter()
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            ids.update(f"queue {json.loads(message['Body'])['id']}" for message in messages)
        [shard] = self.kinesis.list_shards(StreamName="slack")["Shards"]
        iterator = self.kinesis.get_shard_iterator(
            StreamName="slack", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = self.kinesis.get_records(ShardIterator=iterator, Limit=1_000)["Records"]
        ids.update(f"stream {json.loads(record['Data'])['id']}" for record in records)
        return ids


def _type(attribute: str) -> str:
    return "N" if attribute == "number" else "S"


def _added(state: Mapping[str, Any] | None, record: Record) -> dict[str, Any]:
    return {**VALUES, "seen": [*(state or {}).get("seen", []), record.id]}


def _adds(name: str, amount: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": "items",
            "Key": {"state": f"transact {name}", "number": 0},
            "UpdateExpression": "ADD #total :amount",
            "ExpressionAttributeNames": {"#total": "total"},
            "ExpressionAttributeValues": {":amount": amount},
        }
    }


def _effects(consumer: Consumer, kind: str) -> Any:
    items = consumer.items(kind)
    match kind:
        case "insert":
            assert all(item.items() >= VALUES.items() for item in items)
            return sorted(item["state"] for item in items)
        case "fold":
            assert all(item.items() >= VALUES.items() for item in items)
            return sorted(name for item in items for name in item["seen"])
        case "replace":
            return [sorted(name for name in item if name.startswith("only-")) for item in items]
    return {item["state"].removeprefix("transact "): item["total"] for item in items}


def _once(kind: str, number: int) -> Any:
    ids = [f"{kind}-{index}" for index in range(number)]
    match kind:
        case "insert" | "fold":
            return sorted(ids)
        case "replace":
            return [[f"only-{number - 1}"]]
    return {"left": -number} | dict.fromkeys(ids, 1)


@pytest.fixture(scope="module")
def consumer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    running = Emulator(tmp_path_factory.mktemp("emulator"), port=0)
    running.start()
    try:
        yield Consumer(running.url)
    finally:
        running.stop()


@pytest.mark.requirement("IDM-01")
@pytest.mark.requirement("IDM-04")
@pytest.mark.requirement("IDM-06")
@pytest.mark.parametrize("kind", KINDS)
def test_copies_in_any_order_and_at_once_have_one_effect(consumer: Consumer, kind: str) -> None:
    """Three workers settle the same sixty events in different orders; then all come again, one with another payload."""
    events = [delivery(f"{kind}-{index}", kind=kind, number=index) for index in range(60)]
    # One of the folds and the replacements meet an item that something else has written.
    for key in ({"state": {"S": "fold"}, "number": {"N": "1"}}, {"state": {"S": "replace"}, "number": {"N": "0"}}):
        if kind == key["state"]["S"]:
            consumer.dynamodb.put_item(TableName="items", Item={**key, "only-before": {"S": "x"}})

    def work(first: int) -> None:
        waiting = events[first:] + events[:first]
        for _ in range(20):
            waiting = left(waiting, consumer.settle(waiting))

    workers = [Thread(target=work, args=(first,)) for first in (0, 17, 41)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert _effects(consumer, kind) == _once(kind, 60)

    again = [replace(event, arrival=replace(event.arrival, deliveries=2)) for event in events]
    outcomes = consumer.settle(again)
    assert {type(outcome) for outcome in outcomes.values()} == {Done}

    other = delivery(f"{kind}-59", kind=kind, number=59, other=1)
    refused = consumer.settle([other])[f"{kind}-59"]
    assert isinstance(refused, Refused)
    assert refused.code == PAYLOAD_MISMATCH
    assert _effects(consumer, kind) == _once(kind, 60)
    sent = consumer.sent()
    assert {f"{way} {event.record.id}" for event in events for way in ("queue", "stream")} <= sent.keys()
