"""The store in DynamoDB: read page by page, deleted on conditions, with a note of where the last run stopped.

A table that is consistent across regions has no time to live and no transactions; PartiQL deletes on conditions, 25
items to a call. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from constructs_lib.runtime.deadline import Deadline
from constructs_lib.runtime.functions.sweep.sweep import Expired, Key, Position
from constructs_lib.runtime.partiql import BatchStatements, Fate, delete

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# No message is remembered under an id without a "#".
POSITION_ID = "sweep-position"

# Items looked at before some are deleted and the position is noted: 40 calls at most, and a note's cost shared by many.
_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDbStore:
    """The table of an idempotency store.

    Args:
        client: DynamoDB client.
        table: Name of the table.
        deadline: Of this invocation.
    """

    client: "DynamoDBClient"
    table: str
    deadline: Deadline
    statements: BatchStatements = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statements", BatchStatements(client=self.client))

    def position(self) -> Position | None:
        """Return where the last run stopped; None if there was none."""
        found = self.client.get_item(TableName=self.table, Key={"id": {"S": POSITION_ID}}, ConsistentRead=True)
        item = found.get("Item")
        return Position(int(item["since"]["N"]), json.loads(item["after"]["S"])) if item else None

    def remember(self, position: Position) -> None:
        """Keep where this run stopped."""
        self.client.put_item(
            TableName=self.table,
            Item={
                "id": {"S": POSITION_ID},
                "since": {"N": str(position.since)},
                "after": {"S": json.dumps(position.after)},
            },
        )

    def expired(self, before: int, after: Key | None) -> tuple[Sequence[Expired], Key | None]:
        """Return the items of one page that expired before a second since 1970, and where the next page begins."""
        start = {"ExclusiveStartKey": dict(after)} if after else {}
        page = self.client.scan(
            TableName=self.table,
            Limit=_PAGE,
            FilterExpression="expiration < :before",
            ExpressionAttributeValues={":before": {"N": str(before)}},
            ProjectionExpression="id, expiration",
            **start,  # type: ignore[arg-type]  # the stubs want the key word by word
        )
        items = [Expired(item["id"]["S"], int(item["expiration"]["N"])) for item in page["Items"]]
        return items, page.get("LastEvaluatedKey")

    def delete(self, items: Sequence[Expired]) -> int:
        """Delete each item that still expires when it was seen to; return how many are gone."""
        statements = [
            delete(self.table, {"id": {"S": item.id}}, where={"expiration": {"N": str(item.expiration)}})
            for item in items
        ]
        answers = self.statements.run(statements, self.deadline)
        return sum(answer.fate is Fate.WRITTEN for answer in answers)
