"""Invoked now and then: deletes what has expired, and goes on next time where it stopped."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.clients import client
from constructs_lib.runtime.deadline import Deadline, InvocationContext
from constructs_lib.runtime.functions.sweep.store import DynamoDbStore
from constructs_lib.runtime.functions.sweep.sweep import sweep
from constructs_lib.runtime.json_watch import JsonWatch
from constructs_lib.runtime.settings import IDEMPOTENCY_TABLE, METRICS_NAMESPACE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

    from constructs_lib.runtime.observability import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a sweep works with.

    Args:
        client: DynamoDB client.
        table: Name of the store's table.
        watch: Where it is logged and counted: `ItemsSwept`, items deleted, and `SweepAge`, seconds since the store was
            last gone through to its end; both after every run, with the dimension `store`.
    """

    client: "DynamoDBClient"
    table: str
    watch: "Watch"


def from_environment() -> Ports:
    """Make the ports from the function's environment settings."""
    table = os.environ[IDEMPOTENCY_TABLE]
    watch = JsonWatch(namespace=os.environ[METRICS_NAMESPACE], dimensions={"store": table})
    return Ports(client=client("dynamodb"), table=table, watch=watch)


def make_handler(load: Callable[[], Ports]) -> Callable[[Any, InvocationContext], None]:
    """Build the handler; *load* runs on the first event, never on import."""
    ports_of = cache(load)

    def handle(_event: Any, context: InvocationContext) -> None:
        ports = ports_of()
        deadline = Deadline(context)
        store = DynamoDbStore(client=ports.client, table=ports.table, deadline=deadline)
        swept = sweep(store, seconds_left=lambda: deadline.seconds_left)
        ports.watch.info("store swept", deleted=swept.deleted, age=swept.age)
        ports.watch.gauge("ItemsSwept", swept.deleted, "Count")
        ports.watch.gauge("SweepAge", swept.age, "Seconds")
        ports.watch.flush()

    return handle


handle = make_handler(from_environment)
