"""Waiting for what happens a moment later, as nearly everything in an event-driven system does."""

import time
from collections.abc import Callable
from typing import TypeVar

_POLL_SECONDS = 0.05

Value = TypeVar("Value")


def eventually(value: Callable[[], Value], *, seconds: float = 20.0) -> Value:
    """What *value* gives once that is true in the sense of `if`, or else what it gives last.

        assert eventually(lambda: stored("order-1")) == "shipped"

    Args:
        value: Called again and again; whatever it raises ends the waiting.
        seconds: How long to wait at most. Default: 20.
    """
    deadline = time.monotonic() + seconds
    while not (found := value()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return found
