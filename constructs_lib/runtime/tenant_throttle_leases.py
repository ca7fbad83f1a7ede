"""Tokens of one rate limit, as one execution environment holds them for each tenant.

All environments of a region draw on one token bucket per tenant, kept in a table. So that not every request writes
there, an environment takes a lease of several tokens at once and spends them by itself. The first lease is an advance
that is not asked for: a tenant who is seldom heard of costs nothing.

What follows for a tenant whose bucket holds `burst` tokens and gains `per_second`, when *n* environments serve it within
the time looked at and a lease is *c* tokens:

* in any *T* seconds it is given at most `burst + per_second * T + n * c` tokens: what the table gave in that time, and
  what the environments held before;
* as long as it asks for at most `burst - n * c + per_second * T` tokens in any *T* seconds it is never refused: no
  more than *n* leases can lie unused elsewhere.

A clock that is ahead by *x* seconds adds `per_second * x` to the first and takes it from the second. An environment that
ends takes what it holds with it. Tenants share nothing: what one is given changes no other's answers.

While the table is away, each environment goes by a bucket of its own with the same burst and rate: an event accepted
above the limit is better than one refused below it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

# Some 200 bytes each.
MOST_TENANTS = 10_000
# Sums of floats must not turn away who waited exactly as long as told.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A token bucket that environments draw on by leases.

    Args:
        name: Tells the limits of one table apart.
        per_second: Tokens gained per second, above 0.
        burst: Tokens it holds at most, and at first; at least *lease*.
        lease: Tokens an environment takes at once, at least 1.
    """

    name: str
    per_second: float
    burst: int
    lease: int

    @property
    def lease_seconds(self) -> float:
        """How long the bucket takes to gain one lease."""
        return self.lease / self.per_second

    def wait(self, taken_until: float, now: float) -> float:
        """Seconds until the bucket holds a lease; 0: it does."""
        full_seconds = self.burst / self.per_second
        wait = taken_until + self.lease_seconds - full_seconds - now
        return wait if wait > _ROUNDING else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The answer of the store.

    Args:
        granted: Whether it gave a lease.
        taken_until: The state of the bucket after it: when it will be full again, in epoch seconds.
    """

    granted: bool
    taken_until: float


class StoreAwayError(Exception):
    """The store did not answer, or will not be asked for now."""


class LeaseStore(Protocol):
    """Port: the buckets that all environments of a region share."""

    def lease(self, tenant: str, limit: RateLimit, *, seen: float | None, now: float) -> Lease:
        """Take a lease for *tenant* if its bucket holds one.

        Args:
            tenant: Whose bucket.
            limit: Which of its buckets.
            seen: `taken_until` when the store was asked last; it saves a try. None: not asked yet.
            now: This moment.

        Raises:
            StoreAwayError: Whether it does cannot be told.
        """


@dataclass(slots=True)
class _Account:
    """What is known of one tenant here."""

    tokens: float
    taken_until: float | None = None
    denied_until: float = 0.0
    alone: "_OwnBucket | None" = None


class Leases:
    """One rate limit of all tenants. For one thread, as an execution environment has one request at a time.

    Args:
        limit: Rate, burst and size of a lease.
        store: Where the buckets are.
        most_tenants: Tenants remembered at once, the latest ones. After one had to be forgotten there are no more
            advances: it could come back for another. Default: 10000.
    """

    def __init__(self, limit: RateLimit, store: LeaseStore, *, most_tenants: int = MOST_TENANTS) -> None:
        self._limit = limit
        self._store = store
        self._most_tenants = most_tenants
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._advance = limit.lease

    def take(self, tenant: str, now: float) -> float:
        """Take one token of *tenant*.

        Returns:
            Seconds until there may be one; 0: it has been taken.
        """
        account = self._account(tenant)
        if account.tokens < 1:
            wait = self._refill(tenant, account, now)
            if wait > 0:
                return wait
        account.tokens -= 1
        return 0.0

    def _account(self, tenant: str) -> _Account:
        account = self._accounts.get(tenant)
        if account is not None:
            self._accounts.move_to_end(tenant)
            return account
        if len(self._accounts) >= self._most_tenants:
            self._accounts.popitem(last=False)
            self._advance = 0
        account = self._accounts[tenant] = _Account(self._advance)
        return account

    def _refill(self, tenant: str, account: _Account, now: float) -> float:
        if now < account.denied_until:
            return account.denied_until - now
        try:
            lease = self._store.lease(tenant, self._limit, seen=account.taken_until, now=now)
        except StoreAwayError:
            if account.alone is None:
                account.alone = _OwnBucket(self._limit, now)
            wait = account.alone.take(now)
            if not wait:
                account.tokens += 1
            return wait
        account.taken_until = lease.taken_until
        if lease.granted:
            account.tokens += self._limit.lease
            return 0.0
        wait = max(self._limit.wait(lease.taken_until, now), _ROUNDING)
        # Nothing can be there before, whatever the others do: until then a flood costs no writes.
        account.denied_until = now + wait
        return wait


class _OwnBucket:
    """A bucket that nobody else draws on; it begins full, and is kept, so that no two outages give two bursts."""

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._counted_at = now

    def take(self, now: float) -> float:
        gained = max(0.0, now - self._counted_at) * self._limit.per_second
        self._counted_at = now
        self._tokens = min(float(self._limit.burst), self._tokens + gained)
        if self._tokens >= 1 - _ROUNDING:
            self._tokens = max(0.0, self._tokens - 1)
            return 0.0
        return (1 - self._tokens) / self._limit.per_second
