"""One call of the handler with one record, and what came of it."""

import math
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar

from constructs_lib.runtime.descriptions import clean, describe, where
from constructs_lib.runtime.failures import PermanentFailure, TenantUnavailable, Unavailable
from constructs_lib.runtime.records import Record
from constructs_lib.runtime.stream_ports import Outcome

# Nobody holds a record for longer (the longest record age of an event source mapping), so no other side's wish counts
# beyond it.
_LONGEST_WAIT_SECONDS = 7 * 24 * 3600.0
# So long an answer to others tells that the dependency is there.
_ANSWERED_LATELY_SECONDS = 30.0


class AlreadyDone(Enum):
    """What is returned in place of a handler that was not called, for the record is done without."""

    TOKEN = auto()


class NotYetError(Exception):
    """The handler was not called: something else that the record needs is away, or a copy of it is at work.

    Args:
        reason: What, without secrets.
        retry_after: Seconds until another try makes sense. Default: not known.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class RefusedUnaskedError(PermanentFailure):
    """The record can never succeed, which was found without calling the handler."""


@dataclass(frozen=True, slots=True)
class Done:
    """The handler returned, or the record is done without: as a copy, or a replay.

    Args:
        called: Whether it was called now.
    """

    called: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """The record can never succeed.

    Args:
        reason: Why, without secrets.
        called: Whether the handler was called to find that out.
    """

    reason: str
    called: bool = True


@dataclass(frozen=True, slots=True)
class Waits:
    """The handler was not called, for something else that the record needs is away, or a copy of it is at work.

    Args:
        reason: What, without secrets.
        retry_after: Seconds until another try makes sense; None where that is not known.
    """

    reason: str
    retry_after: float | None
    called: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class TenantAway:
    """What the record's tenant owns is unavailable.

    Args:
        reason: What, without secrets.
        retry_after: Seconds until another try makes sense; None where the other side did not say.
    """

    reason: str
    retry_after: float | None
    called: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class DependencyAway:
    """The dependency is unavailable.

    Args:
        reason: What, without secrets.
        retry_after: Seconds until another try makes sense; None where the other side did not say.
    """

    reason: str
    retry_after: float | None
    called: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """The handler raised something that names no scope.

    Args:
        reason: Class and message, without secrets.
        at: The innermost places it came through.
    """

    reason: str
    at: tuple[str, ...] = ()
    called: ClassVar[bool] = True


Result = Done | Refused | TenantAway | DependencyAway | Unknown | Waits

_aside: ContextVar[float] = ContextVar("seconds of an attempt without the handler", default=0.0)


def attempt(handle_record: Callable[[Record], object], record: Record) -> Result:
    """Call the handler once. Never raises: what a handler raises is a result."""
    _aside.set(0.0)
    try:
        returned = handle_record(record)
    except NotYetError as failure:
        return Waits(failure.reason, failure.retry_after)
    except PermanentFailure as failure:
        return Refused(clean(failure.reason), called=not isinstance(failure, RefusedUnaskedError))
    except TenantUnavailable as failure:
        return TenantAway(clean(failure.message), _seconds(failure.retry_after))
    except Unavailable as failure:
        return DependencyAway(clean(failure.message), _seconds(failure.retry_after))
    # A handler's bug must not stop the records beside it, and in a thread even an exit would pass unseen.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - see above
        return Unknown(describe(error), tuple(where(error)))
    return Done(called=returned is not AlreadyDone.TOKEN)


def note_aside(seconds: float) -> None:
    """Tell that so many seconds of the attempt that runs in this thread passed without its handler."""
    _aside.set(seconds)


def seconds_aside() -> float:
    """Return how many seconds of the latest attempt of this thread passed without its handler: nobody was asked."""
    return _aside.get()


def outcome(result: Result) -> Outcome:
    """Return what a result says about the dependency."""
    match result:
        case DependencyAway():
            return Outcome.UNAVAILABLE
        case Unknown():
            return Outcome.UNCLEAR
        case _ if not result.called:
            return Outcome.UNCLEAR
        case _:
            return Outcome.ANSWERED


def is_records_trouble(now: float, *, first_away: float, answered_at: float) -> bool:
    """Whether it is a record's own trouble that the dependency is away for it.

    Only if others were answered in the meantime; all else may be an outage that the circuit breaker has not seen enough
    of yet.

    Args:
        now: The time.
        first_away: When the dependency was away for it for the first time.
        answered_at: When others were last answered.
    """
    return answered_at >= max(first_away, now - _ANSWERED_LATELY_SECONDS)


def _seconds(retry_after: object) -> float | None:
    """Read what a handler passed on from another side: anything may be in it."""
    if not isinstance(retry_after, int | float) or math.isnan(retry_after) or retry_after < 0:
        return None
    return min(float(retry_after), _LONGEST_WAIT_SECONDS)
