"""The end of an invocation, and the time kept free before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

# Enough to write one record to quarantine and to answer; a function with little time keeps a fifth of it instead.
_RESERVE_MILLIS = 5_000
_RESERVE_SHARE = 0.2


class InvocationContext(Protocol):
    """The part of Lambda's context object that the consumers use."""

    @property
    def function_name(self) -> str:
        """Name of the function."""

    @property
    def aws_request_id(self) -> str:
        """Identifier of the invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left until Lambda stops the invocation."""


class Deadline:
    """Tells whether there is time for one more piece of work.

    Work that is cut off by Lambda's time-out fails the whole batch, so a piece starts only if one as long as the
    longest so far would still end before the reserve. The first piece always has time.

    Args:
        context: Of the running invocation.

    Attributes:
        timeout_seconds: The function's time-out, as far as the invocation can tell.
    """

    def __init__(self, context: InvocationContext) -> None:
        self._remaining = context.get_remaining_time_in_millis
        self.timeout_seconds = self._remaining() / 1_000
        self._reserve = min(_RESERVE_MILLIS, self._remaining() * _RESERVE_SHARE)
        self._longest = 0.0

    def leaves_time(self, *, after_seconds: float = 0.0) -> bool:
        """Return whether a piece of work begun after a pause of so many seconds would still end in time."""
        return self._remaining() - after_seconds * 1_000 > self._reserve + self._longest

    @property
    def seconds_to_reserve(self) -> float:
        """Seconds until only the reserve is left."""
        return (self._remaining() - self._reserve) / 1_000

    @property
    def seconds_to_last_start(self) -> float:
        """Seconds until the last moment at which a piece of work may begin."""
        return (self._remaining() - self._reserve - self._longest) / 1_000

    def note(self, seconds: float) -> None:
        """Learn how long a piece of work took."""
        self._longest = max(self._longest, seconds * 1_000)

    @property
    def seconds_left(self) -> float:
        """Seconds until Lambda stops the invocation."""
        return self._remaining() / 1_000

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Learn how long a piece of work takes."""
        before = self._remaining()
        try:
            yield
        finally:
            self._longest = max(self._longest, before - self._remaining())
