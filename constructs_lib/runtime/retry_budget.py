"""A budget for retries, so that trouble is never multiplied: retries stay a small part of the calls.

Three attempts per record mean three times the load on a dependency exactly when it can bear least. So every retry is
paid for out of what first calls have earned. Each execution environment keeps a budget of its own; because it is a part
of that environment's calls, the sum over all of them is the same part of all calls.
"""

# One retry for every five first calls.
_EARNED_BY_CALL = 0.2
# Who waits exactly as long as told must not be sent away for the rounding of a clock.
_ROUNDING = 1e-6


class RetryBudget:
    """A bucket of tokens: a first call adds a fifth of one, a retry takes one. It begins full.

    Args:
        per_second: Tokens that come by themselves, so that a lone record can be tried again where nothing else is
            called.
        most: Tokens that can be saved up.
    """

    def __init__(self, *, per_second: float, most: float) -> None:
        self._per_second = per_second
        self._most = most
        self._tokens = most
        self._counted_at: float | None = None

    def first_call(self) -> None:
        """Earn something."""
        self._tokens = min(self._most, self._tokens + _EARNED_BY_CALL)

    def take(self, now: float) -> float:
        """Take one token.

        Returns:
            Seconds until there is one even if no call is made; 0: it has been taken.
        """
        elapsed = max(0.0, now - self._counted_at) if self._counted_at is not None else 0.0
        self._counted_at = now
        self._tokens = min(self._most, self._tokens + elapsed * self._per_second)
        if self._tokens >= 1 - _ROUNDING:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (1 - self._tokens) / self._per_second
