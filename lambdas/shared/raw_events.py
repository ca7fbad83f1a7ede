"""Events nobody could read, byte for byte, in the alerts table: key `raw#<event id>`, one item per piece."""

from datetime import timedelta
from typing import TYPE_CHECKING

from lambdas.shared import timestamps

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# An item holds at most 400 KB, names included; a body may be longer.
PIECE = 256 * 1024
KEPT_FOR = timedelta(days=90)


class RawEventRepository:
    """Keeps bodies until somebody has looked at them, at most 90 days.

    Args:
        client: DynamoDB client of this region.
        table: Name of the alerts table.
        region: The region that keeps them.
    """

    def __init__(self, client: "DynamoDBClient", table: str, region: str) -> None:
        self._client = client
        self._table = table
        self._region = region

    def keep(self, event_id: str, raw: bytes, *, accepted_at: str) -> None:
        """Store *raw* under *event_id*; storing it again changes nothing."""
        expiry = timestamps.parse(accepted_at) + KEPT_FOR
        for number, start in enumerate(range(0, max(len(raw), 1), PIECE)):
            self._client.put_item(
                TableName=self._table,
                Item={
                    "alert_id": {"S": f"raw#{event_id}"},
                    "region": {"S": f"{self._region}#{number}"},
                    "piece": {"B": raw[start : start + PIECE]},
                    "expires_at": {"N": str(int(expiry.timestamp()))},
                },
            )

    def load(self, event_id: str) -> bytes | None:
        """The bytes kept under *event_id* in this region; None when there are none."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="alert_id = :id AND begins_with(#region, :region)",
            ExpressionAttributeNames={"#region": "region"},
            ExpressionAttributeValues={":id": {"S": f"raw#{event_id}"}, ":region": {"S": f"{self._region}#"}},
            ConsistentRead=True,
        )
        pieces = [item["piece"]["B"] for page in pages for item in page["Items"]]
        return b"".join(pieces) if pieces else None
