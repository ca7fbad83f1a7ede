"""Why a message failed, kept where it is found by the message's id after the queue itself has given the message up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

KEY_PREFIX = "failure#"
# A dead letter is kept for 14 days at most.
_KEPT_SECONDS = 15 * 86_400
# API reference, "BatchWriteItem".
_MOST_ITEMS = 25


@dataclass(frozen=True, slots=True)
class Note:
    """Why a delivery failed.

    Args:
        reason: In words, without secrets and payload.
        deliveries: How often the message had been delivered by then.
    """

    reason: str
    deliveries: int


class FailureNotes(Protocol):
    """Port to the notes."""

    def keep(self, notes: Mapping[str, Note], now: float) -> None:
        """Keep the newest note of each message id, or raise; some may be kept then."""


class NoNotes:
    """Keeps nothing: where there is no table."""

    def keep(self, notes: Mapping[str, Note], now: float) -> None:
        """Drop the notes; the log has the reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNotes:
    """Items in the idempotency table: `id` is `failure#<message id>`.

    With them `reason`, `deliveries`, `at` (ISO 8601 in UTC) and `expiration` (seconds since 1970). A note that the table
    has no capacity for is dropped: the log has it too.

    Args:
        client: DynamoDB client.
        table: Name of the table.
    """

    client: "DynamoDBClient"
    table: str

    def keep(self, notes: Mapping[str, Note], now: float) -> None:
        """Keep the newest note of each message id, or raise; some may be kept then."""
        items = iter([_item(message_id, note, now) for message_id, note in notes.items()])
        while chunk := list(islice(items, _MOST_ITEMS)):
            self.client.batch_write_item(RequestItems={self.table: [{"PutRequest": {"Item": item}} for item in chunk]})


def _item(message_id: str, note: Note, now: float) -> dict[str, Any]:
    return {
        "id": {"S": KEY_PREFIX + message_id},
        "reason": {"S": note.reason},
        "deliveries": {"N": str(note.deliveries)},
        "at": {"S": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")},
        "expiration": {"N": str(int(now) + _KEPT_SECONDS)},
    }
