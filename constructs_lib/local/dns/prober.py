"""Carries out health checks, each at its own interval, for as long as it runs."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from constructs_lib.local.dns.health import EndpointHealth, statuses
from constructs_lib.local.dns.judgement import Result
from constructs_lib.local.dns.model import HealthCheck
from constructs_lib.local.dns.probe import Limits, probe
from constructs_lib.local.dns.unknowns import Unknowns
from constructs_lib.local.errors import LocalCloudError

Locate = Callable[[HealthCheck], str]
"""The URL to ask for a check; raises LocalCloudError or an SDK's error if its host is not found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStatus:
    """One health check and where it stands.

    Attributes:
        check_id: Its id.
        type: What it looks at.
        endpoint: Host and path asked; empty for one that asks nobody.
        healthy: Whether records that name it are used.
        reason: What the last request showed; empty before the first one.
        requests: How many were made.
        changed_at: When an endpoint's status last changed, in seconds of `time.time`; None if it never did.
    """

    check_id: str
    type: str
    endpoint: str
    healthy: bool
    reason: str
    requests: int
    changed_at: float | None


class Prober:
    """Runs *checks*.

    Args:
        checks: All health checks.
        locate: Finds the URL of an endpoint, before every request, as Route 53 asks DNS before every request.
        time_scale: How many times faster than on AWS intervals pass; limits of time are never shortened by it.
        limits: Seconds an endpoint has.
        unknowns: The choices for what the documentation leaves open.
    """

    def __init__(
        self, checks: Sequence[HealthCheck], locate: Locate, *, time_scale: float, limits: Limits, unknowns: Unknowns
    ) -> None:
        self._checks = checks
        self._unknowns = unknowns
        self._ended = threading.Event()
        self._endpoints = {
            check.check_id: _Endpoint(check, locate, time_scale, limits, unknowns)
            for check in checks
            if check.type.probes and not check.disabled
        }
        self._threads = [
            # A thread per check: an endpoint that hangs must not hide how the others are.
            threading.Thread(target=endpoint.run, args=(self._ended,), name=f"health check {check_id}", daemon=True)
            for check_id, endpoint in self._endpoints.items()
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask nobody any more. Returns when the requests under way have ended, which their limits see to."""
        self._ended.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def healthy(self) -> dict[str, bool]:
        """The status of every check by id."""
        return statuses(
            self._checks, {key: each.health.healthy for key, each in self._endpoints.items()}, self._unknowns
        )

    def status(self) -> tuple[CheckStatus, ...]:
        """Every check and where it stands."""
        healthy = self.healthy()
        return tuple(self._status(check, healthy[check.check_id]) for check in self._checks)

    def _status(self, check: HealthCheck, healthy: bool) -> CheckStatus:
        endpoint = self._endpoints.get(check.check_id)
        return CheckStatus(
            check_id=check.check_id,
            type=check.type.value,
            endpoint=f"{check.host}{check.path}" if check.type.probes else "",
            healthy=healthy,
            reason=endpoint.result.reason if endpoint and endpoint.result else "",
            requests=endpoint.requests if endpoint else 0,
            changed_at=endpoint.changed_at if endpoint else None,
        )


class _Endpoint:
    """One endpoint and the thread that asks it."""

    def __init__(
        self, check: HealthCheck, locate: Locate, time_scale: float, limits: Limits, unknowns: Unknowns
    ) -> None:
        self.health = EndpointHealth(check.failure_threshold, unknowns)
        self.result: Result | None = None
        self.requests = 0
        self.changed_at: float | None = None
        self._check = check
        self._locate = locate
        self._pause = check.interval / time_scale
        self._limits = limits
        self._unknowns = unknowns

    def run(self, ended: threading.Event) -> None:
        # The interval counts from the answer, not from the request.
        while not ended.is_set():
            self._ask()
            ended.wait(self._pause)

    def _ask(self) -> None:
        try:
            url = self._locate(self._check)
        except (LocalCloudError, BotoCoreError, ClientError, OSError) as error:
            self.result = Result(passed=False, reason=f"the name was not resolved: {error}")
        else:
            self.result = probe(self._check, url, self._limits, self._unknowns)
        self.requests += 1
        if self.health.observe(self.result.passed):
            self.changed_at = time.time()
