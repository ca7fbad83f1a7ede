"""How many of the calls of the last minute or so failed."""

from collections import deque

# The window moves in so many steps: it forgets a call up to that part of its length too early.
_STEPS = 12


class CallWindow:
    """Counts calls and failures over a sliding window of time, in constant space.

    Args:
        seconds: Length of the window.
    """

    def __init__(self, seconds: float) -> None:
        self._step = seconds / _STEPS
        # Step, calls, failures; the newest step last.
        self._counts: deque[list[int]] = deque()

    def add(self, now: float, *, failed: bool) -> None:
        """Count one call."""
        step = int(now / self._step)
        # A clock that was set back counts into the newest step there is.
        if not self._counts or self._counts[-1][0] < step:
            self._counts.append([step, 0, 0])
        self._counts[-1][1] += 1
        self._counts[-1][2] += failed
        self._forget(now)

    def calls(self, now: float) -> int:
        """The calls in the window."""
        self._forget(now)
        return sum(calls for _, calls, _ in self._counts)

    def failure_rate(self, now: float) -> float:
        """The part of the calls in the window that failed, 0 to 1; 0 where there were none."""
        self._forget(now)
        calls = sum(calls for _, calls, _ in self._counts)
        return sum(failures for *_, failures in self._counts) / calls if calls else 0.0

    def clear(self) -> None:
        """Forget all calls."""
        self._counts.clear()

    def _forget(self, now: float) -> None:
        oldest = int(now / self._step) - _STEPS
        while self._counts and self._counts[0][0] <= oldest:
            self._counts.popleft()
