"""Time, and waiting for it, such that tests can have their own."""

import time
from typing import Protocol


class Clock(Protocol):
    """Time, and waiting for it."""

    def now(self) -> float:
        """Seconds since 1970."""

    def wait_until(self, moment: float) -> None:
        """Return at *moment*, or at once if it has passed."""


class SystemClock:
    """The machine's time."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def wait_until(self, moment: float) -> None:
        """Return at *moment*, or at once if it has passed."""
        time.sleep(max(0.0, moment - time.time()))
