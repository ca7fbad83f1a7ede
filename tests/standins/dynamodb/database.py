"""The tables, and the calls that reach them."""

import copy
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.standins.dynamodb import batches, singles, transactions
from tests.standins.dynamodb.accounting import Usage
from tests.standins.dynamodb.client import FakeClient
from tests.standins.dynamodb.faults import Faults
from tests.standins.dynamodb.refusals import RefusedError, invalid
from tests.standins.dynamodb.request import Request
from tests.standins.dynamodb.table import Table
from tests.standins.dynamodb.values import Item

OPERATIONS: Mapping[str, Callable[[Request], dict[str, Any]]] = {
    "put_item": singles.put_item,
    "update_item": singles.update_item,
    "delete_item": singles.delete_item,
    "get_item": singles.get_item,
    "scan": singles.scan,
    "execute_statement": singles.execute_statement,
    "batch_get_item": batches.batch_get_item,
    "batch_write_item": batches.batch_write_item,
    "batch_execute_statement": batches.batch_execute_statement,
    "transact_write_items": transactions.transact_write_items,
}


class FakeDynamoDB:
    """DynamoDB in memory. Its clients may be used from several threads; calls take effect one after the other.

    Tables with the partition key `id` need not be made.

    Args:
        now: Epoch seconds; the time for which a transaction's token counts is measured with it. Default: the clock.

    Attributes:
        usage: Calls and units so far.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.usage = Usage()
        self.now = now
        self.tokens: dict[str, tuple[float, Any]] = {}
        self._tables: dict[str, Table] = {}
        self._lock = threading.RLock()

    def create(self, name: str, key: Sequence[str] = ("id",)) -> None:
        """Make a table with another key than `id`, or empty one.

        Args:
            name: Its name.
            key: Names of the partition key and, if there is one, the sort key.
        """
        self._tables[name] = Table(name, key)

    def table(self, name: str) -> Table:
        """The table of this name, made if there is none."""
        if name not in self._tables:
            self.create(name)
        return self._tables[name]

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table, as attribute values; not charged."""
        return [dict(copy.deepcopy(item)) for item in self.table(table)]

    def put(self, table: str, item: Item) -> None:
        """Have an item there; not charged."""
        where = self.table(table)
        where.put(where.place(item), item)

    def client(self, faults: Faults | None = None, **named: Any) -> Any:
        """A client with botocore's methods, which breaks by its faults.

        Args:
            faults: They may be changed later, as the client's attribute `faults`. Default: those named.
            **named: Arguments of `Faults`.
        """
        return FakeClient(self, faults or Faults(**named))

    def perform(self, operation: str, request: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
        """Let one call take effect and answer it.

        Raises:
            RequestRefusedError: If the whole call is refused.
            NotImplementedError: If this double cannot do what is asked for.
        """
        if operation not in OPERATIONS:
            raise NotImplementedError(f"this double knows {', '.join(sorted(OPERATIONS))}, not {operation}")
        asked = Request(self, operation, copy.deepcopy(dict(request)), faults)
        with self._lock, self.usage.of_call(operation):
            try:
                answer = OPERATIONS[operation](asked)
            except RefusedError as refusal:
                raise invalid(refusal.text) from None
            asked.must_be_read()
            answer |= asked.consumed()
            answer["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RequestId": "", "RetryAttempts": 0}
            return copy.deepcopy(answer)
