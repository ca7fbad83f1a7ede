"""Let a long command end after what is under way, rather than in the middle of it."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether the operator wants to end; asked once more, what is under way is broken off.

    Args:
        say: Called with a short line when asked.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked = False
        self._say = say

    def ask(self, _signal: int, _frame: FrameType | None) -> None:
        """Take note of Ctrl-C, or of a request to end from outside."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._say("Ending after what is under way; once more breaks it off")

    def pause(self, seconds: float) -> None:
        """Wait so long, or until asked."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))


@contextmanager
def stop_when_asked(say: Callable[[str], None]) -> Iterator[Stop]:
    """For as long as the `with` block lasts, let signals ask for an end instead of making one."""
    stop = Stop(say)
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
