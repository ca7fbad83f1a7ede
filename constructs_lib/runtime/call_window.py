"""How many of the newest calls failed, and how many of them in a row were not answered."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """One call that has ended.

    Args:
        begun: When it began.
        ended: When it ended.
        key: What it was about.
        failed: Whether it failed; a slow one fails also when it is answered.
        unanswered: Whether it is known that nobody answered.
    """

    begun: float
    ended: float
    key: str
    failed: bool
    unanswered: bool


class CallWindow:
    """The newest calls of a sliding window of time.

    Bounded in number too: when a busy dependency goes down, what it answered during the last minute must not outvote
    for half a minute that it answers no more.

    Args:
        seconds: For how long a call counts.
        most: As many of the newest calls count.
    """

    def __init__(self, seconds: float, *, most: int) -> None:
        self._seconds = seconds
        self._calls: deque[SeenCall] = deque(maxlen=most)

    def add(self, call: SeenCall) -> None:
        """Count one call."""
        self._calls.append(call)

    def calls(self, now: float) -> int:
        """The calls in the window."""
        self._forget(now)
        return len(self._calls)

    def failure_rate(self, now: float) -> float:
        """The part of the calls in the window that failed, 0 to 1; 0 where there were none."""
        calls = self.calls(now)
        return sum(call.failed for call in self._calls) / calls if calls else 0.0

    def run(self, now: float) -> Sequence[SeenCall]:
        """The calls in the window since the last one that may have been answered, the newest first."""
        self._forget(now)
        return list(takewhile(lambda call: call.unanswered, reversed(self._calls)))

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()

    def _forget(self, now: float) -> None:
        while self._calls and self._calls[0].ended <= now - self._seconds:
            self._calls.popleft()
