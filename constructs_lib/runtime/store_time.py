"""What an execution environment knows of the time at the store that it shares with others.

Times in the shared item are the store's, never an environment's own: a clock that runs some seconds wrong must neither
let a probe begin early nor keep one back. Every answer of the store says what time it is there, in whole seconds, so
that the time there is known between two bounds.
"""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Self

# Beyond the rounding of clocks and of stored times.
_GRAIN_SECONDS = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTime:
    """Bounds of the time at the store, in seconds ahead of the clock here.

    Args:
        least: It is at least so far ahead; negative: behind. Default: 0, the clock here is trusted until the store says
            what time it is.
        most: It is at most so far ahead. Default: 0.
    """

    least: float = 0.0
    most: float = 0.0

    @classmethod
    def read(cls, date: str, *, sent: float, received: float) -> Self:
        """Read the `Date` header of an answer.

        Args:
            date: The header; it was true at some moment between the other two.
            sent: When the question left, by the clock here.
            received: When the answer came, by the clock here.

        Raises:
            ValueError: If *date* is no HTTP date.
        """
        second = parsedate_to_datetime(date).timestamp()
        return cls(least=second - received, most=second + 1 - sent)

    def at_least(self, now: float) -> float:
        """The earliest that it can be at the store when it is *now* here."""
        return now + self.least

    def at_most(self, now: float) -> float:
        """The latest that it can be at the store when it is *now* here."""
        return now + self.most

    def surely_from(self, moment: float) -> float:
        """From when on, by the clock here, *moment* has surely come at the store."""
        return moment - self.least + _GRAIN_SECONDS
