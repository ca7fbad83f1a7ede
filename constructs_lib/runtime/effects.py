"""How the effect of a message is made once: what a consumer is told, and what its handler returns.

What can be promised depends on what the effect is:

* `Outside`: something outside is called. Claimed, called, recorded. At most one repetition per crash and call in
  flight; none where the receiver tells copies apart itself;
* `Items`: items of DynamoDB are written, by the runtime. Exactly once, except for a `Fold`, which is once only among the
  ids of events that the item remembers;
* `Inherent`: the handler makes its effect once itself.

Values only: importing this loads no SDK.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from constructs_lib.runtime.envelope import Envelope
from constructs_lib.runtime.records import Record

# API reference, "SendMessage": MessageGroupId and MessageDeduplicationId.
_LONGEST_SQS_ID = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The handler calls something outside; what it returns, as JSON, is the stored result.

    A handler that raises says that its call has had no effect: the message is free for the next attempt at once. Where it
    cannot know, after a time-out for one, *reconcile* tells. A result above 256 KB, or one that is no JSON, is left out:
    its message is done without it.

    Args:
        receiver_key: The handler hands `record.id` to a receiver that tells copies apart by it. Then a crash repeats the
            call but not its effect, and completions are recorded together at the end. Default: it does not; a crash
            while a call is in flight repeats that one call.
        reconcile: Asked before the handler when an earlier attempt ended in the open: returns the result if the call
            took place, which is then recorded without calling again, or None if it did not. Default: call again.
        concurrency: Most calls in flight at once, and so most repetitions per crash. Default: 1.

    Raises:
        ValueError: If *concurrency* is below 1.
    """

    receiver_key: bool = False
    reconcile: Callable[[Record], object] | None = None
    concurrency: int = 1

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {self.concurrency}; 1 makes one call after another")


@dataclass(frozen=True, slots=True)
class Items:
    """The handler returns what is to be written: an `Insert`, `Fold`, `Replace`, `Transact`, or None for nothing."""


@dataclass(frozen=True, slots=True)
class Inherent:
    """The handler's own writes know copies of an event; it returns the messages that follow: one, several or None."""


AnyEffect = Outside | Items | Inherent


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A message that follows from a record; made by `Send.queue` or `Send.stream`.

    A record is done only when its messages are confirmed. A copy of the record sends them again, so their receivers
    must know copies by the envelope's id.

    Attributes:
        kind: Where it goes.
        to: URL of the queue or name of the stream.
        payload: The envelope as JSON.
        group: Message group of a queue, partition key of a stream.
        deduplication_id: Of a FIFO queue.
    """

    kind: Literal["queue", "stream"]
    to: str
    payload: str
    group: str
    deduplication_id: str | None = None

    @classmethod
    def queue(cls, url: str, envelope: Envelope) -> Self:
        """Send *envelope* to an SQS queue: the group is its tenant, on a FIFO queue its key."""
        fifo = url.endswith(".fifo")
        return cls(
            kind="queue",
            to=url,
            payload=envelope.to_json(),
            group=_sqs_id(envelope.key if fifo else envelope.tenant),
            deduplication_id=_sqs_id(envelope.id) if fifo else None,
        )

    @classmethod
    def stream(cls, name: str, envelope: Envelope) -> Self:
        """Put *envelope* on a Kinesis stream, under its key."""
        return cls(kind="stream", to=name, payload=envelope.to_json(), group=envelope.key)


@dataclass(frozen=True, slots=True)
class Insert:
    """A new item; that it exists is the mark of the event. Exactly once.

    Args:
        table: Name of the table.
        key: The item's key, attribute by attribute. It must name the event, not just what the event is about.
        item: The other attributes. The runtime adds `event_digest`.
        then: Messages that follow.
    """

    table: str
    key: Mapping[str, Any]
    item: Mapping[str, Any]
    then: Sequence[Send] = ()


@dataclass(frozen=True, slots=True)
class Fold:
    """A change of an item by what it was. All records of one key in a batch become one write.

    Once only among the ids the item remembers: a copy that comes after *remembered* others of its key counts again.

    Args:
        table: Name of the table.
        key: The item's key, attribute by attribute.
        apply: Makes the new state of the old one, None at first; called again when another writer was quicker. It sees
            and returns the item's attributes without the key, and without `event_ids` and `event_revision`, which the
            runtime keeps there.
        then: Messages that follow.
        remembered: Ids of events the item remembers, 8 bytes for each. Default: 100.

    Raises:
        ValueError: If *remembered* is below 1.
    """

    table: str
    key: Mapping[str, Any]
    apply: Callable[[Mapping[str, Any] | None], Mapping[str, Any]]
    then: Sequence[Send] = ()
    remembered: int = 100

    def __post_init__(self) -> None:
        if self.remembered < 1:
            raise ValueError(f"remembered must be at least 1, got {self.remembered}; an item knows its copies by it")


@dataclass(frozen=True, slots=True)
class Replace:
    """A whole item in a version that the sender counts: an older version than the stored one changes nothing.

    Args:
        table: Name of the table.
        key: The item's key, attribute by attribute.
        item: The other attributes. The runtime adds `event_version` and `event_digest`.
        version: Of this item; the same version with another payload is refused.
        then: Messages that follow.
    """

    table: str
    key: Mapping[str, Any]
    item: Mapping[str, Any]
    version: int
    then: Sequence[Send] = ()


@dataclass(frozen=True, slots=True)
class Transact:
    """Several items, all or none, with the mark of the event in the idempotency table. Exactly once.

    Not with a store that is consistent across regions: DynamoDB has no transactions there.

    Args:
        operations: Elements of TransactWriteItems: `Put`, `Update`, `Delete` or `ConditionCheck`, with plain values in
            `Item`, `Key` and `ExpressionAttributeValues`. At most 99: the mark is the hundredth.
        then: Messages that follow.
    """

    operations: Sequence[Mapping[str, Any]]
    then: Sequence[Send] = ()


Write = Insert | Fold | Replace | Transact


def _sqs_id(text: str) -> str:
    """Return *text* where SQS takes it as an id: up to 128 letters, digits and punctuation; otherwise its hash."""
    if len(text) <= _LONGEST_SQS_ID and all("!" <= character <= "~" for character in text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()
