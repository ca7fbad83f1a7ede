"""Batches of queue messages with effects that are made once: what they cost, and how long they take.

Ours: the queue consumer wired as in its function, log lines and metrics written. Baseline: Powertools' batch processor
with its idempotency and, where the effect is an item, a put of it. Both with botocore, in the same run, over a DynamoDB
in a process of its own that counts by DynamoDB's rules: 4 ms away for one item, 6 ms for a batch, an assumption. Prices
are those on demand in us-east-1. The handler itself takes no time. Warm: clients have been used before.
"""

import io
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from unittest.mock import patch

from constructs_lib.runtime import Record, queue_consumer
from constructs_lib.runtime.effects import Fold, Insert, Items, Outside
from tests.benchmarks.distant_store import DistantStore, Spent, running
from tests.benchmarks.queue_peers import powertools
from tests.benchmarks.queue_world import ENVIRONMENT
from tests.benchmarks.result import Figure
from tests.unit.runtime.events import envelope, sqs_event
from tests.unit.runtime.fakes import FakeContext, RealTime

TABLE = "effects"
_batches = count()

Consumer = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]
EffectAndHandler = tuple[Any, Callable[[Record], object]]


@dataclass(frozen=True, slots=True)
class Targets:
    """Most that the ratio to the baseline may be; None: no target."""

    wall: float | None = None
    calls: float | None = None
    writes: float | None = None
    again: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One consumer with batches of one size."""

    seconds: float
    fresh: Spent
    again: Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of effect in batches of one size.

    Attributes:
        name: For the table.
        ours: The effect, and the handler.
        item: Whether the baseline puts an item.
        size: Messages of a batch.
        keys: Keys of a batch; None: each message has its own.
        rounds: Batches of each.
        targets: What is wanted.
    """

    name: str
    ours: EffectAndHandler
    item: bool
    size: int
    rounds: int
    targets: Targets = field(default_factory=Targets)
    keys: int | None = None


def inserted(record: Record) -> Insert:
    """An item for each message."""
    return Insert(TABLE, {"id": record.id}, {"body": record.body})


def folded(record: Record) -> Fold:
    """An item for each key."""
    return Fold(TABLE, {"id": record.key}, lambda state: {"number": (state or {}).get("number", 0) + 1})


def posted(_record: Record) -> None:
    """Nothing: what is outside takes as long with either."""


INSERT, FOLD = (Items(), inserted), (Items(), folded)
OUTSIDE, TOLD_APART = (Outside(), posted), (Outside(receiver_key=True), posted)

CASES = [
    Case(
        name="insert, batch of 1", ours=INSERT, item=True, size=1, rounds=30,
        targets=Targets(wall=0.6, calls=0.34, writes=0.34, again=0.1),
    ),
    Case(
        name="insert, batch of 10", ours=INSERT, item=True, size=10, rounds=15,
        targets=Targets(wall=0.1, calls=0.034, writes=0.34, again=0.1),
    ),
    Case(
        name="insert, batch of 100", ours=INSERT, item=True, size=100, rounds=5,
        targets=Targets(wall=0.02, calls=0.017, writes=0.34, again=0.1),
    ),
    Case(name="fold of 1 key, batch of 10", ours=FOLD, item=True, size=10, keys=1, rounds=9),
    Case(
        name="fold of 10 keys, batch of 100", ours=FOLD, item=True, size=100, keys=10, rounds=5,
        targets=Targets(wall=0.02, calls=0.017, writes=0.037, again=0.1),
    ),
    Case(name="outside, batch of 1", ours=OUTSIDE, item=False, size=1, rounds=30),
    Case(name="outside, batch of 10", ours=OUTSIDE, item=False, size=10, rounds=9, targets=Targets(again=0.1)),
    Case(name="outside, batch of 100", ours=OUTSIDE, item=False, size=100, rounds=3, targets=Targets(again=0.1)),
    Case(name="outside with receiver_key, batch of 1", ours=TOLD_APART, item=False, size=1, rounds=30),
    Case(
        name="outside with receiver_key, batch of 10", ours=TOLD_APART, item=False, size=10, rounds=9,
        targets=Targets(again=0.1),
    ),
    Case(
        name="outside with receiver_key, batch of 100", ours=TOLD_APART, item=False, size=100, rounds=3,
        targets=Targets(again=0.1),
    ),
]  # fmt: skip


def measure() -> Sequence[Figure]:
    """Measure both in turn."""
    with running() as store:
        return [figure for case in CASES for figure in figures(case, store)]


def figures(case: Case, store: DistantStore) -> list[Figure]:
    """The lines of one case."""
    ours, theirs = consumer_of(case, store), baseline(case, store)
    for warm_up in (ours, theirs):
        batch(case, warm_up, store)
    pairs = [(batch(case, ours, store), batch(case, theirs, store)) for _ in range(case.rounds)]
    (one, other), each = pairs[0], 1 / case.size
    ratio = statistics.median(mine.seconds / his.seconds for mine, his in pairs)

    def line(what: str, mine: float, his: float, target: float | None, *, counted: bool = True) -> Figure:
        mine, his = (float(f"{figure:.3g}") for figure in (mine, his))
        return Figure(what=f"{case.name}: {what}", ours=mine, baseline=his, target=target, counted=counted)

    milliseconds = 1_000 * statistics.median(his.seconds for _, his in pairs)
    targets, again = case.targets, "$ per million delivered again"
    return [
        line("calls per record", one.fresh.calls * each, other.fresh.calls * each, targets.calls),
        line("WRU per record", one.fresh.writes * each, other.fresh.writes * each, targets.writes),
        line("$ per million", one.fresh.dollars * each, other.fresh.dollars * each, None),
        line(again, one.again.dollars * each, other.again.dollars * each, targets.again),
        # The pairs' median ratio, in units of the baseline's median.
        line(f"ms (of {case.rounds})", milliseconds * ratio, milliseconds, targets.wall, counted=False),
    ]


def batch(case: Case, consume: Consumer, store: DistantStore) -> Measured:
    """Have a new batch consumed, then the same once more."""
    number = next(_batches)
    bodies = [
        envelope(
            f"{number}-{each}", key=f"{number}-{each % (case.keys or case.size)}", body={"text": "x" * 200}
        ).to_json()
        for each in range(case.size)
    ]
    store.spent()
    begun = time.perf_counter()
    answers = [consume(_event(bodies, 1), FakeContext(RealTime()))]
    seconds = time.perf_counter() - begun
    fresh = store.spent()
    answers.append(consume(_event(bodies, 2), FakeContext(RealTime())))
    assert answers == [{"batchItemFailures": []}] * 2, answers
    return Measured(seconds, fresh, store.spent())


def _event(bodies: Sequence[str], deliveries: int) -> dict[str, Any]:
    event = sqs_event(bodies, deliveries=deliveries)
    for record in event["Records"]:
        record["attributes"]["SentTimestamp"] = str(int(time.time() * 1_000))
    return event


def consumer_of(case: Case, store: DistantStore) -> Consumer:
    """The queue consumer as its function has it."""
    effect, handler = case.ours
    handle = queue_consumer(handler, effect=effect)

    def consume(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
        with patch.dict(os.environ, {**ENVIRONMENT, **store.environment()}), redirect_stdout(io.StringIO()):
            return handle(event, context)

    return consume


def baseline(case: Case, store: DistantStore) -> Consumer:
    """Powertools, with or without a put."""
    client = store.client()

    def put(message: Mapping[str, Any]) -> None:
        item = {"id": {"S": message["id"]}, "body": {"S": json.dumps(message["body"])}}
        client.put_item(TableName=TABLE, Item=item)

    return powertools(put if case.item else lambda _message: None, client)
