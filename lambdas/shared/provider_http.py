"""HTTP calls to a provider: one try, in limited time, each logged with provider, latency and region."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3

from constructs_lib.runtime import DependencyUnavailable
from lambdas.shared.time_limit import within

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

CONNECT_SECONDS = 2.0

# Records of so many keys are delivered at once; each call keeps its connection for the next.
_CONNECTIONS = 100

# A provider that asks for a longer pause than this gets another try all the same.
_LONGEST_PAUSE_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider answered.

    Attributes:
        status: HTTP status.
        retry_after: Seconds it asks to wait, if it does.
        body: As received.
    """

    status: int
    retry_after: float | None
    body: bytes

    def json_object(self) -> dict[str, Any] | None:
        """The body as a JSON object; None when it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


class ProviderHttp:
    """Calls one provider.

    Redirects are not followed, so that no credential travels to another host, and nothing is tried twice: whether that
    is safe only the caller knows.

    Args:
        provider: Its name, for the log.
        region: The region the calls come from, for the log.
        timeout_seconds: The longest a call may take, from name look-up to the answer's last byte.
        logger: Where calls are logged: what, how long, with which status; never addresses, headers or bodies.
    """

    def __init__(self, *, provider: str, region: str, timeout_seconds: float, logger: "Logger") -> None:
        self.provider = provider
        self._region = region
        self._timeout_seconds = timeout_seconds
        self._logger = logger
        self._pool = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED",
            retries=False,
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout_seconds), read=timeout_seconds),
        )

    def call(
        self, operation: str, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Make one call.

        Raises:
            DependencyUnavailable: No answer came; whether the call had its effect is unknown.
        """
        begun = time.monotonic()
        outcome: dict[str, object] = {}
        try:
            response = within(
                self._timeout_seconds,
                lambda: self._pool.request(method, url, headers=dict(headers), body=body, redirect=False),
            )
            outcome["status"] = response.status
        except (urllib3.exceptions.HTTPError, OSError) as error:
            outcome["error"] = type(error).__name__
            raise DependencyUnavailable(
                f"{self.provider} did not answer {operation}: {type(error).__name__}"
            ) from error
        finally:
            self._logger.info(
                "provider called",
                extra={
                    "provider": self.provider,
                    "operation": operation,
                    "region": self._region,
                    "latency_ms": round((time.monotonic() - begun) * 1_000),
                    **outcome,
                },
            )
        return Answer(
            status=response.status, retry_after=_seconds(response.headers.get("Retry-After")), body=response.data
        )


def _seconds(value: str | None) -> float | None:
    if value is None or not value.strip().isdecimal():
        return None
    return min(float(value), _LONGEST_PAUSE_SECONDS)
