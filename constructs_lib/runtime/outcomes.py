"""What becomes of each message of a batch, and what an effect needs to settle them.

The core of a consumer makes deliveries of what arrived, an effect settles them, the core acts on the outcomes:
acknowledges, holds, tells, buries. An effect never acknowledges anything itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from constructs_lib.runtime.deadline import Deadline, InvocationContext
from constructs_lib.runtime.descriptions import clean, describe, where
from constructs_lib.runtime.failures import PermanentFailure, Unavailable
from constructs_lib.runtime.records import Arrival, Record

if TYPE_CHECKING:
    from constructs_lib.runtime.observability import Watch

PAYLOAD_MISMATCH = "IDM_PAYLOAD_MISMATCH"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to be settled; no other one of its id is settled at the same time by this batch.

    Args:
        record: What the handler sees.
        arrival: As received.
        digest: Tells a copy from another message of the same id: SHA-256 of body, key and tenant.
    """

    record: Record
    arrival: Arrival
    digest: str


@dataclass(frozen=True, slots=True)
class Done:
    """The effect is made and stored, and every message that follows from it is confirmed.

    Args:
        result: What the handler returned, where the effect keeps it.
        repeated: Whether it had been made by an earlier copy.
    """

    result: object = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Something the message needs is away, or a copy is at work: it waits, and is not counted as failed.

    Args:
        reason: In words for the log, without secrets.
        retry_after: Seconds after which another try makes sense. Default: not known.
    """

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The message can never succeed: a dead letter, at once.

    Args:
        reason: In words for whoever finds it, without secrets and payload.
        code: Name of the reason where programs act on it, such as `PAYLOAD_MISMATCH`.
    """

    reason: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It failed this time; the queue's own limit decides how often it is tried.

    Args:
        reason: In words for the log, without secrets.
        at: Innermost places the error came through.
    """

    reason: str
    at: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotBegun:
    """There was no time for it; nothing has happened."""


Outcome = Done | Held | Refused | Failed | NotBegun


@dataclass(frozen=True, slots=True)
class Returned:
    """What the handler returned."""

    value: object


def mismatch(record_id: str) -> Refused:
    """Return the outcome of a message whose id is known with another payload."""
    return Refused(
        f"the id {clean(record_id)} is known with another payload; a sender must not use one id for two messages",
        PAYLOAD_MISMATCH,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an effect works with.

    Args:
        handler: The user's function of one record.
        deadline: Of this invocation; what it leaves no time for is `NotBegun`.
        context: Of this invocation.
        watch: Logs and counts. The core logs every outcome; an effect counts `StoreErrors` and `SendsFailed`.
        now: Seconds since 1970.
    """

    handler: Callable[[Record], object]
    deadline: Deadline
    context: InvocationContext
    watch: "Watch"
    now: Callable[[], float]

    def attempt(self, delivery: Delivery) -> Returned | Held | Refused | Failed:
        """Call the handler; its log lines tell which record they are about. Never raises what the handler raised.

        May be called by several threads at once.
        """
        record = delivery.record
        with (
            self.watch.about(
                correlation_id=record.correlation_id,
                record_id=record.id,
                tenant=record.tenant,
                position=record.position,
            ),
            self.deadline.measured(),
        ):
            try:
                return Returned(self.handler(record))
            except PermanentFailure as failure:
                return Refused(clean(failure.reason))
            except Unavailable as failure:
                # A handler may hand on what a header says, which is text.
                seconds = failure.retry_after if isinstance(failure.retry_after, int | float) else None
                return Held(clean(f"{type(failure).__name__}: {failure.message}"), seconds)
            except Exception as error:  # noqa: BLE001 - one message's failure must not fail the others
                return Failed(describe(error), tuple(where(error)))


class Effect(Protocol):
    """Port: makes the effect of messages once."""

    def settle(self, deliveries: Sequence[Delivery], work: Work) -> Mapping[str, Outcome]:
        """Settle each of *deliveries*, none of which share an id; return the outcomes by `arrival.position`."""
