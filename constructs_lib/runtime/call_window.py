"""How many of the newest calls failed."""

from collections import deque


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
        self._calls: deque[tuple[float, bool]] = deque(maxlen=most)

    def add(self, now: float, *, failed: bool) -> None:
        """Count one call."""
        self._calls.append((now, failed))

    def calls(self, now: float) -> int:
        """The calls in the window."""
        self._forget(now)
        return len(self._calls)

    def failure_rate(self, now: float) -> float:
        """The part of the calls in the window that failed, 0 to 1; 0 where there were none."""
        calls = self.calls(now)
        return sum(failed for _, failed in self._calls) / calls if calls else 0.0

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()

    def _forget(self, now: float) -> None:
        while self._calls and self._calls[0][0] <= now - self._seconds:
            self._calls.popleft()
