"""TenantThrottle: decides, before anything is queued, whether a tenant's request is taken, taken aside or refused."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from constructs_lib.runtime.observability import Watch
from constructs_lib.runtime.tenant_throttle_leases import Leases


@dataclass(frozen=True, slots=True)
class Accept:
    """The tenant is within its fair rate."""


@dataclass(frozen=True, slots=True)
class Sideline:
    """The tenant is above its fair rate: what it sends waits aside, where it delays nobody else."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The tenant is above its hard rate.

    Args:
        retry_after: Whole seconds after which there may be room, at least 1.
    """

    retry_after: int


Decision = Accept | Sideline | Refuse


class TenantThrottle:
    """Judges tenants by their rates, over all execution environments of a region.

    Every request that is let in counts towards the hard rate; those that are not put aside count towards the fair one.
    So a tenant above its fair rate still has that rate, and only its excess waits aside.

    Counts `TenantSidelined` and `TenantThrottled`; who asks logs, for it knows what it does about it. For one thread.

    Args:
        hard: Above it requests are refused.
        fair: Above it they go aside. None: none do.
        watch: Where to count.
        clock: Returns the time in epoch seconds. Default: the real one.
    """

    def __init__(
        self, *, hard: Leases, fair: Leases | None, watch: Watch, clock: Callable[[], float] = time.time
    ) -> None:
        self._hard = hard
        self._fair = fair
        self._watch = watch
        self._clock = clock

    @classmethod
    def from_environment(cls) -> "TenantThrottle":
        """The throttle of a function that the construct of the same name was given.

        Raises:
            SettingError: If a setting of that construct is missing or makes no sense.
        """
        from constructs_lib.runtime.tenant_throttle_wiring import from_environment  # noqa: PLC0415 - loads an SDK

        return from_environment()

    def decide(self, tenant: str) -> Decision:
        """Judge one request of *tenant*; it always answers, whatever fails."""
        now = self._clock()
        wait = self._hard.take(tenant, now)
        if wait > 0:
            self._count("TenantThrottled")
            return Refuse(max(1, math.ceil(wait)))
        if self._fair is not None and self._fair.take(tenant, now) > 0:
            self._count("TenantSidelined")
            return Sideline()
        return Accept()

    def _count(self, metric: str) -> None:
        self._watch.count(metric)
        self._watch.flush()
