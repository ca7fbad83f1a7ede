"""What goes into the state machine of a shard and what comes out: records, events, commands.

Times are seconds of any one clock; the state machine never reads a clock itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One stream record."""

    sequence: str
    key: str
    """What order is kept by: the partition key (Kinesis) or the item's key (DynamoDB)."""
    arrived: float
    size: int = 0
    """Bytes it takes in the function's event."""
    event: Mapping[str, Any] = MappingProxyType({})
    """Its entry in the `Records` of the function's event."""


class Condition(StrEnum):
    """Why a batch was discarded, as on-failure destinations spell it."""

    RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
    RECORD_AGE_EXCEEDED = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class Responded:
    """The function ran and returned. *payload* is its parsed JSON, or `UNREADABLE`."""

    payload: Any
    request_id: str = ""
    executed_version: str = "$LATEST"


@dataclass(frozen=True, slots=True)
class FunctionFailed:
    """The function was invoked and ended in an error: an exception, a crash or its time-out."""

    error: str = "Unhandled"
    request_id: str = ""
    executed_version: str = "$LATEST"


@dataclass(frozen=True, slots=True)
class NotInvoked:
    """The batch never reached the function: throttled, service error, no connection."""


UNREADABLE = object()
"""Payload of a response that is not JSON."""

Outcome = Responded | FunctionFailed | NotInvoked


@dataclass(frozen=True, slots=True)
class Enabled:
    """Start reading, or resume after `Disabled`."""

    now: float


@dataclass(frozen=True, slots=True)
class Disabled:
    """Stop reading and invoking."""

    now: float


@dataclass(frozen=True, slots=True)
class RecordsFetched:
    """The answer to `Fetch`: records in shard order. *shard_ended*: the shard is closed and has no more."""

    now: float
    call: int
    records: tuple[Record, ...]
    shard_ended: bool = False


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """`Fetch` could not be carried out."""

    now: float
    call: int


@dataclass(frozen=True, slots=True)
class InvocationEnded:
    """The answer to `Invoke`."""

    now: float
    call: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class DiscardEnded:
    """The answer to a `Discard` with *to_destination*."""

    now: float
    call: int
    delivered: bool


@dataclass(frozen=True, slots=True)
class TimeReached:
    """The time of a `WakeAt` has come; early or needless ones do no harm."""

    now: float


Event = Enabled | Disabled | RecordsFetched | FetchFailed | InvocationEnded | DiscardEnded | TimeReached


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read at most *limit* records after the sequence number *after* (`None`: from the starting position)."""

    call: int
    after: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke the function with *records*, in this order."""

    call: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Discard:
    """Give *records* up. With *to_destination*, tell the on-failure destination and answer with `DiscardEnded`.

    *condition* is `None` where the stream itself dropped the records (retention) and nobody is told.
    *response* is the function's last answer; `None` leaves `responseContext` out.
    """

    call: int
    records: tuple[Record, ...]
    condition: Condition | None
    invoke_count: int
    response: Responded | FunctionFailed | None
    to_destination: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """The function is done with *records*. Nothing to carry out: an account for whoever keeps one."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Filtered:
    """*records* match no filter and count as processed. Nothing to carry out."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `TimeReached` at *time*, unless another event comes first: each answer replaces the one before."""

    time: float


Command = Fetch | Invoke | Discard | Delivered | Filtered | WakeAt
