"""From which number of items on one BatchExecuteStatement takes less time than a PutItem for each.

Ours: one call with so many PartiQL INSERTs. Baseline: conditional PutItems, one after the other. Both by botocore over a
DynamoDB in a process of its own, which takes 4 ms for one item and 6 ms for a batch, an assumption, or no time at all: then
what is left is what the clients cost. Units are the same.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from constructs_lib.runtime.attribute_values import to_attributes
from constructs_lib.runtime.partiql import insert
from tests.benchmarks.distant_store import LATENCY_SECONDS, running
from tests.benchmarks.result import Figure

TABLE = "effects"
SIZES = (1, 2, 3, 5, 10, 25)
ROUNDS = 40
_numbers = count()


def measure() -> Sequence[Figure]:
    """Time both in turn for each size."""
    figures = []
    for latency in (LATENCY_SECONDS, 0.0):
        with running(latency) as store:
            client = store.client()
            for size in SIZES:
                seconds(together, client, size)
                seconds(singly, client, size)
                pairs = [(seconds(together, client, size), seconds(singly, client, size)) for _ in range(ROUNDS)]
                figures.append(
                    Figure(
                        what=f"{size} items, {1_000 * latency:g} ms away: ms (median of {ROUNDS})",
                        ours=round(1_000 * statistics.median(pair[0] for pair in pairs), 2),
                        baseline=round(1_000 * statistics.median(pair[1] for pair in pairs), 2),
                    )
                )
    return figures


def seconds(write: Callable[[Any, Sequence[Any]], None], client: Any, size: int) -> float:
    """Time one way of writing so many new items."""
    items = [to_attributes({"id": f"item-{next(_numbers)}", "body": {"text": "x" * 200}}) for _ in range(size)]
    begun = time.perf_counter()
    write(client, items)
    return time.perf_counter() - begun


def together(client: Any, items: Sequence[Any]) -> None:
    """All in one call."""
    answer = client.batch_execute_statement(Statements=[insert(TABLE, item).request for item in items])
    assert not any("Error" in each for each in answer["Responses"])


def singly(client: Any, items: Sequence[Any]) -> None:
    """A call for each."""
    for item in items:
        client.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(id)")
