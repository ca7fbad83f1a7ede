"""The table of claims in DynamoDB, read and written for a whole batch at a time.

Items have the partition key `id` and the attributes `state`, `token`, `digest`, `claimed_until`, `expiration`; those
that are done also `result` or `left_out`. One without `token` is the mark of a transaction: its
message is done, by a consumer whose effect was another kind before. DynamoDB deletes items some time after `expiration` where the table's time to
live is on; nothing here relies on that.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from constructs_lib.runtime.attribute_values import from_attributes, to_attribute, to_attributes
from constructs_lib.runtime.claim_ports import Away, Swap
from constructs_lib.runtime.claim_states import Stored
from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.item_reads import BatchReads, Unread, Wanted
from constructs_lib.runtime.partiql import Answer, BatchStatements, Statement, delete, insert, update

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_ONLY_DONE = ("result", "left_out")
_MILLISECOND = Decimal("0.001")


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDbClaims:
    """Claims in a table with the partition key `id`. Several threads may use it with one item each.

    Args:
        client: DynamoDB client.
        table: Name of the table.
        sleep: Waits so many seconds.
    """

    client: "DynamoDBClient"
    table: str
    sleep: Callable[[float], None] = time.sleep
    statements: BatchStatements = field(init=False)
    reads: BatchReads = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statements", BatchStatements(client=self.client, sleep=self.sleep))
        object.__setattr__(self, "reads", BatchReads(client=self.client, sleep=self.sleep))

    def insert(self, items: Sequence[Stored], deadline: Deadline) -> Sequence[Answer]:
        """Store each item where none of its id is."""
        return self.statements.run([insert(self.table, _attributes(item)) for item in items], deadline)

    def swap(self, swaps: Sequence[Swap], deadline: Deadline) -> Sequence[Answer]:
        """Do each swap whose seen item is there."""
        return self.statements.run([self._swap(swap) for swap in swaps], deadline)

    def remove(self, items: Sequence[Stored], deadline: Deadline) -> Sequence[Answer]:
        """Remove each item that is there as a claim with its token."""
        statements = [
            delete(self.table, _key(item.id), where=to_attributes({"token": item.token, "state": "claimed"}))
            for item in items
        ]
        return self.statements.run(statements, deadline)

    def read(self, ids: Sequence[str], deadline: Deadline, *, consistent: bool) -> Mapping[str, Stored | Away | None]:
        """Return what is there, None for nothing."""
        wanted = {name: Wanted(self.table, _key(name)) for name in ids}
        found = self.reads.items(wanted.values(), deadline, consistent=consistent)
        return {name: _read(found[each.address]) for name, each in wanted.items()}

    def _swap(self, swap: Swap) -> Statement:
        attributes = _attributes(swap.by)
        del attributes["id"]
        return update(
            self.table,
            _key(swap.by.id),
            put=attributes,
            remove=[name for name in _ONLY_DONE if swap.seen.state == "done" and name not in attributes],
            where={
                "token": to_attribute(swap.seen.token) if swap.seen.token else None,
                "state": to_attribute(swap.seen.state),
            },
        )


def _key(id: str) -> dict[str, Any]:
    return {"id": {"S": id}}


def _attributes(item: Stored) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": item.id,
        "state": item.state,
        "token": item.token,
        "digest": item.digest,
        "claimed_until": Decimal(item.claimed_until).quantize(_MILLISECOND),
        "expiration": item.expiration,
    }
    optional = {"result": item.result, "left_out": item.left_out or None}
    return to_attributes(values | {name: value for name, value in optional.items() if value is not None})


def _read(found: Mapping[str, Any] | Unread | None) -> Stored | Away | None:
    if found is None:
        return None
    if isinstance(found, Unread):
        return Away(found.reason)
    values = from_attributes(found)
    return Stored(
        id=values["id"],
        state=values["state"],
        token=values.get("token", ""),
        digest=values["digest"],
        claimed_until=float(values.get("claimed_until", 0)),
        expiration=int(values["expiration"]),
        result=values.get("result"),
        left_out=values.get("left_out", ""),
    )
