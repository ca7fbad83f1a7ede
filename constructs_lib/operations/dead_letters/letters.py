"""A dead letter, and which ones are wanted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

CRASHED = "unknown: crashed"
"""The reason of a letter about which nobody could write anything: each delivery ended the function."""

# What the consumer adds to a letter, and to a message it had to send again; a message that goes back starts anew.
_NOTES = frozenset({"reason", "code", "function", "source", "message_id", "deliveries", "correlation_id", "held_since"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message in a dead-letter queue.

    Attributes:
        id: Of the message in the queue it was sent to.
        receipt: Handle for as long as it is held.
        sent: When it was sent to its queue first; if the consumer put it here, when it did.
        deliveries: How often its consumer got it, where that is known.
        reason: Why it is here; None: the letter does not say.
        correlation_id: Of the request it follows from, where it says so.
        tenant: On whose behalf it travels: as the message says, else its group; None: nobody's.
        body: The message.
        attributes: Its message attributes, as SQS gives them.
        group: Message group.
        sequence: Place in a FIFO queue; None elsewhere.
    """

    id: str
    receipt: str
    sent: datetime
    deliveries: int | None
    reason: str | None
    correlation_id: str | None
    tenant: str | None
    body: str
    attributes: Mapping[str, Any]
    group: str | None
    sequence: int | None

    @property
    def is_of_fifo(self) -> bool:
        """Whether its queue keeps order."""
        return self.sequence is not None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Read what `ReceiveMessage` answered, with all attributes."""
        system, attributes = message.get("Attributes", {}), message.get("MessageAttributes", {})
        notes = {name: attributes[name]["StringValue"] for name in _NOTES & attributes.keys()}
        envelope = _envelope(message["Body"])
        group = system.get("MessageGroupId")
        tenant = envelope.get("tenant")
        deliveries = notes.get("deliveries")
        return cls(
            id=notes.get("message_id") or message["MessageId"],
            receipt=message["ReceiptHandle"],
            sent=datetime.fromtimestamp(int(system["SentTimestamp"]) / 1_000, UTC),
            deliveries=int(deliveries) if deliveries and deliveries.isdecimal() else None,
            reason=notes.get("reason"),
            correlation_id=notes.get("correlation_id") or _text(envelope.get("correlation_id")),
            tenant=_text(tenant) or group,
            body=message["Body"],
            attributes=attributes,
            group=group,
            sequence=int(system["SequenceNumber"]) if "SequenceNumber" in system else None,
        )

    def outgoing(self) -> dict[str, Any]:
        """The message as it goes back to its queue: without what was noted on it.

        In a FIFO queue it gets a deduplication id of its own: under the old one SQS may take it for the copy of a message
        of the last five minutes, say that it was sent, and drop it.
        """
        kept = {
            name: {key: value for key, value in each.items() if key in ("DataType", "StringValue", "BinaryValue")}
            for name, each in self.attributes.items()
            if name not in _NOTES
        }
        return {
            "MessageBody": self.body,
            **({"MessageAttributes": kept} if kept else {}),
            **({"MessageGroupId": self.group} if self.group else {}),
            **({"MessageDeduplicationId": uuid4().hex} if self.is_of_fifo else {}),
        }

    def as_json(self) -> dict[str, Any]:
        """What a person needs to know, without the payload."""
        return {
            "id": self.id,
            "sent": f"{self.sent:%Y-%m-%dT%H:%M:%S.%fZ}",
            "reason": self.reason,
            "deliveries": self.deliveries,
            "tenant": self.tenant,
            "correlation_id": self.correlation_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters are meant; empty: all.

    Attributes:
        ids: These, or those whose ids end so.
        since, until: Sent then or later; sent before.
        tenants: Of one of these.
        matching: The reason holds that text.
    """

    ids: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    tenants: tuple[str, ...] = ()
    matching: str | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether *letter* is meant."""
        return (
            (not self.ids or any(letter.id.endswith(each) for each in self.ids))
            and (self.since is None or letter.sent >= self.since)
            and (self.until is None or letter.sent < self.until)
            and (not self.tenants or letter.tenant in self.tenants)
            and (self.matching is None or self.matching in (letter.reason or ""))
        )


def _envelope(body: str) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
