"""The rule: a region is healthy if every probe comes back in time; an answer holds for a few seconds."""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

# Route 53 waits two seconds for the answer; this leaves it time to travel.
# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
PATIENCE_SECONDS = 1.5

# Checkers all over the world ask several times a second; the stores need not hear all of them.
REMEMBER_SECONDS = 5.0

Probe = Callable[[], object]
"""Returns if what it tries works, raises if not."""


@dataclass(slots=True, kw_only=True)
class HealthCheck:
    """Runs all probes at once and remembers what failed.

    Attributes:
        probes: What to try, by the name the public may read.
        clock: Seconds; the wall clock, because a frozen function's monotonic clock may stand still.
        patience: Seconds until a probe that has not come back counts as failed.
        remember: Seconds for which an answer holds.
    """

    probes: Mapping[str, Probe]
    clock: Callable[[], float] = time.time
    patience: float = PATIENCE_SECONDS
    remember: float = REMEMBER_SECONDS
    _failed: tuple[str, ...] = field(default=(), init=False)
    _checked: float | None = field(default=None, init=False)

    def failed(self) -> tuple[str, ...]:
        """Names of the probes that fail, in their order; none if the region is healthy."""
        now = self.clock()
        if self._checked is None or not 0 <= now - self._checked < self.remember:
            self._failed = self._try_all()
            self._checked = now
        return self._failed

    def _try_all(self) -> tuple[str, ...]:
        if not self.probes:
            return ()
        pool = ThreadPoolExecutor(max_workers=len(self.probes))
        try:
            running = {name: pool.submit(probe) for name, probe in self.probes.items()}
            wait(running.values(), timeout=self.patience)
        finally:
            # A probe that hangs is given up, not waited for; its client's own timeouts end it.
            pool.shutdown(wait=False, cancel_futures=True)
        failed = []
        for name, result in running.items():
            if not result.done():
                logger.error("health probe %r has not come back within %s seconds", name, self.patience)
                failed.append(name)
            elif error := result.exception():
                logger.error("health probe %r failed", name, exc_info=error)
                failed.append(name)
        return tuple(failed)
